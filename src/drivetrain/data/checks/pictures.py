"""`check`: what is wrong with a table of pictures before anybody trains on it.

An error is a row that can't be used, a picture that is in two parts or has two labels, or a task without two
classes; a warning is what may be meant. How pictures are compared is said in `duplicates.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from drivetrain.data.checks.duplicates import exact_groups, near_groups
from drivetrain.data.checks.labelled_files import (
    Names,
    classes,
    counts,
    labels_of,
    missing_labels,
    parts_of,
    same,
)
from drivetrain.data.checks.scan import FORMATS, look
from drivetrain.data.faults import Fault, Report
from drivetrain.data.split import ByColumn, Split
from drivetrain.data.table import Table, shown
from drivetrain.figures import counted
from drivetrain.progress import progress as show_progress
from drivetrain.types import Array

__all__ = ["Fault", "Report", "check"]

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
    labels = labels_of(table, label)
    names = Names(table, image, "picture")
    unlabelled = [row for row, name in enumerate(labels) if not name] if labels else []
    bad = np.array(sorted({*problems, *unlabelled}), np.int64)
    good = np.setdiff1d(np.arange(len(table)), bad)
    readable = np.setdiff1d(np.arange(len(table)), np.fromiter(problems, np.int64))
    part_of = parts_of(split, len(table))
    faults = [
        *_unreadable(problems, names),
        *missing_labels(unlabelled, label, names),
        *classes(labels, good, part_of, split, "picture"),
        *same(exact_groups(seen, readable), near_groups(seen, readable), part_of, labels, names),
        *_wrong_extensions(table[image], seen, readable, names),
        *_odd_sizes(seen, readable, names),
        *(Fault("left out", "warning", f"{note}.") for note in table.notes),
    ]
    found = {**counts(table, labels, part_of, good), **_looks(seen, readable)}
    return Report(table.name, table.layout, tuple(faults), bad, found)


def _unreadable(problems: dict[int, tuple[str, str]], names: Names) -> Iterator[Fault]:
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


def _wrong_extensions(values: Array, seen: Array, rows: Array, names: Names) -> Iterator[Fault]:
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


def _odd_sizes(seen: Array, rows: Array, names: Names) -> Iterator[Fault]:
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


def _looks(seen: Array, readable: Array) -> dict[str, Any]:
    """Sizes and formats, as JSON."""
    counts: dict[str, Any] = {}
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
