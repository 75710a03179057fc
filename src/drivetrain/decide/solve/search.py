"""The way of a simulator of which one answer takes long: dear.py."""

from __future__ import annotations

import numpy as np

from drivetrain.decide.solve.costly.dear import dear
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import UsageError

MOST = 30
"""Numbers to be chosen: with more, a few settings tell too little."""
FEWEST, EACH, LONGEST = 30, 15, 250


def fits(problem: Problem) -> bool:
    """Whether a function that the plan calls `dear` is on the way from levers to objective."""
    if problem.simulator is None or not 1 <= problem.box.size <= MOST:
        return False
    plan = problem.simulator.plan
    if float(np.prod(problem.box.counts)) <= _calls(problem):
        return False  # All of them can be tried.
    called = any(node.dear_to_ask and plan.depends(node.name) for node in plan.nodes)
    return called and bool(np.isfinite(problem.box.upper - problem.box.lower).all())


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best of some 30 settings and 15 more for each lever. Raises UsageError where none of them keeps to the constraints."""
    calls = _calls(problem)
    tolerance = problem.tolerance
    point, holds = dear(lambda x: _asked(problem, x, tolerance), problem.box, calls=calls, seed=seed)
    if not holds:
        raise UsageError(
            f"none of {calls} settings that were simulated keeps to the constraints.",
            where=", ".join(problem.constraint_names), fix="Loosen one, or narrow the levers to where they hold.",
        )  # fmt: skip
    value = problem.objective(point.value)
    return Solution(problem.box.levers(point.x), value, point.certificate, evaluations=point.evaluations)


def _calls(problem: Problem) -> int:
    return min(FEWEST + EACH * problem.box.size, LONGEST)


def _asked(problem: Problem, x: np.ndarray, tolerance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, over = problem.evaluate(x)
    return value, over - tolerance
