"""Columns that are in memory already, as polars columns."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.data.readers import Frame, plain
from drivetrain.data.textfile import column_names
from drivetrain.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

_MISSING = ("NAType", "NaTType")
"""What pandas puts where there is no value, besides None and NaN."""


def from_memory(source: Any, name: str = "frame") -> Frame:
    """The frame of a mapping of columns, or of anything that has `columns` and gives one by its name, as pandas does.

    Raises DataError where columns differ in length, UsageError for anything else.
    """
    import polars as pl

    keys = list(source) if isinstance(source, Mapping) else list(getattr(source, "columns", ()))
    if not isinstance(source, Mapping) and not (keys and hasattr(source, "__getitem__")):
        raise UsageError(
            f"a table can't be read from {type(source).__name__}.",
            fix="Give a path, a database URL, a polars or pandas frame, or a mapping of columns.",
        )
    names, notes = column_names(keys, name)
    if not names:
        raise DataError("there are no columns.", where=name, fix="Give it columns.")
    columns = [series(column, source[key]) for column, key in zip(names, keys)]
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{column} {length:,}" for column, length in lengths.items())
        raise DataError(
            f"the columns differ in length: {told}.", where=name, fix="Give each row every column."
        )
    if getattr(getattr(source, "index", None), "name", None) is not None:
        notes.append("the index is not read: make it a column with reset_index() where it matters")
    return Frame(plain(pl.DataFrame(columns)), name, "", tuple(notes))


def series(name: str, values: Any) -> pl.Series:
    """A polars column of values in memory. Numbers beside texts, as SQLite and JSON may have them, become text."""
    import polars as pl

    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        raise DataError(f"a column is a list or an array, not {type(values).__name__}.", where=name)
    array = values.to_numpy() if hasattr(values, "to_numpy") else values
    if isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "biufMm":
        if array.dtype.kind == "m":
            array = array / np.timedelta64(1, "s")
        array = array.astype("datetime64[us]") if array.dtype.kind == "M" else array
        column = pl.Series(name, array)
        return column.fill_nan(None) if array.dtype.kind == "f" else column
    items = [None if _is_missing(value) else value for value in array]
    kinds = {type(value) for value in items} - {type(None)}
    for types, dtype in (
        ((bool, np.bool_), pl.Boolean),
        ((int, np.integer), pl.Int64),
        ((int, float, np.integer, np.floating, decimal.Decimal), pl.Float64),
        ((str,), pl.String),
        ((datetime.datetime,), pl.Datetime("us")),
        ((datetime.date,), pl.Date),
    ):
        plain_numbers = bool in types or not kinds & {bool, np.bool_}
        if kinds and plain_numbers and all(issubclass(kind, types) for kind in kinds):
            try:
                return pl.Series(name, items, dtype=dtype)
            except (OverflowError, TypeError, ValueError, pl.exceptions.PolarsError):
                continue  # A whole number beyond 64 bits is read as a decimal one.
    if all(issubclass(kind, (list, tuple, set, frozenset)) for kind in kinds) and kinds:
        lists = [None if value is None else list(value) for value in items]
        if all(isinstance(part, str) for value in lists if value for part in value):
            return pl.Series(name, lists, dtype=pl.List(pl.String))
    if all(issubclass(kind, (str, bool, int, float, np.generic)) for kind in kinds):
        return pl.Series(name, [_as_text(value) for value in items], dtype=pl.String)
    return pl.Series(name, items, dtype=pl.Object)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in _MISSING or (isinstance(value, float) and value != value)


def _as_text(value: Any) -> str | None:
    """As the codecs read it: a whole number without a point, true and false."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    return str(int(value)) if float(value).is_integer() else str(value)
