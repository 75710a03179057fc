"""Rankings: what is told of them is beside what simple recommenders say, and not by rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drivetrain.interpret.base import Interpretation


@dataclass(frozen=True, eq=False)
class Ranked(Interpretation):
    """Scores (n, items) of the rows of a part."""

    explained: ClassVar[bool] = False


INTERPRETATION = Ranked
