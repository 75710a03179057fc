"""A text is its n-grams, weighed by TF-IDF.

An n-gram weighs 1 + ln(how often it comes in the text) times 1 + ln((1 + rows) / (1 + rows that have it)) (Salton and
Buckley 1988, Term-weighting approaches in automatic text retrieval), or a power of that: what is rare tells topics, and not
what is thought of them. Those of words and those of characters are brought to length 1 each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from scipy import sparse

from drivetrain.codecs import Codec
from drivetrain.codecs.text import WORD, Text
from drivetrain.grams import MOST_TIMES, stretches_of
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Features, SparseColumns
from drivetrain.types import Array

FEWEST_ROWS = 2
"""An n-gram that fewer training rows have is not looked at."""
TERM_WEIGHTS = np.concatenate([[0], 1 + np.log(np.arange(1, MOST_TIMES + 1))]).astype(np.float32)
"""What an n-gram weighs for how often it comes in a text: nothing, 1, 1.69, 2.10, ..."""
INT32 = 6
"""The number of the type in ONNX."""
LEAST = 1e-12
"""That a length is taken for; no text without n-grams is divided by 0."""
BLOCK = 2**7
"""Buckets whose numbers are told in a graph by how much they are above those before them: that fits into a byte."""


@dataclass(frozen=True, eq=False)
class HashedNgrams(SparseColumns):
    """The n-grams that are looked at: `dense` (buckets,) is the number of each bucket among them, from 1, or 0; `idf`
    (n-grams + 1,) is 0 for none, and 1 + ln((1 + rows) / (1 + those that have it)) of each."""

    dense: npt.NDArray[np.int32]
    idf: Features

    @staticmethod
    def frequent(having: Array, rows: int, most: int) -> tuple[Array, npt.NDArray[np.int32], Features]:
        """The buckets that enough of the training rows have, `most` at most, and `dense` and `idf` of them; `having` int64
        (buckets,) is how many rows have each."""
        kept = np.flatnonzero(having >= FEWEST_ROWS)
        if len(kept) > most:
            kept = np.sort(kept[np.argsort(-having[kept], kind="stable")[:most]])
        dense = np.zeros(len(having), np.int32)
        dense[kept] = np.arange(1, len(kept) + 1)
        idf = np.zeros(len(kept) + 1, np.float32)
        idf[1:] = 1 + np.log((1 + rows) / (1 + having[kept]))
        return kept, dense, idf

    @property
    def count(self) -> int:
        return len(self.idf) - 1

    def weighed(self, rarity: float) -> Self:
        idf = self.idf**rarity
        idf[0] = 0
        return replace(self, idf=idf.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Vocabulary(HashedNgrams):
    """N-grams of words and of characters: `start` is the place of the first in an encoded row, `bits` are those of a bucket's
    number, and `words` is how many are of words, which come first."""

    start: int
    bits: int
    words: int

    def of(self, encoded: Array) -> sparse.csr_matrix:
        return sparse.csr_matrix(sparse.vstack([self._features(piece) for piece in _pieces(encoded)], "csr"))

    def _features(self, encoded: Array) -> sparse.csr_matrix:
        codes = encoded[:, self.start :]
        known = self.dense[codes & ((1 << self.bits) - 1)]
        known[codes == 0] = 0
        rows, places = np.nonzero(known)
        which = known[rows, places]
        weights = self.idf[which] * TERM_WEIGHTS[codes[rows, places] >> self.bits]
        side = 2 * rows + (which > self.words)
        norms = np.bincount(side, weights**2, 2 * len(encoded))
        weights /= np.sqrt(norms).astype(np.float32)[side]
        begin = np.searchsorted(rows, np.arange(len(encoded) + 1))
        return sparse.csr_matrix((weights, which - 1, begin), (len(encoded), self.count))

    def stretches(self, codec: Codec, raw: Any) -> tuple[Array, Array, Array]:
        text = cast("Text", codec).read(raw)  # Each letter is still one.
        buckets, begin, end = stretches_of(text, WORD.findall, self.bits)
        known = self.dense[buckets]
        return known[known > 0] - 1, begin[known > 0], end[known > 0]

    def write(self, builder: Builder) -> tuple[str, str]:
        edges = (builder.whole(edge) for edge in (self.start, 2**31, 1))
        codes = builder.add("Slice", builder.inputs[self.field], *edges)
        buckets = 1 << self.bits
        bucket = builder.add("BitwiseAnd", codes, builder.constant(buckets - 1, np.int32))
        times = builder.add("Div", codes, builder.constant(buckets, np.int32))
        which = write_numbers(builder, self.dense, bucket)
        known = np.ones_like(self.idf)
        known[0] = 0
        times = builder.add("Gather", builder.constant(TERM_WEIGHTS), times)
        if np.array_equal(self.idf, known):
            there = builder.floats(builder.add("Greater", which, builder.constant(0, np.int32)))
        else:
            there = builder.add("Gather", builder.constant(self.idf), which)
        values = builder.add("Mul", there, times)
        of_words = builder.add("Less", bucket, builder.constant(buckets // 2, np.int32))
        squares, zero = builder.add("Mul", values, values), builder.constant(0.0)
        axis, least = builder.whole(1), builder.constant(LEAST)
        lengths = [
            builder.add("Sqrt", builder.add("Max", builder.add("ReduceSum", part, axis, keepdims=1), least))
            for part in (
                builder.add("Where", of_words, squares, zero),
                builder.add("Where", of_words, zero, squares),
            )
        ]
        values = builder.add("Div", values, builder.add("Where", of_words, *lengths))
        return which, builder.add("Unsqueeze", values, axis)


def write_numbers(builder: Builder, dense: npt.NDArray[np.int32], bucket: str) -> str:
    """Add to a graph the number of each bucket among those that have one (see `HashedNgrams`), int32: for each bucket a
    byte, and a number for each block of them, which is a quarter of the size."""
    blocks = dense.reshape(-1, min(BLOCK, len(dense)))
    before = np.concatenate([[0], np.maximum.accumulate(blocks.max(axis=1))[:-1]]).astype(np.int32)
    above = np.where(blocks > 0, blocks - before[:, None], 0).astype(np.uint8).ravel()
    own = builder.add("Cast", builder.add("Gather", builder.constant(above, np.uint8), bucket), to=INT32)
    block = builder.add("Div", bucket, builder.constant(blocks.shape[1], np.int32))
    first = builder.add("Gather", builder.constant(before, np.int32), block)
    there = builder.add("Greater", own, builder.constant(0, np.int32))
    return builder.add("Where", there, builder.add("Add", own, first), builder.constant(0, np.int32))


def has_ngrams(codec: Text) -> bool:
    return codec.grams > 0


def for_ngrams(field: str, codec: Text, encoded: Array, most: int) -> Vocabulary:
    """Of encoded training rows (n, length + most_grams)."""
    start, bits = codec.length or 0, codec.grams
    buckets = 1 << bits
    rows = np.zeros(buckets, np.int64)
    for piece in _pieces(encoded):
        codes = piece[:, start:]
        rows += np.bincount(codes[codes > 0] & (buckets - 1), minlength=buckets)
    kept, dense, idf = HashedNgrams.frequent(rows, len(encoded), most)
    return Vocabulary(field, dense, idf, start, bits, int(np.searchsorted(kept, buckets // 2)))


def _pieces(encoded: Array) -> Iterator[Array]:
    step = max(1, 2**22 // max(1, encoded.shape[1]))
    for start in range(0, max(1, len(encoded)), step):
        yield encoded[start : start + step]
