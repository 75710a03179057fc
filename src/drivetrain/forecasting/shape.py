"""A level times a shape: what a season looks like, and how large the next one is.

The last seasons before an origin are the rows of a matrix, which is taken for the product of two vectors: the level of each season
and the share of each place in it (a matrix of rank one). The shape is the mean of the last seasons' shares; the levels to come are
foretold from those that were by a ridge regression of a few numbers. After FLAIR (flaircast, Apache-2.0: factored level and
interleaved ridge), of which this is a small form of its own that a graph of matrix products and one division computes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.forecasting.ridge import Floats

SEASONS = 6
"""Of the past that are looked at, where there are as many."""
FADING = 0.7
"""What a season's shape counts, of what the one after it counts."""
PENALTY = 0.05
"""Of the regression of levels, as a share of the trace."""


@dataclass(frozen=True, eq=False)
class Shape:
    """Seasons of `season` moments, of which the last `len(weights)` are looked at. `weights` (seasons, to come): how the logarithms
    of the next seasons' levels, less that of the last, follow from those before it, less the same."""

    season: int
    weights: Floats
    horizon: int

    @property
    def lookback(self) -> int:
        return self.season * len(self.weights)

    def forecast(self, past: Floats) -> Floats:
        """(n, horizon) of the past (n, at least `lookback`) of numbers above 0."""
        levels, shares = factored(past[:, -self.lookback :], self.season)
        known = np.log(levels)
        coming = np.exp(known[:, -1:] + (known - known[:, -1:]) @ self.weights)
        shape = fading(levels.shape[1]) @ shares  # (n, season)
        place = np.arange(self.horizon)
        return coming[:, place // self.season] * shape[:, place % self.season]


def factored(past: Floats, season: int) -> tuple[Floats, Floats]:
    """Levels (n, seasons), at least tiny, and shares of them (n, seasons, season)."""
    rows = past.reshape(len(past), -1, season)
    levels = np.maximum(rows.mean(axis=2), 1e-9)
    return levels, rows / levels[:, :, None]


def fading(seasons: int) -> Floats:
    """(seasons,) of sum 1: the last counts most."""
    weights = FADING ** np.arange(seasons - 1, -1, -1.0)
    return weights / weights.sum()


def fit_shape(
    series: list[Floats], season: int, horizon: int, context: int, most: int = 4000
) -> Shape | None:
    """Of the levels of seasons that end at any moment of the series; None where they are too short, or not above 0."""
    if season < 2 or min((each.min() for each in series if len(each)), default=0.0) <= 0:
        return None
    ahead = -(-horizon // season)
    longest = max((len(each) for each in series), default=0)
    seasons = min(SEASONS, context // season, (longest // season - ahead) // 2)
    if seasons < 2:
        return None
    before: list[Floats] = []
    after: list[Floats] = []
    length = (seasons + ahead) * season
    total = sum(max(0, len(each) - length + 1) for each in series)
    step = max(1, total // most)
    for each in series:
        sums = np.concatenate([[0.0], np.cumsum(each)])
        means = np.log(np.maximum((sums[season:] - sums[:-season]) / season, 1e-9))
        starts = np.arange(0, len(each) - length + 1, step)
        if not len(starts):
            continue
        levels = means[starts[:, None] + season * np.arange(seasons + ahead)]
        before.append(levels[:, :seasons] - levels[:, seasons - 1 : seasons])
        after.append(levels[:, seasons:] - levels[:, seasons - 1 : seasons])
    if not before:
        return None
    x, y = np.concatenate(before), np.concatenate(after)
    square = x.T @ x
    square += (PENALTY * np.trace(square) + 1e-9) * np.eye(seasons)
    return Shape(season, np.linalg.solve(square, x.T @ y), horizon)
