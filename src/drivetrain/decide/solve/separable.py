"""A lever for each row, where a row's part of the objective depends on its own lever alone: all rows are solved at once.

Limits on sums over the rows get a price each (a multiplier), at which every row again is by itself: multipliers.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solution import Certificate
from drivetrain.decide.solve.point import Point
from drivetrain.errors import DataError

Floats = npt.NDArray[np.float64]
GRID = 33
"""Settings of a continuous lever that are tried in each row before the best of them is refined."""
BLOCK = 2048
"""Rows that are asked about at once: so that answers don't depend on how many threads there are."""
CLOSE = 1e-8
"""Of the range: where refining ends. Values differ there by less than their rounding."""
GOLDEN = (3 - 5**0.5) / 2


class RowProblem(Protocol):
    """Minimise the sum over rows of a value that depends on the row's own setting; each limit's uses sum to at most the limit.

    `lower`, `upper` (R,). `levels` (L,), rising: the settings of a lever in steps, the same in all rows; None: any number.
    `limits` (C,), and the `names` of them.
    """

    @property
    def lower(self) -> Floats: ...
    @property
    def upper(self) -> Floats: ...
    @property
    def levels(self) -> Floats | None: ...
    @property
    def limits(self) -> Floats: ...
    @property
    def names(self) -> tuple[str, ...]: ...

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings (S, R): what is minimised, (S, R), and what is used of each limit, (C, S, R); means over the draws."""
        ...

    def part(self, rows: slice) -> RowProblem:
        """The same of some of the rows, with the limits as they are."""
        ...


class Asked:
    """Asks in blocks of rows, on as many threads as there are cores (numpy lets others run while it calculates), and counts."""

    def __init__(self, rows: RowProblem) -> None:
        self.rows, self.evaluations = rows, 0
        count = len(rows.lower)
        self.slices = [slice(at, at + BLOCK) for at in range(0, count, BLOCK)]
        self.parts = [rows] if len(self.slices) < 2 else [rows.part(each) for each in self.slices]
        self.threads = min(len(self.parts), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

    def __call__(self, x: Floats) -> tuple[Floats, Floats]:
        """(S, R) -> values (S, R) and uses (C, S, R). What is infinite can't be chosen; what isn't a number is an error."""
        self.evaluations += x.size
        if len(self.parts) == 1:
            value, uses = self.rows.value(x)
        else:
            asked = [x[:, each] for each in self.slices]
            if self.threads == 1:
                found = [part.value(each) for part, each in zip(self.parts, asked)]
            else:
                with ThreadPoolExecutor(self.threads) as pool:
                    found = list(pool.map(lambda part, each: part.value(each), self.parts, asked))
            value = np.concatenate([each for each, _ in found], axis=1)
            uses = np.concatenate([each for _, each in found], axis=2)
        if np.isnan(value).any() or np.isnan(uses).any():
            wrong = np.argwhere(np.isnan(value) | np.isnan(uses).any(0))[0]
            raise DataError(
                f"the objective isn't a number where the lever is {x[tuple(wrong)]:g}.",
                where=f"row {wrong[1] + 1}",
                fix="Look for a logarithm, root or division of what can be 0 or less, or narrow the lever's bounds.",
            )
        return value, uses


def separable(rows: RowProblem, *, convex: bool = False) -> Point:
    """The best setting of each row. `convex`: value and uses are known to be convex in the setting, in each row.

    Raises UsageError where no settings keep to the limits, DataError where a value isn't a number.
    """
    asked = Asked(rows)
    if len(rows.limits):
        from drivetrain.decide.solve.multipliers import coupled

        return coupled(asked, convex=convex)
    if rows.levels is not None:
        return _of_levels(asked, rows.levels)
    grid = between(rows.lower, rows.upper, GRID)
    value = asked(grid)[0]
    x, best = refined(asked, grid, value)
    return Point(x, float(best.sum()), _told(convex, np.shape(x)[0]), evaluations=asked.evaluations)


def between(low: Floats, high: Floats, count: int) -> Floats:
    """(count, R): evenly from `low` to `high`, both ends exact."""
    share = np.linspace(0.0, 1.0, count)[:, None]
    return low * (1 - share) + high * share


def _of_levels(asked: Asked, levels: Floats) -> Point:
    best = np.full(len(asked.rows.lower), np.inf)
    x = asked.rows.lower.copy()
    for some in _batches(levels, len(best)):
        value = asked(np.broadcast_to(some[:, None], (len(some), len(best))))[0]
        value = np.where((some[:, None] >= asked.rows.lower) & (some[:, None] <= asked.rows.upper), value, np.inf)
        at = value.argmin(0)
        found = np.take_along_axis(value, at[None], 0)[0]
        x, best = np.where(found < best, some[at], x), np.minimum(found, best)
    words = f"each of the {len(levels):,} settings was tried in each of {len(best):,} rows"
    return Point(x, float(best.sum()), Certificate("enumeration", 0.0, words, float(best.sum())), evaluations=asked.evaluations)


def _batches(levels: Floats, rows: int) -> Iterator[Floats]:
    most = max(2**24 // max(rows, 1), 1)
    return (levels[at : at + most] for at in range(0, len(levels), most))


def refined(asked: Asked, grid: Floats, value: Floats) -> tuple[Floats, Floats]:
    """(R,) settings and their values: the best of a grid (G, R) of values, and then the lowest between its neighbours.

    Brent's method (1973, Algorithms for Minimization without Derivatives, chapter 5) in all rows at once: parabolas through the
    three best points, golden sections where a parabola doesn't do.
    """
    at = value.argmin(0)
    take = lambda table, place: np.take_along_axis(table, np.clip(place, 0, len(grid) - 1)[None], 0)[0]  # noqa: E731
    low, x, high = take(grid, at - 1), take(grid, at), take(grid, at + 1)
    fx = take(value, at)
    left, right = take(value, at - 1), take(value, at + 1)
    # The second and third best point: the neighbours; at an end of the range the two next ones.
    w, v = np.where(left <= right, low, high), np.where(left <= right, high, low)
    fw, fv = np.minimum(left, right), np.maximum(left, right)
    edge = (at == 0) | (at == len(grid) - 1)
    inner = np.where(at == 0, 2, len(grid) - 3)
    near = np.where(at == 0, 1, len(grid) - 2)
    w, fw = np.where(edge, take(grid, near), w), np.where(edge, take(value, near), fw)
    v, fv = np.where(edge, take(grid, inner), v), np.where(edge, take(value, inner), fv)
    span = asked.rows.upper - asked.rows.lower
    tolerance = CLOSE * np.maximum(span, 1e-300)
    step = before = high - low
    for _ in range(60):
        middle = (low + high) / 2
        open_ = np.abs(x - middle) > 2 * tolerance - (high - low) / 2
        if not open_.any():
            break
        with np.errstate(all="ignore"):
            r, q = (x - w) * (fx - fv), (x - v) * (fx - fw)
            p, q = (x - v) * q - (x - w) * r, 2 * (q - r)
            p, q = np.where(q > 0, -p, p), np.abs(q)
            parabola = p / q
        to = x + parabola
        fits = np.isfinite(parabola) & (np.abs(parabola) < 0.5 * np.abs(before)) & (to > low) & (to < high)
        golden = GOLDEN * np.where(x >= middle, low - x, high - x)
        before, step = np.where(fits, step, np.where(x >= middle, low - x, high - x)), np.where(fits, parabola, golden)
        # Not closer to an end or to what is known than values can tell apart.
        close = fits & ((to - low < 2 * tolerance) | (high - to < 2 * tolerance))
        step = np.where(close, np.where(x < middle, tolerance, -tolerance), step)
        step = np.where(np.abs(step) < tolerance, np.where(step >= 0, tolerance, -tolerance), step)
        u = np.where(open_, np.clip(x + step, low, high), x)
        fu = _some(asked, u, open_, fx)
        better = open_ & (fu <= fx)
        worse = open_ & ~better
        low = np.where(better & (u >= x), x, np.where(worse & (u < x), u, low))
        high = np.where(better & (u < x), x, np.where(worse & (u >= x), u, high))
        second = worse & ((fu <= fw) | (w == x))
        third = worse & ~second & ((fu <= fv) | (v == x) | (v == w))
        v, fv = np.where(better | second, w, np.where(third, u, v)), np.where(better | second, fw, np.where(third, fu, fv))
        w, fw = np.where(better, x, np.where(second, u, w)), np.where(better, fx, np.where(second, fu, fw))
        x, fx = np.where(better, u, x), np.where(better, fu, fx)
    return x, fx


def _some(asked: Asked, x: Floats, where: npt.NDArray[np.bool_], known: Floats) -> Floats:
    """Values of the rows that are still open; blocks that have none aren't asked."""
    if len(asked.parts) == 1:
        return asked(x[None])[0][0]
    found = known.copy()
    some = [at for at, each in enumerate(asked.slices) if where[each].any()]

    def ask(at: int) -> tuple[int, Floats]:
        return at, asked.parts[at].value(x[None, asked.slices[at]])[0][0]

    with ThreadPoolExecutor(asked.threads) as pool:
        for at, value in pool.map(ask, some):
            found[asked.slices[at]] = value
            asked.evaluations += len(value)
    return np.where(where, found, known)


def _told(convex: bool, rows: int) -> Certificate:
    if convex:
        return Certificate("kkt", CLOSE, f"each of {rows:,} rows has a convex objective, of which the lowest point was found")
    words = (
        f"in each of {rows:,} rows the best of {GRID} settings, and the lowest point between its neighbours: "
        "no proof that there isn't a narrow better one between two others; a lever in steps would give one"
    )
    return Certificate("multistart", CLOSE, words)
