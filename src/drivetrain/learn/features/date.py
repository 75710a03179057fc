"""A date is the time since the middle of training's dates, and the parts of the calendar. A regression also has a column for
each month, weekday and hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.codecs.date import CALENDAR, MISSING, Date
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, Raw
from drivetrain.types import Array


@dataclass(frozen=True, eq=False)
class DateColumns(Columns):
    """int64 (n, 1 + parts) -> seconds since `center`, and the parts (n, 1 + parts). A part of no date is -1 as it is."""

    center: int

    def of(self, encoded: Array) -> Features:
        columns = encoded.astype(np.float32)
        since = (encoded[:, 0] - self.center).astype(np.float32)
        columns[:, 0] = np.where(encoded[:, 0] == MISSING, np.float32(np.nan), since)
        return columns

    def write(self, builder: Builder) -> str:
        field = builder.inputs[self.field]
        elapsed = builder.add("Gather", field, builder.whole(0), axis=1)
        since = builder.floats(builder.add("Sub", elapsed, builder.constant(self.center, np.int64)))
        missing = builder.add("Equal", elapsed, builder.constant(MISSING, np.int64))
        first = builder.add("Where", missing, builder.constant(np.nan, np.float32), since)
        rest = [builder.whole(edge) for edge in (1, 2**31, 1)]
        parts = builder.floats(builder.add("Slice", field, *rest))
        return builder.add("Concat", first, parts, axis=1)


def for_trees(field: str, codec: Date, encoded: Array, direction: Array) -> DateColumns:
    del encoded, direction
    return DateColumns(field, int(codec.center or 0))


def for_regression(field: str, codec: Date, encoded: Array) -> Raw:
    del encoded
    parts = enumerate(codec.parts or (), 1)
    values = {place: np.arange(sum(CALENDAR[name])) for place, name in parts if name in CALENDAR}
    return Raw(DateColumns(field, int(codec.center or 0)), values=values)
