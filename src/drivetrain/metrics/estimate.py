"""A number with its uncertainty, and the two ways to its interval: Wilson's score and the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 1000
BLOCKS = 1000
"""Above this many items the bootstrap draws random blocks of them, so that its time and memory don't grow."""
ROUND = 1_000_003
"""A round of resamples more has a seed this much larger."""
WILSON = "Wilson score, 95 %"
BOOTSTRAP = f"percentile bootstrap, 95 %, {RESAMPLES:,} resamples"
FEWEST_GROUPS = 6
"""Groups from which there is an interval: of n groups that all say the same, chance alone makes as much in 2 of 2^n cases,
which is below 5 % from 6 on."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured `value` and the interval `low` to `high` that holds the true one with 95 % confidence.

    `method` says how the interval was made, `n` counts the items that the value is made of. What is undefined
    (a mean of no items, the spread of one item) is NaN here and null in JSON.
    """

    value: float
    low: float
    high: float
    method: str
    n: int

    def to_json(self) -> dict[str, Any]:
        """`{"value", "low", "high", "method", "n"}`, with null for what is undefined."""
        value, low, high = (None if math.isnan(x) else x for x in (self.value, self.low, self.high))
        return {"value": value, "low": low, "high": high, "method": self.method, "n": self.n}


def undefined(method: str, n: int = 0) -> Estimate:
    """The estimate of what these items don't determine."""
    return Estimate(math.nan, math.nan, math.nan, method, n)


def wilson(successes: int, n: int) -> Estimate:
    """A proportion with its score interval, honest near 0 and 1 and for small n. Undefined for n = 0.

    Wilson (1927), Journal of the American Statistical Association 22:209-212; recommended over the normal
    approximation by Brown, Cai and DasGupta (2001), Statistical Science 16:101-133.
    """
    return replace(_wilson(successes / n, n), n=n) if n else undefined(WILSON)


def _wilson(share: float, n: float) -> Estimate:
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The ends are exactly 0 and 1 there; rounding would leave 1e-18 or put the value outside.
    low = 0.0 if share == 0 else centre - half
    high = 1.0 if share == 1 else centre + half
    return Estimate(share, low, high, WILSON, int(n))


def block_of(n: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """For each of n items the block (0 .. min(n, 1000) - 1) that it is drawn with.

    Up to 1,000 items each is its own block: the usual bootstrap. Above, items are dealt at random into 1,000
    blocks of equal size (give or take one). A block of independent items is itself an independent item, so
    that resampled blocks vary as resampled items do; having 1,000 of them blurs the width by about 2 %.
    """
    if n <= BLOCKS:
        return np.arange(n, dtype=np.int64)
    return np.random.default_rng(seed).permutation(n) % BLOCKS


def block_sums(blocks: npt.NDArray[np.int64], *terms: npt.NDArray[Any]) -> Floats:
    """(blocks, terms): each term (n,) summed over the items of each block."""
    size = int(blocks.max()) + 1 if len(blocks) else 0
    summed = [np.bincount(blocks, weights=term, minlength=size).astype(np.float64) for term in terms]
    return np.stack(summed, axis=1)


@lru_cache(maxsize=10)
def _counts(m: int, seed: int) -> npt.NDArray[np.float32]:
    """(1000, m): how often a resample draws each of m blocks, multinomial. At most 4 MB each, kept for reuse."""
    drawn = np.random.default_rng(seed).integers(0, m, size=(RESAMPLES, m))
    drawn += np.arange(0, RESAMPLES * m, m)[:, None]
    return np.bincount(drawn.reshape(-1), minlength=RESAMPLES * m).reshape(RESAMPLES, m).astype(np.float32)


def resample(sums: Floats, seed: int = 0) -> Floats:
    """(1000, terms): the sums over 1,000 resamples, each of as many blocks as there are, with replacement."""
    return _counts(len(sums), seed).astype(np.float64) @ sums


def resample_runs(sums: Floats, block: int, seed: int = 0) -> Floats:
    """(1000, terms): the sums of `sums` (n, terms) over 1,000 resamples, each of as many runs of `block` items as n has, that
    begin anywhere and go on at the beginning. NaN where n is not two runs: what is one event says nothing of others.

    Politis and Romano (1992), A circular block-resampling procedure for stationary data, in Exploring the Limits of Bootstrap.
    """
    n = len(sums)
    if n < 2 * block:
        return np.full((RESAMPLES, sums.shape[1]), np.nan)
    whole = np.concatenate(
        [np.zeros((1, sums.shape[1])), np.concatenate([sums, sums[:block]]).cumsum(axis=0)]
    )
    runs = whole[block : block + n] - whole[:n]
    starts = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, -(-n // block)))
    found = np.zeros((RESAMPLES, sums.shape[1]))
    for column in starts.T:
        found += runs[column]
    return found


def runs_of(block: int, rounds: int = 1) -> str:
    """The method of an interval of such resamples."""
    return f"circular block bootstrap, 95 %, {rounds * RESAMPLES:,} resamples of runs of {block:,}"


def resample_groups(sums: Floats, blocks: npt.NDArray[np.int64], seed: int = 0) -> Floats:
    """(1000, terms): the sums over resamples of groups, whose own are `sums`; NaN where these are too few to tell."""
    if len(sums) < FEWEST_GROUPS:
        return np.full((RESAMPLES, sums.shape[1]), np.nan)
    return resample(block_sums(blocks, *sums.T), seed)


def groups_of(groups: npt.NDArray[np.int64], rounds: int = 1) -> str:
    """The method of an interval of such resamples."""
    return f"percentile bootstrap, 95 %, {rounds * RESAMPLES:,} resamples of {int(groups.max()) + 1:,} groups"


def wilson_of_groups(items: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> Estimate:
    """The share of (n,) that is true, where items of one group are alike: Wilson's interval of as many items as would make the
    same variance were each drawn by itself, at most n. Where all are alike these are as many as there are groups.

    Kish (1965), Survey Sampling, section 8.2 (design effect); Korn and Graubard (1998), Survey Methodology 24:193-201.
    """
    n, m = len(items), int(groups.max()) + 1
    share = float(items.mean())
    method = f"{WILSON}, of {m:,} groups"
    if m < FEWEST_GROUPS:
        return Estimate(share, math.nan, math.nan, method, n)
    apart = np.bincount(groups, weights=items - share, minlength=m)
    variance = float((apart**2).sum()) * m / (m - 1) / n**2
    worth = min(float(n), share * (1 - share) / variance) if variance > 0 else float(m)
    return replace(_wilson(share, worth), method=method, n=n)


def percentiles(value: float, replicates: Floats, n: int) -> Estimate:
    """`value` with the central 95 % of its replicates over resamples as its interval.

    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3. Replicates that are undefined
    (NaN) are left out. One item says nothing about spread: its interval is undefined. With items that are all
    alike the interval is a point, for a bootstrap can't know of what the sample doesn't hold.
    """
    known = replicates[~np.isnan(replicates)]
    if n < 2 or not len(known) or math.isnan(value):
        return Estimate(value, math.nan, math.nan, BOOTSTRAP, n)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high), BOOTSTRAP, n)


def ratio(sums: Floats) -> Floats:
    """The first sum over the second: a mean, where the second counts."""
    return sums[:, 0] / sums[:, 1]


@dataclass(frozen=True, eq=False)
class Statistic:
    """A metric as a function of sums over its items, which is what can be resampled.

    `terms` are (n,) each; `of` takes their sums (rows, terms) and gives (rows,). `by_row`: an item's terms are made of it
    alone, so that those of batches are those of all. `block`: so many items that follow each other are alike, and are drawn
    together. `groups` (n,), numbered from 0: so are the items of one group, such as the windows of a recording.
    """

    terms: tuple[npt.NDArray[Any], ...]
    of: Callable[[Floats], Floats] = ratio
    by_row: bool = True
    block: int = 1
    groups: npt.NDArray[np.int64] | None = None
    _drawn: dict[tuple[int, int], tuple[float, Floats]] = field(
        default_factory=dict[tuple[int, int], tuple[float, Floats]], repr=False
    )

    @classmethod
    def mean_of(cls, items: npt.NDArray[Any], block: int = 1) -> Statistic:
        """The mean of (n,) numbers, or the share of (n,) that is true."""
        return cls((items, np.ones(len(items))), block=block)

    @classmethod
    def joined(cls, parts: Sequence[Statistic]) -> Statistic:
        """The statistic of the items of all parts, one at least, each of which is `by_row`."""
        columns = zip(*(part.terms for part in parts), strict=True)
        return cls(tuple(np.concatenate(column) for column in columns), parts[0].of, block=parts[0].block)

    @property
    def items(self) -> npt.NDArray[Any] | None:
        """(n,) what the metric is the mean of; None where it is no mean."""
        return self.terms[0] if self.of is ratio else None

    def replicates(self, seed: int = 0, rounds: int = 1) -> tuple[float, Floats]:
        """The value, and that of 1,000 resamples times `rounds`. Two statistics of as many items get the same resamples
        from the same seed: the items of one are drawn with those of the other. Drawn once: many may be compared with it.
        """
        if (seed, rounds) not in self._drawn:
            if self.block > 1:
                sums = np.stack(self.terms, axis=1).astype(np.float64)
                draw = partial(resample_runs, sums, self.block)
            elif self.groups is not None:
                sums = block_sums(self.groups, *self.terms)
                draw = partial(resample_groups, sums, block_of(len(sums), seed))
            else:
                sums = block_sums(block_of(len(self.terms[0]), seed), *self.terms)
                draw = partial(resample, sums)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = float(self.of(sums.sum(axis=0, keepdims=True))[0])
                drawn = [self.of(draw(seed + ROUND * number)) for number in range(rounds)]
            self._drawn[seed, rounds] = value, np.concatenate(drawn)
        return self._drawn[seed, rounds]

    def drawn_by(self, groups: npt.NDArray[Any] | None) -> Statistic:
        """The same, whose intervals draw groups of items: those (n,) of equal value."""
        if groups is None:
            return self
        return replace(self, groups=np.unique(groups, return_inverse=True)[1].astype(np.int64), _drawn={})

    def estimate(self, seed: int = 0) -> Estimate:
        """With its bootstrap interval, a share of what is true with Wilson's. n = 0: undefined; n = 1: a value, no
        interval."""
        n = len(self.terms[0])
        is_share = self.items is not None and self.items.dtype == bool
        if self.groups is not None and n:
            if is_share:
                return wilson_of_groups(self.terms[0], self.groups)
            return replace(percentiles(*self.replicates(seed), n), method=groups_of(self.groups))
        if self.items is not None and is_share:
            return wilson(int(np.count_nonzero(self.items)), n)
        found = percentiles(*self.replicates(seed), n) if n else undefined(BOOTSTRAP)
        return replace(found, method=runs_of(self.block)) if self.block > 1 else found


def estimates(found: Mapping[str, Statistic], seed: int = 0) -> dict[str, dict[str, Any]]:
    """The estimate of each, as JSON values."""
    return {name: each.estimate(seed).to_json() for name, each in found.items()}


def mean(items: npt.NDArray[Any], seed: int = 0) -> Estimate:
    """The mean of (n,) numbers with its bootstrap interval."""
    return Statistic.mean_of(items).estimate(seed)
