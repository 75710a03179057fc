"""The interval of any statistic of rows, by drawing them again; of rows that come in clusters, by drawing the clusters."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from drivetrain.arguments import public
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.given import Column, labels, outcome_of
from drivetrain.evidence.normal import STANDARD, t_quantile
from drivetrain.figures import percent
from drivetrain.metrics.estimate import FEWEST_GROUPS, Estimate


@public
def bootstrap(
    statistic: Callable[..., float],
    *columns: Column,
    clusters: Column | None = None,
    strata: Column | None = None,
    times: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """`statistic(*columns)` with its bootstrap interval over rows, or over `clusters` of rows drawn whole, within `strata`.

    The expanded percentiles of Hesterberg (2015, The American Statistician 69:371-386): as far out as Student's t of so
    many clusters asks for, for the plain ones are too narrow where these are few. Resamples in which the statistic is
    undefined are left out; where they are over a tenth, so is the interval. Raises DataError.
    """
    arrays = [np.asarray(column) for column in columns]
    n = len(arrays[0]) if arrays and all(each.ndim for each in arrays) else 0
    if times < 1:
        raise UsageError(f"{times} resamples are none.", fix="Give 1,000 or more.")
    if not n or any(len(each) != n for each in arrays):
        raise DataError(
            f"columns of shapes {', '.join(str(each.shape) for each in arrays)} are not beside each other."
        )
    units = np.arange(n) if clusters is None else labels(clusters, "clusters", n)
    pools = labels(strata, "strata", n)
    sizes = np.bincount(units)
    starts, order = sizes.cumsum() - sizes, np.argsort(units, kind="stable")
    of_unit = pools[order[starts]]
    if (of_unit[units] != pools).any():
        row = int(np.flatnonzero(of_unit[units] != pools)[0])
        raise DataError("a cluster is in more than one stratum.", where=f"row {row + 1}")
    drawers = [np.flatnonzero(of_unit == pool) for pool in range(int(pools.max()) + 1)]
    count, value = len(sizes), outcome_of(statistic, *arrays)
    what = "rows" if clusters is None else f"{count:,} clusters"
    method = f"bootstrap, {percent(confidence, 0)}, {times:,} resamples of {what}"
    if min(map(len, drawers)) < 2 or (clusters is not None and count < FEWEST_GROUPS):
        return Estimate(value, math.nan, math.nan, method, n)
    free = count - len(drawers)
    beyond = STANDARD.cdf(-math.sqrt(count / free) * t_quantile((1 + confidence) / 2, free))
    generator, found = np.random.default_rng(seed), np.empty(times)
    for time in range(times):
        drawn = np.concatenate([pool[generator.integers(0, len(pool), len(pool))] for pool in drawers])
        long = sizes[drawn]
        rows = order[np.arange(long.sum()) + np.repeat(starts[drawn] - long.cumsum() + long, long)]
        found[time] = outcome_of(statistic, *(each[rows] for each in arrays))
    known = found[np.isfinite(found)]
    if len(known) < 0.9 * times or not math.isfinite(value):
        return Estimate(value, math.nan, math.nan, method, n)
    low, high = np.quantile(known, [beyond, 1 - beyond])
    return Estimate(value, float(low), float(high), method, n)
