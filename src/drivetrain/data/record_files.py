"""Records as a table: a column for each input, each part of the answer and what turned out to be true."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Mapping
from typing import Any

from drivetrain.data.answer_files import write_answers
from drivetrain.data.read.textfile import extension
from drivetrain.records import Record, words
from drivetrain.records.moments import as_datetime, iso

FIRST = (
    "id", "time", "model", "version", "bundle", "key", "probability", "latency_ms", "request", "source", "outcome", "outcome_time",
)  # fmt: skip


def write_records(path: str | os.PathLike[str], records: Iterable[Record]) -> int:
    """Write records, all or nothing, as CSV, Parquet or JSON lines, by the file's extension (see `refuse_form`); how many they are.

    A table has FIRST, `inputs.NAME` for each input and `answer.PART` for each part of an answer: numbers, texts, and as JSON what
    is neither. Moments are ISO 8601 in CSV, and timestamps in Parquet. JSON lines have each record as `Record.to_json`.
    """
    form = extension(os.fspath(path))
    if form in (".jsonl", ".ndjson"):
        lines = [words.plain(record.to_json()) for record in records]
        write_answers(path, {}, lines)
        return len(lines)
    told = as_datetime if form in (".parquet", ".pq") else iso
    columns: dict[str, list[Any]] = {name: [] for name in FIRST}
    many = 0
    for many, record in enumerate(records, 1):
        for name, value in _cells(record, told).items():
            column = columns.setdefault(name, [])
            column += [None] * (many - 1 - len(column))
            column.append(value)
    for column in columns.values():
        column += [None] * (many - len(column))
    write_answers(path, {name: _alike(column) for name, column in columns.items()}, [])
    return many


def _cells(record: Record, told: Any) -> dict[str, Any]:
    since = record.outcome_time
    return {
        **{name: getattr(record, name) for name in FIRST if name not in ("time", "key", "outcome", "outcome_time")},
        "time": told(record.time), "key": record.key or None, "outcome": _plain(record.outcome),
        "outcome_time": None if since is None else told(since),
        **{f"inputs.{name}": _plain(value) for name, value in (record.inputs or {}).items()},
        **{f"answer.{name}": _plain(value) for name, value in record.answer.items()},
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A cell: what has parts is JSON."""
    return words.dumps(value).decode() if isinstance(value, (list, tuple, Mapping)) else value


def _alike(column: list[Any]) -> list[Any]:
    """The column with values of one kind: as texts where they are of several, and whole numbers beside others as numbers."""
    kinds = {type(value) for value in column if value is not None}
    if kinds <= {int, float} and float in kinds:
        return [None if value is None else float(value) for value in column]
    if len(kinds) > 1 or not kinds <= {str, int, bool, datetime.datetime}:
        return [
            None if value is None else value if isinstance(value, str) else words.dumps(value).decode()
            for value in column
        ]
    return column
