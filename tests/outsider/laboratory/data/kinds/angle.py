"""Columns of angles: numbers, which nobody but a person can tell from others."""

from __future__ import annotations

from laboratory.codecs.angle import Angle

from drivetrain.codecs import Codec
from drivetrain.data.kinds import number
from drivetrain.data.kinds.base import ColumnContext, ColumnKind
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

ANGLE = "angle"


def told(seen: ColumnContext, word: str) -> ColumnKind:
    return seen.is_(word, f"angles in {len(seen.column):,} rows", Angle(), number.told(seen, word).faults)


def target(seen: ColumnContext) -> ColumnKind:
    return told(seen, ANGLE)


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.numbers.values


WORDS = (ANGLE,)
