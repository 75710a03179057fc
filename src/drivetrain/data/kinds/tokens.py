"""Columns of texts that a network reads token by token: told, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.cell_text import Texts
from drivetrain.data.groups import Named, ranged, shares
from drivetrain.data.kinds.base import ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.lengths import Lengths
from drivetrain.data.read.columns import Column
from drivetrain.figures import percent
from drivetrain.ragged import Ragged
from drivetrain.types import Array

TOKENS = "tokens"
MUCH = 0.4
"""So large a share of unknown words in training texts is told."""
TOKENIZERS = ("words", "characters", "bpe", "wordpiece", "unigram")
WORDS = (TOKENS,)
WRITTEN = {
    **{name: name for name in TOKENIZERS},
    **{
        word: word
        for word in ("cased", "no-html", "no-accents", "no-punctuation", "no-stop-words", "keep-end")
    },
    "85-long": r"0*[1-9][0-9]{0,4}-long",
    "8000-most": r"0*[1-9][0-9]{0,6}-most",
}
_SMALL = """
a about above after again all am an and any are as at be because been before being below between both but by
can could did do does doing down during each few for from further had has have having he her here hers herself
him himself his how i if in into is it its itself just me more most my myself now of off on once only or other
our ours ourselves out over own same she should so some such than that the their theirs them themselves then
there these they this those through to too under until up very was we were what when where which while who
whom why will with would you your yours yourself yourselves
"""
STOP_WORDS = tuple(_SMALL.split())
"""English words that say little. Those that deny (no, not, nor, never) are not among them: they turn what is said."""


def told(seen: ColumnContext, word: str) -> ColumnKind:
    """By words in lower case, unless it is said otherwise."""
    refuse_no_text(seen, word)
    said: dict[str, Any] = {"tokenizer": "words", "lower": True}
    for way in seen.written:
        said |= _meant(way)
    return seen.is_(TOKENS, f"{said['tokenizer']}, {seen.levels()}", Tokens(**said))


def _meant(way: str) -> dict[str, Any]:
    """The fields of a codec that a word after the colon sets."""
    if way in TOKENIZERS:
        return {"tokenizer": way}
    if number := re.fullmatch("([0-9]+)-(long|most)", way):
        return {{"long": "length", "most": "most"}[number[2]]: int(number[1])}
    return {
        "cased": {"lower": False},
        "no-html": {"strip_html": True},
        "no-accents": {"strip_accents": True},
        "no-punctuation": {"strip_punctuation": True},
        "no-stop-words": {"stop_words": STOP_WORDS},
        "keep-end": {"keep": "end"},
    }[way]


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.texts(codec.no_value)


def cell_texts(codec: Codec, encoded: Any, raw: Array) -> Texts:
    return [
        " ".join(str(value).split()) if len(row) and value is not None else None
        for row, value in zip(encoded, raw)
    ]


def groupings(codec: Codec, encoded: Any) -> Iterator[Named]:
    rows = (
        encoded
        if isinstance(encoded, Ragged)
        else Ragged.of(np.concatenate(encoded), np.array([*map(len, encoded)]))
    )
    sizes = rows.lengths.astype(np.float64)
    sizes[sizes == 0] = np.nan
    yield ranged(sizes, form="{} tokens")
    if codec.holds_texts:
        before = np.concatenate([[0], np.cumsum(rows.values == cast("Tokens", codec).unknown)])
        yield shares(
            (before[rows.starts + rows.lengths] - before[rows.starts]) / sizes, form="{} of tokens unknown"
        )


def lengths(codec: Codec, raw: Array) -> Lengths | None:
    """How many tokens the texts (n,) have, and how many of them are kept; None of what is never cut,
    as lists of numbers."""
    tokens = cast("Tokens", codec)
    if not tokens.holds_texts or tokens.length == tokens.longest:
        return None
    told = f"of longer texts those at the {tokens.keep} are kept"
    return Lengths(tokens.sizes(raw), "tokens", tokens.length or 1, told, remark=_unknown(tokens, raw))


def _unknown(tokens: Tokens, raw: Array) -> str:
    """That a vocabulary of words knows few of them, as where no space parts them: the tokens say next to nothing then."""
    if tokens.tokenizer != "words":
        return ""
    values = tokens.encode_column(raw)[0].values
    share = float((values == tokens.unknown).mean()) if len(values) else 0.0
    if share < MUCH:
        return ""
    return f"{percent(share, 0)} of the tokens are unknown: tokens:bpe or tokens:characters would know more of them."
