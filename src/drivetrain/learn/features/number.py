"""A number is one column as it is, NaN where it is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.codecs import Quantity
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, Raw
from drivetrain.types import Array


@dataclass(frozen=True, eq=False)
class NumberColumn(Columns):
    """float32 (n,) -> (n, 1)."""

    def of(self, encoded: Array) -> Features:
        return encoded.astype(np.float32).reshape(-1, 1)

    def write(self, builder: Builder) -> str:
        return builder.column(builder.inputs[self.field])


def for_trees(field: str, codec: Quantity, encoded: Array, direction: Array) -> NumberColumn:
    del codec, encoded, direction
    return NumberColumn(field)


def for_regression(field: str, codec: Quantity, encoded: Array) -> Raw:
    del encoded
    return Raw(NumberColumn(field), logged=codec.log)
