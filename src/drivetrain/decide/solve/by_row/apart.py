"""A plan with a lever for each row, as rows that are solved each by itself (rows.RowProblem)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.curvature import UNKNOWN, Shape, shape_of
from drivetrain.decide.expressions.expression import (
    BY_ROW,
    PERIOD,
    Call,
    Expression,
    Name,
    Number,
    Tree,
    parts,
)
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.plans.objective import Objective
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.by_row.separate import Separation, Summed
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.problem import Problem
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
    """Expressions with a value for each row: `value`, in each period at its weight, is minimised; `uses`, each `when` it is looked
    at, sum to at most the limits; `own` must be at most 0 in each row, in each period that moves it (`timed`). `factors` are of the
    value and of each of the uses."""

    value: Expression
    weights: tuple[float, ...]
    uses: tuple[Expression, ...]
    when: tuple[int, ...]
    own: tuple[Expression, ...]
    timed: tuple[bool, ...]
    factors: tuple[float, ...]

    @property
    def every(self) -> tuple[Expression, ...]:
        return (self.value, *self.uses, *self.own)


class Apart:
    """The rows of a plan. `lower`, `upper` (R,), `levels` (L,) or None, `limits` (C,), `names` (C,) and
    `signs` (C,): -1 of those of an equation that say "not below"."""

    def __init__(
        self, plan: Plan, lever: str, bounds: tuple[Floats, Floats, Floats | None], terms: Terms, limits: Floats,
        names: tuple[str, ...], signs: Floats, values: Values, world: World,
    ) -> None:  # fmt: skip
        self.plan, self.lever, self.terms = plan, lever, terms
        self.lower, self.upper, self.levels = bounds
        self.limits, self.names, self.signs, self.values, self.world = limits, names, signs, values, world
        needed = plan.graph.needed(name for each in terms.every for name in each.names)
        self.periods = (
            plan.periods if any(terms.timed) else max([len(terms.weights), *(t + 1 for t in terms.when)])
        )
        self.names_of = {id(each): each.names for each in terms.every}
        nodes = [node for node in plan.nodes if node.name in needed and node.name not in values]
        self.nodes = [(node, node.inputs, plan.is_timed(node.name)) for node in nodes]
        self.wide = plan.draws if any(node.by_chance for node in plan.nodes if node.name in needed) else 1

    def part(self, rows: slice) -> Apart:
        """Some of the rows."""
        values = {name: each[:, rows] if each.shape[1] > 1 else each for name, each in self.values.items()}
        bounds = self.lower[rows], self.upper[rows], self.levels
        world = Rows(self.world.draws, len(self.lower[rows]), self.world.seed, whole=self.world, some=rows)
        found = Apart(
            self.plan, self.lever, bounds, self.terms, self.limits, self.names, self.signs, values, world
        )
        found.wide = self.wide
        return found

    def rough(self, settings: int) -> Apart | None:
        """The same with the first few of the draws, where so many settings of each row would cost much."""
        if self.wide < 4 * FEW or settings * len(self.lower) * self.wide <= DEAR:
            return None
        found = copy.copy(self)
        found.wide = FEW
        return found

    @property
    def convex(self) -> bool:
        """Whether by their formulas value, uses and each row's own constraints are convex in the lever, in each row and draw."""
        nodes = {node.name: node for node in self.plan.nodes}

        def named(name: str) -> Shape | Tree:
            if name == self.lever:
                return Shape("affine", float(self.lower.min()), float(self.upper.max()))
            if name in self.values:
                return Shape("constant", float(self.values[name].min()), float(self.values[name].max()))
            node = nodes.get(name)
            if node is not None and node.formula is not None:
                return node.formula.tree
            moved = node is not None and self.lever in self.plan.graph.above[name]
            return UNKNOWN if moved else Shape("constant")

        bent = [shape_of(each.tree, named) for each in (self.terms.value, *self.terms.uses)]
        fits = [each.convex if factor > 0 else each.concave for each, factor in zip(bent, self.terms.factors)]
        return (
            self.levels is None
            and all(fits)
            and all(shape_of(each.tree, named).convex for each in self.terms.own)
        )

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings (S, R): what is minimised (S, R), inf where a row's own constraint is broken, and uses (C, S, R)."""
        settings, rows = x.shape
        value, uses = np.zeros(x.shape), np.zeros((len(self.terms.uses), *x.shape))
        for some, these, draws in self._blocks(settings, rows):
            part = self if rows <= len(range(*these.indices(rows))) else self.part(these)
            mine, used = part.of_draws(x[some, these], draws)
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

    def of_draws(self, x: Floats, draws: slice) -> tuple[Floats, Floats]:
        """(S, R) values and (C, S, R) uses: means over some draws."""
        world = self.world.part(draws)
        known = {name: each[..., draws] if each.shape[2] > 1 else each for name, each in self.values.items()}
        known[self.lever] = x[:, :, None]
        value, uses = np.zeros(x.shape), np.zeros((len(self.terms.uses), *x.shape))
        terms = self.terms
        for t in range(self.periods):
            known[PERIOD] = np.full((1, 1, 1), float(t))
            for node, inputs, timed in self.nodes:
                if t == 0 or timed:
                    known[node.name] = _drawn(node, inputs, known, world)
            if t < len(terms.weights):
                value += terms.weights[t] * terms.factors[0] * self._mean(terms.value, known)
            for at, each in enumerate(terms.uses):
                if terms.when[at] == t:
                    uses[at] += terms.factors[1 + at] * self._mean(each, known)
            for each, timed in zip(terms.own, terms.timed):
                if t == 0 or timed:
                    value[self._mean(each, known) > HOLDS * (1 + np.abs(x))] = np.inf
        return value, uses

    def _mean(self, expression: Expression, known: Mapping[str, Floats]) -> Floats:
        values = {name: known[name] for name in self.names_of[id(expression)]}
        return calculate(expression, values, self.plan.levels, self.plan.count).mean(axis=2)


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


def apart(problem: Problem, world: World | None = None) -> Apart | None:
    """The rows of a problem, in its own world or another; None where it isn't of a plan of one lever for each row, whose
    objective and constraints are sums over rows, or are of each row by itself."""
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
    ends = _ends(problem, plan)
    if ends is None or (levels is None and (box.step > 0).any()):
        return None
    world = world or World(plan.draws, plan.count, plan.seed)
    values = _fixed(plan, ends, world)
    if values is None:
        return None
    hoist = _Hoist(plan, values)
    value, *uses = [hoist.factored(each) for each in (ends.value, *ends.uses)]
    terms = Terms(
        value[0], ends.weights, tuple(each for each, _ in uses), tuple(ends.when),
        tuple(hoist.known(each) for each in ends.own), tuple(ends.timed), (value[1], *(factor for _, factor in uses)),
    )  # fmt: skip
    limits = np.array([-float(hoist.number(rest, t).mean()) for rest, t in zip(ends.rests, ends.when)])
    bounds = box.lower, box.upper, levels
    return Apart(
        plan, plan.levers[0].name, bounds, terms, limits, ends.names, ends.signs, hoist.values, world
    )


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


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Trees of each row: the `value`, the `uses`, each with its rest, which no lever moves, and what must hold in each row."""

    value: Tree
    weights: tuple[float, ...]
    uses: list[Tree]
    rests: list[Tree]
    when: list[int]
    names: tuple[str, ...]
    signs: Floats
    own: list[Tree]
    timed: list[bool]


def _ends(problem: Problem, plan: Plan) -> Ends | None:
    """What is minimised and what must hold; None where one of them is no sum over rows."""
    if not isinstance(problem.source, Planned) or any(each.soft is not None for each in plan.constraints):
        return None
    separation = Separation(plan)
    objective = plan.objectives[problem.which]
    value = _objective(objective, separation)
    if value is None:
        return None
    uses, rests, when, names = list[Tree](), list[Tree](), list[int](), list[str]()
    own, every_period, signs, before = list[Tree](), list[bool](), list[float](), set[str]()
    every = problem.source.constraints
    for each in every if problem.kept is None else [every[at] for at in problem.kept]:
        tree = each.expression.tree
        if each.statistic.kind != "mean":
            return None
        timed = plan.is_timed(each.expression.names)
        if separation.of_each(tree):
            own, every_period = [*own, tree], [*every_period, timed]
        elif (part := separation.summed(tree)) is not None:
            for t in range(plan.periods if timed else 1):
                uses, rests, when = [*uses, part.each], [*rests, part.rest], [*when, t]
                signs.append(-1.0 if each.name in before else 1.0)
                names.append(each.name)
            before.add(each.name)
        else:
            return None
    for place, limit in problem.limits.items():
        other = plan.objectives[place]
        part = _objective(other, separation)
        if part is None or other.horizon > 1:
            return None
        sign = float(problem.signs[place])
        uses.append(_times(part.each, sign))
        rests.append(Call("-", (_times(part.rest, sign), Number(float(limit)))))
        when, signs = [*when, 0], [*signs, 1.0]
        names.append(f"objective {place + 1}")
    timed = plan.is_timed(objective.expression.names)
    weights = tuple(objective.weights) if timed else (sum(objective.weights),)
    least = _times(value.each, float(problem.sign))
    return Ends(least, weights, uses, rests, when, tuple(names), np.array(signs), own, every_period)


def _objective(objective: Objective, separation: Separation) -> Summed | None:
    """The rows that an objective is the sum of."""
    tree = objective.expression.tree
    if objective.statistic.kind != "mean":
        return None
    if separation.of_each(tree):
        return Summed(tree if objective.over == "sum" else Call("/", (tree, Call("count", ()))))
    return separation.summed(tree)


def _times(tree: Tree, factor: float) -> Tree:
    return tree if factor == 1 else Call("*", (Number(factor), tree))


def _fixed(plan: Plan, ends: Ends, world: World) -> Values | None:
    """The columns, and what no lever moves: computed once where there is room, else with the rows, if each is by itself. None where
    neither can be."""
    rows, lever = plan.rows, plan.levers[0].name
    known: Values = {} if rows is None else {name: rows.values[name][None, :, None] for name in rows.names}
    trees = [ends.value, *ends.uses, *ends.own]
    needed = plan.graph.needed(name for tree in trees for name in Expression("", tree).names)
    whole = plan.graph.needed(name for tree in [*trees, *ends.rests] for name in _over_rows(tree, plan))
    room = KEPT
    for node in plan.nodes:
        above = plan.graph.above[node.name]
        if node.name not in needed | whole or lever in above or PERIOD in above:
            continue
        ready = all(name in known for name in node.inputs)
        if ready and (node.name in whole or plan.count * plan.draws <= room):
            known[node.name] = _drawn(node, node.inputs, known, world)
            room -= known[node.name].size
        elif not node.each_row_alone or node.name in whole:
            return None
    rests = [name for tree in ends.rests for name in Expression("", tree).names if name != PERIOD]
    of_all = [name for tree in trees for name in _over_rows(tree, plan)]
    return known if all(name in known for name in [*rests, *of_all]) else None


def _over_rows(tree: Tree, plan: Plan) -> list[str]:
    """The names in what is a function of all rows, which no lever moves."""
    separation = Separation(plan)
    inner = [part for part in parts(tree) if isinstance(part, Call) and part.function in BY_ROW]
    return [name for part in inner if not separation.moves(part) for name in Expression("", part).names]


class _Hoist:
    """Takes out of trees of a row what is of all rows and moved by no lever: it is computed once, and has a name."""

    def __init__(self, plan: Plan, values: Values) -> None:
        self.plan, self.values, self.separation = plan, dict(values), Separation(plan)

    def number(self, tree: Tree, t: int = 0) -> Floats:
        """The value of what no lever moves, in a period."""
        expression = Expression("", tree)
        known = {**self.values, PERIOD: np.full((1, 1, 1), float(t))}
        given = {name: known[name] for name in expression.names}
        return calculate(expression, given, self.plan.levels, self.plan.count)

    def known(self, tree: Tree) -> Expression:
        return Expression("", self._taken(tree))

    def _taken(self, tree: Tree) -> Tree:
        if not isinstance(tree, Call):
            return tree
        if tree.function in BY_ROW:
            name = f"all rows {len(self.values)}"
            self.values[name] = self.number(tree)
            return Name(name)
        return replace(tree, arguments=tuple(self._taken(each) for each in tree.arguments))

    def factored(self, tree: Tree) -> tuple[Expression, float]:
        """The tree without the constant factors around it, and these: what is left out isn't computed for each draw."""
        factor = 1.0
        while isinstance(tree, Call):
            if tree.function == "negative" or (tree.function == "-" and self._is(tree.arguments[0], 0.0)):
                tree, factor = tree.arguments[-1], -factor
            elif tree.function in ("+", "-") and self._is(tree.arguments[1], 0.0):
                tree = tree.arguments[0]
            elif tree.function == "+" and self._is(tree.arguments[0], 0.0):
                tree = tree.arguments[1]
            elif tree.function in ("*", "/") and (by := self._constant(tree.arguments[1])) is not None:
                tree, factor = tree.arguments[0], factor * by if tree.function == "*" else factor / by
            elif tree.function == "*" and (by := self._constant(tree.arguments[0])) is not None:
                tree, factor = tree.arguments[1], factor * by
            else:
                break
        return self.known(tree), factor

    def _is(self, tree: Tree, number: float) -> bool:
        return isinstance(tree, Number) and tree.value == number

    def _constant(self, tree: Tree) -> float | None:
        separation = self.separation
        if (
            separation.moves(tree)
            or separation.has_rows(tree)
            or separation.plan.is_timed(Expression("", tree).names)
        ):
            return None
        if any(name not in self.values for name in Expression("", tree).names):
            return None
        value = self.number(tree)
        return float(value.reshape(-1)[0]) if value.size == 1 and np.isfinite(value).all() else None
