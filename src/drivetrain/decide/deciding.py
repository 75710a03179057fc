"""From a plan to a decision, in one call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from drivetrain.decide.decision import Decision
from drivetrain.decide.judge import judge
from drivetrain.decide.plan import Plan
from drivetrain.decide.planned import problem_of
from drivetrain.decide.problem import Problem
from drivetrain.decide.simulator import Simulator
from drivetrain.decide.solution import Solution
from drivetrain.decide.solve import solve, solve_worst
from drivetrain.errors import DrivetrainError
from drivetrain.figures import counted


def decide(
    plan: Plan | str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] = "",
    progress: Callable[[str], None] | None = None,
) -> Decision:
    """What a plan, or the plan of a TOML file, comes to: the setting of its levers that is best by its models, what is
    promised, and whether to act on it. The same plan, data and versions decide the same, bit for bit.

    `folder` is where the files of a plan that was made in Python are; `progress` is told what begins. Raises UsageError,
    DataError, FileError, and BundleError.
    """
    tell = progress or _nothing
    started = time.perf_counter()
    if not isinstance(plan, Plan):
        path = Path(cast("str", plan))
        folder, plan = path.parent, Plan.read(path)
    tell(f"{counted(plan.count, 'row', 'rows')}, {counted(plan.draws, 'draw', 'draws')}")
    simulator = Simulator(plan)
    problem = problem_of(simulator)
    tell("looking for the best setting")
    solution = solve(problem, seed=plan.seed)
    tell("looking for the worst, to keep away from")
    worst = _worst(problem, plan.seed)
    tell("weighing what was found")
    seconds = time.perf_counter() - started
    return judge(simulator, solution, worst=worst, where=os.fspath(folder), seconds=seconds)


def _worst(problem: Problem, seed: int) -> Solution | None:
    """None where there is none: a lever without bounds can do any harm."""
    try:
        return solve_worst(problem, seed=seed)
    except DrivetrainError:
        return None


def _nothing(_: str) -> None:
    pass
