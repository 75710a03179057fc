"""The CSV or TSV that labels the pictures, or the sounds, of a folder: which column is the file, the label and the split.

The file column is the one whose values are files that exist (with or without folder and extension), the
split column the one that says train, valid or test, and the label column the one left, or the one named so.
Rows count as in a spreadsheet: the first line of the file is row 1.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.data.read.file_kinds import FileKind
from drivetrain.data.read.textfile import csv_records, find_separator, read_text
from drivetrain.data.split import SYNONYMS
from drivetrain.data.table import shown
from drivetrain.errors import DataError

FILE_NAMES = (
    "image",
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "image_path",
    "picture",
    "photo",
    "image_id",
    "img",
    "audio",
    "sound",
    "wav",
    "recording",
    "clip",
    "id",
    "name",
)
LABEL_NAMES = (
    "label",
    "class",
    "category",
    "target",
    "classname",
    "class_name",
    "tag",
    "label_name",
    "breed",
    "species",
    "y",
)
SPLIT_NAMES = ("split", "subset", "set", "part", "partition", "fold", "usage")
RESERVED = ("label", "split")
"""What columns of such a table are called, beside that of the files."""
_LOOKED_AT = 500
_CLASSES = 20
"""Up to so many different numbers may be names of classes."""


@dataclass(frozen=True)
class Labelled:
    """The rows of a file that labels files: paths, labels, parts (None where it names none), where each row is, notes,
    and what its other columns hold, such as the patient: to split by, never an input."""

    files: list[str]
    labels: list[str]
    splits: list[str] | None
    origins: list[str]
    notes: list[str]
    others: dict[str, list[str]]


def is_table_file(name: str) -> bool:
    """True for the name of a CSV or TSV."""
    return name.lower().endswith((".csv", ".tsv"))


def read_labels(root: str, tables: Sequence[str], found: Sequence[str], kind: FileKind) -> Labelled:
    """The rows of the table file in `root` for the files of a kind that are `found` there.

    A file that does not exist keeps its row (the path where it would be), and so does an empty label. Raises
    DataError where the table file or its columns are not clear, naming the row.
    """
    if not tables:
        raise DataError(
            "there is no CSV or TSV in the folder.",
            where=shown(root),
            fix="Add one with columns file and label.",
        )
    files = _Files(root, found, kind)
    read = {table: _read(table) for table in tables}
    fitting = [table for table, (header, rows, _) in read.items() if _file_columns(header, rows, files)]
    if len(fitting) != 1:
        names = ", ".join(shown(os.path.basename(table)) for table in (fitting or tables))
        if fitting:
            raise DataError(
                f"several files label the {kind.things}: {names}.",
                where=shown(root),
                fix="Leave one of them in the folder.",
            )
        raise DataError(
            f"no column of {names} names {kind.things} in this folder.",
            where=shown(root),
            fix="Name the files as they lie in the folder, in a column called file.",
        )
    (table,) = fitting
    header, rows, notes = read[table]
    place = shown(os.path.basename(table))
    file_column, label_column, split_column = _columns(header, rows, files, place)
    paths, labels, origins, splits = [], [], [], []
    for number, cells in rows:
        origin = f"{place}, row {number}"
        paths.append(files.path(cells[file_column], origin))
        labels.append(cells[label_column].strip())
        origins.append(origin)
        if split_column is not None:
            splits.append(_part(cells[split_column], header[split_column], origin))
    if _measured(labels):
        notes.append(
            f"{header[label_column]!r} in {place} holds numbers, and each is a class of its own: to learn the number, "
            "make a DataBlock with dt.Number() as its target"
        )
    named = set(paths)
    unnamed = sum(path not in named for path in found)
    if unnamed:
        notes.append(f"{unnamed:,} of the {kind.things} are not named in {place} and left out")
    used = {file_column, label_column, split_column}
    others = {
        name: [cells[column] for _, cells in rows]
        for column, name in enumerate(header)
        if column not in used and name and name not in (kind.column, *RESERVED)
    }
    return Labelled(paths, labels, splits if split_column is not None else None, origins, notes, others)


def names_files(root: str, tables: Sequence[str], found: Sequence[str], kind: FileKind) -> bool:
    """True where a table file has a column that names these files."""
    files = _Files(root, found, kind)
    return bool(found) and any(_file_columns(*_read(table)[:2], files) for table in tables)


def _read(path: str) -> tuple[list[str], list[tuple[int, list[str]]], list[str]]:
    """The header, the numbered rows and notes of how it was read. Raises DataError and FileError."""
    text = read_text(path)
    place = text.place
    rows = [
        (number, cells)
        for number, _, cells in csv_records(text, find_separator(text, path))
        if any(cell.strip() for cell in cells)
    ]
    if not rows:
        raise DataError("the file is empty.", where=place, fix="Give it columns file and label.")
    width = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != width:
            raise DataError(
                f"this row has {len(cells)} cells and the first has {width}.",
                where=f"{place}, row {number}",
                fix="Quote cells that hold the separator.",
            )
    return [cell.strip() for cell in rows[0][1]], rows[1:], [f"{place}: {note}" for note in text.notes]


class _Files:
    """Finds the file that a cell means: its path, or its name alone, with or without the extension.

    `found` are paths that begin with `root`.
    """

    def __init__(self, root: str, found: Sequence[str], kind: FileKind) -> None:
        self.root, self.kind = root, kind
        self.known: dict[str, list[str]] = {}
        for path in found:
            relative = path[len(root) :].replace("\\", "/").lstrip("/")
            # The most exact key counts first: a whole path, the name alone, then both without the extension.
            keys = (f"0{relative}", f"1{relative.rpartition('/')[2]}")
            for key in (*keys, *(f"{int(key[0]) + 2}{os.path.splitext(key[1:])[0]}" for key in keys)):
                self.known.setdefault(key, []).append(path)

    def find(self, cell: str) -> list[str]:
        """The files that a cell may mean: none, one or, where it is not exact, several."""
        name = cell.strip().replace("\\", "/").removeprefix("./")
        if not name:
            return []
        for exactness in "0123":
            if found := self.known.get(exactness + name):
                return found
        path = os.path.join(self.root, name)
        return [path] if "\0" not in path and os.path.isfile(path) else []

    def path(self, cell: str, origin: str) -> str:
        """The one file that a cell means, or where it would be if it existed."""
        found = self.find(cell)
        if len(found) > 1:
            told = " and ".join(shown(os.path.relpath(path, self.root)) for path in found[:2])
            raise DataError(
                f"{cell!r} may be {told}.",
                where=origin,
                fix="Write the whole name, with folder and extension.",
            )
        return found[0] if found else os.path.join(self.root, cell.strip() or "(no file named)")


def _file_columns(header: list[str], rows: list[tuple[int, list[str]]], files: _Files) -> list[int]:
    """The columns of which at least half of the (first) values are files that exist. Where one of them writes
    the extension, those that don't (an id, or labels 1, 2, 3 beside 1.png, 2.png, 3.png) are none."""
    values = [[cells[column] for _, cells in rows[:_LOOKED_AT]] for column in range(len(header))]
    found = [
        column
        for column, cells in enumerate(values)
        if cells and sum(bool(files.find(cell)) for cell in cells) * 2 >= len(cells)
    ]
    whole = [
        column
        for column in found
        if any(cell.lower().endswith(files.kind.extensions) for cell in values[column])
    ]
    return whole or found


def _columns(
    header: list[str], rows: list[tuple[int, list[str]]], files: _Files, place: str
) -> tuple[int, int, int | None]:
    """The columns of file, label and split (or None). Raises DataError where that is not clear."""
    if any(files.find(cell) for cell in header):
        raise DataError(
            f"the first row names a {files.kind.one}: there is no header.",
            where=f"{place}, row 1",
            fix="Add a row such as: file,label",
        )
    file = _only(header, _file_columns(header, rows, files), FILE_NAMES, "file", place)
    rest = [column for column in range(len(header)) if column != file]
    splits = [
        column
        for column in rest
        if header[column].lower() not in LABEL_NAMES
        and _is_split(rows, column, header[column].lower() == "split")
    ]
    split = _only(header, splits, SPLIT_NAMES, "split", place) if splits else None
    rest = [column for column in rest if column != split]
    if not rest:
        raise DataError("there is no column of labels.", where=place, fix="Add a column called label.")
    return file, _only(header, rest, LABEL_NAMES, "label", place), split


def _only(header: list[str], candidates: list[int], names: tuple[str, ...], what: str, place: str) -> int:
    """The only candidate, or the only one with a usual name for it."""
    if len(candidates) == 1:
        return candidates[0]
    named = [column for column in candidates if header[column].lower().replace(" ", "_") in names]
    exact = [column for column in named if header[column].lower() == what]
    for found in (exact, named):
        if len(found) == 1:
            return found[0]
    told = ", ".join(header[column] or f"column {column + 1}" for column in (named or candidates))
    raise DataError(
        f"which column is the {what} is not clear: {told}.",
        where=place,
        fix=f"Call it {what!r}, or leave the others out.",
    )


def _is_split(rows: list[tuple[int, list[str]]], column: int, called_split: bool) -> bool:
    values = {cells[column].strip().lower() for _, cells in rows}
    return any(SYNONYMS.get(value) == "train" for value in values) and (
        called_split or values <= SYNONYMS.keys()
    )


def _measured(labels: Sequence[str]) -> bool:
    """True where most labels are different numbers: a measurement, and no name of a class."""
    different = set(labels)
    if len(different) <= max(_CLASSES, len(labels) // 2):
        return False
    try:
        return all(math.isfinite(float(label)) for label in different if label)
    except ValueError:
        return False


def _part(cell: str, header: str, origin: str) -> str:
    part = SYNONYMS.get(cell.strip().lower())
    if part is None:
        raise DataError(f"{header!r} is {cell!r} here.", where=origin, fix="Use train, valid or test.")
    return part
