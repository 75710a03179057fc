"""Columns that are in memory already, as polars columns."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.data.read.frame import Frame, plain
from drivetrain.data.read.textfile import column_names
from drivetrain.errors import DataError, UsageError
from drivetrain.values import as_text, in_utc, is_exact, is_nothing, scalar

if TYPE_CHECKING:
    import polars as pl


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
    """A polars column of values in memory: of one type where they have one, whole and decimal numbers being numbers, else
    of their texts. Whole numbers that a decimal one can't hold are not rounded: beside decimal ones they are texts."""
    import polars as pl

    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        raise DataError(f"a column is a list or an array, not {type(values).__name__}.", where=name)
    if isinstance(values, pl.Series):
        return values.rename(name)
    # pandas would make floats of its categories and whole numbers with gaps: those are taken one by one.
    plainly = isinstance(getattr(values, "dtype", None), np.dtype) and hasattr(values, "to_numpy")
    array = values.to_numpy() if plainly else values
    if isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "biufMm":
        if array.dtype.kind == "m":
            array = array / np.timedelta64(1, "s")
        array = array.astype("datetime64[us]") if array.dtype.kind == "M" else array
        return pl.Series(name, array)
    items = [None if is_nothing(value) else scalar(value) for value in array]
    types = {type(value) for value in items} - {type(None)}
    if types == {bool}:
        return pl.Series(name, items, dtype=pl.Boolean)
    if types and types <= {int, float}:
        return _numbers(name, items)
    if types and all(issubclass(kind, datetime.date) for kind in types):
        return _moments(name, items)
    if types and all(issubclass(kind, (list, tuple, set, frozenset)) for kind in types):
        lists = [None if value is None else list(value) for value in items]
        if all(isinstance(part, str) for value in lists if value for part in value):
            return pl.Series(name, lists, dtype=pl.List(pl.String))
    scalars = (str, bool, int, float, datetime.date, datetime.time)
    if all(issubclass(kind, scalars) for kind in types):
        return _texts(name, items)
    return pl.Series(name, items, dtype=pl.Object)


def _numbers(name: str, items: list[Any]) -> pl.Series:
    import polars as pl

    whole = [value for value in items if isinstance(value, int)]
    if all(value is None or isinstance(value, int) for value in items):
        if all(-(2**63) <= value < 2**63 for value in whole):
            return pl.Series(name, items, dtype=pl.Int64)
        return _texts(name, items)
    return pl.Series(name, items, dtype=pl.Float64) if all(map(is_exact, whole)) else _texts(name, items)


def _moments(name: str, items: list[Any]) -> pl.Series:
    """Days, or moments in UTC where some have a time; a day alone is its midnight."""
    import polars as pl

    if not any(isinstance(value, datetime.datetime) for value in items):
        return pl.Series(name, items, dtype=pl.Date)
    return pl.Series(
        name, [None if value is None else in_utc(value) for value in items], dtype=pl.Datetime("us")
    )


def _texts(name: str, items: list[Any]) -> pl.Series:
    import polars as pl

    texts = [value if value is None or isinstance(value, str) else as_text(value, "cell") for value in items]
    return pl.Series(name, texts, dtype=pl.String)
