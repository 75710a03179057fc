"""What is linear in the levers: HiGHS by way of scipy, with a proof, also for whole numbers, switches and choices.

Huangfu and Hall (2018), Parallelizing the dual revised simplex method, Mathematical Programming Computation 10:119-142.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.library import scipy
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.solution import Certificate
from drivetrain.errors import UsageError
from drivetrain.figures import number

Floats = npt.NDArray[np.float64]
SECONDS = 60.0
GAP = 1e-9
"""Relative: what whole numbers are solved to, where time allows."""
INFEASIBLE, UNBOUNDED = 2, 3


class Infeasible(UsageError):
    """No setting keeps to all limits."""


class Unbounded(UsageError):
    """The objective gets better for ever; `direction` (n,) is one in which it does."""

    def __init__(self, direction: Floats, error: str, *, fix: str) -> None:
        super().__init__(error, fix=fix)
        self.direction = direction


def linear(
    cost: Floats,
    rows: Any,
    limits: Floats,
    lower: Floats,
    upper: Floats,
    whole: npt.NDArray[np.bool_] | None = None,
    *,
    constant: float = 0.0,
    soft: Floats | None = None,
    seconds: float = SECONDS,
    priced: bool = True,
) -> Point:
    """Minimise cost @ x + constant, where rows @ x <= limits and lower <= x <= upper.

    `cost`, `lower`, `upper` (n,), `rows` (C, n), dense or of scipy.sparse, `limits` (C,). `whole` (n,): which are whole numbers.
    `soft` (C,): what passing a limit by one costs, inf where it must hold. `priced`: the limits' prices
    are wanted too. Of settings that are equally good it is the one that
    HiGHS comes to, which on one machine and version is always the same. Raises Infeasible and Unbounded.
    """
    optimize, sparse = scipy("optimize"), scipy("sparse")
    count, kinds = len(cost), np.zeros(len(cost)) if whole is None else whole.astype(np.float64)
    matrix = sparse.csr_array(rows) if len(limits) else sparse.csr_array((0, count))
    bought = np.zeros(0, np.intp) if soft is None else np.flatnonzero(np.isfinite(soft))
    if soft is not None and len(bought):
        passes = sparse.diags_array(np.ones(len(limits)), format="csr")[:, bought]
        matrix = sparse.csr_array(sparse.hstack([matrix, -passes]))
        more = len(bought)
        cost, kinds = np.concatenate([cost, soft[bought]]), np.concatenate([kinds, np.zeros(more)])
        lower = np.concatenate([lower, np.zeros(more)])
        upper = np.concatenate([upper, np.full(more, np.inf)])
    where = optimize.LinearConstraint(matrix, -np.inf, limits) if len(limits) else ()
    found: Any = optimize.milp(
        cost,
        constraints=where,
        bounds=optimize.Bounds(lower, upper),
        integrality=kinds,
        options={"time_limit": seconds, "mip_rel_gap": GAP},
    )
    if found.x is None:
        raise _fault(found.status, cost[:count], matrix, lower, upper, seconds)
    x = np.asarray(found.x, np.float64)
    x = np.clip(np.where(kinds > 0, np.round(x), x), lower, upper)
    value = float(cost @ x) + constant
    if kinds.any():
        bound = float(found.mip_dual_bound) + constant if found.mip_dual_bound is not None else -np.inf
    else:
        bound = float(found.fun) + constant
    duals = _duals(cost, matrix, limits, lower, upper) if priced else np.zeros(len(limits))
    return Point(
        x[:count], value, _certificate(value, bound, seconds, kinds), duals, int(found.mip_node_count or 1)
    )


def _certificate(value: float, bound: float, seconds: float, kinds: Floats) -> Certificate:
    gap = max(value - bound, 0.0)
    if gap <= 1e-7 * (1 + abs(value)):
        words = "Linear: no setting is better (HiGHS, " + (
            "branch and bound)." if kinds.any() else "duality)."
        )
    else:
        words = (
            f"Linear: no setting is better by more than {number(gap)}; HiGHS was stopped after {seconds:g} s."
        )
    return Certificate("gap", gap, words, bound)


def _duals(cost: Floats, matrix: Any, limits: Floats, lower: Floats, upper: Floats) -> Floats:
    """The price of each limit, where whole numbers may be broken: a looser limit that lets no whole one more still has a worth."""
    if not len(limits):
        return np.zeros(0)
    bounds = np.column_stack([lower, upper])
    found: Any = scipy("optimize").linprog(cost, matrix, limits, bounds=bounds, method="highs")
    return np.zeros(len(limits)) if found.x is None else np.maximum(-np.asarray(found.ineqlin.marginals), 0.0)


def _fault(
    status: int, cost: Floats, matrix: Any, lower: Floats, upper: Floats, seconds: float
) -> UsageError:
    if status == INFEASIBLE:
        return Infeasible(
            "no setting of the levers keeps to all limits.", fix="Loosen one, or give it a price (soft)."
        )
    if status == UNBOUNDED or not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        # The direction of best descent in which neither bounds nor limits are ever met.
        count = matrix.shape[1]
        cost = np.concatenate([cost, np.zeros(count - len(cost))])
        free = np.column_stack(
            [np.where(np.isfinite(lower), 0.0, -1.0), np.where(np.isfinite(upper), 0.0, 1.0)]
        )
        found: Any = scipy("optimize").linprog(
            cost,
            matrix if matrix.shape[0] else None,
            np.zeros(matrix.shape[0]) if matrix.shape[0] else None,
            bounds=free,
            method="highs",
        )
        if found.x is not None and float(found.fun) < -1e-12:
            return Unbounded(
                np.asarray(found.x),
                "the objective gets better for ever.",
                fix="Give the levers bounds, or add what limits them.",
            )
        return Infeasible(
            "no setting of the levers keeps to all limits.", fix="Loosen one, or give it a price (soft)."
        )
    return UsageError(
        f"HiGHS found no setting within {seconds:g} s.", fix="Give it more time, or fewer whole numbers."
    )
