"""The lowest point of a function of one number, in many rows at once.

Brent (1973), Algorithms for Minimization without Derivatives, chapter 5: parabolas through the three best points, golden sections
where a parabola doesn't do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Still = Callable[[Floats, Flags, Floats], Floats]
"""(places (R,), which rows are wanted, what is known of the others) -> values (R,)."""
CLOSE = 1e-8
"""Of the range: where it ends. Values differ there by less than their rounding."""
STEPS = 60
GOLDEN = (3 - 5**0.5) / 2


def refined(still: Still, grid: Floats, value: Floats) -> tuple[Floats, Floats]:
    """(R,) places and their values: the best of a grid (G, R) of `value`, and from there the lowest between its neighbours."""
    rows = _begun(grid, value)
    tolerance = CLOSE * np.maximum(grid[-1] - grid[0], 1e-300)
    for _ in range(STEPS):
        middle = (rows.low + rows.high) / 2
        still_open = np.abs(rows.x - middle) > 2 * tolerance - (rows.high - rows.low) / 2
        if not still_open.any():
            break
        to = np.where(still_open, rows.next(tolerance, middle), rows.x)
        rows.take(to, still(to, still_open, rows.fx), still_open)
    return rows.x, rows.fx


def downhill(still: Still, grid: Floats, at: npt.NDArray[np.intp]) -> Floats:
    """Values (G, R) at places of a grid: from the place `at` (R,) of each row on to neighbours until both are worse, inf
    where nobody asked. Places that are NaN are outside."""
    value, last = np.full(grid.shape, np.inf), len(grid) - 1
    rows = np.arange(len(at))
    asked = np.isnan(grid)
    for way in (0, -1, 1):
        _ask(still, grid, value, asked, np.clip(at + way, 0, last))
    for _ in range(len(grid)):
        best = value.argmin(0)
        around = [np.clip(best + way, 0, last) for way in (-1, 1)]
        if all(asked[each, rows].all() for each in around):
            break
        for each in around:
            _ask(still, grid, value, asked, each)
    return value


def _ask(still: Still, grid: Floats, value: Floats, asked: Flags, at: npt.NDArray[np.intp]) -> None:
    rows = np.arange(len(at))
    wanted = ~asked[at, rows]
    if wanted.any():
        known = value[at, rows]
        x = np.where(np.isnan(grid[at, rows]), 0.0, grid[at, rows])
        value[at, rows] = still(x, wanted, known)
        asked[at, rows] = True


@dataclass(slots=True, eq=False)
class _Rows:
    """Of each row: the bounds `low` and `high`, the best place `x`, the second `w`, the third `v`, their values, and the last step
    and the one `before`."""

    low: Floats
    high: Floats
    x: Floats
    w: Floats
    v: Floats
    fx: Floats
    fw: Floats
    fv: Floats
    step: Floats
    before: Floats

    def next(self, tolerance: Floats, middle: Floats) -> Floats:
        """Where to ask next."""
        with np.errstate(all="ignore"):
            r, q = (self.x - self.w) * (self.fx - self.fv), (self.x - self.v) * (self.fx - self.fw)
            p, q = (self.x - self.v) * q - (self.x - self.w) * r, 2 * (q - r)
            parabola = np.where(q > 0, -p, p) / np.abs(q)
        to = self.x + parabola
        fits = (
            np.isfinite(parabola)
            & (np.abs(parabola) < 0.5 * np.abs(self.before))
            & (to > self.low)
            & (to < self.high)
        )
        longer = np.where(self.x >= middle, self.low - self.x, self.high - self.x)
        self.before, step = np.where(fits, self.step, longer), np.where(fits, parabola, GOLDEN * longer)
        # Not closer to an end, nor to what is known, than values can tell apart.
        close = fits & ((to - self.low < 2 * tolerance) | (self.high - to < 2 * tolerance))
        step = np.where(close, np.where(self.x < middle, tolerance, -tolerance), step)
        self.step = np.where(np.abs(step) < tolerance, np.where(step >= 0, tolerance, -tolerance), step)
        return np.clip(self.x + self.step, self.low, self.high)

    def take(self, u: Floats, fu: Floats, asked: Flags) -> None:
        """What was found where it was asked."""
        x, w, v, fx, fw, fv = self.x, self.w, self.v, self.fx, self.fw, self.fv
        better = asked & (fu <= fx)
        worse = asked & ~better
        self.low = np.where(better & (u >= x), x, np.where(worse & (u < x), u, self.low))
        self.high = np.where(better & (u < x), x, np.where(worse & (u >= x), u, self.high))
        second = worse & ((fu <= fw) | (w == x))
        third = worse & ~second & ((fu <= fv) | (v == x) | (v == w))
        self.v = np.where(better | second, w, np.where(third, u, v))
        self.fv = np.where(better | second, fw, np.where(third, fu, fv))
        self.w, self.fw = (
            np.where(better, x, np.where(second, u, w)),
            np.where(better, fx, np.where(second, fu, fw)),
        )
        self.x, self.fx = np.where(better, u, x), np.where(better, fu, fx)


def _begun(grid: Floats, value: Floats) -> _Rows:
    """Between the neighbours of the best of the grid; at an end of it the three points there are the best ones."""
    at, last = value.argmin(0), len(grid) - 1

    def take(place: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        place = np.clip(place, 0, last)[None]
        return np.take_along_axis(grid, place, 0)[0], np.take_along_axis(value, place, 0)[0]

    (low, f_low), (x, fx), (high, f_high) = take(at - 1), take(at), take(at + 1)
    edge, left = (at == 0) | (at == last), f_low <= f_high
    near, f_near = take(np.where(at == 0, 1, last - 1))
    far, f_far = take(np.where(at == 0, 2, last - 2))
    return _Rows(
        low,
        high,
        x,
        np.where(edge, near, np.where(left, low, high)),
        np.where(edge, far, np.where(left, high, low)),
        fx,
        np.where(edge, f_near, np.minimum(f_low, f_high)),
        np.where(edge, f_far, np.maximum(f_low, f_high)),
        high - low,
        high - low,
    )
