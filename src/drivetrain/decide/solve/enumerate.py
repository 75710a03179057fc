"""Few settings: all of them are computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.conflicts import infeasible
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Certificate, Solution

Floats = npt.NDArray[np.float64]
MOST, CELLS = 100_000, 1e9
"""Settings, and settings x rows x draws, up to which all are computed."""
_AT_ONCE = 4096


def fits(problem: Problem) -> bool:
    with np.errstate(over="ignore"):  # 2 for each of thousands of rows is infinite, which is too many.
        many = float(np.prod(problem.box.counts))
    return not problem.ruled and many <= MOST and many * problem.cells <= CELLS


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best of all settings; of equally good ones the first, counted from the lower bounds."""
    del seed  # Nothing is left to chance.
    spent, counts = problem.meter.settings, problem.box.counts.astype(np.int64)
    best, least, many = None, np.inf, int(counts.prod())
    for begin in range(0, many, _AT_ONCE):
        x = _settings(problem, counts, np.arange(begin, min(begin + _AT_ONCE, many)))
        value, constraints = problem.evaluate(x)
        value = np.where(problem.holds(constraints), value, np.inf)
        at = int(value.argmin())
        if value[at] < least:
            best, least = x[at], float(value[at])
    if best is None:
        raise infeasible(problem)
    objective = problem.objective(least)
    words = f"All {many:,} settings were computed: none that keeps to the constraints is better."
    return Solution(
        problem.box.levers(best), objective, Certificate("enumeration", 0.0, words, objective),
        evaluations=problem.meter.settings - spent,
    )  # fmt: skip


def all_settings(problem: Problem) -> Floats:
    """(S, n), counted from the lower bounds, the last number first."""
    counts = problem.box.counts.astype(np.int64)
    return _settings(problem, counts, np.arange(int(counts.prod())))


def _settings(problem: Problem, counts: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> Floats:
    """The settings of these places (S,) in the order of all: (S, n)."""
    at = np.stack(np.unravel_index(places, tuple(counts)), axis=1) if len(counts) else np.zeros((1, 0))
    return problem.box.nearest(problem.box.lower + at * problem.box.step)
