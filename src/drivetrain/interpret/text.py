"""Texts as inputs: which words there are that an answer may hang on."""

from __future__ import annotations

import re

from drivetrain.codecs import Codec

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""What stands between white space; of scripts that have none, Chinese and Japanese, each sign by itself."""


def words(codec: Codec, text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends."""
    del codec
    return [found.span() for found in _WORD.finditer(text)]
