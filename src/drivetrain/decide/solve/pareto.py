"""Several objectives: the settings of which none is better in one of them without being worse in another.

Ends first: the best of each objective, and of those the best in the others. Between them one objective is made best while the
others are held to limits, evenly spaced (the epsilon-constraint method; Haimes, Lasdon and Wismer, 1971): that finds every part
of a front, hollow ones too, which weighted sums pass over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve import solve
from drivetrain.decide.solve.enumerate import all_settings, fits
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """`solutions` along the front, the best in the first objective first, and their `objectives` (P, K) as the plan states
    them. `best` (K,): what each objective could be alone. `proven`: each point is known to be on the front."""

    solutions: tuple[Solution, ...]
    objectives: Floats
    best: Floats
    proven: bool


def front(problem: Problem, *, points: int = 15, seed: int = 0) -> Front:
    """About so many `points` of the front of two or three objectives. Raises UsageError for one, or more than three, and as
    `solve` does."""
    count = len(problem.signs)
    if not 2 <= count <= 3:
        raise UsageError(f"a front is of two or three objectives, not {count}.", where="objective")
    found = _of_all(problem) if fits(problem) else _by_limits(problem, points, seed)
    values = np.stack([_values(problem, each) for each in found])
    order = undominated(values)
    solutions = tuple(found[at] for at in order)
    signs = np.array(problem.signs, np.float64)
    proven = all(each.certificate.proves for each in solutions)
    return Front(solutions, signs * values[order], signs * values.min(axis=0), proven)


def undominated(values: Floats) -> list[int]:
    """Which of values (P, K), of which less is better, no other is as good as in all and better in one; of equal ones the
    first. In the order of the first objective."""
    order: list[int] = np.asarray(np.lexsort(values.T[::-1]), np.intp).tolist()
    if values.shape[1] == 2:
        second = values[order, 1]
        before = np.concatenate([np.array([np.inf]), np.minimum.accumulate(second)[:-1]])
        return [at for at, keeps in zip(order, second < before) if keeps]
    kept = list[int]()
    for at in order:  # In this order nothing that comes later can beat what came before.
        if not kept or not (values[kept] <= values[at]).all(axis=1).any():
            kept.append(at)
    return kept


def _of_all(problem: Problem) -> list[Solution]:
    """Of few settings: the front itself, every point of it."""
    x = all_settings(problem)
    _, constraints = problem.evaluate(x)
    values = problem.source.evaluate(x)[0]
    held = np.flatnonzero(problem.holds(constraints))
    if not len(held):
        return [solve(problem)]  # Which says what conflicts.
    keep = [int(held[at]) for at in undominated(values[held])]
    certificate = solve(problem).certificate
    return [
        Solution(problem.box.levers(x[at]), problem.objective(float(values[at, problem.which])), certificate, evaluations=len(x))
        for at in keep
    ]  # fmt: skip


def _by_limits(problem: Problem, points: int, seed: int) -> list[Solution]:
    count = len(problem.signs)
    ends = [_end(problem, which, seed) for which in range(count)]
    values = np.stack([_values(problem, each) for each in ends])
    low, high = values.min(axis=0), values.max(axis=0)
    found = [*ends]
    side = points if count == 2 else max(int(np.sqrt(points)), 3)
    steps = [(low[k] + (high[k] - low[k]) * np.arange(side) / (side - 1)).tolist() for k in range(1, count)]
    if count == 2:
        limits = [{1: one} for one in steps[0][1:-1]]
    else:
        limits = [{1: one, 2: two} for one in steps[0] for two in steps[1]]
    if (high[1:] - low[1:]).max() <= 0:
        return found  # One setting is the best in all.
    for each in limits:
        try:
            found.append(solve(replace(problem, which=0, limits=each), seed=seed))
        except UsageError:
            continue  # Two limits that can't hold together: no point of the front is there.
    return found


def _end(problem: Problem, which: int, seed: int) -> Solution:
    """The best of one objective, and among the equally good the best in the others one after the other."""
    found = solve(replace(problem, which=which), seed=seed)
    limits: Mapping[int, float] = {}
    for other in range(len(problem.signs)):
        if other == which:
            continue
        values = _values(problem, found)
        done = next((each for each in range(other) if each != which), which)
        limits = {**limits, which: float(values[which])}
        if done != which:
            limits = {**limits, done: float(values[done])}
        found = solve(replace(problem, which=other, limits=limits), seed=seed)
    return found


def _values(problem: Problem, solution: Solution) -> Floats:
    """All objectives of a solution (K,), so that less is better."""
    x = np.concatenate([np.atleast_1d(solution.levers[name]) for name in dict.fromkeys(problem.box.names)])
    return problem.source.evaluate(x[None])[0][0]
