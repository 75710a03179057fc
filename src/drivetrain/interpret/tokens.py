"""Tokens as inputs: of texts the words, of lists of numbers nothing that is read in words."""

from __future__ import annotations

from drivetrain.codecs import Codec
from drivetrain.interpret import text as texts


def words(codec: Codec, text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends."""
    return texts.words(codec, text) if codec.holds_texts else []
