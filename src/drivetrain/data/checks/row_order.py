"""Whether the rows of a table are in an order that says something, where no date tells it: that of time, more often than not.

A column goes with the row where rows that follow each other are alike in it, or where it rises or falls with the number
of the row: by the correlation of its ranks (of a category, of its largest levels), if that is 0.3 or 0.2 and six standard
errors. It is looked at in 20 stretches of the table. Rows that are sorted by a column of few values are looked at within
one value of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import distinct
from drivetrain.data.checks.leaks import ranks
from drivetrain.data.kinds.base import CATEGORY, MANY, NUMBER, YES_NO, ColumnKind
from drivetrain.data.table import Table, missing

Floats = npt.NDArray[np.float64]
LEAST = 100
"""Fewer rows are in some order by chance."""
ALIKE, DRIFT, SURE = 0.3, 0.2, 6.0
STRETCHES, STRETCH = 20, 1_000
LEVELS = 5
SORTED, FEW = 0.999, 0.2
"""Rows are sorted by a column where so many don't break the order; its values are few where so many differ from the next."""


@dataclass(frozen=True)
class RowOrder:
    """The columns that go with the row, the most first, of how many; and whether the target is among them."""

    columns: list[str]
    of: int
    target: bool


def row_order(table: Table, kinds: Mapping[str, ColumnKind], targets: Sequence[str]) -> RowOrder | None:
    """What goes with the row, where that is a target or half of the columns, two at least; None elsewhere."""
    names = [
        name
        for name, kind in kinds.items()
        if kind.alike in (NUMBER, YES_NO, CATEGORY, MANY) and name in table
    ]
    rows = _stretch(table, names)
    if len(rows) < LEAST:
        return None
    length = min(STRETCH, len(rows) // STRETCHES)
    starts = np.linspace(0, len(rows) - length, STRETCHES).astype(np.int64)
    places = rows[(starts[:, None] + np.arange(length)).ravel()]
    found = {name: _with_the_row(table, name, places, length) for name in names}
    found = {name: value for name, value in found.items() if value is not None}
    going = sorted((name for name in found if found[name]), key=lambda name: -float(found[name] or 0.0))
    on_target = any(name in targets for name in going)
    if not going or not (on_target or len(going) >= max(2, len(found) / 2)):
        return None
    return RowOrder(going, len(found), on_target)


def _stretch(table: Table, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """The rows (n,) between two changes of the columns of few values that the table is sorted by: the longest stretch. None
    where it is sorted by a column of many, which explains all else."""
    changes = np.zeros(max(len(table) - 1, 0), bool)
    for name in names:
        values = table[name]
        differs = values[1:] != values[:-1]
        if values.dtype.kind in "iuf":
            if not (
                np.mean(values[1:] >= values[:-1]) > SORTED or np.mean(values[1:] <= values[:-1]) > SORTED
            ):
                continue
            if differs.mean() > FEW:
                return np.empty(0, np.int64)
            changes |= differs
        elif differs.mean() < FEW and differs.sum() < 2 * len(distinct(values)[0]):
            changes |= differs
    ends = np.r_[-1, np.flatnonzero(changes), len(table) - 1]
    longest = int(np.argmax(np.diff(ends)))
    return np.arange(ends[longest] + 1, ends[longest + 1] + 1)


def _with_the_row(table: Table, name: str, places: npt.NDArray[np.int64], length: int) -> float | None:
    """How strongly a column goes with the row; 0 where that may be chance, None where it has one value."""
    values = table[name][places]
    gone = missing(values)
    if values.dtype.kind in "iuf":
        if gone.all():
            return None
        numbers = values.astype(np.float64)
        signals = [ranks(np.where(gone, np.nanmedian(numbers), numbers))]
    else:
        codes = distinct(values)[1]
        levels = np.argsort(-np.bincount(codes), kind="stable")[:LEVELS]
        signals = [(codes == level).astype(np.float64) for level in levels]
    signals = [signal for signal in signals if signal.std() > 0]
    if not signals:
        return None
    return max(_strength(signal, places, length) for signal in signals)


def _strength(signal: Floats, places: npt.NDArray[np.int64], length: int) -> float:
    follows = np.ones(len(signal) - 1, bool)
    follows[length - 1 :: length] = (
        False  # The last of a stretch and the first of the next are no neighbours.
    )
    drift = abs(float(np.corrcoef(signal, places)[0, 1]))
    alike = _correlation(signal[:-1][follows], signal[1:][follows])
    error = SURE / np.sqrt(len(signal))
    return max(drift if drift > max(DRIFT, error) else 0.0, alike if alike > max(ALIKE, error) else 0.0)


def _correlation(one: Floats, other: Floats) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.std() and other.std() else 0.0
