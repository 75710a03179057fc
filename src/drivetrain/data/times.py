"""A column of times as numbers that sort, and gaps between them, for splits that go by time."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any, TypeVar

import numpy as np

from drivetrain.data.table import Table, missing
from drivetrain.errors import DataError, UsageError
from drivetrain.types import Array

T = TypeVar("T")
SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""How long the units are that a gap may be given in."""
_GAP = re.compile(rf"([0-9]+(?:\.[0-9]+)?) ?({'|'.join(SECONDS)})")


def times_of(table: Table, column: str) -> Array:
    """A column of times as numbers that sort: its own numbers, or microseconds since 1970. Raises DataError."""
    values = table[column]
    absent = ~np.isfinite(values) if values.dtype.kind in "iuf" else missing(values)
    if absent.any():
        raise DataError(
            f"{column!r} has no time.",
            where=table.origin(int(np.argmax(absent))),
            fix="Fill it in, or leave the row out.",
        )
    if values.dtype.kind in "iuf":
        return values
    if values.dtype.kind == "M":
        return values.astype(np.int64)
    numbers = [_number(value) for value in values]
    if sum(number is None for number in numbers) * 2 <= len(numbers):
        return np.array([_known(number, table, row, values[row]) for row, number in enumerate(numbers)])
    instants = [_known(_instant(value), table, row, value) for row, value in enumerate(values)]
    aware = [instant.tzinfo is not None for instant in instants]
    if len(set(aware)) > 1:
        fix = "Write all of them alike."
        raise DataError(
            "some times have a time zone and some don't.",
            where=table.origin(aware.index(not aware[0])),
            fix=fix,
        )
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC if aware[0] else None)
    return np.array([(instant - start) // datetime.timedelta(microseconds=1) for instant in instants])


def seconds_of(gap: str) -> float:
    """ "7d" -> 604800. Raises UsageError."""
    match = _GAP.fullmatch(gap)
    if match is None:
        raise UsageError(
            f"{gap!r} is no length of time.", where="gap",
            fix=f"Write a number of rows, or a length such as 7d or 12h ({', '.join(SECONDS)}).",
        )  # fmt: skip
    return float(match[1]) * SECONDS[match[2]]


def per_second(table: Table, column: str) -> float:
    """How many of the units of `times_of` make a second. Raises DataError where they are plain numbers."""
    values = table[column]
    if values.dtype.kind == "M":
        return float(np.timedelta64(1, "s") / np.timedelta64(1, np.datetime_data(values.dtype)[0]))
    if values.dtype.kind not in "iuf" and sum(_number(value) is None for value in values) * 2 > len(values):
        return 1e6
    raise DataError(
        f"{column!r} holds numbers: they say no length of time.",
        where=table.name,
        fix="Give the gap as a number of rows.",
    )


def _known(time: T | None, table: Table, row: int, value: Any) -> T:
    if time is None:
        raise DataError(
            f"{value!r} is no time that can be ordered here.",
            where=table.origin(row),
            fix="Use numbers, or ISO dates such as 2024-05-31 or 2024-05-31T18:00:00.",
        )
    return time


def _number(value: Any) -> float | None:
    if isinstance(value, (datetime.date, np.datetime64)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _instant(value: Any) -> datetime.datetime | None:
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
