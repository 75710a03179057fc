"""What one setting of a lever makes of an outcome against another: the numbers, and checks of them, with their words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from drivetrain.figures import number
from drivetrain.metrics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Contrast:
    """`label` says which setting against which. `value` is the outcome's change, with its standard error, 95 % interval and
    p-value (two-sided, of no change at all); `ratio` is that of the outcome's means, where both are above 0."""

    label: str
    value: float
    error: float
    low: float
    high: float
    p: float
    n: int
    method: str
    ratio: float = math.nan

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, self.low, self.high, self.method, self.n)

    @property
    def words(self) -> str:
        return f"{signed(self.value)} ({signed(self.low)} to {signed(self.high)}; p {p_words(self.p)})"

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label, **self.estimate.to_json(), "error": self.error, "p": known(self.p),
            "ratio": known(self.ratio),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an estimate: whether it holds, what it came to, in words. One that doesn't hold either warns, or `refuses`:
    then the estimate is no effect but a comparison."""

    name: str
    holds: bool
    value: float
    words: str
    refuses: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "holds": self.holds, "refuses": self.refuses,
            "value": known(self.value), "words": self.words,
        }  # fmt: skip


def known(value: float) -> float | None:
    """As JSON has it: null for what is no number."""
    return value if math.isfinite(value) else None


def apart(value: float, error: float) -> float:
    """In standard errors; infinitely many where there is no error at all."""
    return value / error if error > 0 else math.copysign(math.inf, value) if value else 0.0


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def p_words(p: float) -> str:
    return "below .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"
