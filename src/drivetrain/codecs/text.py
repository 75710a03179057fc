"""text@1: written language, as the numbers of its words, and of its n-grams where they are asked for.

The exact semantics, for other languages, are in OPS.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
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
from drivetrain.grams import grams_of
from drivetrain.pieces import lower
from drivetrain.types import Array
from drivetrain.values import as_text

WORD = re.compile(r"[^\W_]+")
"""Letters and digits of all scripts: the Unicode categories L* and N*."""
MOST_WORDS = 256
FEWEST_GRAMS, MOST_GRAMS, MOST_NUMBERS = 1024, 8192, 2**28
"""How many n-grams a text may keep, and how many all training rows may together (1 GiB) where they are many."""
BITS = range(8, 23)
"""Of the number of a bucket: with its count it is an int32."""
PADDING, UNKNOWN, FIRST = 0, 1, 2
"""The ids of no word, of a word that isn't in the vocabulary, and of the first that is."""


@dataclass(frozen=True)
class Text(Codec):
    """Text. An input only: encodes to int32 (length + most_grams,), the ids of its first `length` words, 0 after the last,
    and its n-grams: how often each comes, times 2**grams, plus the number of its bucket; in the order of these, 0 after the
    last (see `drivetrain.grams`).

    `words` is the vocabulary: `fit` takes the `most` words that occur in most training rows, and in at least `rare`.
    `length` is fitted to 95 % of the rows, 1 to 256; so is `most_grams`, 1 to 8,192 (1,024 of very many rows). `grams` are
    the bits of a bucket's number; without any there are no n-grams. Missing text, and what is one of `absent`, has no words.
    """

    op: ClassVar[str] = "text@1"
    words: tuple[str, ...] = ()
    length: int | None = None
    most: int = 5000
    rare: int = 2
    absent: tuple[str, ...] | None = None
    grams: int = 0
    most_grams: int | None = None
    no_value: ClassVar[frozenset[str]] = frozenset({""})

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        if len(set(self.words)) != len(self.words):
            raise FieldError("a word is named twice")
        if self.length is not None and not (type(self.length) is int and 1 <= self.length <= MOST_WORDS):
            raise FieldError(f"length must be a whole number between 1 and {MOST_WORDS}")
        if not all(type(number) is int and number >= 0 for number in (self.most, self.rare)):
            raise FieldError("most and rare are whole numbers from 0")
        if not (type(self.grams) is int and (self.grams == 0 or self.grams in BITS)):
            raise FieldError(f"grams must be 0, or a whole number from {BITS[0]} to {BITS[-1]}")
        if self.most_grams is not None and not (
            self.grams and type(self.most_grams) is int and 1 <= self.most_grams <= MOST_GRAMS
        ):
            raise FieldError(
                f"most_grams must be a whole number between 1 and {MOST_GRAMS}, where there are grams"
            )

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words, FIRST)}

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.words and self.length is not None and (not self.grams or self.most_grams is not None):
            return self
        different, which = distinct(values)
        texts = list(map(self.read, different))
        rows = np.bincount(which, minlength=len(different))
        counts: Counter[str] = Counter()
        sizes = np.zeros(len(different), np.int64)
        for place, (text, times) in enumerate(zip(texts, rows.tolist())):
            found = WORD.findall(text)
            sizes[place] = len(found)
            for word in set(found):
                counts[word] += times
        frequent = sorted(
            (word for word in counts if counts[word] >= self.rare), key=lambda word: (-counts[word], word)
        )
        most_grams = self.most_grams
        if self.grams and most_grams is None:
            most = max(FEWEST_GRAMS, min(MOST_GRAMS, MOST_NUMBERS // max(1, len(which))))
            grams = [np.diff(some.begin) for some in grams_of(texts, WORD.findall, self.grams)]
            most_grams = _enough(np.concatenate(grams)[which] if grams else which, most)
        return replace(
            self,
            words=self.words or tuple(frequent[: self.most]),
            length=self.length or _enough(sizes[which], MOST_WORDS),
            most_grams=most_grams,
        )

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
        """int32 (n, *shape)."""
        encoded = np.zeros((len(texts), *self.shape), np.int32)
        length = self.length or 0
        found = [WORD.findall(text)[:length] for text in texts]
        known = self._ids
        ids = [known.get(word, UNKNOWN) for word in chain.from_iterable(found)]
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        encoded[:, :length][np.arange(length) < sizes[:, None]] = ids
        if self.grams:
            self._encode_grams(texts, encoded[:, length:])
        return encoded

    def _encode_grams(self, texts: list[str], into: Array) -> None:
        start = 0
        for begin, bucket, times in grams_of(texts, WORD.findall, self.grams):
            sizes = np.diff(begin)
            rows = np.repeat(np.arange(start, start + len(sizes)), sizes)
            places = np.arange(len(bucket)) - np.repeat(begin[:-1], sizes)
            kept = places < into.shape[1]
            into[rows[kept], places[kept]] = ((times << self.grams) + bucket)[kept]
            start += len(sizes)

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError("text@1 is an input only: no model output decodes to text yet")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How many there are and have no words, quantiles of their lengths, and the share of unknown words."""
        encoded = encoded[:, : self.length]
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

    def unusual(self, values: Array, encoded: Array, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """Texts without a word, where no training text was so."""
        del values
        wordless = ~(encoded[:, : self.length] != PADDING).any(axis=1)
        return [("without a word", wordless)] if profile.get("empty") == 0 else []

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int32)

    @property
    def shape(self) -> tuple[int, ...]:
        if self.length is None:
            raise DrivetrainError("text@1 has no length yet.", fix="Call fit first, or give a length.")
        if self.grams and self.most_grams is None:
            raise DrivetrainError("text@1 has no most_grams yet.", fix="Call fit first, or give them.")
        return (self.length + (self.most_grams or 0),)

    @property
    def levels(self) -> int:
        """How many ids there are, those of no word and of an unknown one included."""
        return FIRST + len(self.words)

    @property
    def code_names(self) -> tuple[str, ...]:
        return ("<none>", "<unknown>", *self.words)

    @property
    def first_word(self) -> int:
        return FIRST

    def input_words(self) -> str:
        return f"text, of which the first {self.length} words are read."

    @property
    def holds_texts(self) -> bool:
        return True

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        known = self.words[0] if self.words else "word"
        return [
            *nasty_texts(known),
            ("longer than the length", " ".join([known] * ((self.length or 1) + 3))),
        ]


def nasty_texts(known: str) -> list[tuple[str, Any]]:
    """Texts that are read wrongly somewhere, with a word that the model knows among them, each with what it is."""
    return [
        ("missing", None),
        ("blank", " \t\r\n\u2028"),
        ("no word", "... !? _-_"),
        ("unknown words", "qzxjv zzyxq \u16a0\u16b1"),
        ("HTML", f"<p class='a'>{known}&amp;{known} &#x41;&#0;&bogus; a < b</p><!-- {known}"),
        ("capitals and signs", f"({known.upper()})-{known}_{known}'s \u00bd \u0661\u0662 ..."),
        ("capitals of other scripts", "ÄÖÜ ẞ İI ΑΣ ΣΑΣ \u01c5"),
        ("accents apart", "e\u0301a naïve A\u030a \u0928\u093f"),
        ("no spaces", "\u4e2d\u6587\u5b57 \u65e5\u672c\u8a9e"),
        ("from right to left", "\u200fשלום \u202eabc\u202c مرحبا"),
        ("emoji", "\U0001f44d\U0001f3fd \U0001f469\u200d\U0001f680 \U0001d400\U00010400"),
        ("no text", "\0\ud83d \udc4d\ufffe\x1b\x7f\ufffd"),
    ]


def _enough(sizes: Array, most: int) -> int:
    """The least that is enough for 95 % of the rows, 1 to `most`."""
    high = np.quantile(sizes, 0.95, method="inverted_cdf") if len(sizes) else 1
    return min(most, max(1, int(high)))
