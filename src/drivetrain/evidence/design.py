"""The design of an experiment: how many, how long, and a rule to stop by that may be looked at every day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import UsageError
from drivetrain.evidence.detection import size_for
from drivetrain.evidence.normal import STANDARD
from drivetrain.evidence.sequential import FIRST, boundary
from drivetrain.figures import counted, percent, rough

Floats = npt.NDArray[np.float64]

FEWEST, FEWEST_OF_EACH = 20, 5
"""Rows, and of each kind, from which a difference and its error are known at all, however large it is."""
PATHS = 2_000
LOOKS = 400


@dataclass(frozen=True, slots=True)
class Experiment:
    """`n` rows in all, of which a `share` is treated, see a true `effect` with `power` where they are looked at once, at the end.

    With the rule to stop by, which may be looked at after each row, `most` are needed for the same power, and `expected` on
    average where the effect is as large as said (half of such experiments are over after `median`). `false_alarms`: how often
    it stops where there is nothing, by simulation. `days`, and `days_most`: how long that takes with `per_day` rows.
    """

    effect: float
    spread: float
    share: float
    power: float
    alpha: float
    n: int
    most: int
    expected: int
    median: int
    false_alarms: float
    per_day: float | None
    unit: str = ""
    what: str = ""

    @property
    def days(self) -> int | None:
        return None if self.per_day is None else math.ceil(self.n / self.per_day)

    @property
    def days_most(self) -> int | None:
        return None if self.per_day is None else math.ceil(self.most / self.per_day)

    @property
    def rule(self) -> str:
        """What to do, in sentences."""
        look = f"evidence.running_difference(outcome, treated, share={self.share:g}, tightest={self.n})"
        return (
            f"Draw for each row whether it is treated ({percent(self.share, 0)} are), and write it down before the outcome is "
            f"known. Look as often as you like at {look}. Stop as soon as its interval leaves 0 out, or after {self.most:,} rows; "
            "then say what it is, and that it may be nothing."
        )

    @property
    def words(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        what = f"{self.what} of" if self.what else "an effect of"
        once = f"{self.n:,} rows looked at once{_taking(self.days)}"
        often = (
            f"at most {self.most:,}{_taking(self.days_most)}, {self.expected:,} on average where it is there"
        )
        told = f"To see {what} {rough(self.effect)}{unit} with power {percent(self.power, 0)}: {once}"
        return f"{told}; or, with a look whenever you like, {often}."

    def to_json(self) -> dict[str, Any]:
        return {
            "effect": self.effect, "spread": self.spread, "share": self.share, "power": self.power, "alpha": self.alpha,
            "n": self.n, "most": self.most, "expected": self.expected, "median": self.median,
            "false_alarms": self.false_alarms, "per_day": self.per_day, "days": self.days, "days_most": self.days_most,
            "unit": self.unit, "what": self.what, "rule": self.rule, "words": self.words,
        }  # fmt: skip


@public
def experiment(
    effect: float,
    spread: float,
    *,
    share: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.05,
    per_day: float | None = None,
    seed: int = 0,
    unit: str = "",
    what: str = "",
) -> Experiment:
    """An experiment that would see a true difference of `effect` in the mean of an outcome whose standard deviation is `spread`
    (of a share p: sqrt(p (1 - p))), where a `share` of the rows is treated by chance. Raises UsageError."""
    if per_day is not None and not per_day > 0:
        raise UsageError(f"with {per_day} rows a day it never ends.", fix="Give more than 0.")
    if not (0 < power < 1 and 0 < alpha < 1):
        raise UsageError("power and alpha are chances between 0 and 1.")
    n = max(
        size_for(effect, spread, power, alpha, share),
        FEWEST,
        math.ceil(FEWEST_OF_EACH / min(share, 1 - share)),
    )
    noise = spread / math.sqrt(share * (1 - share))  # Of what one row tells of the effect.
    drift, last = abs(effect) / noise, _last(abs(effect) / noise, n, power, alpha)
    times = np.linspace(0, last, LOOKS + 1)[1:]
    reach, nothing = boundary(times, n, alpha), _paths(last, seed)
    out = np.abs(nothing + drift * times) >= reach
    over = np.logical_or.accumulate(out, axis=1)
    most = max(FIRST, math.ceil(float(times[(over.mean(axis=0) >= power).argmax()])))
    ends = np.minimum(np.where(out.any(axis=1), np.maximum(times[out.argmax(axis=1)], FIRST), most), most)
    alarms = float((np.abs(nothing) >= reach).any(axis=1).mean())
    return Experiment(
        effect, spread, share, power, alpha, n, most, math.ceil(ends.mean()), math.ceil(float(np.median(ends))), alarms,
        per_day, unit, what,
    )  # fmt: skip


def _last(drift: float, n: int, power: float, alpha: float) -> int:
    """So many that the sum is beyond the boundary at their end with a little more than that power; by bisection. Fewer do, for
    it may have been so before."""

    def enough(size: float) -> bool:
        beyond = drift * math.sqrt(size) - float(boundary(size, n, alpha)) / math.sqrt(size)
        return STANDARD.cdf(beyond) >= min(power + 0.02, (1 + power) / 2)

    low, high = n, 2 * n
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _paths(last: int, seed: int) -> Floats:
    """(2000, 400) sums of standard normal terms, looked at 400 times on the way to the `last`."""
    drawn = np.random.default_rng(seed).standard_normal((PATHS, LOOKS))
    return drawn.cumsum(axis=1) * math.sqrt(last / LOOKS)


def _taking(days: int | None) -> str:
    return "" if days is None else f" ({counted(days, 'day', 'days')})"
