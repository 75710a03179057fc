"""The last steps to the best settings of rows under limits, by Newton's method: it doubles the digits with each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.by_row.asked import Asked

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
STEPS = 8
FINE = 1e-3
"""Of a window: how far apart the three settings are whose values tell slope and bend."""
ENOUGH = 1e-9
"""Of the range: a last step that counts as none."""


def polished(asked: Asked, x: Floats, width: Floats, prices: Floats) -> tuple[Floats, Floats] | None:
    """(R,) settings and (C,) prices that meet the first-order conditions, from near ones; None where it doesn't settle there.

    In each step value and uses of a row are the parabolas through three settings; of those the prices are found exactly.
    """
    rows = asked.rows
    span = np.maximum(rows.upper - rows.lower, 1e-300)
    low, high = np.maximum(x - 2 * width, rows.lower), np.minimum(x + 2 * width, rows.upper)
    before = np.inf
    for _ in range(STEPS):
        apart = FINE * width
        middle = np.clip(x, rows.lower + apart, rows.upper - apart)
        value, uses = asked(np.stack([middle - apart, middle, middle + apart]))
        if not (np.isfinite(value).all() and np.isfinite(uses).all()):
            return None
        found = _priced(
            _parabola(value, apart), _parabola(uses, apart), rows.limits, prices, low - middle, high - middle
        )
        if found is None:
            return None
        step, prices = found
        to = np.clip(middle + step, low, high)
        moved = float((np.abs(to - x) / span).max())
        x = to
        if moved <= ENOUGH:
            break
        if moved > before * 0.7 + 1e-8:
            return None
        before = moved
    else:
        return None
    # A row that stopped at the end of its window, not of its range, would go further.
    stopped = ((x <= low) & (low > rows.lower)) | ((x >= high) & (high < rows.upper))
    if stopped.any():
        return None
    over = asked(x[None])[1][:, 0].sum(1) - rows.limits
    return None if (over > 1e-9 * (1 + np.abs(rows.limits))).any() else (x, prices)


def _parabola(y: Floats, apart: Floats) -> tuple[Floats, Floats, Floats]:
    """Value, slope and bend at the middle of three settings; the settings are the last axis but one."""
    left, middle, right = y[..., 0, :], y[..., 1, :], y[..., 2, :]
    safe = np.maximum(apart, 1e-300)
    return middle, (right - left) / (2 * safe), (right - 2 * middle + left) / safe**2


Parabola = tuple[Floats, Floats, Floats]


def _priced(
    value: Parabola, uses: Parabola, limits: Floats, prices: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats] | None:
    """Steps (R,) and prices (C,) of the problem in which all are parabolas: Newton's method on the prices, those at 0 held there.

    None where a row bends the wrong way, so that no price keeps it from an end of its window.
    """

    def steps(at: Floats) -> tuple[Floats, Floats, Flags]:
        slope, bend = (value[n] + np.tensordot(at, uses[n], 1) for n in (1, 2))
        scale = np.abs(slope).max(initial=0) / max(float((high - low).max()), 1e-300)
        flat = bend <= 1e-9 * scale
        with np.errstate(all="ignore"):
            inner = np.where(
                flat,
                np.where(slope > 0, low, np.where(slope < 0, high, 0.0)),
                -slope / np.where(flat, 1.0, bend),
            )
        step = np.clip(inner, low, high)
        return step, bend, np.asarray(flat | (step != inner), np.bool_)

    def over(step: Floats) -> Floats:
        return (uses[0] + step * uses[1] + step**2 / 2 * uses[2]).sum(1) - limits

    def bound(at: Floats) -> float:
        step = steps(at)[0]
        mine = value[0] + step * value[1] + step**2 / 2 * value[2]
        return float(mine.sum() + at @ over(step))

    at = prices.copy()
    for _ in range(50):
        step, bend, held = steps(at)
        excess = over(step)
        moves = (at > 0) | (excess > 0)
        if (np.abs(np.where(moves, excess, 0.0)) <= 1e-12 * (1 + np.abs(limits))).all():
            break
        slope = (uses[1] + step * uses[2])[moves]
        free = ~held
        curve = (slope[:, free] / bend[free]) @ slope[:, free].T
        if not np.trace(curve) > 0:
            return None
        curve = curve + 1e-14 * np.trace(curve) * np.eye(len(curve))
        change = np.zeros(len(at))
        change[moves] = np.linalg.solve(curve, excess[moves])
        whole, here = 1.0, bound(at)
        while whole > 1e-6 and bound(np.maximum(at + whole * change, 0)) < here - 1e-12 * (1 + abs(here)):
            whole /= 2
        new = np.maximum(at + whole * change, 0)
        if (np.abs(new - at) <= 1e-15 * (1 + np.abs(at))).all():
            break
        at = new
    return steps(at)[0], at
