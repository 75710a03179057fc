"""The way of a lever for each row, where objective and constraints are sums over rows: rows.py, multipliers.py."""

from __future__ import annotations

from drivetrain.decide.solve.by_row.apart import Apart, apart
from drivetrain.decide.solve.by_row.rows import separable
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Certificate, Solution, by_name
from drivetrain.errors import UsageError


def fits(problem: Problem) -> bool:
    rule = problem.simulator is not None and any(
        each.rule is not None for each in problem.simulator.plan.levers
    )
    return not rule and apart(problem) is not None


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best setting of each row. Raises UsageError where none keep to the constraints."""
    del seed  # Nothing is left to chance.
    rows = apart(problem)
    if rows is None:
        raise UsageError("the rows of this plan can't be solved each by itself.")
    return solution(problem, separable(rows, convex=rows.convex), rows)


def solution(problem: Problem, point: Point, rows: Apart, notes: tuple[str, ...] = ()) -> Solution:
    """A point as the user states it."""
    value = problem.objective(float(problem.evaluate(point.x[None])[0][0]))
    certificate, sign = point.certificate, problem.sign
    bound = None
    if certificate.bound is not None:
        # What lies beside the sum over rows, which no lever moves, is in the value alone.
        bound = value + sign * (certificate.bound - point.value)
    told = Certificate(certificate.kind, certificate.value, certificate.words, bound)
    duals = by_name(rows.names, point.duals * rows.signs)
    return Solution(
        problem.box.levers(point.x), value, told, duals, point.evaluations, (*point.notes, *notes)
    )
