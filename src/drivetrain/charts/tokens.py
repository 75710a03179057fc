"""A text as a model sees it: its tokens told apart, unknown ones and what is cut off marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from drivetrain.charts.passages import Piece
from drivetrain.codecs import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.tokenizer import UNKNOWN

KEPT, CUT = 120, 12
"""Tokens of a text that are shown, and of what is cut off."""
NOTE = "In brackets: unknown tokens. Struck through: what is cut off. Lines under the parts of a word: its tokens."


def pieces(codec: Codec, raw: Any) -> list[Piece]:
    """Of a raw value; of tokens without a text their numbers."""
    tokens = cast("Tokens", codec)
    if not tokens.tokenizer:
        return [Piece(f"{token} ", mark="token") for token in tokens.read(raw)[:KEPT]]
    apart = tokens.tokenizer in ("words", "wordpiece") and not tokens.spaced
    found: list[tuple[str, str]] = []
    for piece, numbers in tokens.cut(tokens.read(raw)):
        if apart and found and piece != "\n":
            found.append((" ", "between"))
        for number in numbers:
            lone = len(numbers) == 1
            text = piece if lone else tokens.name_of(number)
            mark = "unknown" if number == UNKNOWN else "" if lone and apart else "token"
            found.append((f"[{text}]" if mark == "unknown" else text.replace("\n", "\u23ce"), mark))
    count = sum(mark != "between" for _, mark in found)
    kept = tokens.length or count
    first = 0 if tokens.keep == "beginning" else max(0, count - kept)
    return marked(found, first, first + kept)


def marked(found: Sequence[tuple[str, str]], first: int, end: int) -> list[Piece]:
    """Of (text, mark) in order, "between" being no token: those from `first` to before `end` as they are, those around them as
    cut off, and of too many the first and the last."""
    places: list[int] = []
    count = 0
    for _, mark in found:
        places.append(count - (mark == "between"))
        count += mark != "between"
    shown: list[Piece] = []
    skipped = 0
    for (text, mark), place in zip(found, places):
        inside = first <= place < end
        near = (
            place - first < KEPT - CUT or min(end, count) - place <= CUT
            if inside
            else 0 <= place - end < CUT or 0 < first - place <= CUT
        )
        if not near:
            skipped += mark != "between"
            continue
        if skipped:
            shown.append(Piece(f" … {skipped:,} more … ", mark="gap"))
            skipped = 0
        shown.append(Piece(text, mark="" if mark == "between" else mark if inside else "cut"))
    if skipped:
        shown.append(Piece(f" … {skipped:,} more", mark="gap"))
    return shown or [Piece("no text", mark="gap")]
