"""`check` of pairs of texts: what is wrong with each side (`texts.py`), pairs that stand in several parts, and sides that don't
belong together: lengths far apart, the same text twice, columns that changed places.

Which column a text looks like is told by its runs of three characters, that of other rows: as the guessing of languages by n-grams
has it (Cavnar and Trenkle 1994, N-gram-based text categorization), with likelihoods instead of ranks. The rates of false alarms
are held by tests/test_data_check_pairs.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from drivetrain.data.checks.texts import check_texts
from drivetrain.data.faults import Fault, Report
from drivetrain.data.split import PARTS, Split
from drivetrain.data.table import Table
from drivetrain.figures import counted
from drivetrain.types import Array

FAR, LEAST_FAR = 6.0, 3.0
"""A length is absurd that is so many spreads from what the other side's lets expect, and so many times as long or short."""
LEAST_LETTERS = 20
"""A shorter text may be of any length to its other side: "Yes" for "I most certainly do"."""
AGREE = 0.95
"""Where in fewer rows both sides agree which column is which, the columns are of one language: nothing is said of places."""
SURE = 10.0
"""Nats by which each text of a pair looks more like those of the other column; one alone has to by twice as many."""
SAME_WORDS = 3
"""A text of fewer words may be a name, and the same in any language."""
_BUCKETS = 2**16
_WORD = re.compile(r"[^\W\d_]+")
_MOST_CHARACTERS = 2000
"""Of a text say what it looks like."""


def check_pairs(table: Table, source: str, target: str, split: Split | None) -> Report:
    """Report what is wrong with pairs of texts. `split` None leaves out what concerns the parts."""
    sides = [_texts(table[name]) for name in (source, target)]
    same = _same(table, *sides)
    faults = [
        *_copies(table, source, target, sides, split),
        *same,
        *_lengths(table, *sides),
        *_places(table, source, target, sides),
    ]
    for name in (source, target):
        faults += check_texts(table, name, None, split, alone=False)
    counts: dict[str, object] = {"rows": len(table)}
    if split is not None:
        counts["parts"] = {part: len(rows) for part, rows in split.parts().items() if len(rows)}
    return Report(table.name, table.layout, tuple(faults), counts=counts, things="pairs")


def _texts(values: Array) -> list[str]:
    return [" ".join(value.split()) if isinstance(value, str) else "" for value in values]


def _copies(
    table: Table, source: str, target: str, sides: Sequence[list[str]], split: Split | None
) -> Iterator[Fault]:
    """Pairs, and texts of either side, of valid and test that stand in train; case and white space are not looked at."""
    if split is None:
        return
    keys = [[text.casefold() for text in side] for side in sides]
    part = np.full(len(table), -1)
    for code, rows in enumerate(split.parts().values()):
        part[rows] = code
    trained = np.flatnonzero(part == 0).tolist()
    measured = np.flatnonzero(part > 0).tolist()
    fix = "Leave them out of one part: what is measured is flattered."
    whole = {(keys[0][row], keys[1][row]): row for row in reversed(trained)}
    pairs = {
        row: whole[keys[0][row], keys[1][row]] for row in measured if (keys[0][row], keys[1][row]) in whole
    }
    if pairs:
        message = f"Pairs of valid or test that stand in train: {len(pairs):,} of {len(measured):,}."
        yield Fault("leak", "warning", message, _both(table, part, pairs), fix)
    for name, key, other in ((source, *keys), (target, *reversed(keys))):
        first = {key[row]: row for row in reversed(trained)}
        found = {
            row: first[key[row]] for row in measured if row not in pairs and key[row] and key[row] in first
        }
        if found:
            differ = sum(other[row] != other[one] for row, one in found.items())
            message = (
                f"{name!r}: texts of valid or test that stand in train: {len(found):,} of {len(measured):,}, with another text "
                f"on the other side in {differ:,}."
            )
            yield Fault("repeated texts", "warning", message, _both(table, part, found), fix)


def _both(table: Table, part: Array, found: dict[int, int]) -> list[str]:
    return [
        f"train: {table.origin(one)} = {PARTS[part[row]]}: {table.origin(row)}"
        for row, one in sorted(found.items())
    ]


def _same(table: Table, sources: list[str], targets: list[str]) -> list[Fault]:
    """Pairs of the same text twice: of several words, or of any where most pairs are so."""
    rows = [row for row, (a, b) in enumerate(zip(sources, targets)) if a.casefold() == b.casefold()]
    if 2 * len(rows) <= len(sources):
        rows = [row for row in rows if len(_WORD.findall(sources[row])) >= SAME_WORDS]
    if not rows:
        return []
    message = f"Pairs whose sides are the same text: {len(rows):,} of {len(sources):,}."
    fix = "Leave them out: a model learns of them to repeat what it reads."
    return [Fault("same sides", "warning", message, [table.origin(row) for row in rows], fix)]


def _lengths(table: Table, sources: list[str], targets: list[str]) -> Iterator[Fault]:
    """Pairs of which one side is far longer than the other lets expect."""
    a, b = (np.array([len(text) for text in side], np.float64) for side in (sources, targets))
    there = (a > 0) & (b > 0)
    if there.sum() < LEAST_LETTERS:
        return
    times = np.log(np.where(there, b, 1) / np.where(there, a, 1))
    usual = float(np.median(times[there]))
    spread = 1.4826 * float(np.median(np.abs(times[there] - usual)))
    far = np.abs(times - usual) > max(FAR * spread, np.log(LEAST_FAR))
    rows = np.flatnonzero(there & far & (np.maximum(a, b) >= LEAST_LETTERS)).tolist()
    if rows:
        message = (
            f"Pairs with a side that is far too long or too short for the other: {len(rows):,} of {len(sources):,}. Else the "
            f"second is {np.exp(usual):.2g} times as long as the first."
        )
        where = [f"{table.origin(row)}: {a[row]:,.0f} and {b[row]:,.0f} characters" for row in rows]
        fix = "Look whether they belong together, or lack a part."
        yield Fault("lengths apart", "warning", message, where, fix)


def _places(table: Table, source: str, target: str, sides: Sequence[list[str]]) -> Iterator[Fault]:
    """Rows whose sides have changed places, and texts that are of the other side's language."""
    own, other = looks(*sides)
    agree = (own > 0) == (other > 0)
    if not len(own) or agree.mean() < AGREE or min(np.median(np.abs(own)), np.median(np.abs(other))) < SURE:
        return
    swapped = (own < -SURE) & (other < -SURE)
    if rows := np.flatnonzero(swapped).tolist():
        message = f"Pairs whose sides look swapped: {len(rows):,} of {len(own):,}."
        fix = f"Exchange {source!r} and {target!r} there."
        yield Fault("swapped sides", "warning", message, [table.origin(row) for row in rows], fix)
    alike = np.array([a.casefold() == b.casefold() for a, b in zip(*sides)], bool)
    for name, others, found in ((source, target, own), (target, source, other)):
        rows = np.flatnonzero((found < -2 * SURE) & ~swapped & ~alike).tolist()
        if rows:
            message = (
                f"{name!r}: texts that look like those of {others!r}: {counted(len(rows), 'text', 'texts')}."
            )
            fix = "Look whether they are translated at all."
            yield Fault("untranslated", "warning", message, [table.origin(row) for row in rows], fix)


def looks(sources: Sequence[str], targets: Sequence[str]) -> tuple[Array, Array]:
    """Nats (n,) by which each source looks more like the other sources than like the targets, and each target more like the other
    targets than like the sources. What is looked at does not count among the texts of its own column."""
    runs = [_runs(side) for side in (sources, targets)]
    counts = [np.bincount(hashed, minlength=_BUCKETS).astype(np.float64) for _, hashed in runs]
    found: list[Array] = []
    for own in (0, 1):
        rows, hashed = runs[own]
        inside = (
            counts[own][hashed] - 1 + 0.5
        )  # Without this one run, which is among those that were counted.
        outside = counts[1 - own][hashed] + 0.5
        sizes = [max(1.0, count.sum()) for count in (counts[own], counts[1 - own])]
        nats = np.log(inside / sizes[0]) - np.log(outside / sizes[1])
        found.append(np.bincount(rows, nats, len(sources)))
    return found[0], found[1]


def _runs(texts: Sequence[str]) -> tuple[Array, Array]:
    """For each run of three characters of all texts its text, and its bucket."""
    padded = [f"  {text[:_MOST_CHARACTERS].lower()} " for text in texts]
    sizes = np.fromiter(map(len, padded), np.int64, len(padded))
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
    if not len(codes):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    row = np.repeat(np.arange(len(padded)), sizes)
    mixed = (codes[:-2] * np.uint32(0x9E3779B1) ^ codes[1:-1]) * np.uint32(0x85EBCA6B) ^ codes[2:]
    hashed = (mixed * np.uint32(0xC2B2AE35)) >> np.uint32(16)
    within = row[:-2] == row[2:]
    return row[:-2][within], hashed[within].astype(np.int64)
