"""text@1: written language, as the numbers of its words. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs.base import (
    Codec,
    Errors,
    FieldError,
    absent_words,
    by_row,
    distinct,
    errors_by_row,
    is_missing,
)
from drivetrain.errors import DrivetrainError
from drivetrain.types import Array
from drivetrain.values import as_text

WORD = re.compile(r"[^\W_]+")
"""Letters and digits of all scripts: the Unicode categories L* and N*."""
MOST_WORDS = 256
PADDING, UNKNOWN, FIRST = 0, 1, 2
"""The ids of no word, of a word that isn't in the vocabulary, and of the first that is."""


def lower(text: str) -> str:
    """Each character in lower case by itself, where that is one character: neither a language nor its neighbours matter."""
    # Python's lower() looks at neighbours for the final sigma only, and makes two characters of this I alone.
    return "\u0130".join(part.lower() for part in text.replace("\u03a3", "\u03c3").split("\u0130"))


@dataclass(frozen=True)
class Text(Codec):
    """Text. An input only: encodes to int32 (length,), the ids of its first `length` words, 0 after the last.

    `words` is the vocabulary: `fit` takes the `most` words that occur in most training rows, and in at least `rare`.
    `length` is fitted to 95 % of the rows, 1 to 256. Missing text, and what is one of `absent`, has no words.
    """

    op: ClassVar[str] = "text@1"
    words: tuple[str, ...] = ()
    length: int | None = None
    most: int = 5000
    rare: int = 2
    absent: tuple[str, ...] | None = None
    no_value: ClassVar[frozenset[str]] = frozenset({""})

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        if len(set(self.words)) != len(self.words):
            raise FieldError("a word is named twice")
        if self.length is not None and not (type(self.length) is int and 1 <= self.length <= MOST_WORDS):
            raise FieldError(f"length must be a whole number between 1 and {MOST_WORDS}")
        if not all(type(number) is int and number >= 0 for number in (self.most, self.rare)):
            raise FieldError("most and rare are whole numbers from 0")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words, FIRST)}

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.words and self.length is not None:
            return self
        different, which = distinct(values)
        rows: list[int] = np.bincount(which, minlength=len(different)).tolist()
        counts: Counter[str] = Counter()
        sizes = np.zeros(len(different), np.int64)
        for place, raw in enumerate(different):
            found = WORD.findall(self.read(raw))
            sizes[place] = len(found)
            for word in set(found):
                counts[word] += rows[place]
        length = self.length
        if length is None:
            high = np.quantile(sizes[which], 0.95, method="inverted_cdf") if len(which) else 1
            length = min(MOST_WORDS, max(1, int(high)))
        frequent = sorted(
            (word for word in counts if counts[word] >= self.rare), key=lambda word: (-counts[word], word)
        )
        return replace(self, words=self.words or tuple(frequent[: self.most]), length=length)

    def read(self, raw: Any) -> str:
        """The text in lower case, without white space at its ends; empty where there is none."""
        return "" if is_missing(raw, self._absent) else lower(as_text(raw, "text"))

    def encode(self, value: str) -> Array:
        return self._encoded([value])[0]

    def encode_column(self, values: Array) -> tuple[Array, Errors]:
        different, which = distinct(values)
        texts: list[str] = []
        faults: Errors = {}
        for place, raw in enumerate(different):
            try:
                texts.append(self.read(raw))
            except DrivetrainError as fault:
                texts.append("")
                faults[place] = fault
        return by_row(self._encoded(texts), which), errors_by_row(faults, which)

    def _encoded(self, texts: list[str]) -> Array:
        """int32 (n, length)."""
        (length,) = self.shape
        found = [WORD.findall(text)[:length] for text in texts]
        known = self._ids
        ids = [known.get(word, UNKNOWN) for word in chain.from_iterable(found)]
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        encoded = np.full((len(texts), length), PADDING, np.int32)
        encoded[np.arange(length) < sizes[:, None]] = ids
        return encoded

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError("text@1 is an input only: no model output decodes to text yet")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How many there are and have no words, quantiles of their lengths, and the share of unknown words."""
        sizes = np.count_nonzero(encoded != PADDING, axis=1)
        if not len(sizes):
            return {"n": 0}
        levels = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
        lengths: list[float] = np.quantile(sizes.astype(np.float64), levels).tolist()
        total = int(sizes.sum())
        unknown = int(np.count_nonzero(encoded == UNKNOWN))
        return {
            "n": len(sizes),
            "empty": int(np.count_nonzero(sizes == 0)),
            "unknown": unknown / total if total else 0.0,
            "lengths": dict(zip(map(str, levels), lengths)),
        }

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int32)

    @property
    def shape(self) -> tuple[int, ...]:
        if self.length is None:
            raise DrivetrainError("text@1 has no length yet.", fix="Call fit first, or give a length.")
        return (self.length,)

    @property
    def levels(self) -> int:
        """How many ids there are, those of no word and of an unknown one included."""
        return FIRST + len(self.words)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        known = self.words[0] if self.words else "word"
        return [
            ("missing", None),
            ("blank", " \t\n"),
            ("no word", "... !? _-_"),
            ("unknown words", "qzxjv zzyxq"),
            ("capitals and signs", f"({known.upper()})-{known}_{known}'s \u00bd \u0661\u0662"),
            ("capitals of other scripts", "ÄÖÜ ẞ İI ΑΣ ΣΑΣ \u01c5"),
            ("a mark of its own", "e\u0301a naïve"),
            ("beyond 16 bits", "\U0001d400\U00010400 \U0001f600"),
            ("longer than the length", " ".join([known] * ((self.length or 1) + 3))),
        ]
