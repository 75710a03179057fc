"""Columns of durations: written as no number is, in 95 of 100 cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from laboratory.codecs.duration import Duration, as_clock, parse

from drivetrain.codecs import Codec
from drivetrain.codecs.base import NO_NUMBER
from drivetrain.data.cell_text import Texts
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import (
    MOSTLY,
    ColumnContext,
    ColumnKind,
    gap_faults,
    refuse_unlearnable,
    refuse_unusable,
    unfit,
)
from drivetrain.data.kinds.number import amounts, spread
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

__all__ = [
    "RULES",
    "TARGET_RULES",
    "WORDS",
    "amounts",
    "cell_texts",
    "groupings",
    "spread",
    "target",
    "told",
    "values",
]

DURATION = "duration"


def guess(seen: ColumnContext) -> ColumnKind | None:
    if seen.column.kind != "text" or not len(seen.column.sample):
        return None
    read = [parse(text) is not None for text in seen.column.sample.to_list()]
    return _kind(seen, missing=True) if np.mean(read) >= MOSTLY else None


def guess_target(seen: ColumnContext) -> ColumnKind | None:
    return target(seen) if guess(seen) else None


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_unusable(seen, word)
    if np.isnan(_seconds(seen.column)).mean() > 1 - MOSTLY:
        raise unfit(seen, word, "its cells are no durations")
    return _kind(seen, missing=True)


def target(seen: ColumnContext) -> ColumnKind:
    refuse_unlearnable(seen)
    found = told(seen, DURATION)
    gaps = gap_faults(seen, np.flatnonzero(np.isnan(_seconds(seen.column))))
    return seen.is_(DURATION, found.reason, Duration(), gaps)


def _kind(seen: ColumnContext, missing: bool) -> ColumnKind:
    seconds = _seconds(seen.column)
    low, high = as_clock(float(np.nanmin(seconds))), as_clock(float(np.nanmax(seconds)))
    reason = f"durations from {low} to {high}, in {len(seconds):,} rows{seen.gaps(NO_NUMBER)}"
    return seen.is_(DURATION, reason, Duration(missing=missing, absent=seen.column.absent(NO_NUMBER)))


def _seconds(column: Column) -> Array:
    """float64 (n,), NaN where there is none or it can't be read."""
    return values(column, Duration(missing=True, absent=column.absent(NO_NUMBER)), "")


def values(column: Column, codec: Codec, folder: str) -> Array:
    if column.kind == "number":
        return column.numbers.values
    read, faults = Duration(missing=True, absent=column.absent(NO_NUMBER)).encode_column(
        column.texts(NO_NUMBER)
    )
    read = read.astype(np.float64)
    read[list(faults)] = np.nan
    return read


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [None if value != value else as_clock(value) for value in encoded.reshape(-1).tolist()]


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    yield ranged(encoded.reshape(-1).astype(np.float64), as_clock)


WORDS = (DURATION,)
RULES = ((0, guess),)
TARGET_RULES = ((0, guess_target),)
