"""What known covariates do to a moment: a linear function of them and of their products, learned from how seasons differ.

A price, a holiday or the weather moves a series beside its own habits. What is compared is a moment with the one a season before,
whose place in the season is the same: the difference of the two is what the difference of their covariates makes of it (Box and
Jenkins: regression with differences; here with a small penalty). The products let a holiday be one thing at night and another at
noon. The windows' regression then works on what remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.forecasting.ridge import Floats

MOST_PRODUCTS = 300
"""With more, the covariates alone."""
PENALTY = 1e-3
"""As a share of the mean square of a column."""


@dataclass(frozen=True, eq=False)
class Effects:
    """`center` and `spread` (k,) of covariates, `pairs` (p, 2) of which the products are columns too, `weights` (k + p,)."""

    center: Floats
    spread: Floats
    pairs: tuple[tuple[int, int], ...]
    weights: Floats

    def of(self, covariates: Floats) -> Floats:
        """(...) of covariates (..., k): what is to be added at each moment."""
        return columns((covariates - self.center) / self.spread, self.pairs) @ self.weights


def columns(scaled: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """(..., k + p): the covariates and their products."""
    if not pairs:
        return scaled
    first, second = np.array(pairs).T
    return np.concatenate([scaled, scaled[..., first] * scaled[..., second]], axis=-1)


def pairs_of(count: int) -> tuple[tuple[int, int], ...]:
    found = tuple((a, b) for a in range(count) for b in range(a, count))
    return found if len(found) <= MOST_PRODUCTS else ()


def fit_effects(numbers: Sequence[Floats], covariates: Sequence[Floats], lag: int) -> Effects | None:
    """Of series (moments,) and their covariates (moments, k); None where none is longer than the lag, or no covariate varies."""
    together = np.concatenate([each for each in covariates if len(each)])
    center, spread = together.mean(axis=0), together.std(axis=0)
    if not (spread > 0).any():
        return None
    spread = np.where(spread > 0, spread, 1.0)
    pairs = pairs_of(len(center))
    width = len(center) + len(pairs)
    square, product, count = np.zeros((width, width)), np.zeros(width), 0
    for series, each in zip(numbers, covariates):
        if len(series) <= lag:
            continue
        found = columns((each - center) / spread, pairs)
        moved = found[lag:] - found[:-lag]
        square += moved.T @ moved
        product += moved.T @ (series[lag:] - series[:-lag])
        count += len(moved)
    if not count or not np.trace(square) > 0:
        return None
    square += (PENALTY * np.trace(square) / width + 1e-9 * count) * np.eye(width)
    return Effects(center, spread, pairs, np.linalg.solve(square, product))
