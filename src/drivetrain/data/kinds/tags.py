"""Columns of tags: several of few words in each cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.tags import Tags
from drivetrain.data.cell_text import Texts
from drivetrain.data.groups import Named
from drivetrain.data.kinds.base import TAGS, ColumnContext, ColumnKind, levels_codec, refuse_unusable, unfit
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

TAG_SEPARATORS = ("|", ";", ",")
MOST_GROUPS = 50
_MOST_TAGS = 1_000
_MOST_ROWS = 100_000


def guess_tags(seen: ColumnContext) -> ColumnKind | None:
    """Lists of text, or text that holds several of few words: Action|Comedy."""
    if seen.column.kind == "list":
        return tags(seen)
    if seen.column.kind != "text":
        return None
    separator, count = separator_of_tags(seen)
    return tags(seen, separator, count) if count else None


def separator_of_tags(seen: ColumnContext) -> tuple[str, int]:
    """What parts the tags of a cell, and how many different ones there are; 0 where they are no tags.

    In a tenth of the cells or more there are several; of all there are no more than of cells that differ (half as many
    where commas part them), and most come in two or more of these: so places and persons, Ulm, DE, are no tags.
    """
    sample = seen.column.sample
    cells = {mark: int(sample.str.contains(mark, literal=True).sum()) for mark in TAG_SEPARATORS}
    different = seen.column.known.head(_MOST_ROWS).unique(maintain_order=True)
    for separator in TAG_SEPARATORS:
        if cells[separator] < 0.1 * len(sample):
            continue
        several = different.filter(different.str.contains(separator, literal=True))
        parts = several.str.split(separator).explode().str.strip_chars()
        tally = parts.filter(parts != "").value_counts()["count"].to_numpy()
        length = parts.str.len_chars().mean()
        few = len(tally) * (1 + (separator == ",")) <= len(several) and len(tally) <= _MOST_TAGS
        if few and len(tally) and np.median(tally) >= 2 and isinstance(length, float) and length <= 30:
            return separator, len(tally)
    return max(cells, key=cells.__getitem__), 0


def tags(seen: ColumnContext, separator: str = "", count: int = 0) -> ColumnKind:
    """The column as tags, whatever else it could be."""
    if separator and seen.column.kind == "text":
        reason = f"{count:,} tags parted by {separator!r}, {seen.levels()}" if count else seen.levels()
    else:
        reason, separator = f"lists of text in {len(seen.column):,} rows{seen.gaps()}", ""
    return seen.is_(TAGS, reason, Tags(separator=separator, open=True, rare=levels_codec(seen).rare))


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_unusable(seen, word)
    if seen.column.kind == "list":
        return tags(seen)
    if seen.column.kind != "text":
        raise unfit(seen, word, "it holds no text")
    return tags(seen, *separator_of_tags(seen))


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.lists() if column.kind == "list" else column.texts(codec.no_value)


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    names = np.array(cast("Tags", codec).tags, object)
    return [", ".join(names[row]) or None for row in encoded.astype(bool)]


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    names = cast("Tags", codec).tags
    for place in np.argsort(-encoded.sum(axis=0, dtype=np.int64), kind="stable")[:MOST_GROUPS].tolist():
        yield [f"without {names[place]}", f"with {names[place]}"], encoded[:, place].astype(np.int64)
    yield ["with a tag", "without any tag"], (encoded.max(axis=1) == 0).astype(np.int64)


WORDS = (TAGS,)
RULES = ((40, guess_tags),)
