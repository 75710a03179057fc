"""A plan as a problem: its levers as a box of numbers, its objectives so that less is better, and their slopes.

Slopes go backwards through the graph (reverse mode: one walk whatever the number of levers) where the nodes between levers and
objectives are formulas; else differences have to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import calculate, gradient
from drivetrain.decide.expressions.expression import Call, Expression, Number
from drivetrain.decide.plans.objective import Constraint, Objective
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.problem import Box, Problem

Floats = npt.NDArray[np.float64]
Values = dict[str, Floats]
_BLOCK = 1 << 20
"""Cells of an array at once, on the way back."""


def problem_of(simulator: Simulator) -> Problem:
    """What solvers see of a plan. Its soft constraints are in the objective by their price; the hard ones are constraints, an
    equation as two of one name: not above, not below."""
    if not _by_chance(simulator.plan):
        simulator = Simulator(simulator.plan.with_draws(1))
    plan = simulator.plan
    names = tuple(name for name, place in simulator.slices.items() for _ in range(place.start, place.stop))
    choices = {each.name for each in plan.levers if each.kind == "choice"}
    box = Box.of(
        simulator.lower, simulator.upper, names=names, step=np.nan_to_num(simulator.step, nan=0.0),
        nominal=np.array([name in choices for name in names], bool), now=simulator.now,
    )  # fmt: skip
    source = Planned(simulator)
    return Problem(
        box, source, tuple(each.name for each in source.constraints),
        np.array([_size(each) for each in source.constraints]),
        tuple(-1 if each.maximise else 1 for each in plan.objectives),
        simulator=simulator, cells=_cells(plan),
    )  # fmt: skip


def coarser(problem: Problem, cells: int) -> Problem | None:
    """The same with so few draws that a setting costs `cells`; None where it isn't of a plan, or costs no more."""
    if problem.simulator is None or problem.cells <= cells:
        return None
    plan = problem.simulator.plan
    draws = max(cells // plan.count, 8)
    if draws >= plan.draws:
        return None
    simulator = Simulator(plan.with_draws(draws))
    return replace(problem, source=Planned(simulator), simulator=simulator, cells=_cells(simulator.plan))


def _cells(plan: Plan) -> int:
    """Rows x draws that one setting is computed for."""
    return plan.count * plan.draws


def _by_chance(plan: Plan) -> bool:
    """Whether draws differ from one another."""
    ends = [*plan.objectives, *plan.constraints]
    needed = plan.graph.needed(name for each in ends for name in each.expression.names)
    return any(each.by_chance for each in plan.nodes if each.name in needed)


def _size(constraint: Constraint) -> float:
    """How large a constraint's bound is, where it is a number; else 1."""
    tree = constraint.expression.tree
    sides = tree.arguments if isinstance(tree, Call) else ()
    return max((abs(each.value) for each in sides if isinstance(each, Number)), default=0.0) or 1.0


class Planned:
    """What a simulator computes, with less being better."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.plan = simulator, simulator.plan
        self.signs = np.array([-1.0 if each.maximise else 1.0 for each in self.plan.objectives])
        hard = [each for each in self.plan.constraints if each.soft is None]
        self.constraints = [part for each in hard for part in _parts(each)]
        moved = {each.name for each in self.plan.nodes if self.plan.depends(each.name)}
        self.moving = moved | {each.name for each in self.plan.levers}
        equal = any(each.equal for each in hard)
        soft = [each for each in self.plan.constraints if each.soft is not None]
        apart = [*self.constraints, *soft]
        self.by_hand = Simulator(self.plan.with_constraints(apart)) if equal else simulator

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        found = self.by_hand.measure(x)
        values = self.signs * found.objectives
        values[:, 0] += found.penalty
        return values, found.excess[:, self.by_hand.hard]

    def slopes(self, x: Floats) -> tuple[Floats, Floats] | None:
        if not self._formulas_alone:
            return None
        walk = _Walk(self, x)
        objectives = (
            np.stack([walk.objective(place) for place in range(len(self.signs))]) * self.signs[:, None]
        )
        for constraint in self.plan.constraints:
            if constraint.soft is not None:
                excess, slopes = walk.constraint(constraint)
                objectives[0] += constraint.soft * slopes * (excess > 0)
        hard = [walk.constraint(each)[1] for each in self.constraints]
        return objectives, np.stack(hard) if hard else np.zeros((0, len(x)))

    @property
    def _formulas_alone(self) -> bool:
        ends = [*self.plan.objectives, *self.constraints]
        needed = self.plan.graph.needed(name for each in ends for name in each.expression.names)
        return all(
            each.formula is not None
            for each in self.plan.nodes
            if each.name in needed and each.name in self.moving
        )


def _parts(constraint: Constraint) -> list[Constraint]:
    """The constraint, or the two that an equation is made of: not above, not below."""
    tree = constraint.expression.tree
    if not (constraint.equal and isinstance(tree, Call)):
        return [constraint]
    apart = tree.arguments[0]
    sides = (apart, Call("negative", (apart,)))
    return [replace(constraint, equal=False, expression=Expression(constraint.text, each)) for each in sides]


class _Walk:
    """Back through the graph at one setting (n,), from objectives and constraints to levers."""

    def __init__(self, source: Planned, x: Floats) -> None:
        self.source, self.x, self.plan = source, x, source.plan
        self.size = max(_BLOCK // self.plan.count, 1)
        self.kept: tuple[tuple[int, int], Values] | None = None

    def objective(self, place: int) -> Floats:
        """The slope (n,) of an objective as the plan states it."""
        objective = self.plan.objectives[place]
        weights = self._of_draws(objective)
        found = np.zeros(len(self.x))
        for t, draws, values in self._blocks(objective.horizon):
            rows = self._value(objective.expression, values).shape[1]
            share = objective.weights[t] / (rows if objective.over == "mean" else 1)
            found += self._back(objective.expression, share * weights[draws], values)
        return found

    def constraint(self, constraint: Constraint) -> tuple[float, Floats]:
        """A constraint's excess, and its slope (n,): that of the row and period where it is broken most."""
        horizon = self.plan.periods if self.plan.is_timed(constraint.expression.names) else 1
        worst, of, statistic = -np.inf, (0, 0, np.zeros(0)), constraint.statistic
        for t in range(horizon):
            value = np.concatenate(
                [self._value(constraint.expression, values)[0] for values in self._period(t)], axis=1
            )
            excess = statistic.of(value, worst_is_low=False)
            row = int(excess.argmax())
            if excess[row] > worst:
                weights = statistic.weights(value[row : row + 1], worst_is_low=False)[0]
                worst, of = float(excess[row]), (t, row, weights)
        period, row, weights = of
        found = np.zeros(len(self.x))
        for _, draws, values in self._blocks(period + 1, period):
            rows = self._value(constraint.expression, values).shape[1]
            place = np.asarray(np.arange(rows) == row, np.float64)[None, :, None]
            found += self._back(constraint.expression, place * weights[draws], values)
        return worst, found

    def _of_draws(self, objective: Objective) -> Floats:
        """How much the objective's statistic changes with each draw (D,)."""
        if objective.statistic.kind == "mean":
            return np.full(self.plan.draws, 1 / self.plan.draws)
        found = np.zeros((1, self.plan.draws))
        for t, draws, values in self._blocks(objective.horizon):
            value = self._value(objective.expression, values)
            value = value.mean(axis=1) if objective.over == "mean" else value.sum(axis=1)
            found[:, draws] += objective.weights[t] * value
        return objective.statistic.weights(found, worst_is_low=objective.worst_is_low)[0]

    def _blocks(self, periods: int, first: int = 0) -> Iterator[tuple[int, slice, Values]]:
        for t in range(first, periods):
            for begin in range(0, self.plan.draws, self.size):
                draws = slice(begin, min(begin + self.size, self.plan.draws))
                if self.kept is None or self.kept[0] != (t, begin):
                    self.kept = (t, begin), self.source.simulator.values(self.x[None], t, draws)
                yield t, draws, self.kept[1]

    def _period(self, t: int) -> Iterator[Values]:
        for _, draws, values in self._blocks(t + 1, t):
            many = len(range(*draws.indices(self.plan.draws)))
            yield {name: np.broadcast_to(each, (*each.shape[:2], many)) for name, each in values.items()}

    def _value(self, expression: Expression, values: Values) -> Floats:
        return calculate(expression, values, self.plan.levels, self.plan.count)

    def _back(self, expression: Expression, of: Floats, values: Values) -> Floats:
        """The slope (n,) of sum(of * value of the expression)."""
        slopes: Values = {}

        def to_inputs(expression: Expression, of: Floats) -> None:
            wanted = {name for name in expression.names if name in self.source.moving}
            if not wanted:
                return
            given = {name: values[name] for name in expression.names}
            for name, each in gradient(
                expression, given, of, wanted, self.plan.levels, self.plan.count
            ).items():
                slopes[name] = slopes[name] + each if name in slopes else each

        shape = self._value(expression, values).shape
        to_inputs(expression, np.broadcast_to(of, np.broadcast_shapes(np.shape(of), shape)))
        for node in reversed(self.plan.nodes):
            if node.name in slopes and node.formula is not None:
                to_inputs(node.formula, slopes.pop(node.name))
        found = np.zeros(len(self.x))
        for name, place in self.source.simulator.slices.items():
            if name in slopes:
                found[place] += slopes[name].reshape(-1)
        return found
