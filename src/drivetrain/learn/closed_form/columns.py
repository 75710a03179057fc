"""What a regression sees of a table: columns of about unit size, none of them missing.

Numbers and what else has an order are taken off their mean and divided by their spread (on a log scale where the codec has
one); a gap is the mean, and has a column of its own that says so. What is cut up has a column of 0 and 1 for each value. See
`features/` for what each kind of input gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features, for_regression, matrix
from drivetrain.ragged import column_in
from drivetrain.types import Array, Batch

FARTHEST = 8.0
"""A scaled value beyond this is cut off: one outlier must not outweigh its row."""


@dataclass(frozen=True, eq=False)
class RegressionColumns:
    """`raw` are the inputs' columns: first the k that are scaled, which `logged`, `mean` and `spread` (k,) are of; `gaps` are
    those that have gaps. `values` has the places of columns that are cut up, and the values of each."""

    raw: tuple[Columns, ...]
    logged: npt.NDArray[np.bool_]
    mean: Features
    spread: Features
    gaps: npt.NDArray[np.int64]
    values: tuple[tuple[int, Array], ...]

    def features(self, batch: Batch) -> Features:
        """float32 (n, columns) of encoded rows."""
        found = matrix(self.raw, batch)
        parts = [(found[:, [place]] == values).astype(np.float32) for place, values in self.values]
        if len(self.mean):
            scaled = self._scaled(found[:, : len(self.mean)])
            parts = [scaled, np.isnan(found[:, self.gaps]).astype(np.float32), *parts]
        return np.concatenate(parts, axis=1)

    def _scaled(self, raw: Features) -> Features:
        z = np.where(self.logged, np.sign(raw) * np.log1p(np.abs(raw)), raw)
        scaled = np.clip((z - self.mean) / self.spread, -FARTHEST, FARTHEST)
        return np.where(np.isnan(raw), np.float32(0), scaled).astype(np.float32)

    def write(self, builder: Builder) -> str:
        """Add what `features` computes to a graph."""
        found = builder.beside([part.write(builder) for part in self.raw])
        parts: list[str] = []
        if len(self.mean):
            raw = builder.columns(found, 0, len(self.mean))
            absent = builder.add("IsNaN", raw)
            parts.append(self._write_scaled(builder, raw, absent))
            if len(self.gaps):
                gaps = builder.constant(self.gaps, np.int64)
                parts.append(builder.add("Gather", builder.floats(absent), gaps, axis=1))
        for place, values in self.values:
            column = builder.columns(found, place, place + 1)
            parts.append(builder.floats(builder.add("Equal", column, builder.constant(values))))
        return builder.beside(parts)

    def _write_scaled(self, builder: Builder, raw: str, absent: str) -> str:
        z = raw
        if self.logged.any():
            size = builder.add("Log", builder.add("Add", builder.add("Abs", raw), builder.constant(1)))
            logged = builder.add("Mul", builder.add("Sign", raw), size)
            z = builder.add("Where", builder.constant(self.logged, np.bool_), logged, raw)
        away = builder.add("Sub", z, builder.constant(self.mean))
        z = builder.add("Div", away, builder.constant(self.spread))
        z = builder.add("Clip", z, builder.constant(-FARTHEST), builder.constant(FARTHEST))
        return builder.add("Where", absent, builder.constant(0), z)


def fit_columns_of(signature: Signature, train: Batch) -> RegressionColumns:
    """The columns of encoded training rows: of those inputs that give any, of which there is at least one."""
    made = ((name, codec, for_regression(codec)) for name, codec in signature.inputs.items())
    found = [make(name, codec, column_in(train, name)) for name, codec, make in made if make is not None]
    found.sort(key=lambda part: not part.scaled)
    logged: list[bool] = []
    values: list[tuple[int, Array]] = []
    start = 0
    for part in found:
        width = part.columns.of(column_in(train, part.columns.field)[:1]).shape[1]
        values += [(start + place, own) for place, own in part.values.items()]
        logged += [part.logged] * (width if part.scaled else 0)
        start += width
    raw = tuple(part.columns for part in found)
    return RegressionColumns(
        raw, *_scales(matrix(raw, train)[:, : len(logged)], np.array(logged, bool)), tuple(values)
    )


def _scales(
    found: Features, logged: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], Features, Features, npt.NDArray[np.int64]]:
    """`logged`, `mean`, `spread` and `gaps` of the columns that are scaled."""
    wide = found.astype(np.float64)
    z = np.where(logged, np.sign(wide) * np.log1p(np.abs(wide)), wide)
    known = ~np.isnan(z)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, z, 0.0).sum(axis=0) / counts
    spread = np.sqrt(np.where(known, (z - mean) ** 2, 0.0).sum(axis=0) / counts)
    spread[~(spread > 0)] = 1.0
    gaps = np.flatnonzero(~known.all(axis=0))
    return logged, mean.astype(np.float32), spread.astype(np.float32), gaps
