"""The columns of a table of series: which is what, and how each is read. See `series.py`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.bundle.forecasts import FUTURE, PAST
from drivetrain.codecs.number import Number
from drivetrain.data.kinds.base import DATE, ColumnContext
from drivetrain.data.kinds.guess import as_told, names_of
from drivetrain.data.read.frame import Frame
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.tasks.origins import TOLD
from drivetrain.timeline.layout import Fill, Join, Layout, When
from drivetrain.types import Array
from drivetrain.values import as_text, canonical, is_nothing

MOST_CLASSES = 50
"""Of a covariate that holds names: each becomes a channel."""
YEARS = (1000, 2999)


def with_hierarchy(layout: Layout, hierarchy: str | Sequence[str], frame: Frame) -> Layout:
    """The layout of series that are summed up. Raises UsageError."""
    named = names_of(hierarchy)
    columns = [
        part.strip() for name in named for part in ([name] if name in frame.columns else name.split("/"))
    ]
    item = layout.item or columns[-1]
    columns = [column for column in columns if column != item]
    for column in (item, *columns):
        if column not in frame.columns:
            raise UsageError(
                f"there is no column {column!r}.", where="hierarchy",
                fix=nearest(column, frame.columns) or "Name columns, the largest part first: region/store.",
            )  # fmt: skip
    if len(layout.targets) > 1 or layout.static:
        raise UsageError(
            "sums of series are of one target, without --static.", where="hierarchy",
            fix="Leave the others out: what a series is a part of is read as it is.",
        )  # fmt: skip
    return replace(layout, item=item, hierarchy=tuple(columns))


def target_names(target: str | Sequence[str], frame: Frame) -> list[str]:
    """The names of the targets: `a,b` is two of them where no column is called so. Raises UsageError."""
    found: list[str] = []
    for name in names_of(target):
        parts = [part.strip() for part in name.split(",")]
        found += (
            [name] if name in frame.columns or not all(part in frame.columns for part in parts) else parts
        )
    if not found:
        raise UsageError("which column is to be predicted?", where="target", fix="Name it.")
    return list(dict.fromkeys(found))


def layout_of(
    frame: Frame, targets: list[str], timestamp: str, item: str, known: list[str], past: list[str], static: list[str],
    zone: str, fill: Fill, join: Join,
) -> Layout:  # fmt: skip
    """The columns and how they are read. Raises UsageError for one that isn't there or has two parts."""
    parts: dict[str, str] = {}
    named = {
        "target": targets,
        "timestamp": [timestamp],
        "item": [item],
        "known": known,
        "past": past,
        "static": static,
    }
    for part, names in named.items():
        for column in filter(None, names):
            if column not in frame.columns:
                fix = nearest(column, frame.columns) or f"The columns are {', '.join(frame.columns[:20])}."
                raise UsageError(f"there is no column {column!r}.", where=frame.source or frame.name, fix=fix)
            if column in parts:
                raise UsageError(
                    f"{column!r} is {parts[column]} already.", where=part, fix="Give each column one part."
                )
            parts[column] = part
    for column in (*([targets[0]] if len(targets) == 1 else []), item, *static):
        if column in (PAST, FUTURE):
            raise UsageError(f"a column can't be called {column!r} here.", where=frame.name, fix="Rename it.")
    numbers: dict[str, dict[str, Any]] = {column: _number(frame, column).spec() for column in targets}
    classes: dict[str, tuple[str, ...]] = {}
    for column in (*known, *past):
        if frame.column(column).may_be_numbers and frame.column(column).numbers.share == 1:
            numbers[column] = _number(frame, column).spec()
        else:
            classes[column] = _classes(frame, column)
    when, date = _when(frame, timestamp) if timestamp else ("", {})
    return Layout(
        tuple(targets), timestamp, when, date, zone, "", item, tuple(known), tuple(past), tuple(static), numbers, classes, fill,
        join,
    )  # fmt: skip


def refuse_same_names(layout: Layout) -> None:
    """Raises UsageError where two channels would be called alike: a column, and what the calendar says or a class of another."""
    names = layout.channels
    if same := next((name for place, name in enumerate(names) if name in names[:place]), ""):
        raise UsageError(
            f"two channels are called {same!r}, of the calendar perhaps.",
            where=f"column {same!r}",
            fix="Rename it.",
        )


def _number(frame: Frame, column: str) -> Number:
    """How the numbers of a column are written."""
    found = frame.column(column)
    absent = found.absent(Number.no_value)
    return replace(found.way(), missing=True, absent=absent)


def _classes(frame: Frame, column: str) -> tuple[str, ...]:
    """The names in a column, each of which becomes a channel. Raises DataError where there are too many."""
    texts = sorted(
        {
            canonical(as_text(value, "name"))
            for value in frame.column(column).plain().tolist()
            if not is_nothing(value)
        }
        - {""}
    )
    if len(texts) > MOST_CLASSES:
        raise DataError(
            f"it holds {len(texts):,} different names, {', '.join(texts[:TOLD])} ...: each would be a channel, and {MOST_CLASSES} "
            "is the most.",
            where=f"{frame.name}, column {column!r}", fix="Put some together, or leave it out.",
        )  # fmt: skip
    return tuple(texts)


def _when(frame: Frame, column: str) -> tuple[When, dict[str, Any]]:
    """How a column of times is written: dates, years or counts. Raises DataError for anything else."""
    seen = ColumnContext(frame.column(column), frame.origins)
    numbers = seen.column.numbers if seen.column.may_be_numbers else None
    if numbers is not None and numbers.share == 1 and numbers.whole and len(numbers.finite):
        from drivetrain.data.kinds.date import moment

        found = moment(seen, numbers, named=True)
        if found is None or found.codec is None:
            low, high = numbers.finite.min(), numbers.finite.max()
            return ("year" if YEARS[0] <= low and high <= YEARS[1] else "count"), {}
        return "date", found.codec.spec()
    codec = as_told(seen, DATE).codec
    assert codec is not None  # What is told to be a date has one, or is refused.
    return "date", codec.spec()


def unread_times(frame: Frame, layout: Layout) -> list[str]:
    """A note of columns of dates where nobody has said which tells the time of a row: rows follow each other then, whatever stands
    in them."""
    from drivetrain.data.kinds.date import guess_date

    if layout.timestamp:
        return []
    others = (column for column in frame.columns if column not in layout.columns)
    dates = [column for column in others if guess_date(ColumnContext(frame.column(column), frame.origins))]
    if not dates:
        return []
    return [
        f"{dates[0]!r} holds dates and is not read: rows follow each other as they stand, and the time of the year or of the week "
        f"is not known. Name it: --timestamp {dates[0]}"
    ]


def zone_in(frame: Any, column: str) -> str:
    """The time zone of a column of a frame; empty where it has none, or is not there."""
    if isinstance(frame, Frame):
        return frame.zones.get(column, "")
    try:
        if column not in getattr(frame, "columns", frame):  # Each library has an error of its own for it.
            return ""
        values = frame[column]
    except (KeyError, TypeError, ValueError, LookupError):
        return ""
    dtype = getattr(values, "dtype", None)
    zone = getattr(dtype, "time_zone", None) or getattr(dtype, "tz", None)
    if zone is None and isinstance(values, (list, tuple, np.ndarray)):
        found = (value.tzinfo for value in values if isinstance(value, datetime.datetime))
        zone = next((each for each in found if each is not None), None)
    return "" if zone is None else str(zone)


def in_utc(moments: Array) -> Array:
    """Moments (n,) as they are, said to be in UTC."""
    found = np.empty(len(moments), object)
    for row, moment in enumerate(moments.astype("datetime64[us]").tolist()):
        found[row] = None if moment is None else moment.replace(tzinfo=datetime.UTC)
    return found
