"""A table as arrays, a column each, without a library for tables: a CSV, a mapping of columns, a frame of pandas, polars or
pyarrow; and a parquet file where polars is installed."""

from __future__ import annotations

import csv
import importlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.extras import require
from drivetrain.field_names import field_name
from drivetrain.figures import counted
from drivetrain.files import open_regular, sha256
from drivetrain.limits import refuse_many_columns, refuse_too_large
from drivetrain.runtime.frames import column_of, library_of, names_of
from drivetrain.values import scalar

Floats = npt.NDArray[np.float64]
Source = Any
"""A path, a mapping of columns, a list of rows, or a frame."""
SEPARATORS = ",;\t|"
TIMES = 12
"""A CSV takes about so many times its size in memory while it is read."""
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
PARQUET = (".parquet", ".pq")
_OTHER = {
    b"PK\x03\x04": ("a ZIP archive, such as an Excel file", "Save the sheet as CSV."),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "Save the sheet as CSV."),
    b"\x1f\x8b": ("a gzip file", "Unpack it."),
    b"SQLite format 3\0": ("an SQLite database", "Export the table as CSV."),
}


@dataclass(frozen=True, eq=False)
class Columns:
    """`values`: name -> (rows,) float64. Those of texts are codes, places in the column's `levels` (sorted), -1 where missing;
    a missing number is NaN. `source` is the file, "" for what was in memory, and `sha256` what it held."""

    values: dict[str, Floats]
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    source: str = ""
    sha256: str = ""

    @property
    def rows(self) -> int:
        return len(next(iter(self.values.values()), ()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.values)

    def of(self, name: str) -> Floats:
        """Raises UsageError for a column that there isn't."""
        if name not in self.values:
            fix = nearest(name, self.values) or f"There are {', '.join(self.names[:10])}."
            raise UsageError(f"there is no column {name!r}.", where=self.source or "data", fix=fix)
        return self.values[name]

    def plain(self, name: str) -> list[Any]:
        """A column as it was read: texts as such, None where missing."""
        values, levels = self.of(name), self.levels.get(name)
        if levels is None:
            return [None if each != each else each for each in values.tolist()]
        return [levels[int(code)] if code >= 0 else None for code in values.tolist()]

    def take(self, rows: npt.NDArray[Any]) -> Columns:
        """Some of the rows, by their places or a mask."""
        return Columns({name: each[rows] for name, each in self.values.items()}, self.levels, self.source)

    def to_json(self) -> dict[str, list[Any]]:
        return {name: self.plain(name) for name in self.names}


def read_columns(source: Source, where: str = "data") -> Columns:
    """The columns of a path, a mapping or a frame. Raises UsageError, DataError and FileError that name the place."""
    kind = type(source).__name__
    if isinstance(source, Columns):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _from_file(Path(cast("str", source)))
    if library_of(source):
        return _from_columns({name: column_of(source, name) for name in names_of(source)}, where)
    if isinstance(source, Mapping):
        return _from_columns(cast("Mapping[str, Any]", source), where)
    if isinstance(source, list):
        rows = cast("list[Any]", source)
        if all(isinstance(each, Mapping) for each in rows):
            return _from_columns(_columns_of(rows, where), where)
    raise UsageError(
        f"rows can't be taken from {kind}.", where=where,
        fix="Give a CSV's path, a mapping of columns, a list of rows, or a frame of pandas, polars or pyarrow.",
    )  # fmt: skip


def _columns_of(rows: Sequence[Mapping[str, Any]], where: str) -> dict[str, list[Any]]:
    """Of rows, each a mapping of all columns."""
    names = list(rows[0]) if rows else []
    for number, row in enumerate(rows, start=1):
        if {*row} != {*names}:
            odd = sorted({*row} ^ {*names}, key=str)[0]
            raise DataError(
                f"row {number} and the first differ in {odd!r}.",
                where=where,
                fix="Give None where it is missing.",
            )
    return {name: [row[name] for row in rows] for name in names}


def _from_columns(columns: Mapping[str, Any], where: str) -> Columns:
    values, levels = dict[str, Floats](), dict[str, tuple[str, ...]]()
    for name, column in columns.items():
        place = f"{where}, {name}"
        if isinstance(column, (str, bytes)) or not (
            hasattr(column, "__len__") and hasattr(column, "__iter__")
        ):
            raise DataError("a column is a list or an array of values.", where=place)
        values[name], known = _column(column, place)
        if known is not None:
            levels[name] = known
    return Columns(_same_length(values, where), levels)


def _same_length(values: dict[str, Floats], where: str) -> dict[str, Floats]:
    lengths = {name: len(each) for name, each in values.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length:,}" for name, length in [*lengths.items()][:5])
        raise DataError(f"the columns are of different lengths: {said}.", where=where)
    if not lengths or not next(iter(lengths.values())):
        raise DataError("there are no rows.", where=where)
    return values


def _column(column: Iterable[Any], place: str) -> tuple[Floats, tuple[str, ...] | None]:
    """Numbers, or codes and what they stand for."""
    if isinstance(column, np.ndarray):
        array = cast("npt.NDArray[Any]", column)
        if array.ndim != 1:
            raise DataError(f"a column has one dimension, not {array.ndim}.", where=place)
        if array.dtype.kind in "fiub":
            return array.astype(np.float64), None
    plain = [scalar(each) for each in column]
    given = [each for each in plain if each is not None and each == each]
    if all(isinstance(each, (int, float)) for each in given):
        try:
            return np.array([np.nan if each is None else float(each) for each in plain]), None
        except OverflowError as fault:
            raise DataError("a number that no float64 can hold.", where=place) from fault
    for row, each in enumerate(plain, start=1):
        if each is not None and each == each and not isinstance(each, str):
            raise DataError(
                f"row {row} holds {each!r:.40}, and others hold texts." if isinstance(each, (int, float))
                else f"row {row} holds {type(each).__name__}.",
                where=place, fix="A column holds numbers, or texts.",
            )  # fmt: skip
    return _coded(["" if each is None or each != each else each.strip() for each in plain])


def _coded(texts: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    levels = tuple(sorted({each for each in texts if each}))
    codes = {text: code for code, text in enumerate(levels)}
    return np.array([codes.get(each, -1) for each in texts], np.float64), levels


def _from_file(path: Path) -> Columns:
    data = _bytes(path)
    digest = sha256(data)
    if path.suffix.lower() in PARQUET:
        require("polars", "reading parquet", "tables")
        frame: Any = importlib.import_module("polars").read_parquet(io.BytesIO(data))
        found = _from_columns({name: column_of(frame, name) for name in names_of(frame)}, str(path))
        return Columns(found.values, found.levels, str(path), digest)
    values, levels = _from_csv(data, str(path))
    return Columns(_same_length(values, str(path)), levels, str(path), digest)


def _bytes(path: Path) -> bytes:
    with open_regular(path) as file:
        refuse_too_large(os.fstat(file.fileno()).st_size * TIMES, "this table", str(path))
        data = file.read()
    for magic, (what, fix) in _OTHER.items():
        if data.startswith(magic):
            raise DataError(f"this is {what}.", where=path, fix=fix)
    return data


def _from_csv(data: bytes, place: str) -> tuple[dict[str, Floats], dict[str, tuple[str, ...]]]:
    try:
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise DataError(f"line {line} is not UTF-8.", where=place, fix="Save it as UTF-8.") from fault
    first = text[: max(text.find("\n"), 0) or len(text)]
    separator = max(SEPARATORS, key=first.count)
    records = _records(text, separator, place)
    if not records:
        raise DataError("the file is empty.", where=place, fix="Its first line names the columns.")
    header = [field_name(name, number) for number, name in enumerate(records[0][1], start=1)]
    refuse_many_columns(len(header), place)
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"two columns are called {name!r}.", where=place, fix="Rename one.")
    for line, row in records[1:]:
        if len(row) != len(header):
            raise DataError(
                f"the row at line {line} has {counted(len(row), 'cell', 'cells')}, and the first line names "
                f"{counted(len(header), 'column', 'columns')}.",
                where=place, fix="Mend or remove that row.",
            )  # fmt: skip
    values, levels = dict[str, Floats](), dict[str, tuple[str, ...]]()
    for name, cells in zip(header, zip(*(row for _, row in records[1:]))):
        values[name], known = _cells(cells, decimal_comma=separator == ";")
        if known is not None:
            levels[name] = known
    return values, levels


def _records(text: str, separator: str, place: str) -> list[tuple[int, list[str]]]:
    """The rows that aren't blank, each with the line that it begins at. A quote that nothing closes is refused: it would make
    one cell of all the rows below it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    found, line = list[tuple[int, list[str]]](), 1
    try:
        for row in reader:
            if row:
                found.append((line, row))
            line = reader.line_num + 1
    except csv.Error as fault:
        raise DataError(
            f"this is no CSV: {fault}, in the row that begins at line {line}.", where=place,
            fix='A quote in a quoted cell is written twice, as "5"" pipe", and each cell\'s quote is closed.',
        ) from fault  # fmt: skip
    return found


def _cells(cells: Sequence[str], *, decimal_comma: bool) -> tuple[Floats, tuple[str, ...] | None]:
    for swap in (False, True)[: 2 if decimal_comma else 1]:
        try:
            return np.array([_number(cell, swap) for cell in cells], np.float64), None
        except ValueError:
            continue
    texts = [cell.strip() for cell in cells]
    low = {each.lower() for each in texts} - MISSING
    if low and low <= {"true", "false"}:
        truth = {"true": 1.0, "false": 0.0}
        return np.array([truth.get(each.lower(), np.nan) for each in texts], np.float64), None
    return _coded(texts)


def _number(cell: str, decimal_comma: bool) -> float:
    """Raises ValueError for what is no number; infinity is none, and "_" parts no digits."""
    try:
        value = float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        if cell.strip().lower() in MISSING:
            return np.nan
        raise
    if "_" in cell or value in (np.inf, -np.inf):
        raise ValueError
    return value
