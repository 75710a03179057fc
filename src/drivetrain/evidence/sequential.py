"""Intervals that hold at all times at once: look at the data as often as you like, and stop when you like.

A usual 95 % interval looked at after each observation leaves the truth out sooner or later, with certainty. These leave it
out at any time at all in 5 % (Ville, 1939): confidence sequences (Howard, Ramdas, McAuliffe and Sekhon, 2021, Annals of
Statistics 49:1055-1080).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.given import Column, array, numbers
from drivetrain.evidence.words import with_interval
from drivetrain.figures import percent, rough

Floats = npt.NDArray[np.float64]

FIRST, SKEWED = 30, 25
"""There are so many observations before the first interval that rests on an estimated standard deviation, and so many times the
square of their skewness: then a mean is near enough to normal (Cochran, 1977, Sampling Techniques, section 2.15). Of
something rare it asks for about 25 cases; where nothing has varied yet, nothing is known."""
GRID = 1_000
CELLS = 2**22
SHOWN = 400
TRUNCATED = 0.5
"""A bet is at most this share of what could ruin it."""


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """After each of n observations: the estimate, and an interval, infinite where there is none yet, of which all n together
    hold the truth with `confidence`."""

    estimate: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    confidence: float
    method: str
    what: str = ""

    @property
    def n(self) -> int:
        return len(self.estimate)

    def stopped(self, null: float = 0.0) -> int | None:
        """After how many observations the interval left `null` out for the first time; None: it never did."""
        out = np.flatnonzero((self.low > null) | (self.high < null))
        return int(out[0]) + 1 if len(out) else None

    @property
    def words(self) -> str:
        told = with_interval(float(self.estimate[-1]), float(self.low[-1]), float(self.high[-1]))
        return f"{self.what + ': ' if self.what else ''}{told} after {self.n:,}, at whatever time one looks"

    def to_json(self) -> dict[str, Any]:
        """At most 400 of the times, evenly by the logarithm; null for an interval that there isn't yet."""
        shown = np.unique(np.geomspace(1, self.n, SHOWN).round().astype(int)) - 1
        columns = {
            name: [float(x) if math.isfinite(x) else None for x in values[shown].tolist()]
            for name, values in (("estimate", self.estimate), ("low", self.low), ("high", self.high))
        }
        return {
            "n": (shown + 1).tolist(), **columns, "confidence": self.confidence, "method": self.method,
            "what": self.what, "stopped": self.stopped(), "words": self.words,
        }  # fmt: skip


@public
def boundary(variance: Column, tightest: float, alpha: float = 0.05) -> Floats:
    """How far a sum of normal terms is from its mean at any time, but with chance `alpha`, when their variances add up to
    `variance`: the two-sided normal mixture, narrowest about a `variance` of `tightest` (Robbins, 1970, Annals of Mathematical
    Statistics 41:1397-1409; Howard and others, 2021, section 3.2)."""
    v = array(variance, "the variance")
    if (v < 0).any() or not tightest > 0 or not 0 < alpha < 1:
        raise UsageError("variances are 0 at least, tightest is above 0, and alpha is between 0 and 1.")
    spent = 2 * math.log(1 / alpha)
    rho = tightest / (spent + math.log1p(spent))
    return np.sqrt((v + rho) * (np.log1p(v / rho) + spent))


@public
def running_mean(
    x: Column, *, tightest: int, sd: float | None = None, confidence: float = 0.95, what: str = ""
) -> Running:
    """The mean of (n,) numbers in the order in which they came. `tightest`, said beforehand: after about so many the interval is
    narrowest. Where `sd` isn't known it is estimated on the way, and the interval begins at 30 or, of what is skewed, later
    (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2024, Annals of Statistics 52:2613-2640: exact as n grows). Raises
    DataError, UsageError."""
    values = numbers(x, "x")
    if tightest < 1 or not 0 < confidence < 1:
        raise UsageError(
            "the interval is tightest after one observation at least, and confidence is between 0 and 1."
        )
    n = np.arange(1, len(values) + 1)
    mean = values.cumsum() / n
    if sd is None:
        spread = _spread(values, n)
    else:
        spread = np.full(len(values), float(sd))
    half = spread * boundary(n, tightest, 1 - confidence) / n
    method = f"normal mixture, {percent(confidence, 0)} at all times, tightest at {tightest:,}"
    return Running(mean, mean - half, mean + half, confidence, method, what)


def _spread(values: Floats, n: npt.NDArray[Any]) -> Floats:
    """The standard deviation of all up to each; infinite where it is not known well enough."""
    about = values - values[:FIRST].mean()  # Near the mean: powers of large numbers would lose their digits.
    first, second, third = ((about**power).cumsum() / n for power in (1, 2, 3))
    variance = np.maximum(0.0, second - first**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = (third - 3 * first * second + 2 * first**3) / variance**1.5
        known = (n >= np.maximum(FIRST, SKEWED * skewness**2)) & (variance > 1e-12 * second)
    return np.where(known, np.sqrt(variance * n / np.maximum(1, n - 1)), np.inf)


@public
def running_difference(
    outcome: Column,
    treated: Column,
    *,
    tightest: int,
    share: float | Column = 0.5,
    confidence: float = 0.95,
    what: str = "",
) -> Running:
    """What a treatment adds to the mean of an outcome, row by row of a randomised experiment as they came in.

    `treated` (n,) truth values that came of a chance of `share`, one for all or (n,). Each row's contribution is what its
    outcome is off by from the mean of its group before it, over that chance, and the difference of these means: its mean is
    the effect whatever came before (augmented inverse propensities; the sequence of Waudby-Smith and others, 2024).
    """
    y = numbers(outcome, "the outcome")
    z = numbers(treated, "treated", rows=len(y)) > 0
    chance = np.broadcast_to(array(share, "share"), y.shape)
    if not ((chance > 0) & (chance < 1)).all():
        raise UsageError(
            "a share treated of 0 or 1 leaves nobody to compare with.", fix="Give the chance each row had."
        )
    before = [_mean_before(y, which) for which in (z, ~z)]
    off = np.where(z, (y - before[0]) / chance, -(y - before[1]) / (1 - chance))
    return running_mean(before[0] - before[1] + off, tightest=tightest, confidence=confidence, what=what)


def _mean_before(y: Floats, which: npt.NDArray[np.bool_]) -> Floats:
    """The mean of those of `which` before each row; of all before it where there are none, and of none 0."""

    def of(weights: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        return (y * weights).cumsum() - y * weights, weights.cumsum() - weights.astype(np.float64)

    own, count = of(which)
    all_, rows = of(np.ones(len(y)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, own / count, np.where(rows > 0, all_ / rows, 0.0))


@public
def betting(
    x: Column, *, low: float = 0.0, high: float = 1.0, confidence: float = 0.95, what: str = ""
) -> Running:
    """The mean of (n,) numbers between `low` and `high`, whatever their distribution, from the first one on.

    For each mean that there could be, two gamblers bet on the next number being above and below it; where it is the true one
    they can't get rich, and one at which either has 2 / alpha times its stake is left out (hedged capital with predictable
    plug-in bets; Waudby-Smith and Ramdas, 2024, JRSS B 86:1-27). On a grid of 1,000, rounded outwards. Raises DataError.
    """
    values = numbers(x, "x")
    if not low < high or (values < low).any() or (values > high).any():
        raise DataError(
            f"not all numbers are between {rough(low)} and {rough(high)}.",
            fix="Say what bounds them: low=, high=.",
        )
    y, alpha = (values - low) / (high - low), 1 - confidence
    n = np.arange(1, len(y) + 1)
    mean = (0.5 + y.cumsum()) / (n + 1)
    variance = (0.25 + ((y - mean) ** 2).cumsum()) / (n + 1)
    known = np.concatenate([[0.25], variance[:-1]])  # A bet knows what came before, and no more.
    bets = np.sqrt(2 * math.log(2 / alpha) / (n * np.log1p(n) * known))
    grid = np.linspace(0, 1, GRID + 1)
    ends = np.empty((2, len(y)))
    capital, rich = np.zeros((2, 1, GRID + 1)), math.log(2 / alpha)
    step = max(1, CELLS // (GRID + 1))
    with np.errstate(divide="ignore"):
        most = TRUNCATED / grid, TRUNCATED / (1 - grid)
    for start in range(0, len(y), step):
        part = slice(start, start + step)
        off, bet = y[part, None] - grid, bets[part, None]
        for side, (sign, cap) in enumerate(zip((1, -1), most)):
            gains = np.log1p(sign * np.minimum(bet, cap) * off)
            capital_now = capital[side] + gains.cumsum(axis=0)
            poor = capital_now <= rich
            capital[side] = capital_now[-1:]
            # The one who bets on more gets rich of means that are too low.
            if side == 0:
                ends[0, part] = np.where(poor.any(axis=1), grid[poor.argmax(axis=1)], 1.0)
            else:
                last = GRID - poor[:, ::-1].argmax(axis=1)
                ends[1, part] = np.where(poor.any(axis=1), grid[last], 0.0)
    found = np.clip(np.stack([ends[0] - 1 / GRID, ends[1] + 1 / GRID]), 0, 1) * (high - low) + low
    method = f"betting, {percent(confidence, 0)} at all times"
    return Running(values.cumsum() / n, found[0], found[1], confidence, method, what)
