"""bag@1: a text as which words it has, whatever their order: a number for each word that is known.

The exact semantics, for other languages, are in OPS.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs.base import Codec, FieldError, absent_words, distinct, is_missing
from drivetrain.codecs.text import WORD, nasty_texts
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.pieces import clean
from drivetrain.types import Array
from drivetrain.values import as_text

MOST_WORDS = 2**14


@dataclass(frozen=True)
class Bag(Codec):
    """A text. An input only: encodes to uint8 (words,), 1 for each of `words` that it has.

    A text is cleaned first (see `drivetrain.pieces`): without HTML (`strip_html`), in lower case (`lower`), without accents
    (`strip_accents`). `fit` takes the `most` words that most training rows have, of those that at least `rare` have and that
    are none of `stop_words`. Missing text, and what is one of `absent`, has no words.
    """

    op: ClassVar[str] = "bag@1"
    called: ClassVar[str] = "a bag of words"
    no_value: ClassVar[frozenset[str]] = frozenset({""})
    words: tuple[str, ...] = ()
    most: int = 1000
    rare: int = 2
    strip_html: bool = False
    lower: bool = True
    strip_accents: bool = False
    stop_words: tuple[str, ...] = ()
    absent: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        object.__setattr__(self, "stop_words", tuple(self.stop_words))
        if len(set(self.words)) != len(self.words):
            raise FieldError("a word is named twice")
        if not (type(self.most) is int and 1 <= self.most <= MOST_WORDS):
            raise FieldError(f"most must be a whole number from 1 to {MOST_WORDS:,}")
        if len(self.words) > MOST_WORDS:
            raise FieldError(f"there are {len(self.words):,} words, and {MOST_WORDS:,} are the most")
        if not (type(self.rare) is int and self.rare >= 0):
            raise FieldError("rare is a whole number from 0")

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.words:
            return self
        different, which = distinct(values)
        rows = np.bincount(which, minlength=len(different)).tolist()
        counts: Counter[str] = Counter()
        for raw, times in zip(different, rows):
            for word in set(WORD.findall(self.read(raw))):
                counts[word] += times
        left_out = {*self.stop_words}
        known = [word for word in counts if counts[word] >= self.rare and word not in left_out]
        words = tuple(sorted(known, key=lambda word: (-counts[word], word))[: self.most])
        if not words:
            raise DataError("no word is in enough texts.", fix="Check the column, and `rare`.")
        return replace(self, words=words)

    def read(self, raw: Any) -> str:
        """What is left of a text once it is cleaned; empty where there is none."""
        if is_missing(raw, self._absent):
            return ""
        return clean(as_text(raw, "text"), self.strip_html, self.lower, self.strip_accents)

    def encode(self, value: str) -> Array:
        encoded = np.zeros(self.shape, np.uint8)
        known = self._places
        encoded[[known[word] for word in set(WORD.findall(value)) if word in known]] = 1
        return encoded

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError("bag@1 is an input only: no model output decodes to text")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How many there are, and have none of the words; how many of them a text has in the mean."""
        sizes = encoded.sum(axis=1, dtype=np.int64)
        if not len(sizes):
            return {"n": 0}
        return {"n": len(sizes), "empty": int(np.count_nonzero(sizes == 0)), "words": float(sizes.mean())}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        if not self.words:
            raise DrivetrainError("bag@1 has no words yet.", fix="Call fit first, or give them.")
        return (len(self.words),)

    @property
    def large(self) -> bool:
        return False

    @property
    def holds_texts(self) -> bool:
        return True

    def input_words(self) -> str:
        return f"text, of which {len(self.words):,} words are looked for."

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        known = self.words[0] if self.words else "word"
        return [*nasty_texts(known), ("many times", " ".join([known] * 300))]
