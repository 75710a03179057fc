"""Rows of a file for a model that has been trained: the columns it wants, and what is said of the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.codecs import Codec
from drivetrain.data.read.rows import read_rows_or_faults
from drivetrain.errors import DataError, nearest

SHOWN = 5
ALL = "all"
"""Instead of names of columns: all there are, unless one is called so."""


@dataclass(frozen=True)
class RowInputs:
    """Where each row is, the rows with the wanted columns alone (or why one can't be read), the values of the columns that
    are kept beside the answers, and remarks."""

    origins: list[str]
    rows: list[dict[str, Any] | DataError]
    kept: dict[str, list[Any]]
    notes: list[str]


def rows_for(
    path: str | os.PathLike[str],
    inputs: Mapping[str, Codec],
    targets: Sequence[str] = (),
    query: str | None = None,
    keep: Sequence[str] = (),
) -> RowInputs:
    """The rows of a file, or with a `query` of a database whose URL `path` is, for a model.

    Paths of files in a row are relative to the table's folder. `keep` names columns, "all" means all. Raises DataError for
    a column that is wanted and isn't there; a column that nobody asked for is a remark.
    """
    origins: list[str] = []
    rows: list[dict[str, Any] | DataError] = []
    found = _queried(path, query) if query or "://" in os.fspath(path) else read_rows_or_faults(path)
    for origin, row in found:
        origins.append(origin)
        rows.append(row)
    if not rows:
        raise DataError("there are no rows in it.", where=path, fix="Name a table with a header and rows.")
    known: dict[str, None] = {
        name: None for row in _samples(rows) if not isinstance(row, DataError) for name in row
    }
    wanted = [*inputs, *targets]
    kept = list(known) if ALL in keep and ALL not in known else list(keep)
    for name in (*wanted, *kept) if known else ():
        if name not in known:
            trained = ", which the model was trained with" if name in wanted else ""
            raise DataError(
                f"there is no column {name!r}{trained}.", where=path,
                fix=nearest(name, known) or f"The columns are {', '.join(list(known)[:20])}.",
            )  # fmt: skip
    spare = [name for name in known if name not in (*wanted, *kept)]
    more = f" and {len(spare) - SHOWN:,} more" if len(spare) > SHOWN else ""
    notes = [f"columns that the model doesn't use: {', '.join(spare[:SHOWN])}{more}"] if spare else []
    folder = os.path.dirname(os.path.abspath(path))
    files = [name for name, codec in inputs.items() if codec.from_files]
    chosen: list[dict[str, Any] | DataError] = []
    beside: dict[str, list[Any]] = {name: [] for name in kept}
    for row in rows:
        for name, values in beside.items():
            values.append(None if isinstance(row, DataError) else row.get(name))
        if isinstance(row, DataError):
            chosen.append(row)
            continue
        asked = {name: row.get(name) for name in wanted}
        for name in files:
            if isinstance(cell := asked[name], str):
                asked[name] = os.path.join(folder, cell)
        chosen.append(asked)
    return RowInputs(origins, chosen, beside, notes)


def _queried(url: str | os.PathLike[str], query: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    from drivetrain.data.read.readers import read_frame  # It says so where polars is not installed.

    frame = read_frame(url, query=query)
    for number, values in zip(frame.numbers.tolist(), frame.data.iter_rows(named=True)):
        yield f"{frame.name}, row {number}", values


def _samples(rows: list[dict[str, Any] | DataError]) -> list[dict[str, Any] | DataError]:
    """Rows to learn the columns from: those of a CSV are all alike, JSON objects need not be."""
    return rows if len(rows) < 10_000 else [*rows[:5_000], *rows[-5_000:]]
