"""Bands about forecasts: conformal quantiles of rolling residuals, for each horizon, and how they follow a level that moves.

A score is a residual over the local spread of the series, so that a band widens where the series gets rougher. The quantiles of
scores that a model did not learn from, with the correction for how few they are, hold as often as they say where the future is as
the past was (Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world; Stankevičiūtė, Alaa and van der Schaar 2021,
Conformal time-series forecasting, NeurIPS, for each horizon). Where it is not, they are moved by each outcome, a little up where it
lies above them and down where it lies below (Gibbs and Candès 2021, Adaptive conformal inference under distribution shift, NeurIPS;
the quantile tracker of Angelopoulos, Candès and Tibshirani 2023, Conformal PID control for time series prediction, NeurIPS).
That takes nothing but a model's outputs and the outcomes, so it is the same for every model.

Outputs are (origins, horizon, 1 + levels): the point forecast, then the quantiles. Origins are those of one item, in order of time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.types import Array

Floats = npt.NDArray[np.float64]

DECILES = tuple(round(0.1 * step, 1) for step in range(1, 10))
RATE = 0.02
"""How far an outcome moves a quantile, in widths of the band: 1 / RATE outcomes on one side move it by as much as the band is wide
(times the level)."""
AT_ONCE = 2**22
"""Numbers of outputs that are followed at once, 32 MiB; those of one item in any case."""

QUIET = 0.2
"""Of the mean step of all that is read, what the local spread is at least: a gap that the last value stands for, or some days
without a sale, is no promise that all will stay as it is."""


def quantiles(scores: Array, levels: Sequence[float], weights: Array | None = None) -> Floats:
    """(horizon, levels) of scores (n, horizon), NaN where there is none, 0 where there are none at all.

    Above a half, the lowest score that a further one is at or below with at least that chance, the further one counting as above
    all; below a half the same from the other end; the outermost score where they are too few for the level. `weights` (n,) or (n,
    horizon), at most 1, are how much a score says of what is to come, which counts 1 (Barber et al. 2023, Conformal prediction
    beyond exchangeability, Annals of Statistics 51:816-845).
    """
    scores = np.asarray(scores, np.float64)
    own = np.ones(scores.shape) if weights is None else np.asarray(weights, np.float64)
    own = np.broadcast_to(own[:, None] if own.ndim == 1 else own, scores.shape)
    wanted = np.asarray(levels, np.float64)
    above = _reached(scores, own, np.maximum(wanted, 0.5))
    below = -_reached(-scores, own, np.maximum(1 - wanted, 0.5))
    return np.where(wanted > 0.5, above, np.where(wanted < 0.5, below, (above + below) / 2))


def _reached(scores: Floats, weights: Floats, levels: Floats) -> Floats:
    """(horizon, levels): the lowest of the scores at which their weights, of one more than all, come to a level."""
    n, horizon = scores.shape
    if not n:
        return np.zeros((horizon, len(levels)))
    order = np.argsort(scores, axis=0)  # NaN comes last.
    ordered = np.take_along_axis(scores, order, axis=0)
    counted = np.where(np.isnan(ordered), 0.0, np.take_along_axis(weights, order, axis=0))
    share = np.cumsum(counted, axis=0) / (counted.sum(axis=0) + 1.0)
    last = np.maximum((~np.isnan(ordered)).sum(axis=0) - 1, 0)
    places = np.stack([np.minimum((share < level - 1e-12).sum(axis=0), last) for level in levels], axis=1)
    return np.nan_to_num(ordered[places, np.arange(horizon)[:, None]])


def spread_of(past: Array, steps: int) -> Floats:
    """(n,) of the past (n, length): the mean size of the last `steps` steps from one moment to the next; at least QUIET of that of
    all of them, and never 0."""
    sizes = np.abs(np.diff(past, axis=1))
    return np.maximum(np.maximum(sizes[:, -steps:].mean(axis=1), QUIET * sizes.mean(axis=1)), 1e-6)


def adapted(
    outputs: Array, truths: Array, levels: Sequence[float], positions: Array | None = None, rate: float = RATE
) -> Floats:
    """Shifts (origins, horizon, levels): what has to be added to the quantiles at each origin, in widths of the band that the model
    says there, as the outcomes known by then would have it.

    `truths` (origins, horizon) is NaN where an outcome is not known. `positions` (origins,) are the moments of the origins, each
    one after the other if not given: the outcome k moments after an origin is known from the origin k + 1 moments later on.
    """
    outputs, truths = np.asarray(outputs, np.float64), np.asarray(truths, np.float64)
    at = np.arange(len(truths)) if positions is None else np.asarray(positions)
    return _adapted(outputs, truths, levels, at, np.arange(truths.shape[1]), rate)


def followed(
    outputs: Array, truths: Array, levels: Sequence[float], items: Array, positions: Array
) -> Floats:
    """The outputs (n, horizon, 1 + levels) of origins of several items (n,), those of each in order of time, each with its band as
    it had moved by then. Items with the same positions are gone through together."""
    moved = np.array(outputs, np.float64)
    alike: dict[bytes, list[Array]] = {}
    for each in np.unique(items):
        rows = np.flatnonzero(items == each)
        alike.setdefault(np.asarray(positions)[rows].tobytes(), []).append(rows)
    for group in alike.values():
        most = max(1, AT_ONCE // group[0].size // moved[0].size)
        for first in range(0, len(group), most):
            _follow(moved, truths, levels, np.stack(group[first : first + most], axis=1), positions)
    return moved


def _follow(moved: Floats, truths: Array, levels: Sequence[float], rows: Array, positions: Array) -> None:
    """The same in place, of rows (origins, items) at the same positions."""
    horizon = moved.shape[1]
    own = moved[rows].reshape(len(rows), -1, moved.shape[2])
    came = np.asarray(truths)[rows].astype(np.float64).reshape(len(rows), -1)
    ahead = np.tile(np.arange(horizon), rows.shape[1])
    shifts = _adapted(own, came, levels, np.asarray(positions)[rows[:, 0]], ahead, RATE)
    moved[rows] = shifted(own, shifts).reshape(*rows.shape, horizon, -1)


def _adapted(
    outputs: Floats, truths: Floats, levels: Sequence[float], at: Array, ahead: Array, rate: float
) -> Floats:
    """Shifts (origins, columns, levels) of outputs (origins, columns, 1 + levels), each column so many moments ahead."""
    count, columns = truths.shape
    wanted = np.asarray(levels, np.float64)
    width = widths(outputs)
    shift = np.zeros((columns, len(levels)))
    found = np.empty((count, columns, len(levels)))
    which = np.arange(columns)
    done = np.zeros(columns, np.int64)  # Of each column, the origins whose outcome has been learned from.
    for origin in range(count):
        while True:
            ripe = (done < origin) & (at[np.minimum(done, count - 1)] + ahead < at[origin])
            if not ripe.any():
                break
            own, rows = which[ripe], done[ripe]
            truth = truths[rows, own][:, None]
            bound = outputs[rows, own, 1:] + found[rows, own] * width[rows, own, None]
            step = rate * (wanted - (truth <= bound))
            shift[own] += np.where(np.isnan(truth), 0.0, step)
            done[ripe] += 1
        found[origin] = shift
    return found


def widths(outputs: Array) -> Floats:
    """(origins, horizon): from the lowest quantile to the highest; a size of its own where they are one."""
    outputs = np.asarray(outputs, np.float64)
    return np.maximum(outputs[:, :, -1] - outputs[:, :, 1], 1e-9 + 1e-6 * np.abs(outputs[:, :, 0]))


def shifted(outputs: Array, shifts: Array) -> Array:
    """The outputs with their quantiles so moved: in order again where they would cross. The point stays."""
    moved = np.array(outputs, np.float64)
    moved[:, :, 1:] = np.sort(moved[:, :, 1:] + shifts * widths(outputs)[:, :, None], axis=2)
    return moved


def coverage(
    outputs: Array, truths: Array, levels: Sequence[float], low: float = 0.1, high: float = 0.9
) -> float:
    """The share of outcomes within the band from one level to another; NaN where none is known."""
    places = [1 + list(levels).index(level) for level in (low, high)]
    known = ~np.isnan(np.asarray(truths, np.float64))
    inside = (outputs[:, :, places[0]] <= truths) & (truths <= outputs[:, :, places[1]])
    return float(inside[known].mean()) if known.any() else float("nan")
