"""Kinds: what each column of a frame is, guessed or told, and the table that follows from it.

The rules for inputs are in `kind_numbers.py`, `kind_dates.py`, `kind_rows.py` and `kind_texts.py`, those for targets in
`kind_targets.py`; `kind_told.py` takes a column for what a person says that it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.codecs.base import MISSING_WORDS
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.text import Text
from drivetrain.data.kinds.date import SAID_CENTURY, SAID_ORDERS, guess_date
from drivetrain.data.kinds.number import (
    guess_number,
    guess_two_ways,
    has_codes,
)  # fmt: skip
from drivetrain.data.kinds.rows import names_rows
from drivetrain.data.kinds.targets import as_target
from drivetrain.data.kinds.text import (
    category,
    guess_picture,
    guess_tags,
    guess_text,
)  # fmt: skip
from drivetrain.data.kinds.told import as_told
from drivetrain.data.kinds.types import (
    CONSTANT,
    DATE,
    IGNORED,
    KINDS,
    NUMBER,
    PICTURE,
    TAGS,
    TEXT,
    YES_NO,
    ColumnKind,
    Seen,
    levels_codec,
)  # fmt: skip
from drivetrain.data.read.columns import Column
from drivetrain.data.read.notation import DECIMALS, written_as
from drivetrain.data.read.readers import Frame
from drivetrain.data.table import Table
from drivetrain.errors import UsageError, nearest
from drivetrain.types import Array

__all__ = ["KINDS", "ColumnKind", "guess_kinds", "to_table"]

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
            kinds[name] = as_target(seen, told)
        elif name in ignore:
            kinds[name] = seen.is_(IGNORED, "left out as asked")
        elif told:
            kinds[name] = as_told(seen, told)
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
        return seen.is_(IGNORED, f"holds {seen.column.type_name}, which can't be used as it is")
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
    notes = [kind.left_out for kind in kinds.values() if kind.left_out]
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
