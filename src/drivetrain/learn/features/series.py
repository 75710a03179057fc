"""What simple models see of a series: of each channel a few figures that anybody would think of first; and kernels (see
`kernels.py`).

The figures: mean, spread, least, greatest, first, last, and the mean size of a step from one moment to the next. Sums are in
float64, so that they are the same float32 in whatever order they are added up. How long a row is is none of them: that tells how
it was recorded (and `check` warns where it tells the target).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, Raw
from drivetrain.learn.features.kernels import KernelColumns, as_ragged, features_for, fit_kernels
from drivetrain.ragged import Column, lengths_of
from drivetrain.types import Array

FAR = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class SeriesColumns(Columns):
    """(rows, moments, channels) -> (rows, 7 x channels); rows of different lengths where the input `varies`."""

    varies: bool

    def of(self, encoded: Column) -> Features:
        rows = as_ragged(encoded)
        lengths = rows.lengths.astype(np.float64)[:, None]
        flat = rows.flat
        starts = np.cumsum(rows.lengths) - rows.lengths
        ends = starts + rows.lengths - 1
        wide = flat.astype(np.float64)
        mean = np.add.reduceat(wide, starts) / lengths
        square = np.add.reduceat(wide * wide, starts) / lengths
        steps = np.abs(np.diff(flat, axis=0, append=flat[-1:])).astype(np.float64)
        steps[ends] = 0
        parts = [
            mean,
            np.sqrt(np.maximum(square - mean * mean, 0)),
            np.minimum.reduceat(flat, starts),
            np.maximum.reduceat(flat, starts),
            flat[starts],
            flat[ends],
            np.add.reduceat(steps, starts) / np.maximum(lengths - 1, 1),
        ]
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def write(self, builder: Builder) -> str:
        from onnx import TensorProto

        def wide(name: str) -> str:
            return builder.add("Cast", name, to=TensorProto.DOUBLE)

        def none(dtype: str, value: float = 0.0) -> str:
            return builder.constant(value, dtype)

        values = builder.inputs[self.field]
        side = builder.add("Squeeze", builder.add("Shape", values, start=1, end=2), builder.whole(0))
        moments = builder.add("Range", builder.constant(0, "i8"), side, builder.constant(1, "i8"))
        if self.varies:
            lengths = builder.column(builder.inputs[lengths_of(self.field)])
        else:
            rows = builder.add(
                "Concat", builder.add("Shape", values, start=0, end=1), builder.whole(1), axis=0
            )
            lengths = builder.add("Expand", side, rows)
        there = builder.add("Unsqueeze", builder.add("Less", moments, lengths), builder.whole(2))
        last = builder.add("Sub", lengths, builder.whole(1))
        is_last = builder.add("Unsqueeze", builder.add("Equal", moments, last), builder.whole(2))
        inside = builder.add("Unsqueeze", builder.add("Less", moments, last), builder.whole(2))
        one = builder.whole(1)

        def total(name: str) -> str:
            return builder.add("ReduceSum", name, one, keepdims=0)

        def largest(operator: str, beyond: float) -> str:
            held = builder.add("Where", there, values, none("f4", beyond))
            return builder.add(operator, held, one, keepdims=0)

        many = wide(lengths)
        own = builder.add("Where", there, wide(values), none("f8"))
        mean = builder.add("Div", total(own), many)
        square = builder.add("Div", total(builder.add("Mul", own, own)), many)
        apart = builder.add("Max", builder.add("Sub", square, builder.add("Mul", mean, mean)), none("f8"))
        next_one = builder.add("Slice", values, builder.whole(1), builder.whole(2**31), builder.whole(1))
        before = builder.add("Slice", values, builder.whole(0), builder.whole(-1), builder.whole(1))
        steps = wide(builder.add("Abs", builder.add("Sub", next_one, before)))
        within = builder.add("Slice", inside, builder.whole(0), builder.whole(-1), builder.whole(1))
        rough = builder.add(
            "Div", total(builder.add("Where", within, steps, none("f8"))), wide(builder.add("Max", last, one))
        )
        parts = [
            builder.floats(mean),
            builder.floats(builder.add("Sqrt", apart)),
            largest("ReduceMin", FAR),
            largest("ReduceMax", -FAR),
            builder.add("Gather", values, builder.constant(0, "i8"), axis=1),
            builder.add("ReduceSum", builder.add("Where", is_last, values, none("f4")), one, keepdims=0),
            builder.floats(rough),
        ]
        return builder.beside(parts)


def for_trees(field: str, codec: Codec, encoded: Column, direction: Array) -> SeriesColumns:
    del encoded, direction
    return SeriesColumns(field, codec.varies)


def for_regression(field: str, codec: Codec, encoded: Column) -> Raw:
    del encoded
    return Raw(SeriesColumns(field, codec.varies))


def for_kernels(field: str, codec: Codec, encoded: Column, seed: int) -> KernelColumns:
    del codec
    return fit_kernels(field, encoded, seed, features_for(len(encoded)))
