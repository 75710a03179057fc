"""Ridge regression of all windows of series at once, in closed form: the next moments as linear functions of those before.

A window is taken off its last value, so that a model of levels that never were is the same model (NLinear: Zeng et al. 2023, Are
transformers effective for time series forecasting?, AAAI; in closed form: Toner and Darlow 2024, An analysis of linear time series
forecasting models, ICML). What least squares needs of the windows is the sum of their outer products, and that is nearly a Toeplitz
matrix: entry (i + 1, j + 1) is entry (i, j) less the product that leaves and with the one that comes in. So it is made of the
series in O(moments x length + length^2), without a window being copied, and that of a shorter lookback is a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTIES = tuple(10.0**power for power in (-5, -4, -3, -2, -1, 0))
"""Tried, as shares of the mean square of all columns together (the trace of the matrix)."""


@dataclass(frozen=True, eq=False)
class Products:
    """The sum of the outer products of `count` windows: `matrix` (length, length)."""

    matrix: Floats
    count: int

    def __add__(self, other: Products) -> Products:
        return Products(self.matrix + other.matrix, self.count + other.count)

    def part(self, lookback: int, horizon: int) -> tuple[Floats, Floats]:
        """Of windows whose past ends at `length - horizon`, less the last value of it: past x past (lookback, lookback) and
        past x future (lookback, horizon)."""
        end = len(self.matrix) - horizon
        whole = self.matrix[end - lookback :, end - lookback :]
        last = whole[lookback - 1]
        less = whole - last[:, None] - last[None, :] + last[lookback - 1]
        return less[:lookback, :lookback], less[:lookback, lookback:]


def products_of(series: Floats, length: int) -> Products:
    """Of all windows of `length` moments of one series (moments,); none where it is shorter."""
    count = len(series) - length + 1
    if count < 1:
        return Products(np.zeros((length, length)), 0)
    first = np.correlate(series, series[:count], "valid")
    matrix = np.empty((length, length))
    matrix[0] = first
    comes, leaves = series[count:], series[: length - 1]
    for row in range(length - 1):  # The upper triangle, row by row.
        matrix[row + 1, row + 1 :] = (
            matrix[row, row:-1] + comes[row] * comes[row:] - leaves[row] * leaves[row:]
        )
    upper = np.triu(matrix)
    return Products(upper + np.triu(upper, 1).T, count)


def pooled(series: Sequence[Floats], length: int) -> Products:
    """Of several series: the sum."""
    total = Products(np.zeros((length, length)), 0)
    for each in series:
        total += products_of(each, length)
    return total


def solve(past: Floats, future: Floats, penalty: float) -> Floats:
    """Weights (lookback, horizon) with which the past foretells the future. `penalty` is a share of the trace."""
    size = np.trace(past)
    if not size > 0:  # Nothing ever moved: the level stays.
        return np.zeros_like(future)
    return np.linalg.solve(past + (penalty * size + 1e-12 * size) * np.eye(len(past)), future)


def with_level(weights: Floats) -> Floats:
    """The same forecast as one matrix of the past as it is: x -> last + (x - last) W, of which the columns sum to 1."""
    found = weights.copy()
    found[-1] += 1 - weights.sum(axis=0)
    return found
