"""Bounds for numbers that a plan gives none: as far out as the objective goes on getting better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.downhill.least import spread_out
from drivetrain.decide.solve.downhill.local import keys
from drivetrain.decide.solve.problem import Box, Problem
from drivetrain.errors import UsageError

Floats = npt.NDArray[np.float64]
FARTHEST = 1e12
"""How far from where it is now a number is followed."""


def windowed(problem: Problem, seed: int = 0) -> Problem:
    """The problem with finite bounds, ten times as far as the best of settings at all distances. Raises UsageError where
    that one is the farthest: the objective has no end."""
    box = problem.box
    endless = ~(np.isfinite(box.lower) & np.isfinite(box.upper))
    if not endless.any():
        return problem
    centre = _centre(box)
    x = _at_all_distances(box, centre, endless, seed)
    found = keys(problem, *problem.evaluate(x))
    best = x[int(found.argmin())]
    apart = abs(best - centre)
    if (far := endless & (apart >= FARTHEST / 10)).any():
        raise unbounded(problem, best, centre, far)
    reach = 10 * np.maximum(apart, np.maximum(abs(centre), 1.0))
    lower = np.where(np.isfinite(box.lower), box.lower, box.nearest(centre - reach))
    upper = np.where(np.isfinite(box.upper), box.upper, box.nearest(centre + reach))
    return replace(problem, box=replace(box, lower=lower, upper=upper))


def at_its_edge(inner: Problem, outer: Problem, x: Floats) -> bool:
    """Whether a setting lies at a bound that the window gave, not the plan."""
    near = 1e-6 * (inner.box.upper - inner.box.lower)
    below = ~np.isfinite(outer.box.lower) & (x - inner.box.lower <= near)
    above = ~np.isfinite(outer.box.upper) & (inner.box.upper - x <= near)
    return bool((below | above).any())


def widened(inner: Problem, outer: Problem, x: Floats) -> Problem:
    """The problem with a window of a hundred times the size. Raises UsageError where that is too far."""
    centre = _centre(outer.box)
    reach = 100 * np.maximum(inner.box.upper - centre, centre - inner.box.lower)
    endless = ~(np.isfinite(outer.box.lower) & np.isfinite(outer.box.upper))
    if (far := endless & (reach > FARTHEST)).any():
        raise unbounded(outer, x, centre, far & (abs(x - centre) > 0))
    box = inner.box
    lower = np.where(np.isfinite(outer.box.lower), box.lower, box.nearest(centre - reach))
    upper = np.where(np.isfinite(outer.box.upper), box.upper, box.nearest(centre + reach))
    return replace(inner, box=replace(box, lower=lower, upper=upper))


def unbounded(problem: Problem, x: Floats, centre: Floats, far: npt.NDArray[np.bool_]) -> UsageError:
    """What to tell of an objective that goes on getting better: along which levers, and which way."""
    ways = {
        name: "up" if x[at] > centre[at] else "down" for at, name in enumerate(problem.box.names) if far[at]
    }
    said = " and ".join(f"{name} goes {way}" for name, way in ways.items())
    bound = " and ".join(f"{'high' if way == 'up' else 'low'} to {name}" for name, way in ways.items())
    better = "larger" if problem.sign < 0 else "smaller"
    return UsageError(
        f"the objective is the {better}, the further {said}: it has no end.", fix=f"Give {bound}."
    )


def _centre(box: Box) -> Floats:
    finite = np.where(np.isfinite(box.lower), box.lower, np.where(np.isfinite(box.upper), box.upper, 0.0))
    return np.where(np.isfinite(box.now), box.now, finite)


def _at_all_distances(box: Box, centre: Floats, endless: npt.NDArray[np.bool_], seed: int) -> Floats:
    """Settings (S, n): of numbers without bounds as many near as far, of the others all alike."""
    steps = np.linspace(-2.0, float(np.log10(FARTHEST)), 141, dtype=np.float64)
    distances = np.concatenate([np.zeros(1), np.power(10.0, steps)])
    distances = np.concatenate([-distances[::-1], distances])
    one = np.where(endless, distances[:, None], 0.0)  # All of them together,
    some = np.eye(box.size)[endless][:50]
    each = (some[:, None] * distances[:, None]).reshape(-1, box.size)
    unit = spread_out(512, box.size, seed)
    spread = distances[(unit * (len(distances) - 1)).round().astype(np.int64)]
    low, high = np.where(endless, 0.0, box.lower), np.where(endless, 0.0, box.upper)
    inner = low + unit * (high - low)
    x = np.concatenate([centre + one, centre + each, np.where(endless, centre + spread, inner)])
    return box.nearest(x)
