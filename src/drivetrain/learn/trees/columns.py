"""What trees see of an input: columns of float32, NaN where there is no value.

Numbers are taken as they are. The codes of a category are put in the order of the target's mean, so that one threshold
parts levels that go with small targets from those that go with large ones: the best split in two there is, for a
squared error and for two classes (Fisher 1958, Journal of the American Statistical Association 53:789-798). For more
classes it is the order along the first principal direction of the class shares (Coppersmith, Hong and Hosking 1999, Data
Mining and Knowledge Discovery 3:197-217). Dates give the elapsed time and the parts of the calendar, tags a column
each. Text and pictures give nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import MISSING, Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.types import Array, Batch

Features = npt.NDArray[np.float32]

PRIOR = 20
"""A level's mean counts so many rows of the mean of all besides its own: a rare level's mean is mostly chance."""
MOST_TAGS = 256
"""Tags beyond the most frequent ones are left out."""


@dataclass(frozen=True)
class NumberColumn:
    """float32 (n,) -> (n, 1)."""

    field: str

    def of(self, encoded: Array) -> Features:
        return encoded.astype(np.float32).reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class CategoryColumn:
    """Codes (n,) -> the rank of each (n, 1). `ranks` (levels,); a level that training had no row of counts as missing."""

    field: str
    ranks: Features

    def of(self, encoded: Array) -> Features:
        return self.ranks[encoded].reshape(-1, 1)


@dataclass(frozen=True)
class DateColumns:
    """int64 (n, 1 + parts) -> seconds since `center`, and the parts (n, 1 + parts). A part of no date is -1 as it is."""

    field: str
    center: int

    def of(self, encoded: Array) -> Features:
        columns = encoded.astype(np.float32)
        since = (encoded[:, 0] - self.center).astype(np.float32)
        columns[:, 0] = np.where(encoded[:, 0] == MISSING, np.float32(np.nan), since)
        return columns


@dataclass(frozen=True, eq=False)
class TagColumns:
    """uint8 (n, tags) -> 0 or 1 for each of the `chosen` (n, len(chosen))."""

    field: str
    chosen: npt.NDArray[np.int64]

    def of(self, encoded: Array) -> Features:
        return encoded[:, self.chosen].astype(np.float32)


Columns = NumberColumn | CategoryColumn | DateColumns | TagColumns


def fit_columns(signature: Signature, train: Batch, target: Array) -> list[Columns]:
    """The columns of each input that trees can take, in the signature's order; `train` holds encoded rows, and `target`
    (n, directions) what the levels of categories are ordered by."""
    found: list[Columns] = []
    for name, codec in signature.inputs.items():
        if isinstance(codec, Number):
            found.append(NumberColumn(name))
        elif isinstance(codec, Category):
            found.append(CategoryColumn(name, ranks(np.asarray(train[name]), codec.levels, target)))
        elif isinstance(codec, Date):
            found.append(DateColumns(name, int(codec.center or 0)))
        elif isinstance(codec, Tags):
            counts = np.asarray(train[name]).sum(axis=0, dtype=np.int64)
            found.append(TagColumns(name, np.sort(np.argsort(-counts, kind="stable")[:MOST_TAGS])))
    return found


def takes(codec: Codec) -> bool:
    """Whether trees see anything of such an input."""
    return isinstance(codec, (Number, Category, Date, Tags))


def matrix(columns: Sequence[Columns], batch: Batch) -> Features:
    """All columns side by side (n, width), of encoded rows."""
    return np.concatenate([part.of(np.asarray(batch[part.field])) for part in columns], axis=1)


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


def _first_direction(means: npt.NDArray[np.float64], counts: Array) -> npt.NDArray[np.float64]:
    """(directions,) along which the means differ most, each counted as often as it has rows; its largest part is
    positive, so that the order is the same everywhere."""
    weighted = means * counts[:, None]
    direction = np.linalg.eigh(means.T @ weighted)[1][:, -1]
    return direction * np.sign(direction[np.argmax(np.abs(direction))])
