"""What two models differ by on the same items, and whether that could be chance.

Items are taken with what both models made of them, so that what is hard for both cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError
from drivetrain.metrics.estimate import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    Floats,
    Statistic,
    groups_of,
    percentiles,
    runs_of,
)
from drivetrain.types import Array

ROUNDS = 10
"""Times 1,000 resamples, so that a p can be small enough for several comparisons."""
PAIRED = f"paired percentile bootstrap, 95 %, {ROUNDS * RESAMPLES:,} resamples"
TANGO = "paired score interval (Tango), 95 %; p by McNemar's test"


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """a - b with its interval. `p`: how often chance alone makes as large a difference between equals (two-sided).

    `effect_size` is the difference over the standard deviation of the items' differences (Cohen's d for pairs); NaN
    where they don't vary. 0.2 is called small, 0.5 medium, 0.8 large.
    """

    p: float
    effect_size: float

    def to_json(self) -> dict[str, Any]:
        """`{"value", "low", "high", "method", "n", "p", "effect_size"}`, with null for what is undefined."""
        more = {"p": self.p, "effect_size": self.effect_size}
        return Estimate.to_json(self) | {
            name: None if math.isnan(value) else value for name, value in more.items()
        }


def difference(a: Statistic, b: Statistic, seed: int = 0) -> Difference:
    """a - b, of the same items in the same order. Raises DataError where their numbers differ.

    A difference of shares has its score interval, for a bootstrap of the few items on which two good models
    disagree holds the truth too seldom: in 75 of 100 samples of 50 where 2 items are apart on average, not in 95.
    All else, and what is drawn in groups, is resampled jointly.
    """
    n = len(a.terms[0])
    if len(b.terms[0]) != n:
        raise DataError(
            f"{n:,} and {len(b.terms[0]):,} items are not pairs.",
            fix="Measure both models on the same items, in the same order.",
        )
    if not n:
        nan = math.nan
        return Difference(nan, nan, nan, PAIRED, 0, nan, nan)
    shares = a.items is not None and b.items is not None and a.items.dtype == b.items.dtype == bool
    if shares and a.groups is None:
        return _of_shares(a.terms[0], b.terms[0])
    (of_a, drawn_a), (of_b, drawn_b) = (made.replicates(seed, ROUNDS) for made in (a, b))
    value, replicates = of_a - of_b, drawn_a - drawn_b
    found = percentiles(value, replicates, n)
    p = _two_sided(replicates) if n > 1 and not math.isnan(value) else math.nan
    method = PAIRED if a.block == 1 else f"paired {runs_of(a.block, ROUNDS)}"
    method = method if a.groups is None else f"paired {groups_of(a.groups, ROUNDS)}"
    return Difference(found.value, found.low, found.high, method, n, p, _effect_size(a, b, value, replicates))


def _two_sided(replicates: Floats) -> float:
    """Twice the share of resamples beyond 0: below 0.05 where the interval leaves 0 out. It is never 0, for more
    resamples might have crossed it."""
    known = replicates[~np.isnan(replicates)]
    beyond = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    return float(min(1.0, 2 * (beyond + 1) / (len(known) + 1))) if len(known) else math.nan


def _effect_size(a: Statistic, b: Statistic, value: float, replicates: Floats) -> float:
    n = len(a.terms[0])
    if a.items is not None and b.items is not None:
        items = a.items.astype(np.float64) - b.items
        spread = float(items.std(ddof=1)) if n > 1 else 0.0
    else:  # What the items' standard deviation would be, had the metric been a mean with this standard error.
        known = replicates[~np.isnan(replicates)]
        spread = float(known.std() * math.sqrt(n)) if len(known) else 0.0
    return value / spread if spread > 0 else math.nan


def _of_shares(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> Difference:
    """Two shares of the same items, by the items on which they are apart.

    Tango (1998), Statistics in Medicine 17:891-908. At 0 its test is McNemar's (1947), Psychometrika 12:153-157,
    so that p is below 0.05 where the interval leaves 0 out.
    """
    n, only_a, only_b = len(a), int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    value = (only_a - only_b) / n
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    low = _where_score_is(z, -1.0, value, only_a, only_b, n)
    high = _where_score_is(-z, value, 1.0, only_a, only_b, n)
    apart = only_a + only_b
    p = math.erfc(abs(only_a - only_b) / math.sqrt(2 * apart)) if apart else 1.0
    squares = apart - n * value * value
    effect = value / math.sqrt(squares / (n - 1)) if n > 1 and squares > 1e-12 * apart else math.nan
    return Difference(value, low, high, TANGO, n, p, effect)


def _where_score_is(wanted: float, low: float, high: float, only_a: int, only_b: int, n: int) -> float:
    """The difference, from `low` to `high`, at which the score has a value. The score falls."""
    for _ in range(60):
        middle = (low + high) / 2
        if _score(middle, only_a, only_b, n) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score(difference: float, only_a: int, only_b: int, n: int) -> float:
    """Observed minus assumed difference, over its standard error under the assumed one."""
    half = only_a + only_b - (2 * n - only_a + only_b) * difference
    product = 8 * n * only_b * difference * (1 - difference)
    share = (math.sqrt(max(0.0, half * half + product)) + half) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    observed = only_a - only_b - n * difference
    return observed / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, observed)


def holm(p: Sequence[float] | Array) -> list[float]:
    """The p of each of several comparisons as though it were the only one, so that with those below 5 % the chance that
    any of them is a false alarm is below 5 %. An undefined one (NaN) counts as none.

    Holm (1979), Scandinavian Journal of Statistics 6:65-70.
    """
    found = np.asarray(p, np.float64)
    order = np.argsort(found, kind="stable")  # NaN comes last.
    order = order[: len(order) - int(np.isnan(found).sum())]
    corrected = np.full(len(found), np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(found[order] * np.arange(len(order), 0, -1)))
    return corrected.tolist()
