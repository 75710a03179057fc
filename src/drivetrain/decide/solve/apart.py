"""A plan with a lever for each row, as rows that are solved each by itself (rows.RowProblem)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.calculate import calculate
from drivetrain.decide.expression import Call, Expression, Tree
from drivetrain.decide.graph import PERIOD
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.objective import Objective
from drivetrain.decide.plan import Plan
from drivetrain.decide.planned import Planned
from drivetrain.decide.problem import Problem
from drivetrain.decide.simulator import Simulator
from drivetrain.decide.solve.separate import ONE, Separation, Summed
from drivetrain.decide.world import World
from drivetrain.errors import DataError, UsageError

Floats = npt.NDArray[np.float64]
Values = dict[str, Floats]
CELLS = 1 << 14
"""Of an array that is worked on at once: as much as the nearest cache holds, and as is had without asking the system for memory."""
KEPT = 1 << 25
"""Cells of what no lever moves that are kept."""
HOLDS = 1e-9
FEW = 64
"""Draws that tell roughly where to look."""
DEAR = 1e8
"""Cells from which on it is looked roughly first."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Expressions with a value for each row: `value`, in each period at its weight, is minimised; `uses` sum to at most the limits;
    `own` must be at most 0 in each row."""

    value: tuple[Expression, ...]
    weights: tuple[float, ...]
    uses: tuple[Expression, ...]
    own: tuple[Expression, ...]
    timed: bool


class Apart:
    """The rows of a plan. `lower`, `upper` (R,), `levels` (L,) or None, `limits` (C,), `names` (C,)."""

    def __init__(
        self, plan: Plan, lever: str, bounds: tuple[Floats, Floats, Floats | None], terms: Terms, limits: Floats,
        names: tuple[str, ...], values: Values, world: World,
    ) -> None:  # fmt: skip
        self.plan, self.lever, self.terms = plan, lever, terms
        self.lower, self.upper, self.levels = bounds
        self.limits, self.names, self.values, self.world = limits, names, values, world
        every = [*terms.value, *terms.uses, *terms.own]
        needed = plan.graph.needed(name for each in every for name in each.names)
        self.names_of = {id(each): each.names for each in every}
        nodes = [node for node in plan.nodes if node.name in needed and node.name not in values]
        self.nodes = [(node, node.inputs, PERIOD in plan.graph.above[node.name]) for node in nodes]
        self.wide = plan.draws if any(_by_chance(node) for node in plan.nodes if node.name in needed) else 1

    def part(self, rows: slice) -> Apart:
        """Some of the rows."""
        values = {name: each[:, rows] if each.shape[1] > 1 else each for name, each in self.values.items()}
        bounds = self.lower[rows], self.upper[rows], self.levels
        world = Rows(self.world.draws, len(self.lower[rows]), self.world.seed, whole=self.world, some=rows)
        found = Apart(self.plan, self.lever, bounds, self.terms, self.limits, self.names, values, world)
        found.wide = self.wide
        return found

    def rough(self, settings: int) -> Apart | None:
        """The same with the first few of the draws, where so many settings of each row would cost much."""
        if self.wide < 4 * FEW or settings * len(self.lower) * self.wide <= DEAR:
            return None
        found = copy.copy(self)
        found.wide = FEW
        return found

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings (S, R): what is minimised (S, R), inf where a row's own constraint is broken, and uses (C, S, R)."""
        settings, rows = x.shape
        value, uses = np.zeros(x.shape), np.zeros((len(self.terms.uses), *x.shape))
        for some, these, draws in self._blocks(settings, rows):
            part = self if rows <= len(range(*these.indices(rows))) else self.part(these)
            mine, used = part._draws(x[some, these], draws)  # pyright: ignore[reportPrivateUsage]
            share = (draws.stop - draws.start) / self.wide
            value[some, these] += share * mine
            uses[:, some, these] += share * used
        return value, uses

    def _blocks(self, settings: int, rows: int) -> Iterator[tuple[slice, slice, slice]]:
        draws = min(self.wide, CELLS)
        these = max(min(CELLS // draws, rows), 1)
        some = max(min(CELLS // (draws * these), settings), 1)
        for row in range(0, rows, these):
            for start in range(0, settings, some):
                for first in range(0, self.wide, draws):
                    yield (
                        slice(start, min(start + some, settings)),
                        slice(row, min(row + these, rows)),
                        slice(first, min(first + draws, self.wide)),
                    )

    def _draws(self, x: Floats, draws: slice) -> tuple[Floats, Floats]:
        """(S, R) values and (C, S, R) uses: means over some draws."""
        world = self.world.part(draws)
        known = {name: each[..., draws] if each.shape[2] > 1 else each for name, each in self.values.items()}
        known[self.lever] = x[:, :, None]
        value, uses = np.zeros(x.shape), np.zeros((len(self.terms.uses), *x.shape))
        for t, weight in enumerate(self.terms.weights):
            known[PERIOD] = np.full((1, 1, 1), float(t))
            for node, inputs, timed in self.nodes:
                if t == 0 or timed:
                    known[node.name] = _drawn(node, inputs, known, world)
            for each in self.terms.value:
                value += weight * self._mean(each, known)
            if t == 0:
                for at, each in enumerate(self.terms.uses):
                    uses[at] += self._mean(each, known)
                for each in self.terms.own:
                    value[self._mean(each, known) > HOLDS * (1 + np.abs(x))] = np.inf
            if not self.terms.timed:
                break
        return value, uses

    def _mean(self, expression: Expression, known: Mapping[str, Floats]) -> Floats:
        values = {name: known[name] for name in self.names_of[id(expression)]}
        return calculate(expression, values, self.plan.levels, self.plan.count).mean(axis=2)


def _by_chance(node: Node) -> bool:
    """Whether its outcome may differ from draw to draw by more than its inputs do."""
    from drivetrain.decide.nodes.formula import Formula
    from drivetrain.decide.nodes.table import Table

    return not isinstance(node, (Formula, Table))


def _drawn(node: Node, inputs: tuple[str, ...], known: Mapping[str, Floats], world: World) -> Floats:
    try:
        return node.draw({name: known[name] for name in inputs}, world)
    except (DataError, UsageError) as fault:
        raise fault.at(f"models.{node.name}") from None


@dataclass(frozen=True, slots=True)
class Rows(World):
    """Some rows of a world: they have the numbers that they have in it."""

    whole: World = field(default_factory=lambda: World(1))
    some: slice = field(default_factory=lambda: slice(None))

    def part(self, places: slice) -> World:
        return replace(self, places=places)

    def order(self, name: str, *, each_row: bool) -> npt.NDArray[Any]:
        order = self.whole.order(name, each_row=each_row)
        return order[self.some] if each_row else order


def apart(problem: Problem) -> Apart | None:
    """The rows of a problem; None where it isn't of a plan of one lever for each row, whose objective and constraints are sums over
    rows, or are of each row by itself."""
    simulator = problem.simulator
    if not isinstance(simulator, Simulator):
        return None
    plan, box = simulator.plan, problem.box
    if (
        len(plan.levers) != 1
        or not plan.levers[0].by_row
        or plan.count < 2
        or not np.isfinite(box.upper - box.lower).all()
    ):
        return None
    levels = _levels(problem)
    found = _terms(problem, plan)
    if found is None or (levels is None and (box.step > 0).any()):
        return None
    terms, rests, names = found
    lever = plan.levers[0].name
    world = World(plan.draws, plan.count, plan.seed)
    values = _fixed(plan, terms, rests, lever, world)
    if values is None:
        return None
    limits = np.array([-_number(rest, values, plan) for rest in rests])
    return Apart(plan, lever, (box.lower, box.upper, levels), terms, limits, names, values, world)


def _levels(problem: Problem) -> Floats | None:
    """The settings of a lever in steps: the same in all rows."""
    box = problem.box
    step, low = float(box.step[0]), float(box.lower.min())
    if not step > 0 or (box.step != step).any():
        return None
    off: Floats = (box.lower - low) / step
    if (np.abs(off - np.round(off)) > 1e-6).any():
        return None
    count = round((float(box.upper.max()) - low) / step) + 1
    return low + step * np.arange(count, dtype=np.float64)


def _terms(problem: Problem, plan: Plan) -> tuple[Terms, list[Tree], tuple[str, ...]] | None:
    """The trees of each row, the rests of the uses, which no lever moves, and the names of the limits."""
    if not isinstance(problem.source, Planned) or any(each.soft is not None for each in plan.constraints):
        return None
    separation = Separation(plan)
    objective = plan.objectives[problem.which]
    value = _objective(objective, separation)
    if value is None:
        return None
    uses, own, rests, names = list[Tree](), list[Tree](), list[Tree](), list[str]()
    kept = problem.source.constraints
    if problem.kept is not None:
        kept = [kept[at] for at in problem.kept]
    for each in kept:
        if each.statistic.kind != "mean" or separation.is_timed(each.expression):
            return None
        if separation.of_each(each.expression.tree):
            own.append(each.expression.tree)
            continue
        part = separation.summed(each.expression.tree)
        if part is None:
            return None
        uses.append(part.each)
        rests.append(part.rest)
        names.append(each.name)
    for place, limit in problem.limits.items():
        other = plan.objectives[place]
        part = _objective(other, separation)
        if part is None or other.horizon > 1:
            return None
        sign = problem.signs[place]
        uses.append(_times(part.each, sign))
        rests.append(Call("-", (_times(part.rest, sign), _times(ONE, limit))))
        names.append(f"objective {place + 1}")
    weights = tuple(objective.weights)
    timed = separation.is_timed(objective.expression)
    if not timed:
        weights = (sum(weights),)
    made = [
        tuple(Expression("", tree) for tree in trees)
        for trees in ([_times(value.each, problem.sign)], uses, own)
    ]
    terms = Terms(made[0], weights, made[1], made[2], timed)
    return terms, rests, tuple(names)


def _objective(objective: Objective, separation: Separation) -> Summed | None:
    """The rows that an objective is the sum of."""
    tree = objective.expression.tree
    if objective.statistic.kind != "mean":
        return None
    if separation.of_each(tree):
        return Summed(tree if objective.over == "sum" else Call("/", (tree, Call("count", ()))))
    return separation.summed(tree)


def _times(tree: Tree, factor: float) -> Tree:
    from drivetrain.decide.expression import Number

    return tree if factor == 1 else Call("*", (Number(float(factor)), tree))


def _fixed(plan: Plan, terms: Terms, rests: list[Tree], lever: str, world: World) -> Values | None:
    """The columns, and what no lever moves: computed once where there is room, else with the rows, if each is by itself."""
    columns = (
        {} if plan.rows is None else {name: plan.rows.values[name][None, :, None] for name in plan.rows.names}
    )
    every = [*terms.value, *terms.uses, *terms.own, *(Expression("", rest) for rest in rests)]
    needed = plan.graph.needed(name for each in every for name in each.names)
    known, room = dict(columns), KEPT
    for node in plan.nodes:
        above = plan.graph.above[node.name]
        if node.name not in needed or lever in above or PERIOD in above:
            continue
        ready = all(name in known for name in node.inputs)
        if ready and plan.count * plan.draws <= room:
            known[node.name] = _drawn(node, node.inputs, known, world)
            room -= known[node.name].size
        elif not node.each_row_alone:
            return None
    return known


def _number(tree: Tree, values: Values, plan: Plan) -> float:
    """What no lever moves, as a mean over the draws."""
    expression = Expression("", tree)
    given = {name: values[name] for name in expression.names}
    return float(calculate(expression, given, plan.levels, plan.count).mean())
