"""The least value that several starts lead to, over slopes, kinks and steps.

All is done in the unit cube, with the value in units of its own spread: what a lever is counted in must not decide where a
search stops. Of a first look (a grid of one number, quasi-random points of several) the best settings that lie apart are
improved by sequential quadratic programming (Kraft, 1988, in scipy), then by a search around them that needs no slopes (Audet
and Dennis, 2006, SIAM J. Optim. 17:188-217). One number alone is bracketed and the brackets are cut, which no kink disturbs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.downhill import steps
from drivetrain.decide.solve.downhill.local import (
    COSTLY,
    DEAR,
    Scale,
    cut,
    descended,
    descended_wide,
    keys,
    searched_around,
)
from drivetrain.decide.solve.planned import coarser
from drivetrain.decide.solve.problem import Problem
from drivetrain.errors import UsageError

Floats = npt.NDArray[np.float64]
STARTS = 8
_GRID = 513
"""Settings of the first look at one number."""
_FEW_VALUES = 16
"""Values of a stepped number from which on the search may pass between them on its way."""
_WIDEST_SQP, WIDEST_PATTERN = 200, 40
"""Numbers that quadratic programming and the search around a setting are for: the work grows with their cube and square."""


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The best setting found `x` (n,), its value and excesses (C,), and whether it keeps to the constraints."""

    x: Floats
    value: float
    excess: Floats
    holds: bool
    starts: int
    scale: Scale
    ends: Floats
    """The best few of all settings that were computed (K, n), the best first."""


def least(problem: Problem, seed: int = 0, *, starts: int = STARTS, first: Floats | None = None) -> Best:
    """The best setting of a bounded box. `first` (S, n): settings to look at as well. Where a setting is dear the search is
    done with few draws, and only what it leads to is improved with all. Raises UsageError where nothing has a value, and
    where a value is endless."""
    rough = coarser(problem, COSTLY)
    known = None if rough is None else least(rough, seed, starts=starts, first=first)
    x = _first_look(problem, seed) if known is None else _around(problem, known)
    if first is not None:
        x = np.concatenate([x, problem.box.nearest(first)])
    value, excess = problem.evaluate(x)
    scale = Scale.of(problem, value, excess) if known is None else known.scale
    found = keys(problem, value, excess)
    if problem.box.size == 1:
        ends, many = cut(problem, x, found), 1
    else:
        begun = _apart(x, value, excess, found, scale, starts if known is None else 2)
        ends = _improved(problem, x[begun], scale, seed, 0.1 if known is None else 1e-3)
        many = len(begun) if known is None else known.starts
    x = np.concatenate([x, ends])
    value, excess = problem.evaluate(x)
    order = np.argsort(keys(problem, value, excess), kind="stable")
    at = int(order[0])
    if value[at] == -np.inf:
        raise _endless(problem, x[at])
    if not np.isfinite(value).any():
        raise UsageError(
            "the objective has no value at any setting that was tried.", fix="Look at its expression."
        )
    holds = bool(problem.holds(excess[at : at + 1])[0])
    return Best(x[at], float(value[at]), excess[at], holds, many, scale, x[order[:8]])


def _around(problem: Problem, known: Best) -> Floats:
    """What a search with few draws led to, and for one number settings around it: with all draws the best is near."""
    box, ends = problem.box, known.ends
    if box.size == 1:
        steps = np.linspace(-0.02, 0.02, 17) * (box.upper[0] - box.lower[0])
        ends = np.concatenate([ends[:2, 0, None] + steps]).reshape(-1, 1)
        ends = np.concatenate([known.ends, ends, box.lower[None], box.upper[None]])
    now = box.now[None] if np.isfinite(box.now).all() else ends[:1]
    x = box.nearest(np.concatenate([ends, now]))
    return np.unique(x, axis=0) if box.size == 1 else x


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


def _improved(problem: Problem, begun: Floats, scale: Scale, seed: int, reach: float) -> Floats:
    """What each start is led to (K, n); a search around what that is begins with steps of `reach`."""
    n, box = problem.box.size, problem.box
    free = (box.step == 0) | (~box.nominal & ((box.counts > _FEW_VALUES) | (n > WIDEST_PATTERN)))
    improve = descended if n <= _WIDEST_SQP else descended_wide
    dear = problem.cells > DEAR or n > _WIDEST_SQP
    ends = np.stack([improve(problem, x, free, scale) for x in begun[: 1 if dear else None]])
    smooth_alone = not (box.step > 0).any() and problem.cells > DEAR
    if n > WIDEST_PATTERN or smooth_alone:
        return np.stack([steps.settled(problem, x) for x in ends])
    ends = np.concatenate([box.nearest(ends), begun])
    order = np.argsort(keys(problem, *problem.evaluate(ends)), kind="stable")[:3]
    around = np.stack([searched_around(problem, x, scale, seed, reach) for x in ends[order]])
    again = np.stack([descended(problem, x, box.step == 0, scale) for x in around])
    ends = np.concatenate([around, again])
    if not (box.step > 0).any():
        return ends
    best = ends[int(keys(problem, *problem.evaluate(ends)).argmin())]
    return np.concatenate([ends, steps.around(problem, best, scale)[None]])
