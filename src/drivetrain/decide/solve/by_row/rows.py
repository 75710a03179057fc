"""A lever for each row, where a row's part of the objective depends on its own lever alone: all rows are solved at once.

Limits on sums over the rows get a price each (a multiplier), at which every row again is by itself: multipliers.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.by_row.asked import GRID, Asked, RowProblem, between
from drivetrain.decide.solve.by_row.brent import CLOSE, downhill, refined
from drivetrain.decide.solve.by_row.multipliers import coupled
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.solution import Certificate

Floats = npt.NDArray[np.float64]


def separable(rows: RowProblem, *, convex: bool = False) -> Point:
    """The best setting of each row. `convex`: value and uses are known to be convex in the setting, in each row.

    Raises UsageError where no settings keep to the limits, DataError where a value isn't a number.
    """
    asked = Asked(rows)
    if len(rows.limits):
        return coupled(asked, convex=convex)
    rough = rows.rough(GRID if rows.levels is None else len(rows.levels))
    if rough is not None:
        return _near(asked, Asked(rough))
    if rows.levels is not None:
        return _of_levels(asked, rows.levels)
    grid = between(rows.lower, rows.upper, GRID)
    value = asked(grid)[0]
    x, best = refined(asked.still, grid, value)
    return Point(x, float(best.sum()), _told(convex, len(x)), evaluations=asked.evaluations)


def _near(asked: Asked, rough: Asked) -> Point:
    """Where a few draws say that the best is, and downhill from there by all of them."""
    rows, levels = asked.rows, asked.rows.levels
    count = len(rows.lower)
    grid = (
        between(rows.lower, rows.upper, GRID) if levels is None else np.repeat(levels[:, None], count, axis=1)
    )
    inside = (grid >= rows.lower) & (grid <= rows.upper)
    at, least = np.zeros(count, np.intp), np.full(count, np.inf)
    step = max(2**24 // count, 1)
    for begin in range(0, len(grid), step):
        some = slice(begin, begin + step)
        value = np.where(inside[some], rough(grid[some])[0], np.inf)
        found = value.min(0)
        at, least = np.where(found < least, begin + value.argmin(0), at), np.minimum(found, least)
    known = downhill(asked.still, np.where(inside, grid, np.nan), at)
    if levels is None:
        x, best = refined(asked.still, grid, known)
    else:
        x = np.take_along_axis(grid, known.argmin(0)[None], 0)[0]
        best = known.min(0)
    words = (
        f"In each of {count:,} rows the best of {len(grid)} settings by some of the draws, and the best near it by all of them. "
        "That there is no better one far from it isn't proven."
    )
    return Point(x, float(best.sum()), Certificate("multistart", CLOSE, words), evaluations=asked.evaluations)


def _of_levels(asked: Asked, levels: Floats) -> Point:
    best = np.full(len(asked.rows.lower), np.inf)
    x = asked.rows.lower.copy()
    for some in _batches(levels, len(best)):
        value = asked(np.broadcast_to(some[:, None], (len(some), len(best))))[0]
        value = np.where(
            (some[:, None] >= asked.rows.lower) & (some[:, None] <= asked.rows.upper), value, np.inf
        )
        at = value.argmin(0)
        found = np.take_along_axis(value, at[None], 0)[0]
        x, best = np.where(found < best, some[at], x), np.minimum(found, best)
    words = f"Each of the {len(levels):,} settings was tried in each of {len(best):,} rows."
    return Point(
        x,
        float(best.sum()),
        Certificate("enumeration", 0.0, words, float(best.sum())),
        evaluations=asked.evaluations,
    )


def _batches(levels: Floats, rows: int) -> Iterator[Floats]:
    most = max(2**24 // max(rows, 1), 1)
    return (levels[at : at + most] for at in range(0, len(levels), most))


def _told(convex: bool, rows: int) -> Certificate:
    if convex:
        words = f"Each of {rows:,} rows has a convex objective, and its lowest point was found."
        return Certificate("kkt", CLOSE, words.replace("lowest", "best"))
    words = (
        f"In each of {rows:,} rows the best of {GRID} settings, then the best point between its neighbours. That no narrow better "
        "one lies between two others isn't proven; a lever in steps would be."
    )
    return Certificate("multistart", CLOSE, words)
