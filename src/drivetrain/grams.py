"""The n-grams of texts as numbers of buckets: of words alone and in pairs, and of 2 to 5 characters of each piece between
white space. Found for many texts at once; the exact semantics, for other languages, are in codecs/OPS.md under text@1.

Hashing needs no vocabulary (Weinberger et al. 2009, Feature Hashing for Large Scale Multitask Learning, ICML).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]

MOST_CHARACTERS = 2**16
"""Of a text; what comes after them has no n-grams."""
MOST_TIMES = 255
"""That an n-gram is counted in a text."""
CHUNK = 2**16
"""Characters of the texts whose n-grams are found at once: they take some 20 MB."""
FEWEST, MOST = 2, 5
"""Characters of an n-gram."""
STEP, SEED, PAIR = 0x01000193, 0x811C9DC5, 0x9E3779B1


class Grams(NamedTuple):
    """The different n-grams of some texts (n): those of text i are `bucket[begin[i] : begin[i + 1]]`, in ascending order,
    and come `times` there."""

    begin: Places
    bucket: Places
    times: Places


def grams_of(texts: Sequence[str], words: Callable[[str], list[str]], bits: int) -> Iterator[Grams]:
    """The n-grams of texts, of some after the others. `words` cuts a text into them. There are 2**bits buckets: the lower
    half for words, the upper for characters."""
    start = size = 0
    for end, text in enumerate(texts):
        more = min(len(text), MOST_CHARACTERS)
        if start < end and size + more > CHUNK:
            yield _grams(texts[start:end], words, bits)
            start, size = end, 0
        size += more
    if start < len(texts):
        yield _grams(texts[start:], words, bits)


def _grams(texts: Sequence[str], words: Callable[[str], list[str]], bits: int) -> Grams:
    texts = [text[:MOST_CHARACTERS] for text in texts]
    shift = np.uint32(32 - (bits - 1))
    row, word, different = _numbered([words(text) for text in texts])
    hashes = _hash_words(different)
    pair = row[:-1] == row[1:]
    pairs = (hashes[word[:-1]] * np.uint32(PAIR) + hashes[word[1:]])[pair]
    rows = [row, row[:-1][pair]]
    buckets = [(_mix(hashes) >> shift)[word], _mix(pairs) >> shift]
    row, piece, different = _numbered([text.split() for text in texts])
    begin, hashes = _hash_characters(different)
    counts = np.diff(begin)[piece]
    place = np.repeat(begin[piece] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    rows.append(np.repeat(row, counts))
    buckets.append(((_mix(hashes) >> shift) + np.uint32(1 << (bits - 1)))[place])
    return _counted((np.concatenate(rows) << bits) + np.concatenate(buckets), len(texts), bits)


class Stretches(NamedTuple):
    """The n-grams of one text, each as often as it comes: the bucket that it is in, and that it stands over the characters from
    `begin` to before `end`, all (n,)."""

    bucket: Places
    begin: Places
    end: Places


def stretches_of(text: str, words: Callable[[str], list[str]], bits: int) -> Stretches:
    """Where the n-grams of a text stand, which `grams_of` counts. A pair of words stands over what is between them too; the space
    before and after a piece is none of its characters."""
    text = text[:MOST_CHARACTERS]
    shift = np.uint32(32 - (bits - 1))
    found = words(text)
    begin, end = _located(text, found)
    hashes = _hash_words(found)
    pairs = hashes[:-1] * np.uint32(PAIR) + hashes[1:]
    buckets = [_mix(hashes) >> shift, _mix(pairs) >> shift]
    begins, ends = [begin, begin[:-1]], [end, end[1:]]
    pieces = text.split()
    first, last = _located(text, pieces)
    sizes = last - first + 2
    owner = np.repeat(np.arange(len(pieces)), sizes)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    for length, starts, made in _runs(pieces):
        own, place = owner[starts], within[starts] - 1
        buckets.append((_mix(made) >> shift) + np.uint32(1 << (bits - 1)))
        begins.append(first[own] + np.maximum(place, 0))
        ends.append(np.minimum(first[own] + place + length, last[own]))
    return Stretches(*(np.concatenate(parts).astype(np.int64) for parts in (buckets, begins, ends)))


def _located(text: str, parts: list[str]) -> tuple[Places, Places]:
    """Where each of some parts of a text begins and ends, which come in it one after the other."""
    begin, place = np.zeros(len(parts), np.int64), 0
    for number, part in enumerate(parts):
        begin[number] = place = text.index(part, place)
        place += len(part)
    return begin, begin + np.fromiter(map(len, parts), np.int64, len(parts))


def _counted(keys: Places, texts: int, bits: int) -> Grams:
    """Of the number of a text and that of a bucket, in one."""
    keys.sort()
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    times = np.minimum(np.diff(first, append=len(keys)), MOST_TIMES)
    keys = keys[first]
    begin = np.searchsorted(keys, np.arange(texts + 1) << bits)
    return Grams(begin, keys & ((1 << bits) - 1), times)


def _numbered(tokens: list[list[str]]) -> tuple[Places, Places, list[str]]:
    """For each token of all texts, one after the other: its text, and which of the different ones it is; and these."""
    rows = np.repeat(np.arange(len(tokens)), np.fromiter(map(len, tokens), np.int64, len(tokens)))
    numbers: dict[str, int] = defaultdict(count().__next__)
    which = np.fromiter(map(numbers.__getitem__, chain.from_iterable(tokens)), np.int64, len(rows))
    return rows, which, list(numbers)


def _code_points(text: str) -> Hashes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)


def _hash_words(words: list[str]) -> Hashes:
    """(words,): SEED, and for each character that times STEP and its code point more. All is modulo 2**32."""
    if not words:
        return np.zeros(0, np.uint32)
    sizes = np.fromiter(map(len, words), np.int64, len(words))
    ends = np.cumsum(sizes)
    powers = np.full(sizes.max() + 1, STEP, np.uint32)
    powers[0] = 1
    powers = np.cumprod(powers, dtype=np.uint32)
    after = np.repeat(ends, sizes) - np.arange(ends[-1]) - 1
    sums = np.add.reduceat(_code_points("".join(words)) * powers[after], ends - sizes, dtype=np.uint32)
    return np.uint32(SEED) * powers[sizes] + sums


def _hash_characters(pieces: list[str]) -> tuple[Places, Hashes]:
    """The same of all runs of 2 to 5 characters of each piece, a space before and after it among them: where those of each
    begin and end (pieces + 1,), and the hashes."""
    sizes = np.fromiter(map(len, pieces), np.int64, len(pieces)) + 2
    owner = np.repeat(np.arange(len(pieces)), sizes)
    runs = [(owner[starts], hashes) for _, starts, hashes in _runs(pieces)]
    owned = np.concatenate([owners for owners, _ in runs])
    order = np.argsort(owned, kind="stable")
    hashes = np.concatenate([made for _, made in runs])[order]
    return np.searchsorted(owned[order], np.arange(len(pieces) + 1)), hashes


def _runs(pieces: list[str]) -> Iterator[tuple[int, Places, Hashes]]:
    """For each length: of the runs that lie in one piece, all pieces written one after the other with a space before and after
    each, where they start, and their hashes."""
    sizes = np.fromiter(map(len, pieces), np.int64, len(pieces)) + 2
    points = _code_points("".join(f" {piece} " for piece in pieces))
    left = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(points))
    hashes = np.full(len(points) + 1, SEED, np.uint32)
    for length in range(1, MOST + 1):
        starts = max(0, len(points) - length + 1)
        hashes = hashes[:starts] * np.uint32(STEP) + points[length - 1 :]
        if length >= FEWEST:
            whole = np.flatnonzero(left[:starts] >= length)
            yield length, whole, hashes[whole]


def _mix(hashes: Hashes) -> Hashes:
    """Hashes of which each bit depends on all bits: the end of MurmurHash3 (Appleby, in the public domain)."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))
