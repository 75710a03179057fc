"""What can be changed: a number, a whole number, a choice, a switch; for all, for each row, or by a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "whole", "choice", "switch"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A lever's value for each row is read off a tree of at most `depth` questions about the columns `of`."""

    of: tuple[str, ...]
    depth: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Lever:
    """One thing to decide, in its own `unit`.

    `low` and `high` bound numbers, in steps of `step` from `low` (None: any); a choice is among `choices`, and is worked
    with as the place in them. `now` is the current practice: a value, or the name of a column with one per row. A number
    moves from `now` by at most `rate`. `each`: one value per row; with `rule` those come from a tree. `observed` are values
    that were ever tried, for its range and histogram; None: nobody said, and no setting counts as beyond them.
    """

    name: str
    kind: Kind = "number"
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    now: float | str | None = None
    rate: float | None = None
    each: bool = False
    rule: Rule | None = None
    observed: Floats | None = field(default=None, repr=False)
    unit: str = ""
