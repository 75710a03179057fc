"""Columns of windows: paths of files, from the table's folder; or lists, in a frame."""

from __future__ import annotations

from laboratory.codecs.window import Window

from drivetrain.codecs import Codec
from drivetrain.data.cell_text import Texts
from drivetrain.data.kinds.base import ColumnContext, ColumnKind
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

WINDOW = "window"


def guess(seen: ColumnContext) -> ColumnKind | None:
    if seen.column.kind != "text" or not len(seen.column.sample):
        return None
    return told(seen, WINDOW) if seen.column.sample.str.ends_with(".npy").all() else None


def told(seen: ColumnContext, word: str) -> ColumnKind:
    return seen.is_(WINDOW, f"windows of signals in {len(seen.column):,} files or lists", Window())


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.paths(folder) if column.kind == "text" else column.lists()


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [f"{window.min():.3g} to {window.max():.3g}" for window in encoded]


WORDS = (WINDOW,)
RULES = ((0, guess),)
