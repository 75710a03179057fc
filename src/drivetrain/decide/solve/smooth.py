"""What takes any problem: several starts, slopes where there are any, and what can be proven of where they end."""

from __future__ import annotations

from drivetrain.decide.problem import Problem
from drivetrain.decide.solution import Certificate, Solution
from drivetrain.decide.solve import conditions
from drivetrain.decide.solve.conflicts import infeasible
from drivetrain.decide.solve.least import Best, least
from drivetrain.decide.solve.window import at_its_edge, widened, windowed


def fits(problem: Problem) -> bool:
    return True


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best of several starts, with its conditions, what looser bounds would bring, and a proof where there can be one.

    Raises UsageError where nothing satisfies the constraints or the objective has no end.
    """
    spent = problem.meter.settings
    inside = windowed(problem, seed)
    best = least(inside, seed)
    while at_its_edge(inside, problem, best.x):
        inside = widened(inside, problem, best.x)
        best = least(inside, seed, first=best.x[None])
    if not best.holds:
        raise infeasible(inside, seed=seed)
    met = conditions.at(inside, best)
    return Solution(
        problem.box.levers(best.x), problem.objective(best.value), _certificate(best, met), met.duals,
        problem.meter.settings - spent,
    )  # fmt: skip


def _certificate(best: Best, met: conditions.Conditions) -> Certificate:
    words = (
        f"The best that {best.starts} starts led to. Nothing near is better (first-order conditions hold to {met.residual:.1g})."
        " It is not known that nothing far away is."
    )
    return Certificate("multistart", met.residual, words)
