"""Sums of tables to the best combination, with a bound: by HiGHS, and by CP-SAT where that leaves a gap and this is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.combined import cpsat
from drivetrain.decide.solve.combined.tables import Tabled, how_many
from drivetrain.decide.solve.highs import SECONDS, Infeasible, linear
from drivetrain.decide.solve.library import scipy
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.solution import Certificate
from drivetrain.figures import number

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
CLOSE = 1e-7
"""Relative: a gap that is none."""


def choices(
    objective: Tabled,
    constraints: Sequence[Tabled],
    sizes: Sequence[int],
    *,
    seconds: float = SECONDS,
    seed: int = 0,
    by: str = "",
) -> Point:
    """The places `x` (n,) with the least `objective` where all `constraints` are at most 0. `by` "cp-sat" or "highs"; "": HiGHS,
    and where that leaves a gap CP-SAT, if it is installed. Raises Infeasible, and UsageError where nothing was found in time."""
    if not by:
        found = choices(objective, constraints, sizes, seconds=seconds, seed=seed, by="highs")
        if found.certificate.value <= CLOSE * (1 + abs(found.value)) or not cpsat.installed():
            return found
        other = choices(objective, constraints, sizes, seconds=seconds, seed=seed, by="cp-sat")
        return other if other.certificate.value < found.certificate.value else found
    if by == "cp-sat":
        places, bound = cpsat.cpsat(objective, constraints, sizes, seconds=seconds, seed=seed)
        if places is None:
            raise Infeasible(
                "no combination keeps to all limits."
                if np.isinf(bound)
                else f"no combination was found within {seconds:g} s.",
                fix="Loosen a limit, or give it a price (soft).",
            )
    else:
        places, bound = _by_highs(objective, constraints, sizes, seconds)
    value = float(objective(places[None])[0])
    gap = max(value - bound, 0.0)
    name = "CP-SAT" if by == "cp-sat" else "HiGHS"
    many = how_many(sizes)
    if gap <= CLOSE * (1 + abs(value)):
        words = f"None of {many} combinations is better ({name}, branch and bound on the tables of {len(sizes)} levers)."
    else:
        words = f"None of {many} combinations is better by more than {number(gap)}; {name} was stopped after {seconds:g} s."
    return Point(
        places.astype(np.float64), value, Certificate("gap", gap, words, bound), np.zeros(len(constraints))
    )


def _by_highs(
    objective: Tabled, constraints: Sequence[Tabled], sizes: Sequence[int], seconds: float
) -> tuple[Places, float]:
    """A switch for each place of each lever; for two levers that work together a share of each pair of places, whose sums are these
    switches (the local polytope, which is the tightest that is linear in size)."""
    csr_array = scipy("sparse").csr_array

    starts = np.cumsum([0, *sizes])
    switches = int(starts[-1])
    pairs = sorted({pair for each in (objective, *constraints) for pair in each.pairs})
    begins = dict[tuple[int, int], int]()
    width = switches
    for i, j in pairs:
        begins[i, j] = width
        width += sizes[i] * sizes[j]

    def flat(table: Tabled) -> Floats:
        row = np.zeros(width)
        row[:switches] = np.concatenate(table.single)
        for pair, values in table.pairs.items():
            row[begins[pair] : begins[pair] + values.size] = values.reshape(-1)
        return row

    where, which, weight, equal = list[int](), list[int](), list[float](), 0
    level = list[float]()

    def equals(columns: Places, weights: Floats, right: float) -> None:
        nonlocal equal
        where.extend([equal] * len(columns))
        which.extend(int(each) for each in columns)
        weight.extend(float(each) for each in weights)
        level.append(right)
        equal += 1

    for i, size in enumerate(sizes):
        equals(int(starts[i]) + np.arange(size), np.ones(size), 1.0)
    for (i, j), begin in begins.items():
        places = begin + np.arange(sizes[i] * sizes[j]).reshape(sizes[i], sizes[j])
        for p in range(sizes[i]):
            equals(np.append(places[p], starts[i] + p), np.append(np.ones(sizes[j]), -1.0), 0.0)
        for q in range(sizes[j]):
            equals(np.append(places[:, q], starts[j] + q), np.append(np.ones(sizes[i]), -1.0), 0.0)
    both: Any = csr_array((weight, (where, which)), shape=(equal, width))
    rows = [
        both,
        -both,
        *([csr_array(np.stack([flat(each) for each in constraints]))] if constraints else []),
    ]
    limits = np.concatenate([level, -np.array(level), [-each.constant for each in constraints]])
    whole = np.arange(width) < switches
    found = linear(
        flat(objective), scipy("sparse").vstack(rows), limits, np.zeros(width), np.ones(width), whole,
        constant=objective.constant, seconds=seconds, priced=False,
    )  # fmt: skip
    places = np.array([int(found.x[starts[i] : starts[i + 1]].argmax()) for i in range(len(sizes))], np.intp)
    return places, float(found.certificate.bound if found.certificate.bound is not None else -np.inf)
