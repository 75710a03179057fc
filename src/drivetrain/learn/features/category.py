"""A category's codes in the order of the target's mean, so that one threshold parts levels that go with small targets from
those that go with large ones: the best split in two there is, for a squared error and for two classes (Fisher 1958, Journal
of the American Statistical Association 53:789-798). For more classes it is the order along the first principal direction
of the class shares (Coppersmith, Hong and Hosking 1999, Data Mining and Knowledge Discovery 3:197-217). A regression has a
column of 0 and 1 for each frequent level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.category import Category
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, Floats, Raw
from drivetrain.types import Array

PRIOR = 20
"""A level's mean counts so many rows of the mean of all besides its own: a rare level's mean is mostly chance."""
MOST_LEVELS = 256
"""Levels beyond the most frequent ones have no column in a regression."""


@dataclass(frozen=True, eq=False)
class RankColumn(Columns):
    """Codes (n,) -> the rank of each (n, 1). `ranks` (levels,); a level that training had no row of counts as missing."""

    ranks: Features

    def of(self, encoded: Array) -> Features:
        return self.ranks[encoded].reshape(-1, 1)

    def write(self, builder: Builder) -> str:
        ranks = builder.constant(self.ranks, np.float32)
        return builder.column(builder.add("Gather", ranks, builder.inputs[self.field]))


@dataclass(frozen=True, eq=False)
class CodeColumn(Columns):
    """Codes (n,) -> themselves (n, 1)."""

    def of(self, encoded: Array) -> Features:
        return encoded.astype(np.float32).reshape(-1, 1)

    def write(self, builder: Builder) -> str:
        return builder.column(builder.floats(builder.inputs[self.field]))


def for_trees(field: str, codec: Category, encoded: Array, direction: Array) -> RankColumn:
    return RankColumn(field, ranks(encoded, codec.levels, direction))


def for_regression(field: str, codec: Category, encoded: Array) -> Raw:
    counts = np.bincount(encoded, minlength=codec.levels)
    frequent = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    return Raw(CodeColumn(field), scaled=False, values={0: np.sort(frequent[counts[frequent] > 0])})


def ranks(codes: Array, levels: int, target: npt.NDArray[Any]) -> Features:
    """(levels,) the place of each level in the order of its mean target, NaN for one that no row has.

    `codes` (n,), `target` (n, directions): one for a number, a column of 0 and 1 for each class.
    """
    counts = np.bincount(codes, minlength=levels)
    mean = target.mean(axis=0)
    sums = np.stack(
        [np.bincount(codes, weights=column, minlength=levels) for column in (target - mean).T], axis=1
    )
    means = sums / (counts + PRIOR)[:, None]
    if means.shape[1] > 1:
        means = means @ _first_direction(means, counts)[:, None]
    order = np.argsort(means[:, 0], kind="stable")
    placed = np.empty(levels, np.float32)
    placed[order] = np.arange(levels, dtype=np.float32)
    placed[counts == 0] = np.nan
    return placed


def _first_direction(means: Floats, counts: Array) -> Floats:
    """(directions,) along which the means differ most, each counted as often as it has rows; its largest part is
    positive, so that the order is the same everywhere."""
    weighted = means * counts[:, None]
    direction = np.linalg.eigh(means.T @ weighted)[1][:, -1]
    return direction * np.sign(direction[np.argmax(np.abs(direction))])
