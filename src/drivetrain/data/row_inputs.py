"""Rows of a file for a model that has been trained: the columns it wants, and what is said of the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivetrain.codecs import Codec
from drivetrain.data.rows import read_rows
from drivetrain.errors import DataError, nearest

SHOWN = 5


def rows_for(
    path: str | os.PathLike[str],
    inputs: Mapping[str, Codec],
    targets: Sequence[str] = (),
    query: str | None = None,
) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    """(where each row is, the rows with the wanted columns alone, remarks).

    Paths of files in a row are relative to the table's folder. Raises DataError for a column that is wanted and
    isn't there; a column that nobody asked for is a remark. With a `query`, `path` is a database's URL.
    """
    origins: list[str] = []
    rows: list[dict[str, Any]] = []
    for origin, row in _queried(path, query) if query or "://" in os.fspath(path) else read_rows(path):
        origins.append(origin)
        rows.append(row)
    if not rows:
        raise DataError("there are no rows in it.", where=path, fix="Name a table with a header and rows.")
    known: dict[str, None] = {name: None for row in _samples(rows) for name in row}
    wanted = [*inputs, *targets]
    for name in wanted:
        if name not in known:
            raise DataError(
                f"there is no column {name!r}, which the model was trained with.", where=path,
                fix=nearest(name, known) or f"The columns are {', '.join(list(known)[:20])}.",
            )  # fmt: skip
    spare = [name for name in known if name not in wanted]
    more = f" and {len(spare) - SHOWN:,} more" if len(spare) > SHOWN else ""
    notes = [f"columns that the model doesn't use: {', '.join(spare[:SHOWN])}{more}"] if spare else []
    folder = os.path.dirname(os.path.abspath(path))
    files = [name for name, codec in inputs.items() if codec.from_files]
    chosen = [{name: row.get(name) for name in wanted} for row in rows]
    for row in chosen if files else ():
        for name in files:
            cell = row[name]
            if isinstance(cell, str):
                row[name] = os.path.join(folder, cell)
    return origins, chosen, notes


def _queried(url: str | os.PathLike[str], query: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    from drivetrain.data.readers import read_frame  # It says so where polars is not installed.

    frame = read_frame(url, query=query)
    for number, values in zip(frame.numbers.tolist(), frame.data.iter_rows(named=True)):
        yield f"{frame.name}, row {number}", values


def _samples(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows to learn the columns from: those of a CSV are all alike, JSON objects need not be."""
    return rows if len(rows) < 10_000 else [*rows[:5_000], *rows[-5_000:]]
