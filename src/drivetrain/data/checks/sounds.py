"""`check`: what is wrong with a table of sounds before anybody trains on it.

An error is a row that can't be used, a sound that is in two parts or has two labels, or a task without two classes; a warning
is what may be meant: silence, clipping, an offset, and how a sound was recorded where that tells its class. How sounds are
compared is said in `sound_prints.py`.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.codecs.audio import is_clipped, is_silent
from drivetrain.cores import usable_cores
from drivetrain.data.checks.labelled_files import (
    Names,
    classes,
    counts,
    labels_of,
    missing_labels,
    parts_of,
    same,
)
from drivetrain.data.checks.sound_prints import PRINT, near_groups, print_of
from drivetrain.data.faults import Fault, Report
from drivetrain.data.read.file_kinds import SOUNDS
from drivetrain.data.split import ByColumn, Split
from drivetrain.data.table import Table, shown
from drivetrain.errors import DrivetrainError
from drivetrain.figures import percent
from drivetrain.progress import progress as show_progress
from drivetrain.sound.file import MOST_SECONDS, SoundInfo, opened
from drivetrain.types import Array
from drivetrain.values import is_nothing

OFFSET = 0.05
"""A sound whose mean is so far from 0, of what its samples are at most, has an offset."""
SHORT = 0.02
"""Seconds."""
GUESSED = 0.25
"""The class is told by how a sound was recorded where guessing it by that is right so much more often than without."""
FEW_ROWS = 20
MOST_GROUPS, SHOWN = 100, 5
RANGES = 5


@dataclass(frozen=True, eq=False)
class Heard:
    """What was found in one sound: `fault` is what makes it unusable, (kind, why)."""

    info: SoundInfo | None = None
    content: bytes = b""
    peak: float = 0.0
    mean: float = 0.0
    level: float = 0.0
    silent: bool = False
    clipped: bool = False
    print: Array | None = None
    fault: tuple[str, str] | None = None


def check_with_progress(table: Table, split: Split | None = None, quiet: bool = False) -> Report:
    """`check` under a progress bar."""
    with show_progress("Checking sounds", len(table), quiet=quiet) as advance:
        return check(table, split, advance)


def check(
    table: Table, split: Split | None = None, advance: Callable[[int], None] = lambda done: None
) -> Report:
    """Hear every sound of the column `audio` once; report what is wrong with them, classes and split.

    Without `split` the table's own `split` column counts, where it has one.
    """
    if split is None and "split" in table:
        split = ByColumn("split", otherwise=None)(table)
    heard: list[Heard] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for found in pool.map(hear, table[SOUNDS.column]):
            heard.append(found)
            advance(1)
    names, labels = Names(table, SOUNDS.column, SOUNDS.one), labels_of(table, "label")
    unlabelled = [row for row, name in enumerate(labels) if not name]
    unusable = [row for row, found in enumerate(heard) if found.fault]
    bad = np.array(sorted({*unusable, *unlabelled}), np.int64)
    good = np.setdiff1d(np.arange(len(table)), bad)
    readable = [row for row, found in enumerate(heard) if not found.fault]
    part_of = parts_of(split, len(table))
    faults = [
        *_unreadable(heard, names),
        *missing_labels(unlabelled, "label", names),
        *classes(labels, good, part_of, split, SOUNDS.one),
        *same(_exact(heard, readable), _near(heard, readable), part_of, labels, names),
        *_of_each(heard, readable, names),
        *_wrong_extensions(table, heard, readable, names),
        *_told_by(heard, labels, good.tolist()),
        *_straddling(table, part_of),
        *(Fault("left out", "warning", f"{note}.") for note in table.notes),
    ]
    found = {**counts(table, labels, part_of, good), **_recorded(heard, readable)}
    return Report(table.name, table.layout, tuple(faults), bad, found, SOUNDS.things)


def hear(raw: Any) -> Heard:
    """One sound, from its first sample to its last; of a very long one the first ten minutes."""
    try:
        if isinstance(raw, (str, os.PathLike)) and not os.path.exists(raw):
            return Heard(fault=("missing file", ""))
        with opened(raw) as sound:
            info = sound.info
            samples = sound.mono(0, min(info.frames, MOST_SECONDS * info.rate))
    except DrivetrainError as fault:
        empty = isinstance(raw, (str, os.PathLike)) and os.path.isfile(raw) and not os.path.getsize(raw)
        kind = "empty file" if empty else "truncated" if "ends" in fault.error else "unreadable"
        return Heard(fault=(kind, fault.error))
    mean = float(samples.mean(dtype=np.float64))
    return Heard(
        info,
        _content(raw, samples),
        float(np.abs(samples).max()),
        mean,
        10 * float(np.log10(np.mean(np.square(samples - mean, dtype=np.float64)) + 1e-12)),
        is_silent(samples),
        is_clipped(samples),
        print_of(samples, info.rate),
    )


def _content(raw: Any, samples: Array) -> bytes:
    """What is the same where the bytes of a file are, or samples in memory."""
    if isinstance(raw, (str, os.PathLike)):
        with open(raw, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    return hashlib.sha256(samples.tobytes()).digest()


def _exact(heard: Sequence[Heard], rows: Sequence[int]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = {}
    for row in rows:
        groups.setdefault(heard[row].content, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _near(heard: Sequence[Heard], rows: Sequence[int]) -> list[list[int]]:
    """Of what is the same byte for byte the first is compared."""
    first = {heard[row].content: row for row in reversed(rows)}
    chosen = sorted(row for row in first.values() if heard[row].print is not None)
    if len(chosen) < 2:
        return []
    seconds = np.array([heard[row].info.seconds for row in chosen])  # type: ignore[union-attr]
    prints = np.stack([heard[row].print for row in chosen]).reshape(-1, PRINT)  # type: ignore[type-var]
    return [[chosen[place] for place in group] for group in near_groups(prints, seconds)]


UNREADABLE = {
    "missing file": "There is no file for",
    "empty file": "Empty files (0 bytes):",
    "truncated": "Cut off, the end is missing:",
    "unreadable": "Can't be read:",
}


def _unreadable(heard: Sequence[Heard], names: Names) -> Iterator[Fault]:
    for kind, told in UNREADABLE.items():
        rows = [row for row, found in enumerate(heard) if found.fault and found.fault[0] == kind]
        if rows:
            plain = kind in ("missing file", "empty file")
            where = [names(row) if plain else f"{names(row)}: {heard[row].fault[1]}" for row in rows]  # type: ignore[index]
            yield Fault(
                kind, "error", f"{told} {names.some(len(rows))}.", where, "Replace them, or leave them out."
            )


def _of_each(heard: Sequence[Heard], rows: Sequence[int], names: Names) -> Iterator[Fault]:
    """Silence, clipping, an offset, next to no length: what is wrong with a sound by itself."""

    def told(
        kind: str, found: list[int], message: str, fix: str, detail: Callable[[Heard], str]
    ) -> Iterator[Fault]:
        if found:
            where = [f"{names(row)}{detail(heard[row])}" for row in found]
            yield Fault(kind, "warning", f"{message} {names.some(len(found))}.", where, fix)

    silent = [row for row in rows if heard[row].silent]
    yield from told("silent", silent, "Silent:", "Leave them out: they teach nothing.", lambda _: "")
    loud = [row for row in rows if heard[row].clipped]
    yield from told(
        "clipped", loud, "Clipped, louder than the file can hold:",
        "Record them anew at a lower level, or leave them in where they will come so in use too.", lambda _: "",
    )  # fmt: skip
    offset = [
        row for row in rows if not heard[row].silent and abs(heard[row].mean) > OFFSET * max(heard[row].peak, 1e-9)
        and abs(heard[row].mean) > 1e-3
    ]  # fmt: skip
    yield from told(
        "offset", offset, "With an offset, the mean is not 0:", "Subtract the mean, as a high-pass filter does.",
        lambda found: f": {found.mean:+.3f}",
    )  # fmt: skip
    long = [row for row in rows if heard[row].info.seconds > MOST_SECONDS]  # type: ignore[union-attr]
    if long:
        where = [f"{names(row)}: {heard[row].info.seconds / 60:,.1f} minutes" for row in long]  # type: ignore[union-attr]
        message = (
            f"Longer than {MOST_SECONDS // 60} minutes, which alone were checked: {names.some(len(long))}."
        )
        yield Fault("long", "note", message, where, "Cut them where the class changes within.")
    short = [row for row in rows if heard[row].info.seconds < SHORT]  # type: ignore[union-attr]
    yield from told(
        "short", short, f"Shorter than {SHORT * 1000:g} ms:", "Look at them: they may be cut off.",
        lambda found: f": {found.info.frames:,} samples",  # type: ignore[union-attr]
    )  # fmt: skip


def _wrong_extensions(
    table: Table, heard: Sequence[Heard], rows: Sequence[int], names: Names
) -> Iterator[Fault]:
    forms = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3"}
    where = []
    for row in rows:
        value: Any = table[SOUNDS.column][row]
        if isinstance(value, (str, os.PathLike)):
            said = forms.get(os.path.splitext(shown(value))[1].lower())
            form = heard[row].info.form  # type: ignore[union-attr]
            if said and form and said != form:
                where.append(f"{names(row)}: {form}")
    if where:
        yield Fault(
            "wrong extension", "warning", f"Of another format than the name says: {names.some(len(where))}.", where,
            "They are read all the same; other programs may not.",
        )  # fmt: skip


def _told_by(heard: Sequence[Heard], labels: list[str], rows: Sequence[int]) -> Iterator[Fault]:
    """How sounds were recorded, where that tells their class: a model would learn the recorder."""
    if len(rows) < FEW_ROWS or len({labels[row] for row in rows}) < 2:
        return
    infos = {row: heard[row].info for row in rows}
    facts: dict[str, tuple[str, list[Any]]] = {
        "rate": ("the samples a second", [infos[row].rate for row in rows]),  # type: ignore[union-attr]
        "channels": ("the number of channels", [infos[row].channels for row in rows]),  # type: ignore[union-attr]
        "format": ("the format", [(infos[row].form, infos[row].bits) for row in rows]),  # type: ignore[union-attr]
        "length": ("the length", _ranges([infos[row].seconds for row in rows])),  # type: ignore[union-attr]
        "level": ("the loudness", _ranges([heard[row].level for row in rows])),
    }
    usual = Counter(labels[row] for row in rows).most_common(1)[0][1] / len(rows)
    for name, (words, values) in facts.items():
        if len(set(values)) < 2:
            continue
        by_value: dict[Any, Counter[str]] = {}
        for row, value in zip(rows, values):
            by_value.setdefault(value, Counter())[labels[row]] += 1
        guessed = sum(map(_guessed, by_value.values())) / len(rows)
        if guessed - usual < GUESSED:
            continue
        where = []
        if name in ("rate", "channels", "format"):
            where = [f"{_words(value)}: {_most(found)}" for value, found in sorted(by_value.items(), key=str)]
        yield Fault(
            f"{name} tells the class", "warning",
            f"Leak: {words} alone {'guesses' if name != 'rate' else 'guess'} the class right in {percent(guessed, 0)} of the "
            f"sounds; without it {percent(usual, 0)} would be.",
            where,
            "Record all classes alike. Where that is how they come in use too, it is none.",
        )  # fmt: skip


def _guessed(found: Counter[str]) -> int:
    """How many of the sounds that have a value alike are of the class that most of the *others* with it have: of few sounds, or
    of many classes, one's own would be right by chance."""
    right = 0
    for label, count in found.items():
        others = max((n for name, n in found.items() if name != label), default=0)
        right += count if count - 1 > others else 0
    return right


def beside(table: Table) -> dict[str, list[str]]:
    """What a table tells of its sounds beside the class that several of them share: column -> texts."""
    found: dict[str, list[str]] = {}
    for name, column in table.columns.items():
        if name in (SOUNDS.column, "label", "split"):
            continue
        values = ["" if is_nothing(value) else str(value).strip() for value in column]
        if 1 < len({*values}) <= min(MOST_GROUPS, len(values) // 2):
            found[name] = values
    return found


def _straddling(table: Table, part_of: list[str]) -> Iterator[Fault]:
    """Who, or what, is heard both in training and in what is measured: how well it goes with others is not known then."""
    for name, values in beside(table).items():
        parts: dict[str, set[str]] = {}
        for value, part in zip(values, part_of):
            if value and part:
                parts.setdefault(value, set()).add(part)
        shared = sorted(value for value, found in parts.items() if "train" in found and len(found) > 1)
        if shared and len(parts) > 1:
            told = ", ".join(shared[:SHOWN]) + (
                f" and {len(shared) - SHOWN:,} more" if len(shared) > SHOWN else ""
            )
            yield Fault(
                "in both parts", "note",
                f"{name!r}: {len(shared):,} of {len(parts):,} are in train and in what is measured ({told}).", [],
                f"To know how well it goes with one that was never heard, say --split group:{name}.",
            )  # fmt: skip


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        form, bits = value
        return f"{form}{f', {bits} bits' if bits else ''}"
    return f"{value:,}"


def _most(found: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name!r}" for name, count in found.most_common(3))


def _ranges(values: Sequence[float]) -> list[int]:
    """Each as the fifth of all that it is in."""
    edges = np.quantile(values, np.arange(1, RANGES) / RANGES)
    return np.searchsorted(edges, values).tolist()


def _recorded(heard: Sequence[Heard], rows: Sequence[int]) -> dict[str, Any]:
    """Rates, channels, formats and lengths, as JSON."""
    infos = [info for row in rows if (info := heard[row].info) is not None]
    if not infos:
        return {}
    seconds = np.array([info.seconds for info in infos])
    return {
        "rates": {f"{rate}": count for rate, count in Counter(info.rate for info in infos).most_common()},
        "channels": {f"{n}": count for n, count in Counter(info.channels for info in infos).most_common()},
        "formats": dict(Counter(info.form for info in infos).most_common()),
        "seconds": {
            "shortest": float(seconds.min()),
            "middle": float(np.median(seconds)),
            "longest": float(seconds.max()),
            "together": float(seconds.sum()),
        },
    }
