"""Columns of texts of which a model sees which words they have: told, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.bag import Bag
from drivetrain.data.cell_text import Texts
from drivetrain.data.groups import Named
from drivetrain.data.kinds.base import ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.kinds.tokens import STOP_WORDS
from drivetrain.data.read.columns import Column
from drivetrain.types import Array

BAG = "bag"
WORDS = (BAG,)
WRITTEN = {
    **{word: word for word in ("cased", "no-html", "no-accents", "no-stop-words")},
    "1000-most": r"0*[1-9][0-9]{0,4}-most",
}
MOST_GROUPS = 50
_MEANT: dict[str, dict[str, Any]] = {
    "cased": {"lower": False},
    "no-html": {"strip_html": True},
    "no-accents": {"strip_accents": True},
    "no-stop-words": {"stop_words": STOP_WORDS},
}


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_no_text(seen, word)
    said: dict[str, Any] = {}
    for way in seen.written:
        number = re.fullmatch("([0-9]+)-most", way)
        said |= {"most": int(number[1])} if number else _MEANT[way]
    return seen.is_(BAG, f"which words it has, {seen.levels()}", Bag(**said))


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.texts(codec.no_value)


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [" ".join(str(value).split()) or None if value is not None else None for value in raw]


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    words = cast("Bag", codec).words
    for place in np.argsort(-encoded.sum(axis=0, dtype=np.int64), kind="stable")[:MOST_GROUPS].tolist():
        yield [f"without {words[place]!r}", f"with {words[place]!r}"], encoded[:, place].astype(np.int64)
