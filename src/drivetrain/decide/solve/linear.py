"""The way of what is linear in the levers: its coefficients, and HiGHS (highs.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import Expression
from drivetrain.decide.plans.objective import Constraint
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.by_row.separate import Separation
from drivetrain.decide.solve.conflicts import infeasible
from drivetrain.decide.solve.highs import Infeasible, Unbounded, linear
from drivetrain.decide.solve.library import scipy
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Certificate, Solution, by_name

Floats = npt.NDArray[np.float64]
MOST = 200_000
"""Numbers to be chosen, above which a lever for each row is left to what solves each by itself."""
CELLS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """cost @ x + constant, where rows @ x <= limits, a sparse matrix (M, n); `names` (M,) of what each row is of, and
    `signs` (M,): -1 of those of an equation that say "not below"."""

    cost: Floats
    constant: float
    rows: Any
    limits: Floats
    names: tuple[str, ...]
    signs: Floats


def fits(problem: Problem) -> bool:
    """Whether objective and constraints are linear in the levers by their formulas, and means over the draws."""
    if (
        not isinstance(problem.simulator, Simulator)
        or not isinstance(problem.source, Planned)
        or problem.limits
    ):
        return False
    plan, box = problem.simulator.plan, problem.box
    lattice = np.where(box.step > 0, box.lower / np.where(box.step > 0, box.step, 1.0), 0.0)
    steps = (box.step > 0) & (np.abs(lattice - np.round(lattice)) > 1e-9)
    rule = any(each.rule is not None for each in plan.levers)
    if rule or box.size > MOST or steps.any() or any(each.soft is not None for each in plan.constraints):
        return False
    separation = Separation(plan)
    objective = plan.objectives[problem.which]
    if objective.statistic.kind != "mean" or not separation.is_linear(objective.expression.tree):
        return False
    return all(
        each.statistic.kind == "mean"
        and not plan.is_timed(each.expression.names)
        and separation.is_linear(each.expression.tree)
        and (not separation.has_rows(each.expression.tree) or separation.is_alone(each.expression.tree))
        for each in _kept(problem)
    )


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best setting, its proof and what looser limits would bring. Raises UsageError where nothing keeps to the constraints or
    where the objective gets better for ever."""
    spent, box = problem.meter.settings, problem.box
    found = affine(problem)
    scale = np.where(box.step > 0, box.step, 1.0)
    whole = box.step > 0
    try:
        point = linear(
            found.cost * scale, found.rows * scale, found.limits, box.lower / scale, box.upper / scale, whole,
            constant=found.constant,
        )  # fmt: skip
    except Infeasible as fault:
        if box.size > 1000:  # Which of them conflict would take long to find out.
            raise
        raise infeasible(problem, seed=seed) from fault
    except Unbounded as fault:
        fault.fix = f"{_named(problem, fault.direction)}. {fault.fix}"
        raise
    x = box.nearest(point.x * scale)
    value = problem.objective(float(problem.evaluate(x[None])[0][0]))
    duals = by_name(found.names, point.duals * found.signs)
    bound = None if point.certificate.bound is None else problem.sign * point.certificate.bound
    told = Certificate("gap", point.certificate.value, point.certificate.words, bound)
    notes = (
        ("The prices of the constraints are those where whole numbers may be broken.",)
        if whole.any() and duals
        else ()
    )
    return Solution(box.levers(x), value, told, duals, problem.meter.settings - spent, notes)


def affine(problem: Problem) -> Affine:
    """The coefficients of a problem that is linear."""
    box = problem.box
    start = np.where(np.isfinite(box.lower), box.lower, np.where(np.isfinite(box.upper), box.upper, 0.0))
    value, over = problem.evaluate(start[None])
    cost, jacobian = problem.slopes(start)
    sparse, blocks, limits, names = scipy("sparse"), list[Any](), list[Floats](), list[str]()
    signs, before = list[float](), set[str]()
    separation = Separation(problem.simulator.plan)
    for at, each in enumerate(_kept(problem)):
        if separation.has_rows(each.expression.tree):
            block, excess = _of_rows(problem, each, start)
        else:
            block, excess = sparse.csr_array(jacobian[at : at + 1]), over[0, at : at + 1]
        blocks.append(block)
        limits.append(block @ start - excess)
        names += [each.name] * len(excess)
        signs += [-1.0 if each.name in before else 1.0] * len(excess)
        before.add(each.name)
    rows = sparse.vstack(blocks, format="csr") if blocks else sparse.csr_array((0, box.size))
    every = np.concatenate(limits) if limits else np.zeros(0)
    return Affine(cost, float(value[0] - cost @ start), rows, every, tuple(names), np.array(signs))


def _of_rows(problem: Problem, constraint: Constraint, start: Floats) -> tuple[Any, Floats]:
    """A constraint that holds in each row: coefficients (R, n) and its excess (R,) at the start. A lever of each row moves its own
    row alone, so that all are tried at once."""
    simulator: Simulator = problem.simulator
    count = simulator.plan.count
    here = _excess(simulator, constraint.expression, start)
    where, which, weight = list[Any](), list[Any](), list[Any]()
    for place in simulator.slices.values():
        away = start.copy()
        away[place] += np.where(problem.box.upper[place] > start[place], 1.0, -1.0)
        change = (_excess(simulator, constraint.expression, away) - here) / (away[place] - start[place])
        moved = np.flatnonzero(change)
        where.append(moved)
        which.append(place.start + (moved if place.stop - place.start > 1 else 0 * moved))
        weight.append(change[moved])
    entries = np.concatenate(weight), (np.concatenate(where), np.concatenate(which))
    return scipy("sparse").csr_array(entries, shape=(count, problem.box.size)), here


def _excess(simulator: Simulator, expression: Expression, x: Floats) -> Floats:
    """(R,): a mean over the draws."""
    plan = simulator.plan
    size, total = max(CELLS // plan.count, 1), np.zeros(plan.count)
    for begin in range(0, plan.draws, size):
        draws = slice(begin, min(begin + size, plan.draws))
        known = simulator.values(x[None], 0, draws)
        given = {name: known[name] for name in expression.names}
        value = calculate(expression, given, plan.levels, plan.count).mean(axis=2)[0]
        total += value * (draws.stop - draws.start) / plan.draws
    return total


def _kept(problem: Problem) -> list[Constraint]:
    assert isinstance(problem.source, Planned)
    every = problem.source.constraints
    return every if problem.kept is None else [every[at] for at in problem.kept]


def _named(problem: Problem, direction: Floats) -> str:
    moved = [int(at) for at in np.flatnonzero(direction)[:3]]
    told = [f"{problem.box.names[at]} {'up' if direction[at] > 0 else 'down'}" for at in moved]
    return f"It does with {', '.join(told)}"
