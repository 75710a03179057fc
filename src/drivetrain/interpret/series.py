"""What there is to say of a forecast that is wrong: where in time, which its own page shows; it is in no slice of a table."""

from __future__ import annotations

from typing import ClassVar

from drivetrain.interpret.base import Interpretation


class Foretelling(Interpretation):
    """The origins of a part with what was foretold of each."""

    explained: ClassVar[bool] = False


INTERPRETATION = Foretelling
