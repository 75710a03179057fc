"""A text as a pretrained model sees it: the tokens of its own tokenizer, which it puts some around."""

from __future__ import annotations

from typing import Any, cast

from drivetrain.charts.passages import Piece
from drivetrain.charts.tokens import NOTE, marked
from drivetrain.codecs import Codec
from drivetrain.codecs.subwords import Subwords

__all__ = ["NOTE", "pieces"]


def pieces(codec: Codec, raw: Any) -> list[Piece]:
    """Of a raw value; those that are put around it are not shown, but counted."""
    subwords = cast("Subwords", codec)
    text = subwords.read(raw)
    found: list[tuple[str, str]] = []
    last = 0
    for begin, end, number in subwords.tokenizer.places(text):
        if end <= last:  # One around the text, or another of the same letter.
            continue
        if gap := text[last:begin]:
            found.append((" " if gap.isspace() else gap, "between"))
        piece = text[max(begin, last) : end].replace("\n", "\u23ce")
        found.append((f"[{piece}]", "unknown") if number == subwords.unknown else (piece, "token"))
        last = end
    count = sum(mark != "between" for _, mark in found)
    kept = (subwords.length or count) - subwords.tokenizer.around
    first = 0 if subwords.keep == "beginning" else max(0, count - kept)
    return marked(found, first, first + kept)
