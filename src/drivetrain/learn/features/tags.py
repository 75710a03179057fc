"""Each frequent tag is a column of 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.tags import Tags
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, Raw
from drivetrain.types import Array

MOST_TAGS = 256
"""Tags beyond the most frequent ones are left out."""


@dataclass(frozen=True, eq=False)
class TagColumns(Columns):
    """uint8 (n, tags) -> 0 or 1 for each of the `chosen` (n, len(chosen))."""

    chosen: npt.NDArray[np.int64]

    def of(self, encoded: Array) -> Features:
        return encoded[:, self.chosen].astype(np.float32)

    def write(self, builder: Builder) -> str:
        chosen = builder.constant(self.chosen, np.int64)
        return builder.floats(builder.add("Gather", builder.inputs[self.field], chosen, axis=1))


def for_trees(field: str, codec: Tags, encoded: Array, direction: Array) -> TagColumns:
    del codec, direction
    counts = encoded.sum(axis=0, dtype=np.int64)
    return TagColumns(field, np.sort(np.argsort(-counts, kind="stable")[:MOST_TAGS]))


def for_regression(field: str, codec: Tags, encoded: Array) -> Raw:
    return Raw(for_trees(field, codec, encoded, encoded))
