"""Columns of files of any kind that are looked at as bytes: their paths, from the table's folder. Told, never guessed."""

from __future__ import annotations

from drivetrain.codecs import Codec
from drivetrain.codecs.bytes import LAYOUTS, Bytes
from drivetrain.data.kinds.base import ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.kinds.image import groupings as groupings
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

WORDS = ("bytes",)
WRITTEN = {layout: layout for layout in LAYOUTS}


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_no_text(seen, word)
    codec = Bytes(layout=seen.written[0]) if seen.written else Bytes()
    return seen.is_("bytes", f"paths of files, {seen.levels()}", codec)


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.paths(folder)
