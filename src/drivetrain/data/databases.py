"""Rows from a database by a query, and columns that are in memory already, as polars columns."""

from __future__ import annotations

import datetime
import decimal
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import numpy as np

from drivetrain.data.readers import Frame, plain
from drivetrain.data.table import shown
from drivetrain.data.textfile import column_names
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError, nearest

if TYPE_CHECKING:
    import polars as pl

_MISSING = ("NAType", "NaTType")
"""What pandas puts where there is no value, besides None and NaN."""


def read_query(url: str, query: str | None) -> Frame:
    """The rows of a query. sqlite:///FILE needs nothing installed; other databases ADBC or SQLAlchemy.

    Raises FileError where there is no such SQLite file, UsageError without a query, DataError for a wrong one.
    The frame's name never holds the URL's password.
    """

    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _read_sqlite(url, query)
    name = os.path.basename(parts.path) or parts.hostname or parts.scheme
    if not query:
        raise UsageError("a database needs a query.", where=name, fix="Add one, such as SELECT * FROM table.")
    try:
        data = _from_server(url, query)
    except ImportError as fault:
        raise UsageError(
            f"reading from {parts.scheme} needs SQLAlchemy and a driver, or ADBC.",
            where=name,
            fix=f"Install them, such as: pip install sqlalchemy, or pip install adbc-driver-{parts.scheme}",
        ) from fault
    except Exception as fault:
        if isinstance(fault, DrivetrainError):
            raise
        reason = (str(fault).splitlines() or [type(fault).__name__])[0].replace(url, name)
        for secret in filter(None, (parts.password, unquote(parts.password or ""))):
            reason = reason.replace(secret, "***")
        raise DataError(
            f"the query failed: {reason}.", where=name, fix="Check the URL and the query."
        ) from None
    names, notes = column_names(data.columns, name)
    data.columns = names
    return Frame(plain(data), name, "", tuple(notes))


def _from_server(url: str, query: str) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_database_uri(query, url, engine="adbc")
    except ImportError:
        import sqlalchemy  # pyright: ignore[reportMissingImports]

        with sqlalchemy.create_engine(url).connect() as connection:
            return pl.read_database(query, connection)


def _read_sqlite(url: str, query: str | None) -> Frame:
    import polars as pl

    # sqlite:///a.db is beside us and sqlite:////data/a.db at the root, as SQLAlchemy has it.
    path = os.path.abspath(unquote(url.removeprefix("sqlite:").removeprefix("///").partition("?")[0]))
    place = shown(os.path.basename(path))
    if not os.path.isfile(path):
        raise FileError("there is no such database file.", where=shown(path), fix="Check the path.")
    with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as connection:
        tables: list[str] = []
        try:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            tables = [table for (table,) in found]
            if not query:
                fix = f"Add one, such as SELECT * FROM {tables[0] if tables else 'table'}."
                raise UsageError("a database needs a query.", where=place, fix=fix)
            cursor = connection.execute(query)
            header = [column[0] for column in cursor.description or ()]
            columns = list(zip(*cursor.fetchall())) or [() for _ in header]
        except (sqlite3.Error, sqlite3.Warning) as fault:
            wrong = str(fault).partition("no such table: ")[2]
            fix = (nearest(wrong, tables) if wrong else "") or "Check the query."
            raise DataError(f"the query failed: {fault}.", where=place, fix=fix) from fault
    if not header:
        raise UsageError("the query gives no rows.", where=place, fix="Begin it with SELECT.")
    names, notes = column_names(header, place)
    data = pl.DataFrame([series(name, list(values)) for name, values in zip(names, columns)])
    return Frame(plain(data), place, path, tuple(notes))


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
