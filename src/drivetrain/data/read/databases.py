"""Rows from a database by a query, as polars columns."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from drivetrain.data.read.frame import Frame, plain
from drivetrain.data.read.frames import series
from drivetrain.data.read.textfile import column_names
from drivetrain.data.table import shown
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError, nearest

if TYPE_CHECKING:
    import polars as pl


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
