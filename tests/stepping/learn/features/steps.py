"""To simple models steps are how many there are, and their mean."""

from __future__ import annotations

import numpy as np

from drivetrain.learn.features.base import Columns, Raw
from drivetrain.ragged import lengths_of


class StepColumns(Columns):
    """Steps of different lengths -> (n, 2)."""

    def of(self, encoded):
        rows = np.repeat(np.arange(len(encoded)), encoded.lengths)
        total = np.bincount(rows, encoded.flat, len(encoded))
        return np.stack([encoded.lengths, total / np.maximum(encoded.lengths, 1)], 1).astype(np.float32)

    def write(self, builder):
        count = builder.column(builder.floats(builder.inputs[lengths_of(self.field)]))
        steps = builder.floats(builder.inputs[self.field])
        total = builder.add(
            "ReduceSum", builder.add("Max", steps, builder.constant(0)), builder.whole(1), keepdims=1
        )
        return builder.beside(
            [count, builder.add("Div", total, builder.add("Max", count, builder.constant(1)))]
        )


def for_trees(field, codec, encoded, direction):
    return StepColumns(field)


def for_regression(field, codec, encoded):
    return Raw(StepColumns(field))
