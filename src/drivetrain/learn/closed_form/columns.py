"""What a regression sees of a table: columns of about unit size, none of them missing.

Numbers, elapsed time and tags are taken off their mean and divided by their spread (on a log scale where the codec has
one); a gap is the mean, and has a column of its own that says so. Of a category each frequent level has a column of 0
and 1, and so has each month, weekday and hour. Text and pictures give nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.learn.baselines.supervised import MOST_CLASSES, ONE_HOT
from drivetrain.learn.trees.columns import Columns, Features, fit_columns, matrix
from drivetrain.types import Array, Batch

FARTHEST = 8.0
"""A scaled value beyond this is cut off: one outlier must not outweigh its row."""


@dataclass(frozen=True, eq=False)
class RegressionColumns:
    """`raw` are the columns of numbers, dates and tags as trees see them: (k,) together. `logged`, `mean` and `spread` (k,)
    scale them; `gaps` are those that have gaps. `values` names columns that are cut up, by their place, and how many
    values each has; `levels` the codes of each category that have a column."""

    raw: tuple[Columns, ...]
    logged: npt.NDArray[np.bool_]
    mean: Features
    spread: Features
    gaps: npt.NDArray[np.int64]
    values: tuple[tuple[int, int], ...]
    levels: tuple[tuple[str, npt.NDArray[np.int64]], ...]

    def features(self, batch: Batch) -> Features:
        """float32 (n, columns) of encoded rows."""
        parts: list[Features] = []
        if self.raw:
            found = matrix(self.raw, batch)
            parts = [self._scaled(found), np.isnan(found[:, self.gaps]).astype(np.float32)]
            parts += [_one_hot(found[:, [place]], np.arange(count)) for place, count in self.values]
        parts += [_one_hot(np.asarray(batch[name]).reshape(-1, 1), codes) for name, codes in self.levels]
        return np.concatenate(parts, axis=1)

    def _scaled(self, raw: Features) -> Features:
        z = np.where(self.logged, np.sign(raw) * np.log1p(np.abs(raw)), raw)
        scaled = np.clip((z - self.mean) / self.spread, -FARTHEST, FARTHEST)
        return np.where(np.isnan(raw), np.float32(0), scaled).astype(np.float32)


def _one_hot(columns: Array, values: Array) -> Features:
    return (columns == values).astype(np.float32)


def fit_columns_of(signature: Signature, train: Batch) -> RegressionColumns:
    """The columns of encoded training rows."""
    others = {name: codec for name, codec in signature.inputs.items() if not isinstance(codec, Category)}
    raw = tuple(fit_columns(Signature(others, {}), train, np.zeros((len(next(iter(train.values()))), 1))))
    logged: list[bool] = []
    values: list[tuple[int, int]] = []
    for part in raw:
        codec: Any = others[part.field]
        if isinstance(codec, Date):
            places = enumerate(codec.parts or (), len(logged) + 1)
            values += [(place, ONE_HOT[name]) for place, name in places if name in ONE_HOT]
        width = part.of(np.asarray(train[part.field][:1])).shape[1]
        logged += [isinstance(codec, Number) and codec.log] * width
    found = matrix(raw, train).astype(np.float64) if raw else np.zeros((0, 0))
    marks = np.array(logged, bool)
    z = np.where(marks, np.sign(found) * np.log1p(np.abs(found)), found)
    known = ~np.isnan(z)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, z, 0.0).sum(axis=0) / counts
    spread = np.sqrt(np.where(known, (z - mean) ** 2, 0.0).sum(axis=0) / counts)
    spread[~(spread > 0)] = 1.0
    return RegressionColumns(
        raw, marks, mean.astype(np.float32), spread.astype(np.float32),
        np.flatnonzero(~known.all(axis=0)), tuple(values), tuple(_levels(signature, train)),
    )  # fmt: skip


def _levels(signature: Signature, train: Batch) -> Sequence[tuple[str, npt.NDArray[np.int64]]]:
    found = []
    for name, codec in signature.inputs.items():
        if isinstance(codec, Category):
            counts = np.bincount(np.asarray(train[name]), minlength=codec.levels)
            frequent = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
            found.append((name, np.sort(frequent[counts[frequent] > 0])))
    return found
