"""The least value that several starts lead to, over slopes, kinks and steps.

All is done in the unit cube, with the value in units of its own spread: what a lever is counted in must not decide where a
search stops. Of a first look (a grid of one number, quasi-random points of several) the best settings that lie apart are
improved by sequential quadratic programming (Kraft, 1988, in scipy), then by a search around them that needs no slopes (Audet
and Dennis, 2006, SIAM J. Optim. 17:188-217). One number alone is bracketed and the brackets are cut, which no kink disturbs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.problem import Problem
from drivetrain.errors import UsageError
from drivetrain.extras import require

Floats = npt.NDArray[np.float64]
STARTS = 8
_GRID, _PARTS, _FINEST = 513, 32, 1e-12
"""Settings of the first look at one number, parts that a bracket is cut into, and the width of one that is done with."""
_FEW_VALUES = 16
"""Values of a stepped number from which on the search may pass between them on its way."""
_WIDEST_SQP, _WIDEST_PATTERN = 200, 40
"""Numbers that quadratic programming and the search around a setting are for: the work grows with their cube and square."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The best setting found `x` (n,), its value and excesses (C,), and whether it keeps to the constraints."""

    x: Floats
    value: float
    excess: Floats
    holds: bool
    starts: int
    scale: Scale


def keys(problem: Problem, value: Floats, excess: Floats) -> Floats:
    """One number by which settings (S,) are told apart: where all holds the value, else, above all values, how far it is off."""
    beyond = np.maximum(excess - problem.tolerance, 0.0) / (problem.tolerance * 1e9)
    off = np.where(np.isnan(beyond), np.inf, beyond).sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isfinite(off), off / (1 + off), 1.0)
    return np.where(off > 0, 1e300 * (1 + share), np.minimum(value, 9e299))


def least(problem: Problem, seed: int = 0, *, starts: int = STARTS, first: Floats | None = None) -> Best:
    """The best setting of a bounded box. `first` (S, n): settings to look at as well. Raises UsageError where nothing has a
    value, and where a value is endless."""
    x = _first_look(problem, seed)
    if first is not None:
        x = np.concatenate([x, problem.box.nearest(first)])
    value, excess = problem.evaluate(x)
    scale = Scale.of(problem, value, excess)
    found = keys(problem, value, excess)
    if len(problem.box.lower) == 1:
        ends, many = _cut(problem, x, found), 1
    else:
        begun = _apart(x, value, excess, found, scale, starts)
        ends, many = _improved(problem, x[begun], scale, seed), len(begun)
    x, found = np.concatenate([x, ends]), None
    value, excess = problem.evaluate(x)
    at = int(keys(problem, value, excess).argmin())
    if value[at] == -np.inf:
        raise _endless(problem, x[at])
    if not np.isfinite(value).any():
        raise UsageError(
            "the objective has no value at any setting that was tried.", fix="Look at its expression."
        )
    return Best(x[at], float(value[at]), excess[at], bool(problem.holds(excess[at : at + 1])[0]), many, scale)


def _endless(problem: Problem, x: Floats) -> UsageError:
    said = ", ".join(f"{name} = {float(np.ravel(each)[0]):g}" for name, each in problem.box.levers(x).items())
    return UsageError(
        f"the objective is endless at {said}.", fix="Give the lever bounds that keep it away from there."
    )


def _first_look(problem: Problem, seed: int) -> Floats:
    """Settings that cover the box (S, n), the current practice among them."""
    box, n = problem.box, problem.box.size
    if n == 1:
        many = int(min(float(box.counts[0]), _GRID))
        unit = np.linspace(0.0, 1.0, max(many, 1))[:, None]
    else:
        spread = spread_out(256 if n <= 4 else 512, n, seed)
        unit = np.concatenate([np.full((1, n), 0.5), spread, np.zeros((1, n)), np.ones((1, n))])
    x = box.lower + unit * (box.upper - box.lower)
    if np.isfinite(box.now).all():
        x = np.concatenate([box.now[None], x])
    return np.unique(box.nearest(x), axis=0) if n == 1 else box.nearest(x)


def spread_out(many: int, n: int, seed: int) -> Floats:
    """Points (many, n) that cover the unit cube evenly: a lattice of irrational slopes (Roberts, 2018, "The unreasonable
    effectiveness of quasirandom sequences"), shifted by chance."""
    golden = 2.0
    for _ in range(60):
        golden = (1 + golden) ** (1 / (n + 1))
    slopes = (1 / golden) ** np.arange(1, n + 1)
    shift = np.random.Generator(np.random.Philox(key=seed)).random(n)
    return (shift + np.arange(1, many + 1)[:, None] * slopes) % 1.0


def _cut(problem: Problem, x: Floats, found: Floats) -> Floats:
    """Of one number: each bracket around a setting that beats its neighbours is cut until it is a point. (K, 1)."""
    at, key = x[:, 0], found
    left = np.concatenate([[np.inf], key[:-1]])
    right = np.concatenate([key[1:], [np.inf]])
    low = np.flatnonzero((key <= left) & (key <= right))
    low = low[np.argsort(key[low], kind="stable")][: 2 * STARTS]
    begin, end = at[np.maximum(low - 1, 0)], at[np.minimum(low + 1, len(at) - 1)]
    middle, width = at[low], float(problem.box.upper[0] - problem.box.lower[0])
    stop = max(_FINEST * width, float(problem.box.step[0]) / 4)
    while (
        len(low)
        and float((end - begin).max()) > stop
        and bool((end - begin > 4 * np.spacing(abs(end))).any())
    ):
        tried = begin[:, None] + np.linspace(0.0, 1.0, _PARTS + 1) * (end - begin)[:, None]
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


def _apart(x: Floats, value: Floats, excess: Floats, found: Floats, scale: Scale, most: int) -> list[int]:
    """The best settings none of which lies near a better one: those that break constraints a little count as well."""
    unit = x / np.where(scale.width > 0, scale.width, 1.0)
    limit = np.where(scale.excess > 0, scale.excess, 1.0)
    with np.errstate(invalid="ignore"):
        merit = np.clip(value / scale.value, -1e9, 1e9) + 3 * np.maximum(excess / limit, 0).sum(axis=1)
    merit[int(found.argmin())] = -np.inf
    order, chosen = np.argsort(merit, kind="stable"), list[int]()
    for near in (0.15, 0.05):
        for at in order[: 20 * most]:
            if len(chosen) < most and all(
                np.sqrt(((unit[at] - unit[other]) ** 2).mean()) > near for other in chosen
            ):
                chosen.append(int(at))
    return chosen


def _improved(problem: Problem, begun: Floats, scale: Scale, seed: int) -> Floats:
    """What each start is led to (K, n)."""
    n = problem.box.size
    free = (problem.box.step == 0) | (~problem.box.nominal & (problem.box.counts > _FEW_VALUES))
    if n <= _WIDEST_SQP:
        ends = np.stack([_descended(problem, x, free, scale) for x in begun])
    else:
        ends = begun
    if n > _WIDEST_PATTERN:
        return ends
    ends = np.concatenate([problem.box.nearest(ends), begun])
    order = np.argsort(keys(problem, *problem.evaluate(ends)), kind="stable")[:3]
    around = np.stack([_searched_around(problem, x, scale, seed) for x in ends[order]])
    any_value = problem.box.step == 0
    again = np.stack([_descended(problem, x, any_value, scale) for x in around])
    return np.concatenate([around, again])


def _descended(problem: Problem, begin: Floats, free: npt.NDArray[np.bool_], scale: Scale) -> Floats:
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
            options={"ftol": 1e-14, "maxiter": 200},
        )
    return _pulled_in(problem, begin, full(np.asarray(found.x, np.float64)))


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


def _searched_around(problem: Problem, x: Floats, scale: Scale, seed: int) -> Floats:
    """A setting that none of many around it beats, at ever smaller distances."""
    made = np.random.Generator(np.random.Philox(key=seed))
    box, n, reach = problem.box, problem.box.size, 0.1
    here = float(keys(problem, *problem.evaluate(x[None]))[0])
    for _ in range(400):
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
