"""What a plan's value and constraints can be in boxes of settings: what proofs are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import Expression
from drivetrain.decide.expressions.interval import Span, fixed, lever, spans, tightened
from drivetrain.decide.plans.objective import Constraint, Objective
from drivetrain.decide.plans.statistic import Statistic
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.problem import Problem

Floats = npt.NDArray[np.float64]
_ROUNDING = 1e-12
"""What sums of doubles are off by, as a share: the bounds are wider by it."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Of boxes: `values` (B,) and `excess` (B, C) in their `middle` (B, n), `least`, which no value in the box is below, and
    whether a constraint is `broken` throughout."""

    values: Floats
    excess: Floats
    middle: Floats
    least: Floats
    broken: npt.NDArray[np.bool_]


class Boxes:
    """What a problem's value and constraints can be in boxes."""

    def __init__(self, problem: Problem, source: Planned, weights: Floats) -> None:
        self.weights = weights
        self.problem, self.source, self.plan = problem, source, source.plan
        self.soft = [each for each in self.plan.constraints if each.soft is not None]
        ends = [*self.plan.objectives, *self.source.constraints, *self.soft]
        needed = self.plan.graph.needed(name for each in ends for name in each.expression.names)
        self.nodes = [each for each in self.plan.nodes if each.name in needed and each.name in source.moving]
        self.periods = self.plan.periods

    def of(self, lower: Floats, upper: Floats) -> Looked:
        """What can be said of boxes (B, n)."""
        middle = self.problem.box.nearest((lower + upper) / 2)
        values, excess = self.problem.evaluate(middle)
        inside = [_Inside(self, lower, upper, middle, t) for t in range(self.periods)]
        penalty = [np.zeros(len(lower)), np.zeros(len(lower))]
        for each in self.soft:
            for end, most in zip(penalty, self._excess(each, inside)):
                end += (each.soft or 0.0) * np.maximum(most, 0.0)
        problem = self.problem
        broken = np.zeros(len(lower), bool)
        kept = range(len(self.source.constraints)) if problem.kept is None else problem.kept
        for place, tolerance in zip(kept, problem.tolerance):
            broken |= self._excess(self.source.constraints[place], inside)[0] > tolerance
        for (place, limit), tolerance in zip(problem.limits.items(), problem.tolerance[len(kept) :]):
            broken |= self._value(place, inside, penalty)[0] > limit + tolerance
        low, high = self._value(problem.which, inside, penalty)
        least = -high if problem.turned else low
        if self.priced:
            least = np.fmax(least, self._lagrangian(inside))
        slack = _ROUNDING * np.where(np.isfinite(least), abs(least), 0.0)
        return Looked(values, excess, middle, np.where(np.isnan(least), -np.inf, least - slack), broken)

    def _value(self, place: int, inside: list[_Inside], penalty: list[Floats]) -> tuple[Floats, Floats]:
        """Between what an objective lies in each box, so that less is better: (B,) and (B,)."""
        objective = self.plan.objectives[place]
        span, centre = self._over_periods(objective, inside)
        low, high = _ends(objective.statistic, span, centre, inside[0].reach, objective.worst_is_low)
        low, high = low[:, 0], high[:, 0]
        if objective.maximise:
            low, high = -high, -low
        return (low + penalty[0], high + penalty[1]) if place == 0 else (low, high)

    def _over_periods(self, objective: Objective, inside: list[_Inside]) -> tuple[Span, Floats]:
        """An objective's span over rows and periods, by draw, as the plan states it, and its value in the middles."""
        spans = list[tuple[Span, Floats]]()
        for weight, each in zip(objective.weights, inside):
            span, centre = each.of(objective.expression)
            spans.append((_over_rows(span, objective.over, weight), _total(centre, objective.over, weight)))
        return _added([span for span, _ in spans]), np.asarray(sum(centre for _, centre in spans))

    @property
    def priced(self) -> list[tuple[Constraint, float]]:
        """The constraints that have a price, with it."""
        kept = range(len(self.source.constraints)) if self.problem.kept is None else self.problem.kept
        pairs = zip(kept, self.weights.tolist())
        return [(self.source.constraints[place], weight) for place, weight in pairs if weight > 0]

    def _lagrangian(self, inside: list[_Inside]) -> Floats:
        """What no value is below where constraints hold (B,): a value and its constraints' excesses, each by its price, are no more
        than the value, and together they are flat where the best was found, so that boxes there needn't be as narrow."""
        problem, objective = self.problem, self.plan.objectives[self.problem.which]
        tailed = objective.statistic.kind == "cvar" and not problem.turned
        means = all(each.statistic.kind == "mean" for each, _ in self.priced)
        if not (means and (tailed or objective.statistic.kind == "mean")):
            return np.full(1, -np.inf)
        span, centre = self._over_periods(objective, inside)
        weights = _tail(objective.statistic, centre, objective.worst_is_low)
        sign = float(problem.sign)
        least, value = _mean_of_draws(span, sign, weights), sign * _mean(centre, weights)
        for each, weight in self.priced:
            span, centre = inside[0].of(each.expression)
            if span.low.shape[-2] > 1 or len(inside) > 1:
                return np.full(1, -np.inf)  # The worst of several rows or periods has a kink.
            least = _added([least, _mean_of_draws(span, weight)])
            value = value + weight * centre.mean(axis=-1, keepdims=True)
        return tightened(least, value, inside[0].reach).low[:, 0, 0]

    def flat(self, lower: Floats, upper: Floats, ways: Floats) -> Floats:
        """What the value with the constraints at their prices is not below in boxes (B, n), (B,). They are wide along one of the
        numbers each, which `ways` (1, B, n) has a 1 for."""
        middle = (lower + upper) / 2
        inside = [_Inside(self, lower, upper, middle, t, ways) for t in range(self.periods)]
        return np.nan_to_num(self._lagrangian(inside), nan=-np.inf, posinf=np.inf, neginf=-np.inf)

    def _excess(self, constraint: Constraint, inside: list[_Inside]) -> tuple[Floats, Floats]:
        """Between what its excess lies in the row and period where it is most."""
        low = high = np.full(1, -np.inf)
        for each in inside:
            span, centre = each.of(constraint.expression)
            ends = _ends(constraint.statistic, span, centre, each.reach, False)
            low, high = np.maximum(low, ends[0].max(axis=1)), np.maximum(high, ends[1].max(axis=1))
        return low, high


class _Inside:
    """The spans of all names in boxes (B, n) in one period."""

    def __init__(
        self, boxes: Boxes, lower: Floats, upper: Floats, middle: Floats, t: int, ways: Floats | None = None
    ) -> None:
        """Slopes are by each number; or along `ways` (K, B, n)."""
        ways = np.eye(lower.shape[1])[:, None] if ways is None else ways
        self.plan, simulator = boxes.plan, boxes.source.simulator
        self.centre = simulator.values(middle, t)
        self.reach = (ways * np.maximum(upper - middle, middle - lower)).sum(axis=2)[..., None, None]
        self.spans = {
            name: fixed(each) for name, each in self.centre.items() if name not in boxes.source.moving
        }
        for name, place in simulator.slices.items():
            self.spans[name] = lever(lower[:, place, None], upper[:, place, None], ways[..., place, None])
        for node in boxes.nodes:
            given = {name: self.spans[name] for name in node.inputs}
            with np.errstate(all="ignore"):
                self.spans[node.name] = tightened(
                    node.span(given, simulator.world), self.centre[node.name], self.reach
                )

    def of(self, expression: Expression) -> tuple[Span, Floats]:
        """An expression's span, and its value in the middles."""
        given = {name: self.centre[name] for name in expression.names}
        centre = calculate(expression, given, self.plan.levels, self.plan.count)
        found = spans(expression, self.spans, self.plan.levels, self.plan.count)
        return tightened(found, centre, self.reach), centre


def _total(value: Floats, over: str, weight: float) -> Floats:
    return weight * (
        value.mean(axis=-2, keepdims=True) if over == "mean" else value.sum(axis=-2, keepdims=True)
    )


def _over_rows(span: Span, over: str, weight: float) -> Span:
    return Span(*(_total(each, over, weight) for each in _alike(span)))


def _alike(span: Span) -> tuple[Floats, Floats, Floats, Floats]:
    """Its four parts with as many rows and draws each."""
    shape = np.broadcast_shapes(span.low.shape, span.least.shape[1:])
    wide = (len(span.least), *np.broadcast_shapes(shape, span.least.shape[1:]))
    return (
        np.broadcast_to(span.low, shape), np.broadcast_to(span.high, shape),
        np.broadcast_to(span.least, wide), np.broadcast_to(span.most, wide),
    )  # fmt: skip


def _mean_of_draws(span: Span, times: float, weights: Floats | None = None) -> Span:
    low, high, least, most = (times * _mean(each, weights) for each in _alike(span))
    return Span(low, high, least, most) if times > 0 else Span(high, low, most, least)


def _mean(values: Floats, weights: Floats | None) -> Floats:
    """Over the draws, which count by `weights` (B, 1, D), where there are any."""
    if weights is None or values.shape[-1] == 1:
        return values.mean(axis=-1, keepdims=True)
    return (values * weights).sum(axis=-1, keepdims=True)


def _tail(statistic: Statistic, centre: Floats, worst_is_low: bool) -> Floats | None:
    """How much each draw counts in the middle of a box (B, 1, D). A CVaR is the worst mean of all with such weights, so that a
    mean with any of them is never beyond it."""
    if statistic.kind != "cvar" or centre.shape[-2] > 1:
        return None
    return statistic.weights(centre[:, 0], worst_is_low=worst_is_low)[:, None]


def _added(spans: list[Span]) -> Span:
    found = spans[0]
    for each in spans[1:]:
        found = Span(
            found.low + each.low, found.high + each.high, found.least + each.least, found.most + each.most
        )
    return found


def _ends(
    statistic: Statistic, span: Span, centre: Floats, reach: Floats, worst_is_low: bool
) -> tuple[Floats, Floats]:
    """Between what a statistic over the draws lies, (B, R) and (B, R): it can't fall where every draw rises, or can't rise."""
    if statistic.kind == "mean":
        whole = tightened(_mean_of_draws(span, 1.0), centre.mean(axis=-1, keepdims=True), reach)
        return whole.low[..., 0], whole.high[..., 0]

    def of(values: Floats) -> Floats:
        flat = statistic.of(values.reshape(-1, values.shape[-1]), worst_is_low=worst_is_low)
        return flat.reshape(values.shape[:-1])

    ends = of(span.low), of(span.high)
    low, high = np.minimum(*ends), np.maximum(*ends)
    if (weights := _tail(statistic, centre, worst_is_low)) is not None:
        whole = tightened(_mean_of_draws(span, 1.0, weights), _mean(centre, weights), reach)
        if worst_is_low:
            high = np.minimum(high, whole.high[..., 0])
        else:
            low = np.maximum(low, whole.low[..., 0])
    return low, high
