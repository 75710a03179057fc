"""A text as a network sees it: its words, unknown ones and those that it does not read marked."""

from __future__ import annotations

from typing import Any, cast

from drivetrain.charts.passages import Piece
from drivetrain.charts.tokens import marked
from drivetrain.codecs import Codec
from drivetrain.codecs.text import WORD, Text

NOTE = "In brackets: words that the vocabulary lacks. Struck through: words that no network reads. N-grams are made of all."


def pieces(codec: Codec, raw: Any) -> list[Piece]:
    """Of a raw value."""
    text = cast("Text", codec)
    known = set(text.words)
    found: list[tuple[str, str]] = []
    for word in WORD.findall(text.read(raw)):
        if found:
            found.append((" ", "between"))
        found.append((word, "") if word in known else (f"[{word}]", "unknown"))
    return marked(found, 0, text.length or len(found))
