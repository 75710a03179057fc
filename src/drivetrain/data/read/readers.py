"""Readers: a file, a frame, columns in memory or a database query -> a Frame, with polars.

A CSV is read as text, every cell as it is written: what a column is gets decided later, where all of it can be
seen (`kinds.py`), and no leading zero is lost on the way. Other sources keep the types that they have.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from drivetrain.data.read.databases import read_query
from drivetrain.data.read.frame import Frame, plain
from drivetrain.data.read.frames import from_memory, series
from drivetrain.data.read.guard import guarded
from drivetrain.data.read.json_lines import json_records, refuse_json
from drivetrain.data.read.textfile import (
    NAMES,
    TextFile,
    column_names,
    csv_records,
    extension,
    find_separator,
    read_file,
    read_text,
)
from drivetrain.data.read.textfile import (
    ragged as ragged_error,
)
from drivetrain.data.table import shown
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.extras import require
from drivetrain.limits import MOST_COLUMNS, refuse_many_columns, refuse_too_large
from drivetrain.values import WHOLE, as_text

if TYPE_CHECKING:
    import polars as pl

MOST_DEPTH = 64
"""Of lists and objects in each other in JSON."""
CELL_BYTES = 40
"""What a cell of a typed table takes while it is read and looked at, measured."""

Ragged = Literal["refuse", "skip"]
Words = str | float | Sequence[str | float]
Missing = Words | Mapping[str, Words] | None


def read_frame(
    source: Any,
    *,
    query: str | None = None,
    name: str | None = None,
    header: Sequence[str] | None = None,
    ragged: Ragged = "refuse",
    missing: Missing = None,
) -> Frame:
    """The table of a file, a frame (polars, pandas, pyarrow), a mapping of columns, or a database URL and a `query`.

    Files are CSV, TSV or other text with a separator, JSON lines (both also as .gz) and parquet. `header` names
    the columns of a text file that has no header. `ragged="skip"` leaves out rows of more or fewer cells than the
    header, with a note; else they are an error. `missing` are words for "no value", or such words by column: they join
    the usual ones of a CSV, and an empty word among them takes those away; numbers are compared as numbers.
    Raises FileError, DataError and UsageError that say file and row.
    """
    require("polars", "reading a table", "tables")
    place = shown(os.path.basename(source)) if isinstance(source, (str, os.PathLike)) else "frame"
    with guarded(place):
        frame = _read(source, query, header, ragged)
    if not len(frame):
        raise DataError(
            "there is a header and no row below it." if frame.source else "there are no rows.",
            where=frame.name,
            fix="Add data.",
        )
    return replace(frame, name=name or frame.name, missing=_words_by_column(missing, frame))


def _read(source: Any, query: str | None, header: Sequence[str] | None, ragged: Ragged) -> Frame:
    import polars as pl

    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if "://" in text:
            return read_query(text, query)
        if query is not None:
            raise UsageError(
                "a query is for a database.", where="query", fix="Give its URL, such as sqlite:///FILE."
            )
        return _read_path(text, header, ragged)
    if isinstance(source, pl.LazyFrame):
        return _from_polars(source.collect(), "frame")
    if isinstance(source, pl.DataFrame):
        return _from_polars(source, "frame")
    if type(source).__module__.startswith("pyarrow") and hasattr(source, "column_names"):
        return _from_polars(pl.DataFrame(source), "frame")
    return from_memory(source)


def _words_by_column(missing: Missing, frame: Frame) -> dict[str, tuple[str, ...]]:
    """Words for "no value" by column, "" for all. Raises UsageError for a column that isn't there."""
    if missing is None:
        return {}
    given = missing if isinstance(missing, Mapping) else {"": missing}
    for name in given:
        if name not in frame.columns and name != "":
            fix = nearest(name, frame.columns) or f"The columns are {', '.join(frame.columns[:20])}."
            raise UsageError(f"there is no column {name!r}.", where="missing", fix=fix)
    return {name: tuple(_as_words(words)) for name, words in given.items()}


def _as_words(words: Any) -> list[str]:
    several = isinstance(words, Iterable) and not isinstance(words, str)
    return [as_text(word, "word for missing") for word in (words if several else [words])]


def _read_path(path: str, header: Sequence[str] | None, ragged: Ragged) -> Frame:
    if ragged not in ("refuse", "skip"):
        raise UsageError(f"ragged is 'refuse' or 'skip', not {ragged!r}.", where="ragged")
    if os.path.isdir(path):
        raise UsageError(
            "this is a folder, not a file.", where=shown(path), fix="Name the CSV or parquet file in it."
        )
    kind = extension(path)
    if header is not None and kind in (".parquet", ".pq", ".jsonl", ".ndjson"):
        raise UsageError("this file names its columns itself.", where="header", fix="Leave header out.")
    if kind in (".parquet", ".pq"):
        frame = _read_parquet(path)
    elif kind in (".jsonl", ".ndjson"):
        frame = _read_json_lines(read_text(path))
    else:
        refuse_json(path)
        frame = _read_csv(read_text(path), path, header, ragged)
    return replace(frame, source=os.path.abspath(path))


def _read_csv(text: TextFile, path: str, header: Sequence[str] | None, ragged: Ragged) -> Frame:
    separator = find_separator(text, path)
    usual = "\t" if extension(path) in (".tsv", ".tab") else ","
    notes = [
        *text.notes,
        *([f"the cells are parted by {NAMES.get(separator, repr(separator))}"] if separator != usual else []),
    ]
    row, _, first = next(csv_records(text, separator), (0, 0, []))
    if not first:
        raise DataError("the file is empty.", where=text.place, fix="Export or copy it again.")
    names, changed = column_names(first if header is None else header, text.place)
    if header is None and sum(map(_is_number, first)) * 2 > len(first):
        changed.append("the first row holds mostly numbers: it is read as the header all the same")
    first_data = row + (header is None)
    data = _quick(text, separator, names, header is None)
    if data is not None:
        numbers = np.arange(first_data, first_data + len(data))
        return Frame(data, text.place, "", (*notes, *changed), numbers, typed=False)
    clean, kept, skipped = _cleaned(text, separator, len(names), header is None, ragged)
    data = _parse(clean, ",", names, has_header=False)
    if data is None or len(data) != len(kept):
        raise DataError("this is no proper CSV.", where=text.place, fix="Write it again, cells in quotes.")
    if skipped:
        told = ", ".join(map(str, skipped[:5])) + (" ..." if len(skipped) > 5 else "")
        changed.append(f"{len(skipped):,} rows of another length than the header are left out: {told}")
    return Frame(data, text.place, "", (*notes, *changed), np.array(kept, np.int64), typed=False)


def _quick(text: TextFile, separator: str, names: list[str], has_header: bool) -> pl.DataFrame | None:
    """The cells as polars reads them, or None where a row is cut short, blank or wrongly quoted.

    polars refuses a row of too many cells, and fills up one of too few without a word. But as many separators as
    rows x (columns - 1), those inside cells not counted, are only there when no row is short. The same holds for
    ends of line, which shows that no quoted cell was torn apart.
    """
    if len(names) == 1:
        return None
    data = _parse(text.data, separator, names, has_header)
    if data is None:
        return None
    quoted = b'"' in text.data
    leading = len(text.data) - len(text.data.lstrip(b"\r\n"))
    expected = {separator: (len(data) + has_header) * (len(names) - 1), "\n": len(data) + has_header - 1}
    for letter, count in expected.items():
        inside = 0
        if quoted:
            import polars as pl

            counts = data.select(pl.all().str.count_matches(letter, literal=True).sum()).row(0)
            inside = sum(count or 0 for count in counts)
            if has_header:
                inside += sum(cell.count(letter) for cell in next(csv_records(text, separator))[2])
        if text.data.count(letter.encode(), leading) != count + inside:
            return None
    return data


def _parse(data: bytes, separator: str, names: list[str], has_header: bool) -> pl.DataFrame | None:
    import polars as pl

    try:
        return pl.read_csv(
            data,
            separator=separator,
            has_header=has_header,
            new_columns=names,
            infer_schema=False,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return None


def _cleaned(
    text: TextFile, separator: str, width: int, has_header: bool, ragged: Ragged
) -> tuple[bytes, list[int], list[int]]:
    """The rows of `width` cells as plain CSV, their numbers, and the numbers of those left out."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    numbers: list[int] = []
    odd: list[tuple[int, int, int]] = []
    records = csv_records(text, separator)
    if has_header:
        next(records)
    for row, line, cells in records:
        if len(cells) == width:
            writer.writerow(cells)
            numbers.append(row)
        else:
            odd.append((row, line, len(cells)))
    if odd and ragged == "refuse":
        row, line, found = odd[0]
        fault = ragged_error(text.place, row, line, found, width, separator, len(odd) - 1)
        if not numbers and {cells for _, _, cells in odd} == {found}:
            fault.fix = "So have all rows: name each column in the header, and no more."
        raise fault
    return out.getvalue().encode(), numbers, [row for row, _, _ in odd]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_json_lines(text: TextFile) -> Frame:
    import polars as pl

    refuse_many_columns(_count_keys(text.data), text.place)
    _refuse_deep(text)
    try:
        data = pl.read_ndjson(io.BytesIO(text.data), infer_schema_length=None)
        rows = len(data)
        if any(kind.is_float() and (data[name].abs() >= WHOLE).any() for name, kind in data.schema.items()):
            data = None  # polars has rounded whole numbers, where there were some.
        blank = text.data.count(b"\n") + 1 != rows
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        data, blank = None, True
    numbers: list[int] = []
    if data is None or blank:
        # Slowly, to name the line that is wrong, or to take together what polars can't.
        records = list(json_records(text.data, text.place))
        numbers = [row for row, _ in records]
        keys = list(dict.fromkeys(key for _, values in records for key in values))
        data = pl.DataFrame([series(key, [values.get(key) for _, values in records]) for key in keys])
    names, notes = column_names(data.columns, text.place)
    notes += _missing_keys(data, text.data)
    data.columns = names
    return Frame(plain(data), text.place, "", (*text.notes, *notes), np.array(numbers, np.int64))


_KEY = re.compile(rb'"([^"\\]*)"\s*:')


def _count_keys(data: bytes) -> int:
    """How many different keys there are, those of nested objects too. polars would take minutes over very many."""
    if data.count(b'":') + data.count(b'" ') + data.count(b'"\t') <= MOST_COLUMNS:
        return 0
    keys: set[bytes] = set()
    start = 0
    while start < len(data):  # Piece by piece, or the list of all of them would be larger than the file.
        end = data.find(b"\n", start + (1 << 24)) + 1 or len(data)
        keys.update(_KEY.findall(data, start, end))
        start = end
    return len(keys)


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _refuse_deep(text: TextFile) -> None:
    """Raise DataError for objects within objects that are deeper than polars can go without running out of its stack."""
    if text.data.count(b"{") + text.data.count(b"[") <= text.data.count(b"\n") + 1 + MOST_DEPTH:
        return
    for row, line in enumerate(text.data.split(b"\n"), start=1):
        if line.count(b"{") + line.count(b"[") <= MOST_DEPTH:
            continue
        depth = 0
        for sign in re.findall(rb"[][{}]", _STRING.sub(b"", line)):
            depth += 1 if sign in b"[{" else -1
            if depth > MOST_DEPTH:
                raise DataError(
                    f"objects and lists are more than {MOST_DEPTH} deep in each other.",
                    where=f"{text.place}, row {row}",
                    fix="Give each value a key of its own.",
                )


def _missing_keys(data: pl.DataFrame, text: bytes) -> list[str]:
    """Notes of keys that some objects don't have; their values are missing."""
    notes = []
    for column in data.get_columns():
        if nulls := column.null_count():
            absent = len(data) - text.count(f'"{column.name}"'.encode())
            if absent > 0:
                count = min(absent, nulls)
                notes.append(f"{column.name!r} is not in {count:,} of {len(data):,} objects: missing there")
    return notes


def _read_parquet(path: str) -> Frame:
    import polars as pl

    place = shown(os.path.basename(path))
    content = read_file(path)
    with guarded(place, "this can't be read as parquet"):
        promised = pl.scan_parquet(io.BytesIO(content))
        width = len(promised.collect_schema())
        refuse_many_columns(width, place)
        rows = promised.select(pl.len()).collect().item()
        refuse_too_large(rows * width * CELL_BYTES, f"a table of {rows:,} rows and {width:,} columns", place)
        return _from_polars(pl.read_parquet(io.BytesIO(content)), place)


def _from_polars(data: pl.DataFrame, name: str) -> Frame:
    if not data.width:
        raise DataError("there are no columns.", where=name, fix="Give it columns.")
    names, notes = column_names(data.columns, name)
    data = data.clone()
    data.columns = names
    zones = {name: zone for name, kind in data.schema.items() if (zone := getattr(kind, "time_zone", None))}
    return Frame(plain(data), name, "", tuple(notes), zones=zones)
