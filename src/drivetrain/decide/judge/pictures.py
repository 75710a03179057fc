"""The numbers behind a decision's charts: the objective along each lever, over two of them, and the gain over draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.judge.decision import LEVEL
from drivetrain.decide.judge.moves import plain
from drivetrain.decide.plans.lever import Lever, allowed
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Simulator

Floats = npt.NDArray[np.float64]
POINTS, SIDE = 41, 21
FEWEST_DRAWS = 50
MOST_CELLS = 2e7
"""Of settings, rows and draws for a chart: it has fewer draws where they would be more."""
BINS = 20
BESIDE = 3.0
"""A lever without bounds is drawn over so many times the way from now to the proposed."""


def charts(
    simulator: Simulator, now: Floats | None, proposed: Floats, gains: Floats | None
) -> dict[str, Any]:
    """`curves` of the levers that are the same for all rows, the `surface` of the first two, the `gain`'s histogram."""
    own = [lever for lever in simulator.plan.levers if not lever.by_row]
    numbers = [lever for lever in own if lever.is_number]
    return {
        "curves": [_curve(simulator, lever, now, proposed) for lever in own],
        "surface": _surface(simulator, numbers[0], numbers[1], proposed) if len(numbers) > 1 else None,
        "gain": None if gains is None else _histogram(gains),
    }


def fewer_draws(plan: Plan, settings: int) -> Simulator:
    """A simulator of the plan with as many draws as so many settings leave room for."""
    draws = int(MOST_CELLS / (settings * plan.count))
    return Simulator(plan.with_draws(min(plan.draws, max(FEWEST_DRAWS, draws))))


def places(simulator: Simulator, lever: Lever, now: Floats | None, proposed: Floats, most: int) -> Floats:
    """Values of a lever along which to look: all that it may have, or `most` between its bounds, and where it is proposed."""
    at = simulator.slices[lever.name].start
    low, high = float(simulator.lower[at]), float(simulator.upper[at])
    here = float(proposed[at])
    before = here if now is None or np.isnan(now[at]) else float(now[at])
    reach = BESIDE * max(abs(here - before), 0.5 * abs(here), 1.0)
    low, high = low if np.isfinite(low) else here - reach, high if np.isfinite(high) else here + reach
    steps = allowed(lever, most)
    found = (
        np.linspace(low, high, most)
        if steps is None
        else steps[(steps >= low - 1e-9) & (steps <= high + 1e-9)]
    )
    return np.unique(np.append(found, here))


def _curve(simulator: Simulator, lever: Lever, now: Floats | None, proposed: Floats) -> Mapping[str, Any]:
    values = places(simulator, lever, now, proposed, POINTS)
    x = np.repeat(proposed[None], len(values), axis=0)
    at = simulator.slices[lever.name].start
    x[:, at] = values
    found = fewer_draws(simulator.plan, len(x)).simulate(x).objective
    objective = simulator.plan.objectives[0]
    middle = objective.statistic.of(found, worst_is_low=objective.worst_is_low)
    ends = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    of_draws = objective.statistic.kind not in ("below", "above")
    return {
        "lever": lever.name, "unit": lever.unit,
        "x": [plain(lever, each) if not lever.is_number else each for each in values.tolist()],
        "mean": middle.tolist(), "low": ends[0].tolist() if of_draws else None, "high": ends[1].tolist() if of_draws else None,
        "now": None if now is None or np.isnan(now[at]) else plain(lever, float(now[at])),
        "proposed": plain(lever, float(proposed[at])),
    }  # fmt: skip


def _surface(simulator: Simulator, a: Lever, b: Lever, proposed: Floats) -> Mapping[str, Any]:
    side = max(7, min(SIDE, int((MOST_CELLS / (simulator.plan.count * FEWEST_DRAWS)) ** 0.5)))
    xs, ys = (places(simulator, lever, None, proposed, side) for lever in (a, b))
    x = np.repeat(proposed[None], len(xs) * len(ys), axis=0)
    x[:, simulator.slices[a.name].start] = np.tile(xs, len(ys))
    x[:, simulator.slices[b.name].start] = np.repeat(ys, len(xs))
    measured = fewer_draws(simulator.plan, len(x)).measure(x)
    value = measured.objectives[:, 0].reshape(len(ys), len(xs))
    return {
        "x": {"lever": a.name, "unit": a.unit, "values": xs.tolist()},
        "y": {"lever": b.name, "unit": b.unit, "values": ys.tolist()},
        "value": value.tolist(),
    }  # fmt: skip


def _histogram(values: Floats) -> Mapping[str, Any]:
    low, high = float(values.min()), float(values.max())
    # What lies so close that rounding leaves no room for the bins between is one and the same.
    near = high - low <= 1e-9 * max(abs(low), abs(high))
    wide = max(abs(low) * 1e-6, 0.5)
    ends = (low - wide, high + wide) if near else (low, high)
    counts, edges = np.histogram(values, bins=BINS, range=ends)
    return {"edges": edges.tolist(), "counts": counts.tolist()}
