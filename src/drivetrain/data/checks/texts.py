"""`check` of texts: near duplicates across the parts, empty and truncated texts, labels that stand in the text; in which languages
they are, and whether they were read as they were written, is looked for in `languages.py`.

Near duplicates are texts of five words or more whose sets of three words in a row are the same to 0.8 and more (Jaccard); of
fewer words, those that have the same ones in the same order. Pairs that may be so share a band of three smallest hashes in one
of 16 (Broder 1997, On the resemblance and containment of documents); each is then compared in full. The rates of false alarms
are held by tests/test_data_check_texts.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from drivetrain.data.checks.languages import check_languages
from drivetrain.data.faults import Fault
from drivetrain.data.split import PARTS, Split
from drivetrain.data.table import Table
from drivetrain.types import Array

ALIKE = 0.8
"""The share of runs of three words that two near duplicates have in common."""
_FEWEST_WORDS = 5
_BANDS, _ROWS = 16, 3
_CROWD = 30
"""So many texts of a band are compared with each one of another part."""
_MOST_CHARACTERS = 2**16
"""Of a text are looked at."""
_LEAST = 10
"""So few texts are chance."""
_SHARE = 0.02
_ALL = 0.98
"""Texts that are all of one length were written so."""
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTED = {word: place for place, word in enumerate(_NUMBERS)}
_IN_WORDS = "|".join(_NUMBERS)
_RATING = re.compile(
    r"(?<![\d/.])(?P<points>\d{1,3}(?:\.\d)?) ?(?:/|out of) ?(?P<of>5|10|100)(?![\d/])"
    r"|(?<![\d/.])(?P<stars>[0-5](?:\.\d)?)[ -]?stars?\b"
    rf"|\b(?P<told>{_IN_WORDS})(?: out of (?P<of_told>five|ten)(?: stars)?|[ -]stars?)\b"
    r"|(?P<drawn>[\u2605\u2b50]{1,5}\u2606*)(?![\u2605\u2b50])",
    re.IGNORECASE,
)
_TELLS = 0.9
"""A rating tells the class where it would be right so often, ..."""
_AFTER = re.compile(
    r"^\W*(?:label|class|category|sentiment|rating|target|topic)\s*[:=]\s*(\w+)", re.IGNORECASE | re.MULTILINE
)
_WORD = re.compile(r"[^\W_]+")


def check_texts(
    table: Table, name: str, target: str | None, split: Split | None, gaps: bool = True, alone: bool = True
) -> list[Fault]:
    """What is wrong with the texts of a column. `target` None: there is no class that they could tell. `gaps`: a missing text is
    an empty one. `alone`: no other column is called by its name."""
    values = table[name]
    texts = [_plain(value) for value in values]
    labels = ["" if target is None else str(value) for value in (texts if target is None else table[target])]
    there = np.array([gaps or isinstance(value, str) for value in values], bool)
    faults = [
        *_empty(table, texts, there),
        *_truncated(table, texts),
        *_near(table, texts, labels, split),
        *check_languages(table, texts),
        *([] if target is None else [*_ratings(table, texts, labels), *_named(table, texts, labels)]),
    ]
    return faults if alone else [replace(fault, message=f"{name!r}: {fault.message}") for fault in faults]


def _plain(value: object) -> str:
    return value[:_MOST_CHARACTERS] if isinstance(value, str) else ""


def _empty(table: Table, texts: Sequence[str], there: Array) -> Iterator[Fault]:
    """Texts without a word."""
    rows = [row for row, text in enumerate(texts) if there[row] and not _WORD.search(text)]
    if rows:
        message = f"Texts without a word: {len(rows):,} of {len(texts):,}."
        where = [table.origin(row) for row in rows]
        yield Fault("empty texts", "warning", message, where, "Leave them out, or look why they are empty.")


def _truncated(table: Table, texts: Sequence[str]) -> Iterator[Fault]:
    """Many texts of exactly the greatest length: what a field of fixed width makes of longer ones. What was cut behind a space
    has lost it since."""
    for sizes, unit, lost in (
        (np.array([len(text) for text in texts]), "characters", 1),
        (np.array([len(text.split()) for text in texts]), "words", 0),
    ):
        longest = int(sizes.max(initial=0))
        at = np.flatnonzero(sizes >= longest - lost)
        if longest < 20 or longest == _MOST_CHARACTERS or len(at) > _ALL * len(texts):
            continue
        below = np.bincount(sizes, minlength=longest + 1)[longest - 10 : longest - lost]
        different = len({texts[row] for row in at.tolist()})
        if different >= max(_LEAST, _SHARE * len(texts)) and different >= 5 * (below.max() + 1):
            told = ", or one less" if (sizes[at] < longest).any() else ""
            message = f"Texts that may be cut off: {len(at):,} have exactly {longest:,} {unit}{told}, and none has more."
            fix = "Look for the whole texts; their ends may say what is asked."
            yield Fault("truncated texts", "warning", message, [table.origin(int(row)) for row in at], fix)
            return


def _near(table: Table, texts: Sequence[str], labels: Sequence[str], split: Split | None) -> Iterator[Fault]:
    """Texts of valid or test that are nearly one of train."""
    if split is None:
        return
    part = np.full(len(texts), -1)
    for code, rows in enumerate(split.parts().values()):
        part[rows] = code
    runs = [_runs(text) for text in texts]
    pairs: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    found: set[int] = set()
    for band in _bands(runs):
        trained: dict[int, list[int]] = defaultdict(list)
        for row in np.flatnonzero(part == 0).tolist():
            if len(runs[row]) and len(trained[band[row]]) < _CROWD:
                trained[band[row]].append(row)
        for row in np.flatnonzero(part > 0).tolist():
            if row in found or not len(runs[row]):
                continue
            for other in trained.get(band[row], ()):
                if (other, row) in seen or texts[other] == texts[row]:
                    continue
                seen.add((other, row))
                both = len(np.intersect1d(runs[other], runs[row], assume_unique=True))
                if both >= ALIKE * (len(runs[other]) + len(runs[row]) - both):
                    pairs.append((other, row))
                    found.add(row)
                    break
    if pairs:
        pairs.sort(key=lambda pair: pair[1])
        differ = sum(labels[one] != labels[other] for one, other in pairs)
        message = f"Texts of valid or test that are nearly one of train: {len(pairs):,}."
        if differ:
            message += f" In {differ:,} of them the labels differ."
        where = [
            f"train: {table.origin(one)} ~ {PARTS[part[row]]}: {table.origin(row)}" for one, row in pairs
        ]
        fix = "Leave one of each pair out, or keep them in one part: what is measured is flattered."
        yield Fault("near duplicates", "warning", message, where, fix)


def _runs(text: str) -> Array:
    """The different hashes (uint64) of three words in a row; of few words one of them all."""
    words = _WORD.findall(text.lower())
    if len(words) < _FEWEST_WORDS:
        return np.array([_stable(" ".join(words))] if words else [], np.uint64)
    hashed = np.array([_stable(word) for word in words], np.uint64)
    one, two = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
    return np.unique(_mixed((hashed[:-2] * one + hashed[1:-1]) * two + hashed[2:]))


def _stable(word: str) -> int:
    """FNV-1a, the same in every process."""
    value = 0xCBF29CE484222325
    for byte in word.encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def _mixed(values: Array) -> Array:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _bands(runs: Sequence[Array]) -> Iterator[list[int]]:
    """For each band a key of each text; texts that are alike share one in some band, nearly always."""
    filled = np.flatnonzero([len(each) > 0 for each in runs])
    if not len(filled):
        return
    flat = np.concatenate([runs[row] for row in filled.tolist()])
    starts = np.concatenate([[0], np.cumsum([len(runs[row]) for row in filled.tolist()])[:-1]])
    turn = np.random.default_rng(0).integers(0, 2**63, (_BANDS, _ROWS), np.uint64)
    for band in turn:
        key = np.zeros(len(filled), np.uint64)
        for salt in band:
            least = np.minimum.reduceat(_mixed(flat ^ salt), starts)
            key = _mixed(key * np.uint64(0x9E3779B97F4A7C15) + least)
        keys = np.zeros(len(runs), np.uint64)
        keys[filled] = key
        yield keys.tolist()


def _ratings(table: Table, texts: Sequence[str], labels: Sequence[str]) -> Iterator[Fault]:
    """Ratings such as 9/10 in texts, where high and low ones go with other classes."""
    rows: list[int] = []
    groups: list[str] = []
    for row, text in enumerate(texts):
        found = list(_RATING.finditer(text))
        if len(found) != 1:
            continue  # Of several one is about something else.
        value = _rated(found[0])
        if value <= 1:
            rows.append(row)
            groups.append("high" if value >= 0.6 else "low")
    if len(rows) < max(_LEAST, 0.01 * len(texts)):
        return
    counts = {group: Counter[str]() for group in ("high", "low")}
    for row, group in zip(rows, groups):
        counts[group][labels[row]] += 1
    right = sum(max(count.values(), default=0) for count in counts.values())
    usual = max((counts["high"] + counts["low"]).values())
    # What it tells must be more than the most frequent class does, by three standard deviations of chance.
    gain = right - usual
    if right >= _TELLS * len(rows) and gain >= max(_LEAST / 2, 3 * np.sqrt(usual * (1 - usual / len(rows)))):
        message = (
            f"Ratings in the text, such as {_RATING.search(texts[rows[0]])[0]!r}, tell the class: "  # type: ignore[index]
            f"{right:,} of {len(rows):,} texts with one."
        )
        yield Fault("leaked labels", "warning", message, [table.origin(row) for row in rows], _FIX)


def _rated(found: re.Match[str]) -> float:
    """A rating as a share of the best one."""
    if found["drawn"]:
        return (len(found["drawn"]) - found["drawn"].count("\u2606")) / 5
    if word := found["told"]:
        return _COUNTED[word.lower()] / _COUNTED[(found["of_told"] or "five").lower()]
    return float(found["points"] or found["stars"]) / float(found["of"] or 5)


_FIX = "Take it out of the texts, unless it will be there when the model is used."


def _named(table: Table, texts: Sequence[str], labels: Sequence[str]) -> Iterator[Fault]:
    """Classes that the texts name: after "label:", or in nearly all texts of a class and in nearly none of others."""
    known = {label.strip().lower() for label in labels}
    told = [
        row
        for row, (text, label) in enumerate(zip(texts, labels))
        if (found := _AFTER.search(text)) and found[1].lower() == label.strip().lower() in known
    ]
    if len(told) >= max(_LEAST, 0.01 * len(texts)):
        message = f"The label stands in the text as such (label: {labels[told[0]]}): {len(told):,} texts."
        yield Fault("leaked labels", "warning", message, [table.origin(row) for row in told], _FIX)
        return
    words = [set(_WORD.findall(text.lower())) for text in texts]
    classes = np.array([label.strip().lower() for label in labels], object)
    for label in sorted(known):
        own = np.flatnonzero(classes == label)
        others = np.flatnonzero(classes != label)
        if min(len(own), len(others)) < 2 * _LEAST or not _WORD.fullmatch(label):
            continue
        inside = np.mean([label in words[row] for row in own.tolist()])
        outside = np.mean([label in words[row] for row in others.tolist()])
        if inside >= _TELLS and outside <= 0.01:
            message = f"The word {label!r} is in {inside:.0%} of the texts of the class {label!r}, and in {outside:.1%} of others."
            yield Fault(
                "leaked labels", "warning", message, [table.origin(int(row)) for row in own.tolist()], _FIX
            )
