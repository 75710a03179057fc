"""Rows of a file one by one, each a mapping of column to raw value: for prediction and evaluation, without polars."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from drivetrain.data.read.guard import guarded
from drivetrain.data.read.json_lines import Row, records_or_faults, refuse_json
from drivetrain.data.read.textfile import (
    column_names,
    csv_records,
    extension,
    find_separator,
    ragged,
    read_text,
)
from drivetrain.errors import DataError

ROW_FILES = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".parquet", ".pq")


def is_row_file(path: str | os.PathLike[str]) -> bool:
    """True for the name of a file that `read_rows` reads: CSV, TSV, JSONL or parquet, the texts also as .gz."""
    return extension(os.fspath(path)) in ROW_FILES


def read_rows(path: str | os.PathLike[str], header: Sequence[str] | None = None) -> Iterator[tuple[str, Row]]:
    """("FILE, row 12", {column: raw value}) for each row of a CSV, TSV, JSONL or parquet file.

    Cells of a CSV are text as written; separator, encoding and column names are those that `read_frame` finds; `header`
    names the columns of a CSV that doesn't, and is not looked at where its first row has these names.
    Raises FileError and DataError with file and row: for a row of another length than the header as well.
    """
    for origin, row in read_rows_or_faults(path, header):
        if isinstance(row, DataError):
            raise row
        yield origin, row


def read_rows_or_faults(
    path: str | os.PathLike[str], header: Sequence[str] | None = None
) -> Iterator[tuple[str, Row | DataError]]:
    """As `read_rows`, with the error of a row that can't be read in its place: the others don't suffer for it."""
    file = os.fspath(path)
    kind = extension(file)
    if kind in (".parquet", ".pq"):
        yield from _parquet_rows(file)
    elif kind in (".jsonl", ".ndjson"):
        yield from _json_rows(file)
    else:
        refuse_json(file)
        yield from _csv_rows(file, header)


def _csv_rows(path: str, header: Sequence[str] | None = None) -> Iterator[tuple[str, Row | DataError]]:
    text = read_text(path)
    separator = find_separator(text, path)
    names: list[str] | None = None
    faults: list[tuple[int, DataError]] = []
    for row, line, cells in csv_records(text, separator, faults):
        if names is None and faults:
            raise faults[0][1]  # The row that names the columns.
        yield from ((f"{text.place}, row {number}", fault) for number, fault in faults)
        faults.clear()
        if names is None and header is not None and cells != list(header):
            names = list(header)
        origin = f"{text.place}, row {row}"
        if names is None:
            names, _ = column_names(cells, text.place)
        elif len(cells) != len(names):
            yield origin, ragged(text.place, row, line, len(cells), len(names), separator)
        else:
            yield origin, dict(zip(names, cells))
    yield from ((f"{text.place}, row {number}", fault) for number, fault in faults)


def _json_rows(path: str) -> Iterator[tuple[str, Row | DataError]]:
    text = read_text(path)
    known: dict[tuple[str, ...], list[str]] = {}
    for row, values in records_or_faults(text.data, text.place):
        origin = f"{text.place}, row {row}"
        if isinstance(values, DataError):
            yield origin, values
            continue
        keys = tuple(values)
        if keys not in known:
            known[keys] = column_names(keys, text.place)[0]
        yield origin, dict(zip(known[keys], values.values()))


def _parquet_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    from drivetrain.data.read.readers import read_frame  # It says so where polars is not installed.

    frame = read_frame(path)
    zoned = [
        frame.data[name].dt.replace_time_zone("UTC") for name in frame.zones
    ]  # An instant is no wall clock's time.
    with guarded(frame.name):
        rows = frame.data.with_columns(zoned).rows(named=True)
    for number, values in zip(frame.numbers.tolist(), rows):
        yield f"{frame.name}, row {number}", values
