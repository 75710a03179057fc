"""Whether a group's values are higher than those of the others by more than chance: exact tests, many at a time.

Each test asks how often the group would come out so high if its rows had been drawn at random from all of them.
Nothing is assumed of how the values are distributed.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEW = 8
"""Values of at most so many different sizes are told apart size by size; more are ranked."""


def p_higher(values: Array, codes: Ints, groups: int) -> Floats:
    """(groups,) one-sided p that the values (n,) of each group, those where `codes` (n,) names it, are higher than
    the others.

    Truth values by Fisher's exact test (Fisher 1922, Journal of the Royal Statistical Society 85:87-94); a few
    different values by that test at each of them, times how many there are (Bonferroni); else by Wilcoxon's rank-sum
    test (Wilcoxon 1945, Biometrics Bulletin 1:80-83), with ties and a correction for continuity.
    """
    if values.dtype == bool:
        return _fisher(values, codes, groups)
    levels = np.unique(values)
    if len(levels) <= FEW:
        found = [_fisher(values >= level, codes, groups) for level in levels[1:]]
        return np.minimum(1.0, np.min(found, axis=0) * len(found)) if found else np.ones(groups)
    return _rank_sum(values, codes, groups)


def _fisher(hits: Array, codes: Ints, groups: int) -> Floats:
    sizes = np.bincount(codes, minlength=groups)
    found = np.bincount(codes[hits], minlength=groups)
    n, total = len(hits), int(np.count_nonzero(hits))
    p = np.ones(groups)
    for group in np.flatnonzero(found * n > sizes * total).tolist():
        p[group] = _upper_tail(int(found[group]), int(sizes[group]), total, n)
    return p


def _upper_tail(hits: int, size: int, total: int, n: int) -> float:
    """How often at least so many hits are among `size` rows drawn from n, of which `total` are hits."""
    logs = _log_factorials(n)
    k = np.arange(hits, min(size, total) + 1)
    terms = (
        logs[total] - logs[k] - logs[total - k]
        + logs[n - total] - logs[size - k] - logs[n - total - size + k]
        - logs[n] + logs[size] + logs[n - size]
    )  # fmt: skip
    return min(1.0, float(np.exp(terms).sum()))


@lru_cache(maxsize=4)
def _log_factorials(n: int) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])


def _rank_sum(values: Array, codes: Ints, groups: int) -> Floats:
    n = len(values)
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    sizes = np.bincount(codes, minlength=groups).astype(np.float64)
    sums = np.bincount(codes, weights=ranks, minlength=groups)
    spread = float(np.square(ranks - ranks.mean()).sum()) / max(1, n - 1)
    deviation = np.sqrt(sizes * (n - sizes) / n * spread)
    above = sums - sizes * (n + 1) / 2 - 0.5
    z = np.divide(above, deviation, out=np.full(groups, -np.inf), where=deviation > 0)
    return np.array([0.5 * math.erfc(score / math.sqrt(2)) for score in z.tolist()])
