"""Rows of different lengths: stretches of one long array, found by index and padded only where a batch is made."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, overload

import numpy as np

from drivetrain.files import file_error
from drivetrain.types import Array

MOST_STEPS = 2**20
"""Of all rows of a batch together, padding included: it has fewer rows where they are long, or one long row in many short
ones would fill the memory."""

HELD = 2**23
"""Bytes of rows that are put together in memory; more of them go to a file."""
OF_ARRAY = 112
"""Bytes that an array takes beside its values."""


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows (n, length of each, ...): row k is `values[starts[k] : starts[k] + lengths[k]]`.

    `values` is (total, ...), `starts` and `lengths` are int64 (n,). A row may be empty. `padding` is what follows the
    shorter rows of a batch. To take some of the rows copies no value of them: they stay stretches of the same array. With
    `whole` values are whole numbers in few bytes, and int64 in a batch.
    """

    values: Array
    starts: Array
    lengths: Array
    padding: float = 0
    whole: bool = False

    @classmethod
    def of(cls, values: Array, lengths: Array, padding: float = 0) -> Ragged:
        """Rows that lie one after the other in `values`."""
        return cls(values, np.cumsum(lengths) - lengths, lengths, padding)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> Array: ...
    @overload
    def __getitem__(self, rows: slice | Array) -> Ragged: ...
    def __getitem__(self, rows: int | np.integer[Any] | slice | Array) -> Array | Ragged:
        if isinstance(rows, (int, np.integer)):
            return self.values[self.starts[rows] : self.starts[rows] + self.lengths[rows]]
        return Ragged(self.values, self.starts[rows], self.lengths[rows], self.padding, self.whole)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Of the values of these rows."""
        return int(self.lengths.sum()) * self.values[:1].nbytes

    @property
    def flat(self) -> Array:
        """(total of the lengths, ...): the rows one after the other; a copy unless they lie so."""
        offsets = np.cumsum(self.lengths) - self.lengths
        total = int(self.lengths.sum())
        if total == len(self.values) and np.array_equal(self.starts, offsets):
            return self.values
        return self.values[np.repeat(self.starts - offsets, self.lengths) + np.arange(total)]

    def padded(self) -> Array:
        """(n, longest, ...): each row, then `padding`. The longest counts as 1 at least: no graph takes 0 steps."""
        places = np.arange(max(1, int(self.lengths.max(initial=0))))
        there = places < self.lengths[:, None]
        dtype = np.dtype(np.int64) if self.whole else self.values.dtype
        padded = np.full((*there.shape, *self.values.shape[1:]), self.padding, dtype)
        padded[there] = self.values[(self.starts[:, None] + places)[there]]
        return padded


class Rows:
    """Rows of different lengths, put together as they come (`with Rows(...) as rows`): what is more than HELD lies in a file that
    goes with them, and is mapped."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], padding: float = 0) -> None:
        """`shape` and `dtype` of a row's values."""
        self.empty: Array = np.zeros((0, *shape), dtype)
        self.padding = padding
        self._parts: list[Array] = []
        self._held = self._written = 0
        self._lengths = array("q")
        self._file: Any = None

    def append(self, row: Array) -> None:
        """A row (length, ...). Raises FileError: no space left."""
        self._lengths.append(len(row))
        self._parts.append(row)
        self._held += row.nbytes + OF_ARRAY
        if self._held > HELD:
            self._write()

    def _write(self) -> None:
        if self._file is None:  # Rows that are mapped outlast it.
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            for row in self._parts:
                self._file.write(row.tobytes())
        except OSError as fault:
            raise file_error(fault, tempfile.gettempdir()) from fault
        self._written += sum(map(len, self._parts))
        self._parts, self._held = [], 0

    def together(self) -> Ragged:
        """All of them."""
        lengths = np.array(self._lengths, np.int64)
        if self._file is not None:
            self._write()
        if self._file is None or not self._written:
            return Ragged.of(np.concatenate([self.empty, *self._parts]), lengths, self.padding)
        self._file.flush()
        shape = (self._written, *self.empty.shape[1:])
        return Ragged.of(
            np.asarray(np.memmap(self._file, self.empty.dtype, "r+", shape=shape)), lengths, self.padding
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._file is not None:
            self._file.close()


Column = Array | Ragged
"""Encoded values (n, ...): an array, or of variable length."""


def row_of(column: Column, place: int) -> Array:
    """A row of a column: an array, also where it is a single element."""
    return column[place] if isinstance(column, Ragged) else column[place, ...]


def lengths_of(field: str) -> str:
    """Under which name a batch has the lengths, int64 (rows,), of a field whose rows it has padded. No field can be called
    so: the names of fields begin with no space."""
    return f" lengths of {field}"


def changes_of(field: str) -> str:
    """Under which name a training batch has what a network is to change at random of a field, where that is told beside it
    (see `drivetrain.data.augment.sounds`)."""
    return f" changes of {field}"


def column_in(batch: Mapping[str, Any], field: str) -> Any:
    """The `Column` of a field in a batch, or among columns by field: without what pads it, and nothing copied."""
    column = batch[field]
    if isinstance(column, Ragged):
        return column
    padded: Array = np.asarray(column)
    if lengths_of(field) not in batch:
        return padded
    longest: int = padded.shape[1]
    values = padded.reshape(len(padded) * longest, *padded.shape[2:])
    return Ragged(values, np.arange(len(padded)) * longest, batch[lengths_of(field)])


def as_batch(columns: Mapping[str, Column]) -> dict[str, Array]:
    """Encoded values by field as a graph takes them: rows of different lengths are padded, their lengths beside them."""
    batch: dict[str, Array] = {}
    for name, column in columns.items():
        if isinstance(column, Ragged):
            batch[name], batch[lengths_of(name)] = column.padded(), column.lengths
        else:
            batch[name] = np.asarray(column)
    return batch


def graph_inputs(columns: Mapping[str, Column], fields: Iterable[str]) -> dict[str, Array]:
    """What a batch, or columns by field, have of some fields, as a graph takes it."""
    kept = (key for field in fields for key in (field, lengths_of(field)) if key in columns)
    return as_batch({key: columns[key] for key in kept})
