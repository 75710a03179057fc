"""Files of answers: CSV that a spreadsheet can open without running anything, JSON lines, Parquet."""

from __future__ import annotations

import datetime
import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.data.read.textfile import extension
from drivetrain.errors import UsageError
from drivetrain.extras import require
from drivetrain.files import to_json, write_bytes, write_csv, write_text
from drivetrain.values import scalar

FORMS = (".csv", ".jsonl", ".ndjson", ".parquet", ".pq")
LINES = ".txt"
"""Of answers that are texts."""
MOST = 2**63
"""A whole number from here on stays text: few programs read more than 64 bits."""
_PARQUET = (".parquet", ".pq")


def refuse_form(path: str | os.PathLike[str], lines: bool = False) -> None:
    """Raises UsageError for a file that answers can't be written to, by its name; `lines`: these may be such."""
    form = extension(os.fspath(path))
    forms = (*FORMS, LINES) if lines else FORMS
    if form not in forms:
        raise UsageError(
            f"answers can't be written as {form or 'a file without an extension'}.", where=path,
            fix=f"Name it {', '.join(forms)}.",
        )  # fmt: skip
    if form in _PARQUET:
        require("polars", "writing Parquet", "tables")


def write_answers(
    path: str | os.PathLike[str],
    columns: Mapping[str, Sequence[Any]],
    answers: Sequence[Mapping[str, Any]],
) -> None:
    """Write the answers, all or nothing, in the form that the file's extension names.

    CSV and Parquet have `columns`; in CSV texts are in quotes, and behind an apostrophe where a spreadsheet would take them
    for a formula. JSON lines have the objects of `answers`. Raises FileError.
    """
    form = extension(os.fspath(path))
    if form in _PARQUET:
        import polars as pl

        buffer = io.BytesIO()
        pl.DataFrame(dict(columns), strict=False).write_parquet(buffer)
        write_bytes(path, buffer.getvalue())
    elif form == ".csv":
        write_csv(path, list(columns), zip(*columns.values()))
    else:
        write_text(path, "".join(f"{to_json(answer)}\n" for answer in answers))


def is_of_lines(path: str | os.PathLike[str]) -> bool:
    return extension(os.fspath(path)) == LINES


def write_lines(path: str | os.PathLike[str], texts: Sequence[str]) -> None:
    """A line for each text, whatever white space is in it, all or nothing. Raises FileError."""
    write_text(path, "".join(f"{' '.join(text.split())}\n" for text in texts))


def kept_cells(values: Sequence[Any]) -> list[Any]:
    """A column as it was, its texts as numbers where every one of them is the only way to write one."""
    if values and all(value is None or isinstance(value, str) for value in values):
        for convert in (int, float):
            found = [_converted(value, convert) for value in values]
            if all(value is None or after is not None for value, after in zip(values, found)):
                return [*found]
    return [_cell(value) for value in values]


def _converted(value: str | None, convert: type[int] | type[float]) -> int | float | None:
    try:
        number = None if value is None else convert(value)
    except ValueError:
        return None
    if number is None or str(number) != value:
        return None
    return number if abs(number) < MOST and number == number else None


def _cell(value: Any) -> Any:
    value = scalar(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool)) or (isinstance(value, int) and abs(value) < MOST):
        return value
    if isinstance(value, (list, tuple, dict)):
        return to_json(value)
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)
