"""To simple models a window is, for each of its channels, the mean, the spread and the ends of what is in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from laboratory.codecs.window import Window

from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, Raw
from drivetrain.types import Array


@dataclass(frozen=True, eq=False)
class WindowColumns(Columns):
    """float32 (n, channels, length) -> (n, 4 channels)."""

    def of(self, encoded: Array) -> Features:
        mean = encoded.mean(axis=2, keepdims=True)
        spread = np.sqrt(np.square(encoded - mean).mean(axis=2))
        return np.concatenate([mean[:, :, 0], spread, encoded.min(axis=2), encoded.max(axis=2)], axis=1)

    def write(self, builder: Builder) -> str:
        window, axis = builder.inputs[self.field], builder.whole(2)
        mean = builder.add("ReduceMean", window, axis, keepdims=1)
        away = builder.add("Sub", window, mean)
        squares = builder.add("ReduceMean", builder.add("Mul", away, away), axis, keepdims=0)
        low = builder.add("ReduceMin", window, axis, keepdims=0)
        high = builder.add("ReduceMax", window, axis, keepdims=0)
        level = builder.add("ReduceMean", window, axis, keepdims=0)
        return builder.beside([level, builder.add("Sqrt", squares), low, high])


def for_trees(field: str, codec: Window, encoded: Array, direction: Array) -> WindowColumns:
    return WindowColumns(field)


def for_regression(field: str, codec: Window, encoded: Array) -> Raw:
    return Raw(WindowColumns(field))
