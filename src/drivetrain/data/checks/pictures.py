"""`check`: what is wrong with a table of pictures before anybody trains on it.

An error is a row that can't be used, a picture that is in two parts or has two labels, or a task without two
classes; a warning is what may be meant. How pictures are compared is said in `duplicates.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np

from drivetrain.data.checks.duplicates import exact_groups, near_groups
from drivetrain.data.checks.scan import FORMATS, look
from drivetrain.data.faults import Fault, Report
from drivetrain.data.split import PARTS, ByColumn, Split
from drivetrain.data.table import Table, shown
from drivetrain.figures import counted
from drivetrain.progress import progress as show_progress
from drivetrain.types import Array
from drivetrain.values import is_nothing

__all__ = ["Fault", "Report", "check"]

IMBALANCE = 10
"""Warn when the largest class has more than this many times the pictures of the smallest."""
TINY = 32
"""Warn of a picture whose short side is below this and below a quarter of the middle one's."""
NARROW = 4
"""Warn of a picture whose long side is this many times the short one, where the others are not half so."""

UNREADABLE = {
    "missing file": "There is no file for",
    "empty file": "Empty files (0 bytes):",
    "truncated": "Cut off, the end is missing:",
    "not a picture": "No pictures, whatever their names say:",
    "too large": "Too large to be read:",
    "unreadable": "Can't be read:",
}
_EXTENSIONS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF",
    ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip


def check_with_progress(
    table: Table,
    split: Split | None = None,
    image: str = "image",
    label: str | None = "label",
    quiet: bool = False,
) -> Report:
    """`check` under a progress bar."""
    with show_progress("Checking pictures", len(table), quiet=quiet) as advance:
        last = 0

        def report(done: int, total: int) -> None:
            nonlocal last
            advance(done - last)
            last = done

        return check(table, split, image=image, label=label, progress=report)


def check(
    table: Table,
    split: Split | None = None,
    image: str = "image",
    label: str | None = "label",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Read every picture of the column `image` once; report what is wrong with them, classes and split.

    Without `split` the table's own `split` column counts, where it has one. `label` None, or a column of
    fractions, means that there are no classes. `progress(done, total)` is called as pictures are read.
    """
    if split is None and "split" in table:
        split = ByColumn("split", otherwise=None)(table)
    seen, problems = look(list(table[image]), workers=workers, progress=progress)
    labels = _labels(table, label)
    names = _Names(table, image)
    unlabelled = [row for row, name in enumerate(labels) if not name] if labels else []
    bad = np.array(sorted({*problems, *unlabelled}), np.int64)
    good = np.setdiff1d(np.arange(len(table)), bad)
    readable = np.setdiff1d(np.arange(len(table)), np.fromiter(problems, np.int64))
    part_of = _part_of(split, len(table))
    faults = [
        *_unreadable(problems, names),
        *_missing_labels(unlabelled, label, names),
        *_classes(labels, good, part_of, split),
        *_same(exact_groups(seen, readable), near_groups(seen, readable), part_of, labels, names),
        *_wrong_extensions(table[image], seen, readable, names),
        *_odd_sizes(seen, readable, names),
        *(Fault("left out", "warning", f"{note}.") for note in table.notes),
    ]
    counts = _counts(table, seen, readable, labels, part_of, good)
    return Report(table.name, table.layout, tuple(faults), bad, counts)


def _labels(table: Table, label: str | None) -> list[str]:
    """The class of each row as text, "" where it is missing; nothing where there are no classes."""
    if label is None or (label not in table and label == "label") or table[label].dtype.kind == "f":
        return []
    return ["" if is_nothing(value) else shown(str(value)).strip() for value in table[label]]


def _part_of(split: Split | None, count: int) -> list[str]:
    parts = [""] * count
    for name, rows in split.parts().items() if split else ():
        for row in rows:
            parts[row] = name
    return parts


class _Names:
    """What a row is called in a report: its file within the source, and its origin where that is another."""

    def __init__(self, table: Table, image: str) -> None:
        self.table, self.column = table, table[image]

    def __call__(self, row: int) -> str:
        value, origin = self.column[row], self.table.origin(row)
        name = origin
        if isinstance(value, (str, os.PathLike)):
            name = shown(value)
            inside = self.table.source and name.startswith(self.table.source + os.sep)
            short = name[len(self.table.source) + 1 :] if inside else name
            name = short if origin in (name, shown(value)) else f"{short} ({origin})"
        return name

    def same(self, rows: Iterable[int], exact: bool, before: Callable[[int], str] = lambda row: "") -> str:
        """The names of rows that show the same picture, each with something before it."""
        return (" = " if exact else " ~ ").join(before(row) + self(row) for row in rows)


def _unreadable(problems: dict[int, tuple[str, str]], names: _Names) -> Iterator[Fault]:
    for kind, told in UNREADABLE.items():
        rows = [row for row, (what, _) in problems.items() if what == kind]
        if rows:
            plain = kind in ("missing file", "empty file")
            where = [names(row) if plain else f"{names(row)}: {problems[row][1]}" for row in rows]
            fix = (
                "Make them smaller, or leave them out."
                if kind == "too large"
                else "Replace them, or leave them out."
            )
            yield Fault(kind, "error", f"{told} {_pictures(len(rows))}.", where, fix)


def _missing_labels(rows: list[int], label: str | None, names: _Names) -> Iterator[Fault]:
    if rows:
        message = f"No {label}: {_pictures(len(rows))}."
        yield Fault(
            "missing label", "error", message, list(map(names, rows)), "Fill them in, or leave the rows out."
        )


def _classes(labels: list[str], good: Array, part_of: list[str], split: Split | None) -> Iterator[Fault]:
    if not labels:
        return
    counts = Counter(labels[row] for row in good.tolist())
    if len(counts) < 2:
        only = f"one class only, {next(iter(counts))!r}" if counts else "no picture that can be used"
        fix = "Put the pictures of each class into a folder of its own; to learn a class takes a second one."
        yield Fault("one class", "error", f"There is {only}.", [], fix)
        return
    single = sorted(name for name, count in counts.items() if count == 1)
    if single:
        message = f"With one picture only: {counted(len(single), 'class', 'classes')}."
        yield Fault(
            "class of one picture", "warning", message, single, "Add pictures, or leave the class out."
        )
    (large, most), (small, least) = counts.most_common(1)[0], counts.most_common()[-1]
    if most > IMBALANCE * least:
        message = f"Imbalance: {large!r} has {most:,} pictures and {small!r} {least:,}."
        fix = "Read the figures of each class, not the accuracy alone."
        yield Fault("imbalance", "warning", message, [], fix)
    if split is None:
        return
    inside = {part: {labels[row] for row in good.tolist() if part_of[row] == part} for part in PARTS}
    unseen = sorted((inside["valid"] | inside["test"]) - inside["train"])
    if unseen and inside["train"]:
        message = f"In valid or test, but not in train: {counted(len(unseen), 'class', 'classes')}."
        yield Fault(
            "class not in train", "error", message, unseen, "Add pictures to train, or leave the class out."
        )
    untold = sorted(inside["train"] - inside["valid"]) if inside["valid"] else []
    if untold:
        message = f"In train, but not in valid: {counted(len(untold), 'class', 'classes')}."
        yield Fault(
            "class not in valid", "warning", message, untold, "Put some of its pictures into valid too."
        )


def _same(
    exact: list[list[int]], near: list[list[int]], part_of: list[str], labels: list[str], names: _Names
) -> Iterator[Fault]:
    """Faults of groups of rows that show the same picture, byte for byte or nearly: one for each thing that can be wrong."""
    groups = [(group, True) for group in exact] + [(group, False) for group in near]
    across = [found for found in groups if len({part_of[row] for row in found[0]} - {""}) > 1]
    differing = [found for found in groups if labels and len({labels[row] for row in found[0]} - {""}) > 1]
    told = {id(group) for group, _ in (*across, *differing)}
    inside = [found for found in groups if id(found[0]) not in told]
    if across:
        parts = sorted({part_of[row] for group, _ in across for row in group} - {""}, key=PARTS.index)
        across = [
            (sorted(group, key=lambda row: (*PARTS, "").index(part_of[row])), alike)
            for group, alike in across
        ]
        where = [names.same(*found, lambda row: f"{part_of[row] or 'unused'}: ") for found in across]
        message = f"Leak: {_picture(across)} in {' and '.join(parts)}, {_times(across)}."
        groups = "split by groups, such as --split group:parent or a pattern of the names"
        fix = f"Keep each picture in one part: {groups}{_or_drop(across)}."
        yield Fault(*_kind("leak", across), message, where, fix)
    if differing:
        where = [names.same(*found, lambda row: f"{labels[row] or '?'}: ") for found in differing]
        message = f"Two labels for {_picture(differing)}, {_times(differing)}."
        fix = "Decide which label is right and leave the others out."
        yield Fault(*_kind("conflict", differing), message, where, fix)
    if inside:
        copies = sum(len(group) - 1 for group, _ in inside)
        alike = sum(len(group) - 1 for group, is_exact in inside if is_exact)
        where = [names.same(*found) for found in inside]
        first = "Nearly the same picture again"
        if alike:
            first = "Copies, byte for byte" + (f" ({alike:,}) or nearly" if alike < copies else "")
        fix = f"They count one picture more than once: leave them out{_or_drop(inside)}."
        yield Fault(_kind("duplicate", inside)[0], "warning", f"{first}: {_pictures(copies)}.", where, fix)


Groups = list[tuple[list[int], bool]]


def _kind(kind: str, groups: Groups) -> tuple[str, Literal["error", "warning"]]:
    """What it is called, and how bad: pictures that are nearly the same may be meant."""
    return (kind, "error") if any(is_exact for _, is_exact in groups) else (f"near {kind}", "warning")


def _picture(groups: Groups) -> str:
    return "the same picture" if any(is_exact for _, is_exact in groups) else "nearly the same picture"


def _times(groups: Groups) -> str:
    count, exact = len(groups), sum(is_exact for _, is_exact in groups)
    told = "once" if count == 1 else f"{count:,} times"
    return f"{told} ({count - exact:,} of them nearly)" if 0 < exact < count else told


def _or_drop(groups: Groups) -> str:
    """The option that leaves out what is the same byte for byte."""
    return (
        ", or drop copies of one label with --drop-copies" if any(is_exact for _, is_exact in groups) else ""
    )


def _wrong_extensions(values: Array, seen: Array, rows: Array, names: _Names) -> Iterator[Fault]:
    where = []
    for row in rows.tolist():
        value: Any = values[row]
        if isinstance(value, (str, os.PathLike)):
            extension = os.path.splitext(shown(value))[1].lower()
            form = FORMATS[seen["format"][row]]
            if form and extension in _EXTENSIONS and _EXTENSIONS[extension] != form:
                where.append(f"{names(row)}: {form}")
    if where:
        message = f"Of another format than the name says: {_pictures(len(where))}."
        yield Fault(
            "wrong extension",
            "warning",
            message,
            where,
            "They are read all the same; other programs may not.",
        )


def _odd_sizes(seen: Array, rows: Array, names: _Names) -> Iterator[Fault]:
    if not len(rows):
        return
    height, width = seen["height"][rows], seen["width"][rows]
    short, long = np.minimum(height, width), np.maximum(height, width)
    tiny = rows[(short < TINY) & (short * 4 < np.median(short))]
    narrow = rows[(long >= NARROW * short) & (np.median(long / short) < NARROW / 2)]
    fix = "Look at them: they may be icons, rules or placeholders."
    for kind, told, found in (
        ("tiny", "Far smaller than the others", tiny),
        ("narrow", "Long and narrow", narrow),
    ):
        if len(found):
            where = [f"{names(row)}: {seen['width'][row]} x {seen['height'][row]}" for row in found.tolist()]
            yield Fault(f"{kind} picture", "warning", f"{told}: {_pictures(len(found))}.", where, fix)


def _counts(
    table: Table, seen: Array, readable: Array, labels: list[str], part_of: list[str], good: Array
) -> dict[str, Any]:
    """Rows, classes (by part), sizes and formats, as JSON."""
    parts = [part for part in PARTS if part in part_of]
    counts: dict[str, Any] = {"rows": len(table), "usable": len(good)}
    if parts:
        counts["parts"] = {part: part_of.count(part) for part in parts}
    if labels:
        total = Counter(labels[row] for row in good.tolist())
        counts["classes"] = {name: total[name] for name in sorted(total)}
        by_part = Counter((labels[row], part_of[row]) for row in good.tolist())
        if parts:
            counts["classes_by_part"] = {
                name: {part: by_part[name, part] for part in parts} for name in counts["classes"]
            }
    if len(readable):
        sizes = np.stack([seen["height"][readable], seen["width"][readable]], axis=1)
        area = sizes.astype(np.int64).prod(axis=1)
        counts["sizes"] = {
            "different": len(np.unique(sizes, axis=0)),
            "smallest": sizes[int(np.argmin(area))].tolist(),
            "middle": sizes[int(np.argsort(area)[len(area) // 2])].tolist(),
            "largest": sizes[int(np.argmax(area))].tolist(),
        }
        forms = Counter(FORMATS[form] for form in seen["format"][readable].tolist() if form)
        counts["formats"] = dict(forms.most_common())
    return counts


def _pictures(count: int) -> str:
    return counted(count, "picture", "pictures")
