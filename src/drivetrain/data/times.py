"""A column of times as numbers that sort, for splits that go by time."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np

from drivetrain.data.table import Table
from drivetrain.errors import DataError
from drivetrain.types import Array


def times_of(table: Table, column: str) -> Array:
    """A column of times as numbers that sort: its own numbers, or microseconds since 1970."""
    values = table[column]
    if values.dtype.kind == "M":
        missing = np.flatnonzero(np.isnat(values))
        numbers: Array = values.astype(np.int64)
    elif values.dtype.kind in "iuf":
        numbers, missing = values, np.flatnonzero(~np.isfinite(values))
    else:
        numeric = [_number(value) for value in values]
        if all(value is not None for value in numeric):
            numbers = np.array(numeric)
        else:
            numbers = np.array([_instant(value, table, row) for row, value in enumerate(values)])
        if len({aware for aware in map(_is_aware, values) if aware is not None}) > 1:
            row = next(
                row for row, value in enumerate(values) if _is_aware(value) is not _is_aware(values[0])
            )
            raise DataError(
                "some times have a time zone and some don't.",
                where=table.origin(row),
                fix="Write all of them alike.",
            )
        missing = np.flatnonzero(~np.isfinite(numbers.astype(np.float64)))
    if len(missing):
        raise DataError(
            f"{column!r} has no time.",
            where=table.origin(int(missing[0])),
            fix="Fill it in, or leave the row out.",
        )
    return numbers


def _number(value: Any) -> float | None:
    if isinstance(value, (datetime.date, np.datetime64)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) or not isinstance(value, str) else None


def _parsed(value: Any) -> datetime.datetime | None:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, str):
        try:
            return datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime.datetime):
        return value
    return datetime.datetime(value.year, value.month, value.day) if isinstance(value, datetime.date) else None


def _is_aware(value: Any) -> bool | None:
    parsed = _parsed(value) if isinstance(value, (str, datetime.datetime)) else None
    return None if parsed is None else parsed.tzinfo is not None


def _instant(value: Any, table: Table, row: int) -> int:
    parsed = _parsed(value)
    if parsed is None:
        raise DataError(
            f"{value!r} is no time that can be ordered.",
            where=table.origin(row),
            fix="Use numbers or ISO dates such as 2024-05-31 or 2024-05-31T18:00:00.",
        )
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=datetime.UTC)
    return (parsed - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)
