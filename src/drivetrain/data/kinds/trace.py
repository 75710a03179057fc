"""Columns of traces of a mouse or a pen: lists of points, or their JSON. Told, never guessed."""

from __future__ import annotations

from collections.abc import Iterator

from drivetrain.codecs import Codec
from drivetrain.codecs.trace import Trace
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

WORDS = ("trace",)
WRITTEN = {"64-pixels": r"0*[1-9][0-9]{1,2}-pixels"}


def told(seen: ColumnContext, word: str) -> ColumnKind:
    if not _is_of_lists(seen.column):
        refuse_no_text(seen, word)
    sizes = [int(way.partition("-")[0]) for way in seen.written]
    return seen.is_("trace", f"traces, {seen.levels()}", Trace(size=sizes[-1]) if sizes else Trace())


def values(column: Column, codec: Codec, folder: str) -> Array:
    """Lists, and texts that are their JSON."""
    del codec, folder
    return column.lists() if _is_of_lists(column) else column.texts()


def _is_of_lists(column: Column) -> bool:
    """Lists of lists are of no kind that a table has by itself."""
    return not column.kind and column.type_name == "list"


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    """By how much of the picture is path."""
    del codec
    share = (encoded[..., 2] > 0).mean(axis=(1, 2))
    yield ranged((100 * share).round(), form="{} % of the picture")
