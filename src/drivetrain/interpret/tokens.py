"""Tokens as inputs: of texts the words, of lists of numbers nothing that is read in words."""

from __future__ import annotations

from typing import cast

from drivetrain.codecs import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.interpret import text as texts


def words(codec: Codec, text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends."""
    return texts.words(codec, text) if cast("Tokens", codec).tokenizer else []
