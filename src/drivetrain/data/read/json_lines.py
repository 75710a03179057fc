"""JSON lines: one object in each, with errors that name the line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drivetrain.data.read.textfile import extension
from drivetrain.data.table import shown
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.files import from_json

Row = dict[str, Any]


def refuse_json(path: str) -> None:
    """Raises UsageError for a file that is named as one whole value of JSON: it would be taken for a CSV."""
    if extension(path) == ".json":
        raise UsageError(
            "JSON is read line by line only.", where=shown(path),
            fix="Write one object in each line, and name the file .jsonl.",
        )  # fmt: skip


def json_records(data: bytes, place: str) -> Iterator[tuple[int, Row]]:
    """(line, object) of JSON lines, blank ones left out. Raises DataError that names the line."""
    for row, values in records_or_faults(data, place):
        if isinstance(values, DataError):
            raise values
        yield row, values


def records_or_faults(data: bytes, place: str) -> Iterator[tuple[int, Row | DataError]]:
    """(line, object or what is wrong with it) of JSON lines, blank ones left out."""
    for row, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{place}, row {row}"
        try:
            values = from_json(line)
        except DrivetrainError as fault:
            yield row, DataError(fault.error, where=where, fix="Write one JSON object in each line.")
            continue
        if not isinstance(values, dict):
            values = DataError(
                f"this is {type(values).__name__}, not an object.", where=where,
                fix='Write each row like {"age": 39, "sex": "F"}.',
            )  # fmt: skip
        yield row, values
