"""What settings of the levers come to: the graph for many settings, all rows and all draws, with the same chances for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import PERIOD, Expression
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.plans.lever import bounds, extrapolates, snap, values_of
from drivetrain.decide.plans.objective import Constraint, Objective
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate import views
from drivetrain.decide.world import World
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import number

Floats = npt.NDArray[np.float64]
Setting = Mapping[str, Any]
"""lever -> its value: one, or one for each row."""
BLOCK = 1 << 18
"""Cells of an array that is worked on at once: as much as a cache holds, which is twice as quick as more."""
KEPT = 1 << 25
"""Cells of what no lever moves that are kept from one call to the next."""
AT_ONCE = 1 << 22
"""Objectives of settings x draws that are in memory at once."""
MOST_CELLS = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Of settings: `objectives` (S, K) as the plan states them, `penalty` (S,) the price of what soft constraints are broken by,
    in the unit of the objective, and `excess` (S, C) of every constraint, which holds where it is <= 0."""

    objectives: Floats
    penalty: Floats
    excess: Floats


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Outcomes:
    """`mean`: name of each outcome that is a number -> (S, D), over the rows, in the period asked for; `objectives` (K, S, D), over
    rows and horizon; `measured` is made of these. `extrapolates`: lever -> (S, 1) or (S, R), where its setting is beyond what was
    observed."""

    mean: dict[str, Floats]
    objectives: Floats
    measured: Measured
    extrapolates: dict[str, npt.NDArray[np.bool_]] = field(repr=False)
    full: Callable[[], dict[str, Floats]] = field(repr=False)

    @property
    def values(self) -> dict[str, Floats]:
        """Every name in full, broadcastable to (S, rows, D), computed when asked for. Raises UsageError where it is too much."""
        return self.full()

    @property
    def objective(self) -> Floats:
        """(S, D) of the first objective."""
        return self.objectives[0]

    def __repr__(self) -> str:
        shown = [
            f"objective {number(each['objective']['mean'])} "
            f"({number(each['objective']['low'])} to {number(each['objective']['high'])})"
            for each in self.summary()[:5]
        ]
        return f"Outcomes({'; '.join(shown)}{'; ...' if len(self.objective) > 5 else ''})"

    def summary(self) -> list[dict[str, dict[str, float]]]:
        """For each setting: name -> its mean over rows and draws, and between which values 90 % of the draws lie."""
        names = {**self.mean, "objective": self.objective}
        return [
            {name: _spread(values[setting]) for name, values in names.items()}
            for setting in range(self.objective.shape[0])
        ]


@np.errstate(all="ignore")
def _spread(values: Floats) -> dict[str, float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


class Simulator:
    """Computes a plan. Settings are vectors `x` (S, size): the levers one after the other in the plan's order, those of each
    row with one number a row (`slices`).

    `lower`, `upper`, `now` (size,), where `now` is NaN for what nobody said; `step` (size,) NaN for any value; `whole` (size,) for
    whole numbers, choices and switches.
    """

    @public
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.draws, plan.count, plan.seed)
        parts, at = list[tuple[Floats, ...]](), 0
        self.slices = dict[str, slice]()
        for lever in plan.levers:
            count = plan.count if lever.by_row else 1
            step = lever.step or (math.nan if lever.kind == "number" else 1.0)
            whole = lever.kind != "number"
            made = (*bounds(lever, plan.rows), np.array([step]), np.array([float(whole)]))
            parts.append(tuple(np.broadcast_to(each, count) for each in made))
            self.slices[lever.name] = slice(at, at + count)
            at += count
        self.size = at
        self.lower, self.upper, self.now, self.step, whole = (np.concatenate(each) for each in zip(*parts))
        self.whole = whole > 0
        self.hard = np.array([each.soft is None for each in plan.constraints], bool)
        self._columns = _columns(plan)
        self._moving = frozenset(each.name for each in plan.nodes if plan.depends(each.name))
        self._timed = frozenset(each.name for each in plan.nodes if plan.is_timed(each.name))
        ends: list[Objective | Constraint] = [*plan.objectives, *plan.constraints]
        self._needed = plan.graph.needed(name for each in ends for name in each.expression.names)
        self._kept = dict[tuple[str, int], Floats]()
        self._cells_kept = 0

    # Settings

    def split(self, x: Floats) -> dict[str, Floats]:
        """Of vectors (S, size): lever -> (S, 1, 1), or (S, rows, 1) for one of each row."""
        x = np.atleast_2d(np.asarray(x, np.float64))
        if x.shape[1] != self.size:
            raise UsageError(f"a setting has {self.size} numbers, not {x.shape[1]}.")
        return {name: x[:, place, None] for name, place in self.slices.items()}

    def join(self, levers: Setting) -> Floats:
        """A vector (S, size) of settings: each lever's value is one, (S,) for several settings, (rows,) or (S, rows) for one of
        each row. What isn't said is as it is now. Raises UsageError for an unknown lever, or one of which neither is known."""
        for name in levers:
            self.plan.lever(name)
        parts = list[Floats]()
        for lever in self.plan.levers:
            place = self.slices[lever.name]
            count = place.stop - place.start
            if lever.name not in levers:
                part = self.now[None, place]
                if np.isnan(part).any():
                    raise UsageError(
                        "its value isn't said, nor what it is now.", where=f"levers.{lever.name}"
                    )
            else:
                part = values_of(lever, levers[lever.name])
                if part.ndim == 0:
                    part = np.full((1, count), float(part))
                elif part.ndim == 1:
                    part = part[None] if count > 1 and len(part) == count else part[:, None]
                if part.ndim != 2 or part.shape[1] not in (1, count):
                    raise UsageError(
                        f"{count} numbers are wanted for a setting, and these are {part.shape}.",
                        where=f"levers.{lever.name}",
                    )  # fmt: skip
                part = np.broadcast_to(part, (part.shape[0], count))
            parts.append(part)
        settings = max(len(part) for part in parts)
        if any(len(part) not in (1, settings) for part in parts):
            raise UsageError("the levers have different numbers of settings.", where="levers")
        return np.concatenate([np.broadcast_to(part, (settings, part.shape[1])) for part in parts], axis=1)

    def nearest(self, x: Floats) -> Floats:
        """The settings (S, size) or (size,) nearest to x that bounds and steps allow."""
        parts = [snap(each, x[..., self.slices[each.name]]) for each in self.plan.levers]
        return np.clip(np.concatenate(parts, axis=-1), self.lower, self.upper)

    # What settings come to

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings (S, size): the first objective (S,) as the plan states it, less the price of soft constraints that are
        broken (plus it, of one to be minimised), and the excess (S, C) of the hard ones."""
        found = self.measure(x)
        return self.priced(found), found.excess[:, self.hard]

    def priced(self, measured: Measured) -> Floats:
        sign = 1 if self.plan.objectives[0].maximise else -1
        return measured.objectives[:, 0] - sign * measured.penalty

    def measure(self, x: Floats, held: Mapping[str, Floats] | None = None) -> Measured:
        """All objectives and constraints of settings (S, size); outcomes that are `held` have these values, broadcastable to
        (S, rows, 1). Raises DataError where one is not a number."""
        x = np.atleast_2d(np.asarray(x, np.float64))
        some = max(AT_ONCE // self.plan.draws, 1)
        found = [
            self._run(self.split(x[at : at + some]), frozenset(), 0, held or {})[0]
            for at in range(0, len(x), some)
        ]
        if len(found) == 1:
            return found[0]
        parts = zip(*((each.objectives, each.penalty, each.excess) for each in found))
        return Measured(*(np.concatenate(each) for each in parts))

    @public
    def simulate(self, levers: Setting | Floats, t: int = 0) -> Outcomes:
        """Every outcome at settings. `t` is the period of `mean`. Raises DataError where the objective is not a number."""
        x = levers if isinstance(levers, np.ndarray) else self.join(levers)
        given = self.split(x)
        if len(x) * self.plan.draws > MOST_CELLS:
            raise UsageError(
                f"{len(x):,} settings at once are too many.", where="levers", fix="Use measure(x)."
            )
        names = frozenset(each.name for each in self.plan.nodes if not each.levels)
        measured, objectives, means = self._run(given, names, t, {})
        return Outcomes(means, objectives, measured, self.extrapolates(x), partial(self.values, x, t))

    def values(self, levers: Setting | Floats, t: int = 0, draws: slice = slice(None)) -> dict[str, Floats]:
        """Every name at settings, in full: broadcastable to (S, rows, draws). Raises UsageError where that is too much."""
        given = self.split(levers if isinstance(levers, np.ndarray) else self.join(levers))
        settings, world = len(next(iter(given.values()))), self.world.part(draws)
        by_chance = any(each.by_chance for each in self.plan.nodes)
        many = len(range(*draws.indices(self.plan.draws))) if by_chance else 1
        cells = settings * self.plan.count * many
        if cells > MOST_CELLS:
            raise UsageError(f"{cells:,} values for each outcome are too many.", fix="Ask for fewer draws.")
        known = {**self._columns, **given, PERIOD: np.full((1, 1, 1), float(t))}
        for node in self.plan.nodes:
            known[node.name] = self._draw(node, known, world)
        return known

    def extrapolates(self, x: Floats) -> dict[str, npt.NDArray[np.bool_]]:
        """Lever -> (S, 1) or (S, rows): where its setting is beyond what was observed."""
        return {
            each.name: extrapolates(each, np.atleast_2d(x)[:, self.slices[each.name]])
            for each in self.plan.levers
        }

    # To look at

    def curve(self, lever: str, *, at: Setting | None = None, points: int = 41) -> views.Curve:
        """The objective along a lever, the others at a setting: what is said, else what is now, else the middle."""
        return views.curve(self, lever, at=at, points=points)

    def surface(self, a: str, b: str, *, at: Setting | None = None, points: int = 21) -> views.Surface:
        """The objective over two levers."""
        return views.surface(self, a, b, at=at, points=points)

    def tornado(self, at: Setting | None = None) -> list[views.Bar]:
        """What is uncertain, by how much it matters."""
        return views.tornado(self, at)

    def what_if(self, settings: Sequence[Setting]) -> list[dict[str, Any]]:
        """What each of these settings comes to."""
        return views.what_if(self, settings)

    # The work

    @np.errstate(all="ignore")  # What isn't finite is looked for at the end.
    def _run(
        self, given: dict[str, Floats], shown: frozenset[str], t: int, held: Mapping[str, Floats]
    ) -> tuple[Measured, Floats, dict[str, Floats]]:
        plan, settings = self.plan, len(next(iter(given.values())))
        objectives = np.zeros((len(plan.objectives), settings, plan.draws))
        means = {name: np.zeros((settings, plan.draws)) for name in shown}
        excesses = [_Excess(each, settings, plan) for each in plan.constraints]
        periods = max(t + 1 if shown else 1, plan.periods)
        weights = [
            each.weights if plan.is_timed(each.expression.names) else [sum(each.weights)]
            for each in plan.objectives
        ]
        for some, draws in self._blocks(settings, self._needed | shown):
            for period, known in enumerate(self._periods(given, some, draws, periods, shown, held)):
                for place, each in enumerate(plan.objectives):
                    if period < len(weights[place]):
                        value = _over_rows(self._value(each.expression, known), each)
                        objectives[place, some, draws] += weights[place][period] * value
                if period == t:
                    for name in shown:
                        means[name][some, draws] = known[name].mean(axis=1)
                for each in excesses:
                    if period == 0 or plan.is_timed(each.constraint.expression.names):
                        each.add(self._value(each.constraint.expression, known), period, some, draws)
        self._check_numbers(objectives, given)
        self._check_finite(objectives)
        columns = [
            each.statistic.of(objectives[k], worst_is_low=each.worst_is_low)
            for k, each in enumerate(plan.objectives)
        ]
        excess = np.stack([each.total() for each in excesses], 1) if excesses else np.zeros((settings, 0))
        self._check_constraints(excess)
        prices = np.array([each.soft or 0.0 for each in plan.constraints])
        penalty = np.maximum(excess, 0) @ prices if excesses else np.zeros(settings)
        return Measured(np.stack(columns, 1), penalty, excess), objectives, means

    def _blocks(self, settings: int, names: frozenset[str]) -> Iterable[tuple[slice, slice]]:
        """Settings and draws to be worked on at once. All rows are: a function over rows wants them together."""
        rows, draws = self.plan.count, self.plan.draws
        by_chance = any(each.by_chance for each in self.plan.nodes if each.name in names)
        some_draws = min(max(BLOCK // rows, 1), draws) if by_chance else draws
        some = max(BLOCK // (rows * (some_draws if by_chance else 1)), 1)
        for start in range(0, settings, some):
            for first in range(0, draws, some_draws):
                yield slice(start, min(start + some, settings)), slice(first, min(first + some_draws, draws))

    def _periods(
        self,
        given: dict[str, Floats],
        some: slice,
        draws: slice,
        periods: int,
        shown: frozenset[str] = frozenset(),
        held: Mapping[str, Floats] = MappingProxyType({}),
    ) -> Iterable[dict[str, Floats]]:
        """The values of all that is needed, period by period; what the period doesn't move is computed once."""
        world = self.world.part(draws)
        known = {**self._columns, **{name: values[some] for name, values in given.items()}}
        wanted = self._needed | shown
        for t in range(periods):
            known = {**known, PERIOD: np.full((1, 1, 1), float(t))}
            for node in self.plan.nodes:
                if node.name in held:
                    known[node.name] = held[node.name]
                elif node.name in wanted and (t == 0 or node.name in self._timed):
                    fixed = node.name not in self._moving and not held
                    known[node.name] = (
                        self._fixed(node, known, world, t) if fixed else self._draw(node, known, world)
                    )
            yield known

    def _fixed(self, node: Node, known: dict[str, Floats], world: World, t: int) -> Floats:
        """An outcome that no lever moves: computed once for all draws and kept, where there is room."""
        key = (node.name, t if node.name in self._timed else 0)
        if key not in self._kept:
            inputs = [self._whole(name, known, t) for name in node.inputs]
            wide = self.plan.count * self.plan.draws
            if any(each is None for each in inputs) or self._cells_kept + wide > KEPT:
                return self._draw(node, known, world)
            values = {name: each for name, each in zip(node.inputs, inputs) if each is not None}
            self._kept[key] = self._draw(node, values, self.world)
            self._cells_kept += self._kept[key].size
        found = self._kept[key]
        return found[:, :, world.places] if found.shape[2] == self.plan.draws else found

    def _whole(self, name: str, known: dict[str, Floats], t: int) -> Floats | None:
        """An input for all draws at once; None where it isn't kept."""
        if name in self._columns or name == PERIOD:
            return known[name]
        return self._kept.get((name, t if name in self._timed else 0))

    def _draw(self, node: Node, known: Mapping[str, Floats], world: World) -> Floats:
        try:
            return node.draw({name: known[name] for name in node.inputs}, world)
        except (DataError, UsageError) as fault:
            raise fault.at(f"models.{node.name}") from None

    def _value(self, expression: Expression, known: Mapping[str, Floats]) -> Floats:
        values = {name: known[name] for name in expression.names}
        return calculate(expression, values, self.plan.levels, self.plan.count)

    def _check_numbers(self, objectives: Floats, given: dict[str, Floats]) -> None:
        """Raise DataError that names the setting, the row and the outcome from which on it is no number."""
        bad = np.argwhere(np.isnan(objectives))
        if not len(bad):
            return
        place, setting, draw = (int(each) for each in bad[0])
        here = {name: values[setting : setting + 1] for name, values in given.items()}
        objective = self.plan.objectives[place]
        for known in self._periods(here, slice(0, 1), slice(draw, draw + 1), objective.horizon):
            for node in self.plan.nodes:
                if node.name in self._needed and np.isnan(known[node.name]).any():
                    raise self._no_number(f"models.{node.name}", known[node.name], node.inputs, here)
            value = self._value(objective.expression, known)
            if np.isnan(value).any():
                where = f"objective {objective.expression.text}"
                raise self._no_number(where, value, objective.expression.names, here)
        raise DataError("it is not a number.", where=f"objective {objective.expression.text}")

    def _check_finite(self, objectives: Floats) -> None:
        """Raise DataError where an objective is better than any number. One that is worse than any may be: it isn't chosen."""
        for each, values in zip(self.plan.objectives, objectives):
            if np.isinf(values[values > 0 if each.maximise else values < 0]).any():
                raise DataError(
                    "it is infinite somewhere.", where=f"objective {each.expression.text}",
                    fix="Look for a division by 0, and for levers without bounds.",
                )  # fmt: skip

    def _no_number(
        self, where: str, value: Floats, names: Sequence[str], here: dict[str, Floats]
    ) -> DataError:
        row = int(np.argwhere(np.isnan(value))[0][1])
        place = f" in row {row + 1}" if self.plan.count > 1 and value.shape[1] > 1 else ""
        for name in names:
            column = self._columns.get(name)
            missing = np.isnan(column[0, :, 0]) if column is not None else np.zeros(1, bool)
            if missing[row if len(missing) > 1 and place else slice(None)].any():
                first = row if place else int(np.argmax(missing))
                return DataError(
                    f"the column {name} is missing in row {first + 1}.", where=where,
                    fix="Fill it, or take the row out.",
                )  # fmt: skip
        settings = ", ".join(
            f"{name} = {number(float(each[0, row if each.shape[1] > 1 else 0, 0]))}"
            for name, each in here.items()
        )
        return DataError(
            f"it is not a number{place}, at {settings}.", where=where,
            fix="Narrow the levers' bounds, or say what it is there: if(x > 0, log(x), 0).",
        )  # fmt: skip

    def _check_constraints(self, excess: Floats) -> None:
        bad = np.argwhere(np.isnan(excess))
        if len(bad):
            raise DataError(
                "it is not a number.", where=f"constraints, {self.plan.constraints[int(bad[0][1])].name}"
            )


class _Excess:
    """The excess of a constraint, gathered block by block."""

    def __init__(self, constraint: Constraint, settings: int, plan: Plan) -> None:
        self.constraint, self.settings, self.plan = constraint, settings, plan
        self.periods = dict[int, Floats]()

    def add(self, value: Floats, period: int, some: slice, draws: slice) -> None:
        mean = self.constraint.statistic.kind == "mean"
        if period not in self.periods:
            rows, wide = value.shape[1], 1 if mean else self.plan.draws
            if self.settings * rows * wide > MOST_CELLS:
                raise UsageError(
                    f"a {self.constraint.statistic} for each of {rows:,} rows takes too much memory.",
                    where=f"constraints, {self.constraint.name}", fix="Take fewer draws, or hold a sum or mean over rows.",
                )  # fmt: skip
            self.periods[period] = np.zeros((self.settings, rows, wide))
        if mean:
            share = (draws.stop - draws.start) / self.plan.draws
            self.periods[period][some] += share * value.mean(axis=2, keepdims=True)
        else:
            self.periods[period][some, :, draws] = value

    def total(self) -> Floats:
        """(S,): of the worst row in the worst period."""
        worst = np.full(self.settings, -np.inf)
        for values in self.periods.values():
            settings, rows, draws = values.shape
            flat = self.constraint.statistic.of(values.reshape(settings * rows, draws), worst_is_low=False)
            worst = np.maximum(worst, flat.reshape(settings, rows).max(axis=1))
        return worst


def _over_rows(value: Floats, objective: Objective) -> Floats:
    """(S, D): what has a value for each row is added up, or its mean taken."""
    if value.shape[1] == 1:
        return value[:, 0]
    return value.sum(axis=1) if objective.over == "sum" else value.mean(axis=1)


def _columns(plan: Plan) -> dict[str, Floats]:
    rows = plan.rows
    return {} if rows is None else {name: rows.values[name][None, :, None] for name in rows.names}
