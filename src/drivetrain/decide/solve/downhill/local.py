"""From one setting to a better one: by slopes, by cutting brackets, by looking around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.problem import Flags, Problem
from drivetrain.extras import require

Floats = npt.NDArray[np.float64]
_PARTS, _FINEST, _BRACKETS = 32, 1e-12, 16
"""Parts that a bracket is cut into, the width of one that is done with, and the most that are cut;"""
_DEAR_PARTS, _DEAR_FINEST = 8, 1e-9
"""the first two where a setting is dear: fewer settings in more rounds."""
COSTLY = 1 << 14
"""Rows x draws from which on a setting is dear."""
DEAR, _WORK = 1 << 20, 1 << 31
"""Rows x draws from which on slopes alone improve a setting, and what a search around one may compute in all."""


_WIDE_WORK = 1 << 27
"""Settings x rows x draws that improving one of very many numbers may take."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What is large: `width` (n,) of the box, `value`, the spread of the objective in it, and `excess` (C,) of the constraints."""

    width: Floats
    value: float
    excess: Floats

    @classmethod
    def of(cls, problem: Problem, value: Floats, excess: Floats) -> Scale:
        finite = value[np.isfinite(value)]
        low, high = np.quantile(finite, [0.0, 0.9]) if len(finite) else (0.0, 1.0)
        spread = float(high - low)
        bounds = problem.tolerance * 1e9
        sizes = [
            float(np.median(abs(each[np.isfinite(each)]))) if np.isfinite(each).any() else 1.0
            for each in excess.T
        ]
        return cls(
            problem.box.upper - problem.box.lower,
            spread if spread > 1e-12 * max(abs(float(low)), 1e-300) else max(abs(float(low)), 1.0),
            np.maximum(np.array(sizes), 1e-3 * bounds) if len(sizes) else np.zeros(0),
        )


def keys(problem: Problem, value: Floats, excess: Floats) -> Floats:
    """One number by which settings (S,) are told apart: where all holds the value, else, above all values, how far it is off."""
    beyond = np.maximum(excess - problem.tolerance, 0.0) / (problem.tolerance * 1e9)
    off = np.where(np.isnan(beyond), np.inf, beyond).sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isfinite(off), off / (1 + off), 1.0)
    return np.where(off > 0, 1e300 * (1 + share), np.minimum(value, 9e299))


def cut(problem: Problem, x: Floats, found: Floats) -> Floats:
    """Of one number: each bracket around a setting that beats its neighbours is cut until it is a point. (K, 1)."""
    at, key = x[:, 0], found
    left = np.concatenate([[np.inf], key[:-1]])
    right = np.concatenate([key[1:], [np.inf]])
    low = np.flatnonzero((key <= left) & (key <= right))
    low = low[np.argsort(key[low], kind="stable")][:_BRACKETS]
    begin, end = at[np.maximum(low - 1, 0)], at[np.minimum(low + 1, len(at) - 1)]
    middle, width = at[low], float(problem.box.upper[0] - problem.box.lower[0])
    parts, finest = (_DEAR_PARTS, _DEAR_FINEST) if problem.cells > COSTLY else (_PARTS, _FINEST)
    stop = max(finest * width, float(problem.box.step[0]) / 4)
    while (
        len(low)
        and float((end - begin).max()) > stop
        and bool((end - begin > 4 * np.spacing(abs(end))).any())
    ):
        tried = begin[:, None] + np.linspace(0.0, 1.0, parts + 1) * (end - begin)[:, None]
        tried = problem.box.nearest(np.concatenate([tried, middle[:, None]], axis=1)[..., None])[..., 0]
        tried.sort(axis=1)
        keyed = keys(problem, *problem.evaluate(tried.reshape(-1, 1))).reshape(tried.shape)
        best, each = keyed.argmin(axis=1), np.arange(len(tried))
        middle = tried[each, best]
        begun, ended = begin, end
        centre = middle[:, None]
        begin = np.where(tried < centre, tried, begun[:, None]).max(axis=1)
        end = np.where(tried > centre, tried, ended[:, None]).min(axis=1)
        if bool(((begin == begun) & (end == ended)).all()):
            break
    return middle[:, None]


def descended(problem: Problem, begin: Floats, free: Flags, scale: Scale) -> Floats:
    """Where sequential quadratic programming leads from a setting (n,), with numbers that aren't `free` held."""
    if not free.any():
        return begin
    require("scipy", "an optimiser", "decide")
    from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

    scipy: Any = optimize

    box, width = problem.box, scale.width[free]

    def full(unit: Floats) -> Floats:
        x = begin.copy()
        x[free] = np.clip(box.lower[free] + np.clip(unit, 0, 1) * width, box.lower[free], box.upper[free])
        return x

    value, excess = _kept(lambda unit: problem.evaluate(full(unit)[None]))
    slope, slopes = _kept(lambda unit: problem.slopes(full(unit)))
    base = float(value((begin[free] - box.lower[free]) / width)[0])
    base = base if np.isfinite(base) else 0.0

    def goal(unit: Floats) -> float:
        return float(_finite((value(unit)[0] - base) / scale.value))

    def goal_slope(unit: Floats) -> Floats:
        return _finite(slope(unit)[free] * width / scale.value)

    def spare(unit: Floats) -> Floats:
        return _finite(-excess(unit)[0] / scale.excess)

    def spare_slope(unit: Floats) -> Floats:
        return _finite(-slopes(unit)[:, free] * width / scale.excess[:, None])

    with np.errstate(all="ignore"):
        found = scipy.minimize(
            goal,
            (begin[free] - box.lower[free]) / width,
            jac=goal_slope,
            bounds=[(0.0, 1.0)] * int(free.sum()),
            constraints=[{"type": "ineq", "fun": spare, "jac": spare_slope}] if len(scale.excess) else (),
            method="SLSQP",
            options={"ftol": 1e-14 if problem.cells <= DEAR else 1e-9, "maxiter": 200},
        )
    return _pulled_in(problem, begin, full(np.asarray(found.x, np.float64)))


def descended_wide(problem: Problem, begin: Floats, free: Flags, scale: Scale) -> Floats:
    """The same for very many numbers: constraints have prices that are raised until they hold (an augmented Lagrangian; Nocedal
    and Wright, 2006, section 17.4), bounds are kept to throughout."""
    require("scipy", "an optimiser", "decide")
    from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

    scipy: Any = optimize
    box, width, x = problem.box, scale.width[free], begin.copy()
    price, weight = np.zeros(len(scale.excess)), 10.0

    def whole(unit: Floats) -> tuple[float, Floats]:
        x[free] = box.lower[free] + np.clip(unit, 0, 1) * width
        value, excess = problem.evaluate(x[None])
        slope, slopes = problem.slopes(x)
        priced = np.maximum(price + weight * _finite(excess[0] / scale.excess), 0.0)
        total = float(_finite(value / scale.value)[0]) + float(((priced**2 - price**2) / (2 * weight)).sum())
        return total, _finite(slope / scale.value + (priced / scale.excess) @ slopes)[free] * width

    unit = np.clip((begin[free] - box.lower[free]) / np.where(width > 0, width, 1.0), 0, 1)
    left = max(_WIDE_WORK // problem.cells, 100)
    for _ in range(25 if len(price) else 1):
        with np.errstate(all="ignore"):
            found = scipy.minimize(
                whole, unit, jac=True, bounds=[(0.0, 1.0)] * len(unit), method="L-BFGS-B",
                options={"maxiter": 500, "maxfun": min(1000, left), "ftol": 1e-15, "gtol": 1e-10},
            )  # fmt: skip
        unit = np.asarray(found.x, np.float64)
        whole(unit)
        excess = _finite(problem.evaluate(x[None])[1][0] / scale.excess)
        left -= int(found.nfev)
        if not len(price) or left <= 0 or float(abs(np.maximum(excess, -price / weight)).max()) < 1e-9:
            break
        price, weight = np.maximum(price + weight * excess, 0.0), min(weight * 2, 1e5)
    return _pulled_in(problem, begin, x)


def _kept(
    compute: Callable[[Floats], tuple[Floats, Floats]],
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Two functions of the same point that are computed together, once."""
    last: dict[bytes, tuple[Floats, Floats]] = {}

    def of(unit: Floats) -> tuple[Floats, Floats]:
        name = unit.tobytes()
        if name not in last:
            last.clear()
            last[name] = compute(unit)
        return last[name]

    return lambda unit: of(unit)[0], lambda unit: of(unit)[1]


def _finite(x: Floats) -> Floats:
    return np.nan_to_num(x, nan=0.0, posinf=1e9, neginf=-1e9)


def _pulled_in(problem: Problem, begin: Floats, end: Floats) -> Floats:
    """The end, or where it breaks a constraint by a little the first point on the way back to the start that doesn't."""
    back = np.concatenate([[0.0], np.logspace(-14, 0, 113)])[:, None]
    way = end + back * (begin - end)
    holds = problem.holds(problem.evaluate(way)[1])
    return way[int(holds.argmax())] if holds.any() else end


def searched_around(problem: Problem, x: Floats, scale: Scale, seed: int, reach: float) -> Floats:
    """A setting that none of many around it beats, at ever smaller distances."""
    made = np.random.Generator(np.random.Philox(key=seed))
    box, n = problem.box, problem.box.size
    here = float(keys(problem, *problem.evaluate(x[None]))[0])
    for _ in range(min(400, _WORK // (4 * n * problem.cells))):
        turn = np.linalg.qr(made.standard_normal((n, n)))[0]
        ways = np.concatenate([np.eye(n), -np.eye(n), turn, -turn])
        move = ways * reach * scale.width
        least_move = np.where((box.step > 0) & (ways != 0), np.sign(ways) * box.step, 0.0)
        move = np.where(abs(move) < abs(least_move), np.where(abs(ways) > 0.5, least_move, 0.0), move)
        tried = box.nearest(x + move)
        found = keys(problem, *problem.evaluate(tried))
        at = int(found.argmin())
        if found[at] < here:
            x, here, reach = tried[at], float(found[at]), min(2 * reach, 0.25)
        elif reach < 1e-9:
            break
        else:
            reach /= 4
    return x
