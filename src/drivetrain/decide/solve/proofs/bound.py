"""A proof that nothing is better: the box of levers is cut into ever smaller ones, each with a value that none in it can beat.

Branch and bound (Land and Doig, 1960) with interval arithmetic (`interval.py`): a box goes when what it holds is surely no
better than what was found, or surely breaks a constraint. What is left bounds the objective from the other side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.interval import NoBounds
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.proofs.boxes import Boxes

Floats = npt.NDArray[np.float64]
WIDEST = 6
"""Levers up to which boxes are cut: their number grows with a power of it."""
CLOSE = 1e-6
"""How far, as a share of the objective, another setting may be better when the proof is done."""
_CELLS, _AT_ONCE, _MOST = 1 << 24, 1 << 20, 40_000
"""Boxes x rows x draws x (1 + levers) in all and at once, and boxes in all."""
_LARGEST, _ALWAYS = 1 << 20, 120
"""Rows x draws of which boxes aren't looked at, and boxes of one lever that are whatever they cost."""


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """No setting that keeps to the constraints has a value below `bound`. `better` is a setting (n,) that was come across and is
    better than what was known, if any was. `boxes` were looked at."""

    bound: float
    better: Floats | None
    boxes: int


def prove(problem: Problem, value: float, spread: float, weights: Floats) -> Proof | None:
    """How far below a `value` that was found any other can lie; None where that can't be said. `spread` is what is large, and
    `weights` (C,) are the constraints' prices where that value was found."""
    if problem.box.size > WIDEST or not isinstance(problem.source, Planned) or problem.cells > _LARGEST:
        return None
    try:
        return _cut(problem, Boxes(problem, problem.source, weights), value, spread)
    except NoBounds:
        return None


def _cut(problem: Problem, boxes: Boxes, value: float, spread: float) -> Proof:
    lower, upper, low = problem.box.lower[None], problem.box.upper[None], np.array([-np.inf])
    best, better, looked, excluded = value, None, 0, np.inf
    many = max(_AT_ONCE // (problem.cells * (1 + problem.box.size)), 1)
    enough = _ALWAYS if problem.box.size == 1 else 1
    most = min(_MOST, max(_CELLS // (problem.cells * (1 + problem.box.size)), enough))
    while len(low) and looked < most:
        goal = best - _close(best, spread)
        order = np.argsort(low, kind="stable")
        here, rest = order[:many], order[many:]
        if low[here[0]] >= goal:
            break
        cut_lower, cut_upper = _halves(problem, lower[here], upper[here])
        looked += len(cut_lower)
        found = boxes.of(cut_lower, cut_upper)
        holds = problem.holds(found.excess)
        at = int(np.where(holds, found.values, np.inf).argmin())
        if holds[at] and found.values[at] < best:
            best, better = float(found.values[at]), found.middle[at]
            goal = best - _close(best, spread)
        single = (cut_upper <= cut_lower).all(axis=1)  # Of one setting all is known.
        least = np.maximum(found.least, np.where(single, found.values, -np.inf))
        gone = found.broken | (single & ~holds)
        stays = ~gone & (least < goal)
        excluded = min([excluded, *least[~gone & ~stays]])
        lower = np.concatenate([lower[rest], cut_lower[stays]])
        upper = np.concatenate([upper[rest], cut_upper[stays]])
        low = np.concatenate([low[rest], least[stays]])
    return Proof(float(min([best, excluded, *low])), better, looked)


def _close(value: float, spread: float) -> float:
    return CLOSE * max(abs(value), 0.1 * spread)


def _halves(problem: Problem, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Each box cut in two across its widest side, as seen from the whole; with steps, onto them."""
    box = problem.box
    whole = np.where(box.upper > box.lower, box.upper - box.lower, 1.0)
    side, each = ((upper - lower) / whole).argmax(axis=1), np.arange(len(lower))
    middle = (lower[each, side] + upper[each, side]) / 2
    step, start = box.step[side], box.lower[side]
    on = np.where(
        step > 0, start + np.floor((middle - start) / np.where(step > 0, step, 1.0) + 1e-9) * step, middle
    )
    ends, begins = upper.copy(), lower.copy()
    ends[each, side] = on
    begins[each, side] = np.minimum(np.where(step > 0, on + step, on), upper[each, side])
    return np.concatenate([lower, begins]), np.concatenate([ends, upper])
