"""A column as what a person says that it is, or an error that says why it can't be that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drivetrain.data.kinds.date import date, find_reading, moment
from drivetrain.data.kinds.number import number
from drivetrain.data.kinds.text import category, picture, separator_of_tags, tags, text
from drivetrain.data.kinds.types import (
    CATEGORY,
    DATE,
    LEFT_OUT,
    MANY,
    MOSTLY,
    NUMBER,
    PICTURE,
    TAGS,
    TEXT,
    YES_NO,
    ColumnKind,
    Seen,
)
from drivetrain.errors import DataError
from drivetrain.types import Array


def as_told(seen: Seen, kind: str) -> ColumnKind:
    """The column as the kind that it is said to be. Raises DataError where it can't be."""
    if kind in LEFT_OUT:
        return seen.is_(kind, "left out as asked")
    found = as_(seen, kind)
    return replace(found, kind=kind, reason=f"as told: {found.reason}")


def as_(seen: Seen, kind: str) -> ColumnKind:
    column = seen.column
    if not column.kind:
        raise _unfit(seen, kind, f"it holds {column.type_name}")
    if not column.present:
        raise _unfit(seen, kind, "it has no value")
    if kind == NUMBER:
        numbers = seen.numbers
        if column.kind not in ("number", "text") or not len(numbers.finite):
            raise _unfit(seen, kind, "it has no numbers")
        _refuse_most(seen, kind, numbers.others, numbers.share)
        if column.rounded:
            raise _unfit(seen, kind, f"it would round whole numbers such as {column.rounded}")
        return number(seen)
    if kind == DATE:
        return _as_date(seen)
    if kind in (CATEGORY, MANY, YES_NO):
        if column.kind == "list":
            raise _unfit(seen, kind, "it holds lists")
        return category(seen)
    if kind == TAGS and column.kind == "list":
        return tags(seen)
    if column.kind != "text":
        raise _unfit(seen, kind, "it holds no text")
    if kind == TAGS:
        return tags(seen, *separator_of_tags(seen))
    return picture(seen) if kind == PICTURE else text(seen)


def _as_date(seen: Seen) -> ColumnKind:
    if seen.column.kind == "number":
        if found := moment(seen, seen.numbers, named=True):
            return found
        raise _unfit(seen, DATE, "its numbers are neither days such as 20191231 nor times since 1970")
    if seen.column.kind not in ("text", "date"):
        raise _unfit(seen, DATE, "it holds no dates")
    reading, share, sure = find_reading(seen)
    if share == 0 and seen.numbers.share >= MOSTLY and (found := moment(seen, seen.numbers, named=True)):
        return found
    others = np.flatnonzero(np.isnan(seen.column.dates(*reading)) & ~seen.column.missing.to_numpy())
    _refuse_most(seen, DATE, others, share)
    return date(seen, reading, sure)


def _refuse_most(seen: Seen, kind: str, others: Array, share: float) -> None:
    """Refuse a kind that too many cells are not, naming the first of them."""
    if share < MOSTLY:
        row = int(others[0])
        raise DataError(
            f"{len(others):,} cells of {seen.name!r} are no {kind}, such as {seen.column.values[row]!r:.60}.",
            where=f"{seen.origins[row]}, column {seen.name}",
            fix=f"Mend them, or call the column a {CATEGORY} or {TEXT}.",
        )


def _unfit(seen: Seen, kind: str, why: str) -> DataError:
    return DataError(
        f"{seen.name!r} can't be {kind}: {why}.",
        where=f"column {seen.name}",
        fix="Name another kind, or none.",
    )
