"""The way of a lever by a rule: readable.py."""

from __future__ import annotations

from drivetrain.decide.solve.by_row.apart import Apart, apart
from drivetrain.decide.solve.by_row.readable import readable, worded
from drivetrain.decide.solve.by_row.tree import Column
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.separable import solution
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import UsageError


def fits(problem: Problem) -> bool:
    return problem.simulator is not None and any(
        each.rule is not None for each in problem.simulator.plan.levers
    )


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best rule; the solution's notes say it in words, and what it is worth. Raises UsageError for a plan whose rows hang
    together, or of several levers."""
    rows: Apart | None = apart(problem)
    if rows is None:
        raise UsageError(
            "a rule can't be found for this plan.", where="levers",
            fix="A lever by a rule stands alone; objective and constraints are sums or means over rows, the statistic is the mean, "
            "and the lever has bounds.",
        )  # fmt: skip
    plan = problem.simulator.plan
    lever = plan.levers[0]
    columns = [Column(name, plan.rows.values[name], plan.rows.levels.get(name, ())) for name in lever.rule.of]
    found = readable(rows, columns, lever.rule.depth, seed=seed)
    shown = lever.choices or (("off", "on") if lever.kind == "switch" else ())
    return solution(problem, found.point, rows, worded(found, shown))
