"""The way of many combinations of whole numbers, switches and choices: by tables of one and two levers where these say all
(choices.py), else a search that proves nothing (descend.py). What all together would take is never begun."""

from __future__ import annotations

from itertools import combinations as two_of

import numpy as np
import numpy.typing as npt

from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.by_row.separate import Separation
from drivetrain.decide.solve.combined.choices import choices
from drivetrain.decide.solve.combined.descend import CALLS, descend
from drivetrain.decide.solve.combined.tables import CHECKS, Tabled, cost_of, tabled
from drivetrain.decide.solve.conflicts import infeasible
from drivetrain.decide.solve.highs import Infeasible
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Certificate, Solution

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
LEVERS, AT_ONCE = 2000, 4096
FEW = 64
"""Settings of a lever whose neighbours have something in common, above which slopes lead to the best sooner."""
CELLS, ROUNDS = 1e9, 3
"""Settings x rows x draws x periods that a search may take, and how often it has to come to each setting of each lever: where that
is too much and settings have an order, slopes lead to a good one sooner."""


def fits(problem: Problem) -> bool:
    box = problem.box
    few = (box.counts <= FEW) | box.nominal & (box.counts <= 100 * FEW)
    if not (2 <= box.size <= LEVERS and bool(few.all())):
        return False
    return (
        bool(box.nominal.any()) or _pairs(problem) is not None or ROUNDS * box.counts.sum() <= _calls(problem)
    )


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best combination, with a proof where each part of objective and constraints is of two levers at most by its formula.

    Raises UsageError where nothing keeps to the constraints, naming those that conflict.
    """
    spent, box = problem.meter.settings, problem.box
    sizes = [int(count) for count in box.counts]
    calls = _calls(problem)

    def at(places: Places) -> Floats:
        return box.nearest(box.lower + places * box.step)

    def ask(places: Places) -> Floats:
        found = [
            problem.evaluate(at(some)) for some in np.split(places, range(AT_ONCE, len(places), AT_ONCE))
        ]
        return np.concatenate([np.column_stack([value, over]) for value, over in found])

    pairs = _pairs(problem)
    affordable = (
        cost_of(sizes, pairs if pairs is not None else [*two_of(range(len(sizes)), 2)]) + CHECKS <= calls
    )
    tables = tabled(ask, sizes, pairs, seed=seed) if affordable else None
    point = None if tables is None else _by_tables(problem, tables, sizes, pairs is not None, seed)
    if point is None:
        tolerance = problem.tolerance

        def worth(places: Places) -> tuple[Floats, Floats]:
            told = ask(places)
            return told[:, 0], np.maximum(told[:, 1:] - tolerance, 0).sum(1)

        now = (
            []
            if np.isnan(box.now).any()
            else [
                np.round((box.nearest(box.now) - box.lower) / np.where(box.step > 0, box.step, 1)).astype(
                    np.intp
                )
            ]
        )
        point, holds = descend(worth, sizes, starts=now, seed=seed, calls=calls)
        if not holds:
            raise infeasible(problem, seed=seed)
    x = at(point.x.astype(np.intp)[None])
    value = problem.objective(float(problem.evaluate(x)[0][0]))
    certificate = point.certificate
    bound = None if certificate.bound is None else problem.sign * certificate.bound
    told = Certificate(certificate.kind, certificate.value, certificate.words, bound)
    return Solution(box.levers(x[0]), value, told, evaluations=problem.meter.settings - spent)


def _calls(problem: Problem) -> int:
    periods = problem.simulator.plan.periods if isinstance(problem.simulator, Simulator) else 1
    return int(min(CALLS, max(CELLS / (problem.cells * periods), 200)))


def _by_tables(
    problem: Problem, tables: list[Tabled], sizes: list[int], proven: bool, seed: int
) -> Point | None:
    """None where the tables are no sum that is known to be all there is, and their best breaks a constraint."""
    for each, tolerance in zip(tables[1:], problem.tolerance):
        each.constant -= tolerance
    try:
        point = choices(tables[0], tables[1:], sizes, seed=seed)
    except Infeasible as fault:
        if proven:
            raise infeasible(problem, seed=seed) from fault
        return None
    if proven:
        return point
    words = f"{point.certificate.words} That the tables say all was seen at {CHECKS:,} settings by chance, and isn't proven."
    return Point(point.x, point.value, Certificate("search", np.nan, words), evaluations=point.evaluations)


def _pairs(problem: Problem) -> list[tuple[int, int]] | None:
    """The numbers of the levers that work together, two by two, by the plan's formulas; None where those don't say, or where more
    than two work together."""
    if (
        not isinstance(problem.simulator, Simulator)
        or not isinstance(problem.source, Planned)
        or problem.limits
    ):
        return None
    plan, slices = problem.simulator.plan, problem.simulator.slices
    objective, constraints = plan.objectives[problem.which], problem.source.constraints
    if problem.kept is not None:
        constraints = [constraints[at] for at in problem.kept]
    ends = [objective, *constraints]
    separation = Separation(plan)
    if any(lever.by_row for lever in plan.levers) or any(each.soft is not None for each in plan.constraints):
        return None
    if any(each.statistic.kind != "mean" for each in ends):
        return None
    if any(
        plan.is_timed(each.expression.names) or separation.has_rows(each.expression.tree)
        for each in constraints
    ):
        return None
    groups = set[frozenset[str]]().union(*(separation.groups(each.expression.tree) for each in ends))
    if any(len(group) > 2 for group in groups):
        return None
    numbers = (sorted(slices[name].start for name in group) for group in groups if len(group) == 2)
    return sorted((one, two) for one, two in numbers)
