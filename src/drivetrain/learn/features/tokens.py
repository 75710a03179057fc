"""Tokens are the runs of them that a text has, each counted once, weighed by how rare they are and brought to length 1.

A run is hashed into 2**20 buckets by a polynomial modulo a prime (Carter and Wegman 1979, Universal classes of hash functions,
JCSS 18:143-154): its products fit into an int64, in a graph as here. A graph finds what comes more than once by sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import sparse

from drivetrain.codecs import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.text import INT32, LEAST, HashedNgrams, write_numbers
from drivetrain.ragged import Ragged, lengths_of
from drivetrain.types import Array

LONGEST = {"characters": 5, "bpe": 3, "unigram": 3}
"""Tokens of the longest run, by the tokenizer; of words, and where there is none, 2."""
BITS = 20
PRIME, STEP, SPREAD = 2**31 - 1, 1_103_515_245, 1_779_033_703
"""The hash of a run begins as 0; each token t, one after the other, makes of h (h * STEP + (t + 1) * SPREAD) modulo PRIME."""
PIECE = 2**20
"""Tokens that are looked at at once."""


@dataclass(frozen=True, eq=False)
class Runs(HashedNgrams):
    """The runs of 1 to `longest` tokens, hashed into 2**BITS buckets."""

    longest: int

    def of(self, encoded: Ragged) -> sparse.csr_matrix:
        return sparse.csr_matrix(sparse.vstack([self._features(piece) for piece in _pieces(encoded)], "csr"))

    def _features(self, encoded: Ragged) -> sparse.csr_matrix:
        rows, buckets = buckets_of(encoded, self.longest)
        known = self.dense[buckets]
        keys = np.unique((rows[known > 0] * len(self.idf)) + known[known > 0])
        rows, which = np.divmod(keys, len(self.idf))
        weights = self.idf[which]
        norms = np.bincount(rows, weights**2, len(encoded))
        weights = weights / np.sqrt(norms).astype(np.float32)[rows]
        begin = np.searchsorted(rows, np.arange(len(encoded) + 1))
        return sparse.csr_matrix((weights, which - 1, begin), (len(encoded), self.count))

    def stretches(self, codec: Codec, raw: Any) -> tuple[Array, Array, Array]:
        tokens = cast("Tokens", codec)
        text = tokens.read(raw) if tokens.holds_texts else ""
        if len(text) != len(raw):  # Cleaned of what has places of its own.
            return super().stretches(codec, raw)
        found, begin, end = tokens.places(text)
        _, buckets = buckets_of(Ragged.of(found, np.array([len(found)])), self.longest)
        runs = range(1, min(self.longest, len(found)) + 1)
        begins = np.concatenate([begin[:0], *(begin[: len(found) - run + 1] for run in runs)])
        ends = np.concatenate([end[:0], *(end[run - 1 :] for run in runs)])
        known = self.dense[buckets]
        return known[known > 0] - 1, begins[known > 0], ends[known > 0]

    def write(self, builder: Builder) -> tuple[str, str]:
        tokens, lengths = builder.inputs[self.field], builder.inputs[lengths_of(self.field)]
        side = builder.add("Shape", tokens, start=1, end=2)
        one = builder.constant(1, np.int64)
        places = builder.add(
            "Range", builder.constant(0, np.int64), builder.add("Squeeze", side, builder.whole(0)), one
        )
        ends = builder.add("Reshape", lengths, builder.whole(-1, 1))
        # A row has as many runs of each length as tokens: those that go beyond its end are left out below.
        beyond = builder.whole(0, 0, 0, self.longest - 1)
        longer = builder.add("Pad", tokens, beyond, builder.constant(0, np.int64))
        longer = builder.add("Mul", builder.add("Add", longer, one), builder.constant(SPREAD, np.int64))
        hashes, numbers = "", []
        for place in range(self.longest):
            end = place + 1 - self.longest or 2**31
            edges = (builder.whole(edge) for edge in (place, end, 1))
            sums = builder.add("Slice", longer, *edges)
            if hashes:
                sums = builder.add("Add", builder.add("Mul", hashes, builder.constant(STEP, np.int64)), sums)
            hashes = builder.add("Mod", sums, builder.constant(PRIME, np.int64))
            bucket = builder.add("Mod", hashes, builder.constant(1 << BITS, np.int64))
            whole = builder.add("Less", builder.add("Add", places, builder.constant(place, np.int64)), ends)
            number = write_numbers(builder, self.dense, builder.add("Cast", bucket, to=INT32))
            numbers.append(builder.add("Where", whole, number, builder.constant(0, np.int32)))
        which = _write_once(builder, builder.beside(numbers))
        weights = builder.add("Gather", builder.constant(self.idf), which)
        axis = builder.whole(1)
        squares = builder.add("ReduceSum", builder.add("Mul", weights, weights), axis, keepdims=1)
        length = builder.add("Sqrt", builder.add("Max", squares, builder.constant(LEAST)))
        return which, builder.add("Unsqueeze", builder.add("Div", weights, length), axis)


def _write_once(builder: Builder, which: str) -> str:
    """int32 (n, k) -> the same numbers in descending order, 0 in place of one that has been there before."""
    from onnx import helper

    side = builder.add("Shape", which, start=1, end=2)
    sorted_, places = builder.name("TopK"), builder.name("places")
    builder.nodes.append(helper.make_node("TopK", [which, side], [sorted_, places], axis=1))
    before = builder.add("Pad", sorted_, builder.whole(0, 1, 0, 0), builder.constant(0, np.int32))
    before = builder.add("Slice", before, builder.whole(0), builder.whole(-1), builder.whole(1))
    again = builder.add("Equal", sorted_, before)
    return builder.add("Where", again, builder.constant(0, np.int32), sorted_)


def has_ngrams(codec: Tokens) -> bool:
    del codec
    return True


def for_ngrams(field: str, codec: Tokens, encoded: Ragged, most: int) -> Runs:
    """Of encoded training rows."""
    longest = LONGEST.get(codec.tokenizer, 2)
    rows = np.zeros(1 << BITS, np.int64)
    for piece in _pieces(encoded):
        row, bucket = buckets_of(piece, longest)
        rows += np.bincount(np.unique((row << BITS) + bucket) & ((1 << BITS) - 1), minlength=len(rows))
    _, dense, idf = HashedNgrams.frequent(rows, len(encoded), most)
    return Runs(field, dense, idf, longest)


def buckets_of(encoded: Ragged, longest: int) -> tuple[Array, Array]:
    """Of each run of 1 to `longest` tokens of rows: its row, and its bucket. int64 (runs,)."""
    lengths = encoded.lengths
    row = np.repeat(np.arange(len(encoded)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(row))
    spread = (encoded.flat.astype(np.int64) + 1) * SPREAD
    hashes = np.zeros(len(row), np.int64)
    rows: list[Array] = []
    buckets: list[Array] = []
    for length in range(1, longest + 1):
        starts = max(0, len(row) - length + 1)
        hashes = (hashes[:starts] * STEP + spread[length - 1 :]) % PRIME
        whole = left[:starts] >= length
        rows.append(row[:starts][whole])
        buckets.append(hashes[whole] & ((1 << BITS) - 1))
    return np.concatenate(rows), np.concatenate(buckets)


def _pieces(encoded: Ragged) -> Iterator[Ragged]:
    """Some rows after the others, of about so many tokens each."""
    ends = np.cumsum(encoded.lengths)
    start = 0
    while start < len(encoded):
        done = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, done + PIECE, side="right")))
        yield encoded[start:end]
        start = end
    if not len(encoded):
        yield encoded
