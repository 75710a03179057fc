"""Columns of pictures: their paths, from the table's folder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.image import EXTENSIONS, Image
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import PICTURE, ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.kinds.paths import guess_paths
from drivetrain.data.read.columns import Column
from drivetrain.types import Array


def guess_picture(seen: ColumnContext) -> ColumnKind | None:
    return guess_paths(seen, EXTENSIONS, "pictures", picture)


def picture(seen: ColumnContext) -> ColumnKind:
    """The column as paths of pictures, from the table's folder."""
    reason = f"paths of pictures, {seen.levels()}"
    return seen.is_(PICTURE, reason, Image())


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_no_text(seen, word)
    return picture(seen)


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.paths(folder)


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    """By brightness from 0 to 1, to two decimals: finer differences nobody sees."""
    flat = encoded.reshape(len(encoded), -1)
    brightness = flat.mean(axis=1, dtype=np.float64) / 255
    yield ranged(brightness.round(2), form="brightness {}")


WORDS = (PICTURE,)
RULES = ((30, guess_picture),)
