"""How much of what a model has written stands in the text that it learned from: learning by heart must not pass for writing.

Two figures. The share of the written stretches of N characters (or words) that the training text has somewhere, and the longest
run that it has, with where. A person's own text shares short stretches with any large text and hardly any long one; 50 tokens is
what Carlini et al. (2023, Quantifying memorization across neural language models, ICLR, arXiv:2202.07646) call memorised.

Stretches are hashed all at once (Karp and Rabin, 1987) modulo 2**64, looked up in sorted order, and compared letter by letter
where their hashes are equal: nobody is called a copyist for a hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import UsageError
from drivetrain.pieces import words as words_of

CHARACTERS, WORDS = 30, 8
"""How long a stretch is that is looked for."""
AT_ONCE = 2**20
"""Stretches of the training text that are hashed at once."""
FACTOR = 0x9E3779B97F4A7C15

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Copying:
    """`share` of the `stretches` of `length` units ("characters" or "words") of a written text stand in the training text;
    NaN where it is shorter than one. The `longest` run that does is so many units long, reads `run`, and begins at the unit
    `at` of what was written and `there` of the training text (-1: there is none)."""

    unit: str
    length: int
    stretches: int
    share: float
    longest: int
    run: str
    at: int
    there: int

    def to_json(self) -> dict[str, Any]:
        """All of it; a share that there is none of is null."""
        share = None if self.share != self.share else self.share
        return {
            "unit": self.unit, "length": self.length, "stretches": self.stretches, "share": share,
            "longest": self.longest, "run": self.run, "at": self.at, "there": self.there,
        }  # fmt: skip

    def sentence(self) -> str:
        """What it says, in one."""
        if not self.stretches:
            return f"what was written is shorter than {self.length} {self.unit}: whether it is copied can't be said"
        return (
            f"{self.share:.1%} of the stretches of {self.length} {self.unit} that were written stand in the training text; "
            f"the longest that does has {self.longest:,} {self.unit}"
        )


@public
def copying(written: str, training: str, unit: str = "characters", length: int | None = None) -> Copying:
    """How much of `written` stands in `training`, in stretches of `length` characters (30) or words (8; signs are words, case
    and white space don't count). Raises UsageError."""
    if unit not in ("characters", "words"):
        raise UsageError(
            f"{unit!r:.40} are no units of a text.", where="unit", fix="Choose characters or words."
        )
    length = (CHARACTERS if unit == "characters" else WORDS) if length is None else length
    if length < 1:
        raise UsageError("a stretch has one unit at least.", where="length")
    if unit == "characters":
        return of_units(
            [characters(written)], characters(training), unit, length, lambda at, end: written[at:end]
        )
    ours, theirs, names = _numbered(written, training)
    return of_units(
        [ours], theirs, unit, length, lambda at, end: " ".join(names[one] for one in ours[at:end].tolist())
    )


def of_units(
    written: Sequence[Ints], training: Ints, unit: str, length: int, said: Callable[[int, int], str]
) -> Copying:
    """The same of texts that are units already, whole numbers from 0. Where there are several, none runs on into the next; `at`
    counts on, and between two of them one. `said` is the text from a place to another."""
    ours = np.concatenate([part for text in written for part in (text.astype(np.int64), [-1])][:-1])
    stretches = sum(max(0, len(text) - length + 1) for text in written)
    copied = sum(1 for _ in stretches_in(ours, training, length))
    longest, at, there = _longest(ours, training)
    run = said(at, at + longest) if longest else ""
    return Copying(
        unit, length, stretches, copied / stretches if stretches else float("nan"), longest, run, at, there
    )


def characters(text: str) -> Ints:
    """The characters of a text as whole numbers."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def _numbered(written: str, training: str) -> tuple[Ints, Ints, list[str]]:
    """The words of both texts as the numbers of the different ones, and these."""
    numbers: dict[str, int] = {}
    both: list[Ints] = []
    for text in (written, training):
        found = words_of(text.lower())
        both.append(
            np.fromiter((numbers.setdefault(word, len(numbers)) for word in found), np.int64, len(found))
        )
    return both[0], both[1], list(numbers)


def _longest(ours: Ints, theirs: Ints) -> tuple[int, int, int]:
    """The longest run of ours that theirs has, and where it begins in both. Each part of one that it has is one too, so its
    length is found by halving."""
    low, high = 0, min(len(ours), len(theirs))
    best = (0, -1, -1)
    # A guess that doubles first: a model that has learned nothing by heart is done with after a few short ones.
    size = 1
    while low < high:
        size = min(high, size)
        found = next(stretches_in(ours, theirs, size), None)
        if found is not None:
            low, best = size, (size, *found)
            size = size * 2 if high == min(len(ours), len(theirs)) else (low + high + 1) // 2
        else:
            high = size - 1
            size = (low + high + 1) // 2
    return best


def stretches_in(ours: Ints, theirs: Ints, length: int) -> Iterator[tuple[int, int]]:
    """Each stretch of ours that theirs has, by its place, and the place of an equal one there."""
    wanted, which = np.unique(_hashed(ours, length), return_inverse=True)
    known = np.full(len(wanted), -1, np.int64)
    for start in range(0, max(0, len(theirs) - length + 1) if len(wanted) else 0, AT_ONCE):
        hashes = _hashed(theirs[start : start + AT_ONCE + length - 1], length)
        at = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        hit = np.flatnonzero(wanted[at] == hashes)
        known[at[hit[::-1]]] = hit[::-1] + start
    place = known[which]
    for at in np.flatnonzero(place >= 0).tolist():
        there = int(place[at])
        if np.array_equal(ours[at : at + length], theirs[there : there + length]):
            yield at, there


def _hashed(units: Ints, length: int) -> Hashes:
    """(stretches,): of each the sum of its units, each times a power of FACTOR, modulo 2**64; by doubling, so that a long one
    costs as many passes as its length has binary digits."""
    count = max(0, len(units) - length + 1)
    if not count:
        return np.zeros(0, np.uint64)
    # Units are spread over all bits first: small numbers times powers of one number cancel out too easily.
    spread = (units.astype(np.uint64) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    block = spread ^ (spread >> np.uint64(29))
    total, taken, size, factor = np.zeros(count, np.uint64), 0, 1, FACTOR
    for digit in bin(length)[:1:-1]:
        if digit == "1":
            total = total * np.uint64(factor) + block[taken : taken + count]
            taken += size
        if taken < length:
            block = block[: len(block) - size] * np.uint64(factor) + block[size:]
            size, factor = size * 2, factor * factor % 2**64
    return total
