"""Columns of written language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.base import distinct
from drivetrain.codecs.text import UNKNOWN, WORD, Text
from drivetrain.data.cell_text import Texts
from drivetrain.data.groups import Named, ranged, shares
from drivetrain.data.kinds.base import TEXT, ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.lengths import Lengths
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

GRAMS = 20
"""Bits of the buckets that the n-grams of texts are counted in (docs/decisions/tables.md)."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS = rf"[{_UNSPACED}]{{1,2}}|[^\s{_UNSPACED}]+"
"""Words, about: two letters are one in scripts that put no space between them."""


def guess_text(seen: ColumnContext) -> ColumnKind | None:
    """Written language: four words or more in cells that mostly differ, or eight where a tenth of them do."""
    column = seen.column
    if column.kind != "text" or column.sample.n_unique() < 3:
        return None
    words = float(column.sample.str.count_matches(_WORDS).to_numpy().mean())
    if words < 4:
        return None
    share = column.different / column.present
    return text(seen, words) if share > 0.5 or (words >= 8 and share > 0.1) else None


def text(seen: ColumnContext, words: float = 0.0) -> ColumnKind:
    """The column as free text, whatever else it could be."""
    told = f"about {words:.0f} words each, " if words else ""
    return seen.is_(TEXT, told + seen.levels(), Text(grams=GRAMS))


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_no_text(seen, word)
    return text(seen)


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.texts(codec.no_value)


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [
        " ".join(str(value).split()) if row.any() and value is not None else None
        for row, value in zip(encoded, raw)
    ]


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    words = encoded[:, : cast("Text", codec).length]  # What follows are n-grams.
    sizes = np.count_nonzero(words, axis=1).astype(np.float64)
    sizes[sizes == 0] = np.nan
    yield ranged(sizes, form="{} words")
    yield shares(np.count_nonzero(words == UNKNOWN, axis=1) / sizes, form="{} of words unknown")


def lengths(codec: Codec, raw: Array) -> Lengths:
    """How many words the texts (n,) have, and how many of them networks read."""
    text = cast("Text", codec)
    different, which = distinct(raw)
    sizes = np.array([len(WORD.findall(text.read(value))) for value in different], np.int64)
    told = f"networks read the first {text.length:,}, n-grams all"
    return Lengths(sizes[which], "words", text.length or 1, told)


WORDS = (TEXT,)
RULES = ((60, guess_text),)
