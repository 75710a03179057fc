"""A frame: columns as a source has them, in few types, before anything is known of what they mean."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.data.read.columns import Column
from drivetrain.data.table import Origins
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.types import Array
from drivetrain.values import WHOLE

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Frame:
    """Columns as a source has them, in a polars frame, before anything is known of what they mean.

    Columns are text, whole or decimal numbers, booleans, dates or lists of text; what is none of these keeps
    polars' type and can't be used. `numbers` (int64) are the rows' numbers as a person counts them: the header of
    a CSV is row 1. `source` is an absolute path or "", `notes` what was done unasked. `typed` is true where a source has
    values, false where it has cells of text; `missing` are words for "no value" by column, "" for all (see `Column`).
    `zones` are the time zones that columns had, whose times are in UTC here.
    """

    data: pl.DataFrame
    name: str
    source: str = ""
    notes: tuple[str, ...] = ()
    numbers: Array = field(default_factory=lambda: np.empty(0, np.int64))
    typed: bool = True
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    zones: Mapping[str, str] = field(default_factory=dict[str, str])
    _measured: dict[str, Column] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.numbers) != len(self.data):
            object.__setattr__(self, "numbers", np.arange(1, len(self.data) + 1))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def columns(self) -> list[str]:
        return self.data.columns

    def column(self, name: str) -> Column:
        """A column, measured once. Raises UsageError for an unknown name."""
        if name not in self._measured:
            if name not in self.columns:
                fix = nearest(name, self.columns) or f"The columns are {', '.join(self.columns[:20])}."
                raise UsageError(f"there is no column {name!r}.", where=self.name, fix=fix)
            given = (*self.missing.get("", ()), *self.missing.get(name, ()))
            self._measured[name] = Column(self.data[name], self.typed, given)
        return self._measured[name]

    @property
    def origins(self) -> Origins:
        """Where each row comes from: "NAME, row 12"."""
        return Origins(self.name, self.numbers)

    def take(self, rows: Array) -> Frame:
        """The rows where a mask (n,) is true."""
        return replace(self, data=self.data.filter(rows), numbers=self.numbers[rows], _measured={})

    def __repr__(self) -> str:
        return f"Frame({self.name!r}, {len(self):,} rows, columns {', '.join(self.columns)})"


def plain(data: pl.DataFrame) -> pl.DataFrame:
    """The frame with few types: text, Int64, Float64, Boolean, Date, Datetime in microseconds, List of text.

    No whole number is rounded: those that neither Int64 nor a float holds are texts.
    """
    import polars as pl

    columns: list[pl.Series] = []
    for column in data.get_columns():
        kind = column.dtype
        if kind == pl.Date or isinstance(kind, pl.Datetime):
            _refuse_odd_dates(column)
        if kind in (pl.Categorical, pl.Enum, pl.Time, pl.Null):
            column = column.cast(pl.String)
        elif kind.is_integer():
            whole = column.cast(pl.Int64, strict=False)
            column = whole if whole.null_count() == column.null_count() else column.cast(pl.String)
        elif kind.is_decimal():
            column = _plain_decimals(column)
        elif kind.is_float():
            column = column.cast(pl.Float64).fill_nan(None)
        elif isinstance(kind, pl.Datetime):
            column = column if kind.time_zone is None else column.dt.convert_time_zone("UTC")
            column = column.dt.replace_time_zone(None).dt.cast_time_unit("us")
        elif isinstance(kind, pl.Duration):
            column = column.dt.total_microseconds().cast(pl.Float64) / 1e6
        elif isinstance(kind, pl.List) and kind.inner in (pl.Categorical, pl.Enum, pl.Null):
            column = column.cast(pl.List(pl.String))
        columns.append(column)
    return pl.DataFrame(columns)


def _refuse_odd_dates(column: pl.Series) -> None:
    """Raise DataError for a date before the year 1 or after 9999, which no calendar of Python's or of ours holds."""
    import polars as pl

    first, last = datetime.date.min.toordinal(), datetime.date.max.toordinal()
    epoch = datetime.date(1970, 1, 1).toordinal()
    unit = column.dtype.time_unit if isinstance(column.dtype, pl.Datetime) else None
    day = {None: 1, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[unit]
    days = column.to_physical() // day + epoch
    odd = ((days < first) | (days > last)).arg_true()
    if len(odd):
        raise DataError(
            f"there is a date outside the years 1 to 9999 in {len(odd):,} rows, the first in row {odd[0] + 1:,}.",
            where=f"column {column.name!r}",
            fix="Mend it, or leave the column out of the file.",
        )


def _plain_decimals(column: pl.Series) -> pl.Series:
    """Decimals as floats, or where those can't hold the whole ones, as whole numbers or texts."""
    import polars as pl

    floats = column.cast(pl.Float64)
    if not (floats.abs() >= WHOLE).any():
        return floats
    texts = column.cast(pl.String).str.replace(r"\.0+$", "")
    whole = texts.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == column.null_count() else texts
