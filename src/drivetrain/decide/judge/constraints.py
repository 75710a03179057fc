"""The constraints of a plan at a setting: what is to spare, and the price of each."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import Call, Expression, Name, over_rows, parse, parts
from drivetrain.decide.judge.decision import Held
from drivetrain.decide.plans.objective import Constraint
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.solution import Solution
from drivetrain.figures import number, rough

Floats = npt.NDArray[np.float64]
ACTIVE = 1e-6
"""Of the size of its bound: what has no more to spare is used up."""


def constraints_at(simulator: Simulator, proposed: Floats, solution: Solution) -> tuple[Held, ...]:
    """Of each constraint its value, bound, slack, and price, where the solver gave one."""
    excess = simulator.measure(proposed[None]).excess[0]
    return tuple(
        _held(each, float(over), solution.duals.get(each.name))
        for each, over in zip(simulator.plan.constraints, excess)
    )


def _held(constraint: Constraint, excess: float, price: float | None) -> Held:
    bound, at_least = _bound(constraint)
    slack = -excess
    size = max(1.0, abs(bound) if math.isfinite(bound) else 1.0)
    active, holds = abs(slack) <= ACTIVE * size, slack >= -ACTIVE * size
    value = bound + (slack if at_least else -slack)
    return Held(
        constraint.name, constraint.text, constraint.soft is None, str(constraint.statistic), value, bound, slack, active,
        holds, math.nan if price is None else price, _words(constraint, bound, slack, active, holds, price),
    )  # fmt: skip


def _bound(constraint: Constraint) -> tuple[float, bool]:
    """The side that is a number, and whether the other is to be at least it; nan where both hang on something."""
    tree = parse(constraint.text).tree
    if not isinstance(tree, Call) or len(tree.arguments) != 2 or constraint.equal:
        return math.nan, False
    for place, side in enumerate(tree.arguments):
        if not over_rows(side) and not any(isinstance(part, Name) for part in parts(side)):
            value = float(calculate(Expression("", side), {}).item())
            return value, (tree.function in (">", ">=")) == (place == 1)
    return math.nan, False


def _words(
    constraint: Constraint, bound: float, slack: float, active: bool, holds: bool, price: float | None
) -> str:
    what = f"the constraint {constraint.text}"
    if constraint.group:
        what += f" among {constraint.by} = {constraint.group}"
    if not holds:
        cost = "" if constraint.soft is None else f", at a price of {number(constraint.soft)} a unit"
        return f"{what} is broken by {rough(-slack)}{cost}"
    if not active:
        return f"{what} has {rough(slack)} to spare"
    told = f"{what} has nothing to spare"
    if not price:
        return told
    known = math.isfinite(bound) and bound != 0
    looser, by = (abs(bound) / 100, "1 %") if known else (1.0, "one unit")
    return f"{told}: {by} looser, and the objective would gain about {rough(price * looser)}"
