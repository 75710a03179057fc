"""Numbers in steps among others: onto them without leaving what the constraints allow, and from step to step to what is better."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.downhill.local import Scale, descended, keys
from drivetrain.decide.solve.problem import Box, Problem

Floats = npt.NDArray[np.float64]
_PAIRED = 12
"""Numbers in steps up to which two are moved at once."""
_DESCENTS, _CELLS = 120, 1 << 28
"""How often the numbers without steps are put anew, and the settings x rows x draws that this may cost."""
_DEARLY = 100
"""Settings that putting them anew takes, about."""
_MENDED = 30


def around(problem: Problem, x: Floats, scale: Scale) -> Floats:
    """A setting (n,) from which no step of a number, nor of two of them, leads to a better one, where at each the numbers without
    steps are the best that is near."""
    free, moves = problem.box.step == 0, _moves(problem.box)
    left = min(_DESCENTS, _CELLS // (_DEARLY * problem.cells)) if free.any() else len(moves) * _DESCENTS
    here = float(keys(problem, *problem.evaluate(x[None]))[0])
    while left >= len(moves) > 0:
        left -= len(moves)
        tried = problem.box.nearest(x + moves)
        if free.any():
            tried = np.stack([descended(problem, each, free, scale) for each in tried])
        found = keys(problem, *problem.evaluate(tried))
        at = int(found.argmin())
        if not found[at] < here - 1e-12 * abs(here):
            break
        x, here = tried[at], float(found[at])
    return x


def _moves(box: Box) -> Floats:
    """(M, n): a step of each number there and back, of a choice to each other one, and of every two numbers."""
    stepped = np.flatnonzero((box.step > 0) & (box.upper > box.lower))
    eye = np.eye(box.size) * box.step
    reach = {int(at): int(box.counts[at]) - 1 if box.nominal[at] else 1 for at in stepped}
    single = [
        way * far * eye[at] for at in stepped for far in range(1, reach[int(at)] + 1) for way in (-1, 1)
    ]
    near = [at for at in stepped if not box.nominal[at]] if len(stepped) <= _PAIRED else []
    double = [
        one * eye[a] + two * eye[b] for place, a in enumerate(near) for b in near[:place] for one in (-1, 1) for two in (-1, 1)
    ]  # fmt: skip
    return np.array([*single, *double]).reshape(-1, box.size)


def settled(problem: Problem, x: Floats) -> Floats:
    """A setting of many numbers (n,) on its steps. Where that breaks a constraint as many numbers take another step as are needed,
    those first that lose the least for what it brings."""
    box, x = problem.box, problem.box.nearest(x)
    for _ in range(_MENDED):
        excess = problem.evaluate(x[None])[1][0]
        over = (excess - problem.tolerance) / (problem.tolerance * 1e9)
        if not len(over) or over.max() <= 0:
            break
        worst = int(over.argmax())
        slope, slopes = (np.nan_to_num(each) for each in problem.slopes(x))
        move = np.clip(x - np.sign(slopes[worst]) * box.step, box.lower, box.upper) - x
        move[box.nominal] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = np.where(move != 0, np.maximum(slope * move, 0.0) / -(slopes[worst] * move), np.inf)
        order = np.argsort(lost, kind="stable")[: int(np.isfinite(lost).sum())]
        if not len(order):
            break
        many = np.unique(np.concatenate([np.geomspace(1, len(order), 24).astype(np.intp), [len(order)]]))
        tried = np.stack([_moved(x, move, order[:some]) for some in many])
        holds = problem.evaluate(tried)[1][:, worst] <= problem.tolerance[worst]
        x = tried[int(holds.argmax()) if holds.any() else -1]
    return x


def _moved(x: Floats, move: Floats, which: npt.NDArray[np.intp]) -> Floats:
    found = x.copy()
    found[which] += move[which]
    return found
