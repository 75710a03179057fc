"""Columns of pictures: their paths, from the table's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.image import EXTENSIONS, Image
from drivetrain.data.faults import Fault
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import MOSTLY, PICTURE, ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.kinds.category import category
from drivetrain.data.kinds.rows import names_rows
from drivetrain.data.read.columns import Column
from drivetrain.types import Array


def guess_picture(seen: ColumnContext) -> ColumnKind | None:
    """A column of paths of pictures; a category or names with a warning where the files are not there."""
    if seen.column.kind != "text":
        return None
    some = seen.column.sample.unique(maintain_order=True).to_list()
    named = [value for value in some if value.lower().endswith(EXTENSIONS)]
    if len(named) < MOSTLY * len(some):
        return None
    there = [value for value in named if os.path.isfile(os.path.join(seen.folder, value))]
    if len(there) >= 0.5 * len(named):
        return picture(seen)
    message = f"{seen.name!r} is named like pictures, and there are no such files ({named[0]!r:.60})."
    fix = "Put the pictures where the table says, or leave the column out."
    found = names_rows(seen) or category(seen)
    return replace(found, faults=(*found.faults, Fault("missing file", "warning", message, [], fix)))


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
