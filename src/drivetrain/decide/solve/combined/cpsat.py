"""Sums of tables by CP-SAT of OR-tools, where the extra `combinations` is installed: a second try where HiGHS leaves a gap, for it
reasons about choices where relaxing them to shares says little."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.combined.tables import Tabled

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
UNIT = 2**40
"""What the largest coefficient becomes: CP-SAT calculates in whole numbers."""


def installed() -> bool:
    return importlib.util.find_spec("ortools") is not None


def cpsat(
    objective: Tabled, constraints: Sequence[Tabled], sizes: Sequence[int], *, seconds: float, seed: int = 0
) -> tuple[Places | None, float]:
    """(places (n,), a bound that nothing passes): the least `objective` where all `constraints` are at most 0. No places: there are
    none, and the bound is inf, or none were found in time."""
    cp_model: Any = importlib.import_module("ortools.sat.python.cp_model")

    model: Any = cp_model.CpModel()
    hot = [[model.new_bool_var("") for _ in range(size)] for size in sizes]
    for each in hot:
        model.add_exactly_one(each)
    both = dict[tuple[int, int, int, int], Any]()

    def together(i: int, p: int, j: int, q: int) -> Any:
        if (i, p, j, q) not in both:
            both[i, p, j, q] = made = model.new_bool_var("")
            model.add_bool_and([hot[i][p], hot[j][q]]).only_enforce_if(made)
            model.add_bool_or([hot[i][p].Not(), hot[j][q].Not(), made])
        return both[i, p, j, q]

    def terms(table: Tabled, unit: float, rounded: Any) -> Any:
        parts, weights = list[Any](), list[int]()
        for i, single in enumerate(table.single):
            for p in np.flatnonzero(single):
                parts.append(hot[i][p])
                weights.append(int(rounded(single[p] * unit)))
        for (i, j), pair in table.pairs.items():
            for p, q in np.argwhere(pair):
                parts.append(together(i, int(p), j, int(q)))
                weights.append(int(rounded(pair[p, q] * unit)))
        return cp_model.LinearExpr.weighted_sum(parts, weights)

    for each in constraints:
        unit = UNIT / _largest(each)
        # A rounding's worth beyond 0 still holds; what adds up is rounded to the nearest.
        model.add(terms(each, unit, np.round) <= int(np.floor(-each.constant * unit + 1e-9 * UNIT)))
    unit = UNIT / _largest(objective)
    model.minimize(terms(objective, unit, np.round))
    solver: Any = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1  # So that the same seed finds the same.
    solver.parameters.random_seed = seed
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return None, np.inf
    bound = solver.best_objective_bound / unit + objective.constant
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None, float(bound)
    return np.array(
        [next(p for p, each in enumerate(some) if solver.value(each)) for some in hot], np.intp
    ), float(bound)


def _largest(table: Tabled) -> float:
    every = [*table.single, *table.pairs.values()]
    return max([float(np.abs(each).max(initial=0)) for each in every] + [abs(table.constant), 1e-300])
