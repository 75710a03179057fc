"""Kinds: what each column of a frame is, guessed or told, and the table that follows from it.

The rules for inputs are in `kind_numbers.py` and `kind_texts.py`. A target is a category where it is text, has at most
two values or at most 20 whole ones; else it is a number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.codecs.base import MISSING_WORDS
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.text import Text
from drivetrain.data.columns import Column
from drivetrain.data.faults import Fault
from drivetrain.data.kind_dates import SAID_CENTURY, SAID_ORDERS, date, find_reading, guess_date, moment
from drivetrain.data.kind_numbers import (
    guess_number,
    guess_two_ways,
    has_codes,
    number,
    two_ways,
)  # fmt: skip
from drivetrain.data.kind_rows import names_rows
from drivetrain.data.kind_texts import (
    category,
    guess_picture,
    guess_tags,
    guess_text,
    picture,
    separator_of_tags,
    spellings,
    tags,
    text,
)  # fmt: skip
from drivetrain.data.kind_types import (
    CATEGORY,
    CONSTANT,
    DATE,
    ENOUGH,
    IGNORED,
    KINDS,
    LEFT_OUT,
    MANY,
    MOSTLY,
    NUMBER,
    PICTURE,
    SHOWN,
    TAGS,
    TEXT,
    YES_NO,
    ColumnKind,
    Seen,
    levels_codec,
)  # fmt: skip
from drivetrain.data.notation import DECIMALS, written_as
from drivetrain.data.readers import Frame
from drivetrain.data.table import Table
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.interface import missing_option
from drivetrain.types import Array
from drivetrain.values import as_text

__all__ = ["KINDS", "ColumnKind", "guess_kinds", "to_table"]

FEW_NUMBERS = 20
"""A target of at most so many different whole numbers, each twice or more on average, is a category."""
MOST_CLASSES = 1_000
WRITTEN = {NUMBER: (*DECIMALS,), DATE: (*SAID_ORDERS, "from-1950")}
"""Kind -> what may be said, after a colon, of how its cells are written."""


def guess_kinds(
    frame: Frame,
    target: str | Sequence[str] = (),
    overrides: Mapping[str, str] | None = None,
    ignore: str | Sequence[str] = (),
) -> dict[str, ColumnKind]:
    """The kind of every column, in the frame's order, with the codec of those that are used.

    `overrides` says what a column is, one of KINDS by its name, and perhaps how it is written: "number:decimal-comma" (see
    WRITTEN). `ignore` names columns to leave out. Raises
    UsageError for unknown columns and kinds, DataError where a column can't be what it is said to be, and where a
    target can't be learned.
    """
    targets, ignore = names_of(target), names_of(ignore)
    overrides = overrides or {}
    for name in (*targets, *overrides, *ignore):
        frame.column(name)
    said = {name: _said(name, kind) for name, kind in overrides.items()}
    for name in ignore:
        if name in targets:
            raise UsageError(
                f"{name!r} is the target and can't be ignored.", where="ignore", fix="Leave it there."
            )
    folder = os.path.dirname(frame.source)
    kinds: dict[str, ColumnKind] = {}
    for name in frame.columns:
        told, written = said.get(name, ("", ()))
        seen = Seen(frame.column(name), frame.origins, folder, written)
        if name in targets:
            kinds[name] = _target(seen, told)
        elif name in ignore:
            kinds[name] = seen.is_(IGNORED, "left out as asked")
        elif told:
            kinds[name] = _told(seen, told)
        else:
            kinds[name] = guess(seen)
        kinds[name] = _knowing_gaps(seen.column, kinds[name])
    return kinds


def _said(name: str, told: str) -> tuple[str, tuple[str, ...]]:
    """The kind that a person named, and how the cells are written, where they said so. Raises UsageError."""
    kind, *written = told.split(":")
    if kind not in KINDS:
        fix = nearest(kind, KINDS) or f"There are: {', '.join(KINDS)}."
        raise UsageError(f"there is no kind {kind!r}.", where=f"column {name}", fix=fix)
    known = WRITTEN.get(kind, ())
    for word in written:
        if word not in known and not (kind == DATE and SAID_CENTURY.fullmatch(word)):
            fix = nearest(word, known) or (
                f"There are: {', '.join(known)}." if known else f"Say {kind} alone."
            )
            raise UsageError(f"there is no way to write a {kind} {word!r}.", where=f"column {name}", fix=fix)
    return kind, tuple(written)


def names_of(given: str | Sequence[str]) -> list[str]:
    """One name, or several."""
    return [given] if isinstance(given, str) else list(given)


def _knowing_gaps(column: Column, kind: ColumnKind) -> ColumnKind:
    """The kind, its codec with the words for "missing" that this column has, where they are not the usual ones."""
    codec: Any = kind.codec
    absent = column.absent(codec.no_value) if hasattr(codec, "absent") else None
    return kind if absent is None else replace(kind, codec=replace(codec, absent=absent))


def guess(seen: Seen) -> ColumnKind:
    """The kind of an input column, by the first rule that fits."""
    if not seen.column.kind:
        return seen.is_(IGNORED, f"holds {seen.column.values.dtype}, which can't be used as it is")
    rules = (
        _constant,
        guess_number,
        guess_date,
        guess_picture,
        guess_tags,
        guess_two_ways,
        guess_text,
        names_rows,
    )
    return next((found for rule in rules if (found := rule(seen))), None) or category(seen)


def _constant(seen: Seen) -> ColumnKind | None:
    column, rows = seen.column, len(seen.column)
    if column.kind == "list" or column.sample.n_unique() > 1 or column.different > 1:
        return None
    if not column.different:
        return seen.is_(CONSTANT, f"no value in any of {rows:,} rows")
    value = f"{column.known[0]!r:.60}"
    if column.present == rows:
        return seen.is_(CONSTANT, f"{value} in all of {rows:,} rows")
    return seen.is_(YES_NO, f"one value, {value}, or none{seen.gaps()}, in {rows:,} rows", levels_codec(seen))


def _told(seen: Seen, kind: str) -> ColumnKind:
    """The column as the kind that it is said to be. Raises DataError where it can't be."""
    if kind in LEFT_OUT:
        return seen.is_(kind, "left out as asked")
    found = _as(seen, kind)
    return replace(found, kind=kind, reason=f"as told: {found.reason}")


def _as(seen: Seen, kind: str) -> ColumnKind:
    column = seen.column
    if not column.kind:
        raise _unfit(seen, kind, f"it holds {column.values.dtype}")
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


def _target(seen: Seen, told: str) -> ColumnKind:
    """The kind of a target. Raises DataError where it can't be learned."""
    column = seen.column
    place = f"{seen.origins.name}, column {seen.name}"
    if told not in ("", NUMBER, CATEGORY, YES_NO, MANY):
        raise UsageError(
            f"a target can't be {told} yet.",
            where=place,
            fix=f"It is a {NUMBER} or a {CATEGORY}.",
        )
    if column.kind in ("list", "date", ""):
        what = {"list": "lists", "date": "dates"}.get(column.kind, str(column.values.dtype))
        raise DataError(f"the target holds {what}.", where=place, fix=f"Make it a {NUMBER} or a {CATEGORY}.")
    if column.different < 2:
        what = f"one value only, {column.known[0]!r:.60}" if column.different else "no value at all"
        raise DataError(f"the target has {what}.", where=place, fix="To learn takes two or more.")
    if not told and (ways := two_ways(seen)):
        raise DataError(
            f"the target's numbers are written in two ways, such as {ways}.",
            where=place,
            fix="Write all of them with the same decimal mark.",
        )
    if told == NUMBER or (not told and _is_amount(column)):
        return _number_target(seen, bool(told))
    return _category_target(seen, bool(told), place)


def _is_amount(column: Column) -> bool:
    """True for a target that is a number, and not a category of few numbers or of codes."""
    if (
        column.kind not in ("text", "number")
        or column.numbers.share < MOSTLY
        or has_codes(column)
        or column.rounded
    ):
        return False
    numbers = column.numbers
    few = FEW_NUMBERS if numbers.whole and numbers.different * 2 <= len(numbers.finite) else 2
    return numbers.different > few


def _number_target(seen: Seen, told: bool) -> ColumnKind:
    found = _as(seen, NUMBER)
    numbers = seen.numbers
    if numbers.different < 2:
        place = f"{seen.origins.name}, column {seen.name}"
        raise DataError("the target has fewer than two different numbers.", where=place, fix="Name another.")
    reason = found.reason.partition("; ")[0]
    gaps = _gaps(seen, np.flatnonzero(np.isnan(numbers.values)))
    faults = tuple(
        replace(fault, message=fault.message.replace("they count as missing", "the rows are left out"))
        for fault in found.faults
    )
    told_so = "as told: " if told else ""
    return ColumnKind(seen.name, NUMBER, told_so + reason, numbers.way, (*faults, *gaps))


def _category_target(seen: Seen, told: bool, place: str) -> ColumnKind:
    column = seen.column
    different = column.different
    if different > MOST_CLASSES:
        raise DataError(
            f"the target has {different:,} classes, and {MOST_CLASSES:,} are the most.",
            where=place,
            fix="Choose another target, or join the rare classes.",
        )
    if different > ENOUGH and different * 2 > column.present:
        raise DataError(
            f"the target has {different:,} classes in {column.present:,} rows: most have one row only.",
            where=place,
            fix="Choose another target, or join the rare classes.",
        )
    top, count = column.counts.row(0)
    reason = (
        f"{seen.levels()}; the most frequent, {as_text(top, 'class')!r:.60}, in {count / column.present:.1%}"
    )
    if column.numbers.share >= MOSTLY and column.kind != "bool" and not told:
        reason += "; few numbers are taken as classes"
    faults = [*spellings(seen), *_gaps(seen, np.flatnonzero(column.missing.to_numpy()))]
    return ColumnKind(seen.name, CATEGORY, ("as told: " if told else "") + reason, Category(), tuple(faults))


def _gaps(seen: Seen, rows: Array) -> Iterator[Fault]:
    """Rows that have no target."""
    if len(rows):
        holds = [
            value for value in dict.fromkeys(seen.column.values[rows[:1000].tolist()].to_list()) if value
        ]
        words = f" (or {' or '.join(map(repr, holds[:3]))})" if holds else ""
        message = f"The target {seen.name!r} has no value{words} in {len(rows):,} of {len(seen.column):,} rows: they are left out."
        where = [seen.origins[row] for row in rows[:SHOWN].tolist()]
        fix = "Fill them in where the value is known"
        if holds and not seen.column.given:
            fix += f", or with {missing_option('', seen.name)} take words for 'missing' as they are"
        yield Fault("target gaps", "warning", message, where, fix + ".")


def to_table(frame: Frame, kinds: Mapping[str, ColumnKind]) -> Table:
    """The frame as numpy columns, as their kinds say; columns that are left out are there too, where they can be.

    Numbers are float64 with NaN or int64, dates datetime64 in microseconds (UTC), texts objects with None where
    missing, tags lists, pictures absolute paths. What a codec would refuse is missing.
    """
    folder = os.path.dirname(frame.source)
    columns: dict[str, Array] = {}
    for name in frame.columns:
        column = frame.column(name)
        if column.kind:
            columns[name] = _as_array(column, kinds[name], folder)
    notes = [
        f"{name!r} is left out: {kind.reason}"
        for name, kind in kinds.items()
        if kind.codec is None and kind.kind != IGNORED
    ]
    return Table(columns, frame.origins, frame.name, frame.source, notes=(*frame.notes, *notes))


def _as_array(column: Column, kind: ColumnKind, folder: str) -> Array:
    if isinstance(kind.codec, Number):
        return column.numbers_by(written_as(kind.codec)).column()
    if kind.codec is None and _is_all_numbers(column):
        return column.numbers.column()
    if kind.kind == DATE:
        seconds = column.dates(*kind.codec.reading) if isinstance(kind.codec, Date) else column.dates()
        moments = np.floor(np.nan_to_num(seconds) * 1e6).astype("datetime64[us]")
        moments[np.isnan(seconds)] = np.datetime64("NaT")
        return moments
    if column.kind == "date" and not isinstance(kind.codec, Category):
        return column.values.to_numpy()
    if column.kind == "list":
        return _lists(column)
    if kind.kind == PICTURE:
        texts = column.texts()
        paths = {text: None if text is None else os.path.join(folder, text) for text in set(texts)}
        return np.array([paths[text] for text in texts], object)
    if isinstance(kind.codec, Category):
        return column.classes()
    if column.is_text:
        return column.texts(Text.no_value if kind.kind in (TEXT, TAGS) else MISSING_WORDS)
    if column.kind == "number":
        return column.numbers.column()
    values = column.values.to_numpy() if not column.values.null_count() else None
    return values if values is not None else np.array(column.values.to_list(), object)


def _is_all_numbers(column: Column) -> bool:
    if column.kind == "number":
        return True
    return column.is_text and not has_codes(column) and column.present > 0 and column.numbers.share == 1


def _lists(column: Column) -> Array:
    values = np.empty(len(column), object)
    values[:] = column.values.to_list()
    return values
