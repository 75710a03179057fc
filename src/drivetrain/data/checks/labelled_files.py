"""What there is to say of a table of labelled files, whatever they are: labels, classes, and the same one more than once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from drivetrain.data.faults import Fault
from drivetrain.data.split import PARTS, Split
from drivetrain.data.table import Table, shown
from drivetrain.figures import counted
from drivetrain.types import Array
from drivetrain.values import is_nothing

IMBALANCE = 10
"""Warn when the largest class has more than this many times the files of the smallest."""


def labels_of(table: Table, label: str | None) -> list[str]:
    """The class of each row as text, "" where it is missing; nothing where there are no classes."""
    if label is None or (label not in table and label == "label") or table[label].dtype.kind == "f":
        return []
    return ["" if is_nothing(value) else shown(str(value)).strip() for value in table[label]]


def parts_of(split: Split | None, count: int) -> list[str]:
    parts = [""] * count
    for name, rows in split.parts().items() if split else ():
        for row in rows:
            parts[row] = name
    return parts


class Names:
    """What a row is called in a report: its file within the source, and its origin where that is another."""

    def __init__(self, table: Table, column: str, thing: str) -> None:
        self.table, self.column, self.thing = table, table[column], thing

    def some(self, count: int) -> str:
        """So many of the things that the files are."""
        return counted(count, self.thing, f"{self.thing}s")

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
        """The names of rows that are the same, each with something before it."""
        return (" = " if exact else " ~ ").join(before(row) + self(row) for row in rows)


def missing_labels(rows: list[int], label: str | None, names: Names) -> Iterator[Fault]:
    if rows:
        message = f"No {label}: {names.some(len(rows))}."
        yield Fault(
            "missing label", "error", message, list(map(names, rows)), "Fill them in, or leave the rows out."
        )


def classes(
    labels: list[str], good: Array, part_of: list[str], split: Split | None, thing: str
) -> Iterator[Fault]:
    if not labels:
        return
    counts = Counter(labels[row] for row in good.tolist())
    if len(counts) < 2:
        only = f"one class only, {next(iter(counts))!r}" if counts else f"no {thing} that can be used"
        fix = f"Put the {thing}s of each class into a folder of its own; to learn a class takes a second one."
        yield Fault("one class", "error", f"There is {only}.", [], fix)
        return
    single = sorted(name for name, count in counts.items() if count == 1)
    if single:
        message = f"With one {thing} only: {counted(len(single), 'class', 'classes')}."
        yield Fault(
            f"class of one {thing}", "warning", message, single, f"Add {thing}s, or leave the class out."
        )
    (large, most), (small, least) = counts.most_common(1)[0], counts.most_common()[-1]
    if most > IMBALANCE * least:
        message = f"Imbalance: {large!r} has {most:,} {thing}s and {small!r} {least:,}."
        fix = "Read the figures of each class, not the accuracy alone."
        yield Fault("imbalance", "warning", message, [], fix)
    if split is None:
        return
    inside = {part: {labels[row] for row in good.tolist() if part_of[row] == part} for part in PARTS}
    unseen = sorted((inside["valid"] | inside["test"]) - inside["train"])
    if unseen and inside["train"]:
        message = f"In valid or test, but not in train: {counted(len(unseen), 'class', 'classes')}."
        yield Fault(
            "class not in train", "error", message, unseen, f"Add {thing}s to train, or leave the class out."
        )
    untold = sorted(inside["train"] - inside["valid"]) if inside["valid"] else []
    if untold:
        message = f"In train, but not in valid: {counted(len(untold), 'class', 'classes')}."
        yield Fault(
            "class not in valid", "warning", message, untold, f"Put some of its {thing}s into valid too."
        )


def same(
    exact: list[list[int]], near: list[list[int]], part_of: list[str], labels: list[str], names: Names
) -> Iterator[Fault]:
    """Faults of groups of rows that are the same, byte for byte or nearly: one for each thing that can be wrong."""
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
        message = f"Leak: {_thing(across, names)} in {' and '.join(parts)}, {_times(across)}."
        groups = (
            "split by groups, such as --split group:COLUMN, group:PATTERN of the names, or group:parent where each group has a "
            "folder of its own"
        )
        fix = f"Keep each {names.thing} in one part: {groups}{_or_drop(across)}."
        yield Fault(*_kind("leak", across), message, where, fix)
    if differing:
        where = [names.same(*found, lambda row: f"{labels[row] or '?'}: ") for found in differing]
        message = f"Two labels for {_thing(differing, names)}, {_times(differing)}."
        fix = "Decide which label is right and leave the others out."
        yield Fault(*_kind("conflict", differing), message, where, fix)
    if inside:
        copies = sum(len(group) - 1 for group, _ in inside)
        alike = sum(len(group) - 1 for group, is_exact in inside if is_exact)
        where = [names.same(*found) for found in inside]
        first = f"Nearly the same {names.thing} again"
        if alike:
            first = "Copies, byte for byte" + (f" ({alike:,}) or nearly" if alike < copies else "")
        fix = f"They count one {names.thing} more than once: leave them out{_or_drop(inside)}."
        yield Fault(_kind("duplicate", inside)[0], "warning", f"{first}: {names.some(copies)}.", where, fix)


Groups = list[tuple[list[int], bool]]


def _kind(kind: str, groups: Groups) -> tuple[str, Literal["error", "warning"]]:
    """What it is called, and how bad: those that are nearly the same may be meant."""
    return (kind, "error") if any(is_exact for _, is_exact in groups) else (f"near {kind}", "warning")


def _thing(groups: Groups, names: Names) -> str:
    return f"{'the' if any(is_exact for _, is_exact in groups) else 'nearly the'} same {names.thing}"


def _times(groups: Groups) -> str:
    count, exact = len(groups), sum(is_exact for _, is_exact in groups)
    told = "once" if count == 1 else f"{count:,} times"
    return f"{told} ({count - exact:,} of them nearly)" if 0 < exact < count else told


def _or_drop(groups: Groups) -> str:
    """The option that leaves out what is the same byte for byte."""
    return (
        ", or drop copies of one label with --drop-copies" if any(is_exact for _, is_exact in groups) else ""
    )


def counts(table: Table, labels: list[str], part_of: list[str], good: Array) -> dict[str, Any]:
    """Rows and classes, by part too, as JSON."""
    parts = [part for part in PARTS if part in part_of]
    found: dict[str, Any] = {"rows": len(table), "usable": len(good)}
    if parts:
        found["parts"] = {part: part_of.count(part) for part in parts}
    if labels:
        total = Counter(labels[row] for row in good.tolist())
        found["classes"] = {name: total[name] for name in sorted(total)}
        by_part = Counter((labels[row], part_of[row]) for row in good.tolist())
        if parts:
            found["classes_by_part"] = {
                name: {part: by_part[name, part] for part in parts} for name in found["classes"]
            }
    return found
