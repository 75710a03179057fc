"""The table: columns of equal length, and for each row where it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np

from drivetrain.codecs.base import distinct, is_missing
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.types import Array


class Origins(Sequence[str]):
    """ "NAME, row 12" for each row, made when somebody asks: the texts of a million rows would take 100 MB.

    `numbers` are the rows' numbers as a person counts them. An array of positions, or a mask, gives Origins.
    """

    def __init__(self, name: str, numbers: Array) -> None:
        self.name = name
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, rows: int) -> str: ...
    @overload
    def __getitem__(self, rows: slice | Array) -> Origins: ...
    def __getitem__(self, rows: Any) -> str | Origins:
        found = self.numbers[rows]
        return Origins(self.name, found) if isinstance(found, np.ndarray) else f"{self.name}, row {found}"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length (numpy arrays, first axis the row), each row with its provenance.

    `origins` says where each row comes from: its file, or "labels.csv, row 12". `name` is short, `source` an
    absolute path or "", `layout` words for a person. `notes` are remarks of the one who read the source (what
    was left out). Raises DataError when the lengths differ.
    """

    columns: dict[str, Array]
    origins: Array | Origins
    name: str = "table"
    source: str = ""
    layout: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.columns:
            raise DataError("the table has no columns.", where=self.name)
        columns = {str(name): as_column(values) for name, values in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        if not isinstance(self.origins, Origins):
            object.__setattr__(self, "origins", as_column(self.origins))
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            raise DataError(
                f"the columns differ in length: {told}.", where=self.name, fix="Give each row every column."
            )
        if len(self.origins) != len(self):
            raise DataError(
                f"there are {len(self):,} rows and {len(self.origins):,} origins.",
                where=self.name,
                fix="Give one origin for each row.",
            )

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> Array:
        """The values of a column. Raises UsageError for an unknown name."""
        if column not in self.columns:
            known = f"The columns are {', '.join(self.columns)}."
            raise UsageError(
                f"there is no column {column!r}.", where=self.name, fix=nearest(column, self.columns) or known
            )
        return self.columns[column]

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def take(self, indices: Array | Sequence[int]) -> Table:
        """The rows at `indices` (integers in the order wanted, or a mask of booleans)."""
        rows = np.asarray(indices)
        rows = rows if rows.dtype == bool else rows.astype(np.int64)
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, origins=self.origins[rows])

    def origin(self, index: int) -> str:
        """Where a row comes from."""
        return str(self.origins[index])

    def __repr__(self) -> str:
        layout = f", {self.layout}" if self.layout else ""
        return f"Table({self.name!r}, {len(self):,} rows, columns {', '.join(self.columns)}{layout})"


def from_columns(columns: Mapping[str, Any], name: str = "table") -> Table:
    """A table of values in memory; its rows are called "NAME, row 1" and so on. Raises DataError."""
    arrays = {str(key): as_column(values) for key, values in columns.items()}
    count = len(next(iter(arrays.values()))) if arrays else 0
    return Table(arrays, Origins(name, np.arange(1, count + 1)), name=name)


def as_column(values: Any) -> Array:
    """Values as an array, one entry for each row: numbers and dates keep their dtype, all else is object."""
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        raise DataError(f"a column is a list or an array, not {type(values).__name__}.")
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ndarray) and values.ndim:
        return values.astype(object) if values.dtype.kind in "USV" else values
    values = list(values)
    if values and all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in values):
        return np.asarray(values)
    column = np.empty(len(values), object)
    for row, value in enumerate(values):
        column[row] = value
    return column


def missing(values: Array, words: frozenset[str] = frozenset({""})) -> Array:
    """True (n,) where a column has no value: None, NaN, not-a-time, or a text among `words`, of which there is the empty
    one alone: who read the table knew which mean that, and has put None in their place."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "M":
        return np.isnat(values)
    if values.dtype != object:
        return np.zeros(len(values), bool)
    different, which = distinct(values)
    return np.array([is_missing(value, words) for value in different], bool)[which]


def complete(table: Table, absent: Mapping[str, Array]) -> Table:
    """The rows that have a value in each of these columns; `absent` is True (n,) where one has none. How many have not
    is noted. Raises DataError where none is left."""
    lacking = np.any(list(absent.values()), axis=0)
    if not lacking.any():
        return table
    if lacking.all():
        name = max(absent, key=lambda name: int(absent[name].sum()))
        raise DataError(f"no row has a value of {name!r}.", where=table.name, fix="Name another column.")
    count, columns = int(lacking.sum()), " or ".join(name for name, rows in absent.items() if rows.any())
    told = (
        f"1 row without {columns} is left out:"
        if count == 1
        else f"{count:,} rows without {columns} are left out, the first is"
    )
    kept = table.take(~lacking)
    return replace(kept, notes=(*kept.notes, f"{told} {table.origin(int(np.argmax(lacking)))}"))


def shown(name: str | os.PathLike[str]) -> str:
    """A file's name as text that can be printed: bytes that are no UTF-8 become the replacement sign."""
    text = os.fspath(name)
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
