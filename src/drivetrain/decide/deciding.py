"""From a plan to a decision, in one call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from drivetrain.arguments import public
from drivetrain.decide.judge.decision import Decision
from drivetrain.decide.judge.judge import judge
from drivetrain.decide.judge.trade import middle
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve import solve, solve_worst
from drivetrain.decide.solve.pareto import front
from drivetrain.decide.solve.planned import coarser, problem_of
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.figures import counted

COARSE = 50_000
"""Rows times draws with which the worst setting is looked for."""


@public
def decide(plan: Plan | str | os.PathLike[str], *, progress: Callable[[str], None] | None = None) -> Decision:
    """What a plan, or the plan of a TOML file, comes to: the setting of its levers that is best by its models, what is
    promised, and whether to act on it. The same plan, data and versions decide the same, bit for bit.

    Of several objectives it is a setting in the middle of the front, with the front beside it. `progress` is told what begins.
    Raises UsageError, DataError, FileError, and BundleError.
    """
    tell = progress or _nothing
    started = time.perf_counter()
    if not isinstance(plan, Plan):
        plan = Plan.read(plan)
    tell(f"{counted(plan.count, 'row', 'rows')}, {counted(plan.draws, 'draw', 'draws')}")
    try:
        made = _decided(plan, tell)
    except RecursionError as fault:
        raise UsageError(
            "the models hang on each other in a chain that is too long to be looked through.", where="models",
            fix="Join some of them in one formula.",
        ) from fault  # fmt: skip
    return replace(made, seconds=time.perf_counter() - started)


def _decided(plan: Plan, tell: Callable[[str], None]) -> Decision:
    simulator = Simulator(plan)
    problem = problem_of(simulator)
    tell("looking for the best setting")
    trade = front(problem, seed=plan.seed) if len(plan.objectives) > 1 else None
    solution = solve(problem, seed=plan.seed) if trade is None else trade.solutions[middle(trade)]
    tell("looking for the worst, to keep away from")
    worst = _worst(problem, plan.seed)
    tell("weighing what was found")
    return judge(simulator, solution, worst=worst, trade=trade)


def _worst(problem: Problem, seed: int) -> Solution | None:
    """None where there is none: a lever without bounds can do any harm. It is looked for with few draws: nobody will set it."""
    try:
        return solve_worst(coarser(problem, COARSE) or problem, seed=seed)
    except DrivetrainError:
        return None


def _nothing(_: str) -> None:
    pass
