"""What somebody gives a bundle to answer for, or to be measured on: files, or rows of tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivetrain.codecs import Signature
from drivetrain.data.read.row_inputs import rows_for
from drivetrain.data.table import Table
from drivetrain.errors import DataError, UsageError, one_line

if TYPE_CHECKING:
    from drivetrain.data.read.file_kinds import FileKind

SHOWN = 5
NOT_TESTED = "there is no test part: what this measures counts only for items that the model was neither trained nor chosen on"


@dataclass
class Asked:
    """Names and raw values of what is to be answered, kept columns, remarks, and files that are none of it."""

    origins: list[str] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    kept: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    wholes: list[str] = field(default_factory=list)
    """For each item the recording that it is a part of, which gets an answer too; empty where none is."""

    def add(self, more: Asked) -> None:
        """What came from another source, behind this; where one has a kept column that the other hasn't, it has gaps there."""
        for name in {**self.kept, **more.kept}:
            values = self.kept.setdefault(name, [None] * len(self.items))
            values += more.kept.get(name, [None] * len(more.items))
        self.origins += more.origins
        self.items += more.items
        self.notes += more.notes
        self.skipped += more.skipped
        self.wholes += more.wholes


@dataclass(frozen=True)
class Labelled:
    """Items and their true values: `items` as a Predictor takes them, `truths` raw by target, `part` of the source."""

    items: list[Any]
    truths: dict[str, list[Any]]
    origins: list[str]
    part: str
    note: str
    remarks: Sequence[str] = ()
    """What a person should know of how the source was read."""
    wholes: Sequence[str] = ()
    """As in `Asked`."""


def ask_files(inputs: Sequence[str], keep: Sequence[str], kind: FileKind | None) -> Asked:
    """Files, and those in folders: of a kind those that are of it, else all. Raises DataError where there is none."""
    things = kind.things if kind else "files"
    if keep:
        raise UsageError(f"{things} have no columns to keep.", where="--keep", fix="Leave it out.")
    asked = Asked()
    for given in inputs:
        found, others = [given], []
        if os.path.isdir(given):
            from drivetrain.data.read.folders import files_below, files_of

            found, others = files_of(given, kind) if kind else (files_below(given), [])
        asked.items += found
        asked.skipped += others
        if others:
            shown = ", ".join(os.path.relpath(other, given) for other in others[:SHOWN])
            more = f" and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
            asked.notes.append(f"{given}: left out, no {things} by name or content: {one_line(shown)}{more}")
    if not asked.items:
        raise DataError(
            f"there are no {things} in it.", where=inputs[0], fix=f"Name {things}, or a folder of them."
        )
    asked.origins = list(asked.items)
    return asked


def ask_rows(inputs: Sequence[str], keep: Sequence[str], signature: Signature) -> Asked:
    """The rows of tables, with the columns that a model takes. Raises DataError."""
    asked = Asked()
    for given in inputs:
        found = rows_for(given, signature.inputs, keep=keep)
        asked.add(Asked(found.origins, found.rows, found.kept, found.notes))
    return asked


def to_measure(table: Table) -> tuple[Table, str]:
    """The test part of a table that says parts, without one the valid part, and which it is; all of another."""
    if "split" not in table:
        return table, "all"
    part = next(name for name in ("test", "valid", "train") if (table["split"] == name).any())
    return table.take(table["split"] == part), part


def labelled_files(table: Table, column: str, target: str) -> Labelled:
    """The files of a table: its test part, without one its valid part, without either all."""
    table, part = to_measure(table)
    note = "" if part == "test" else NOT_TESTED
    truths = {target: list(table["label"])}
    origins = [table.origin(row) for row in range(len(table))]
    return Labelled(list(table[column]), truths, origins, part, note, table.notes)
