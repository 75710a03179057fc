"""Rows laid on regular moments: unsorted rows are sorted, several of one moment joined, a moment without a row is a gap. Each is
told, and no row is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError
from drivetrain.figures import counted
from drivetrain.timeline.frequency import Frequency
from drivetrain.timeline.stamps import DAY
from drivetrain.types import Array

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Join = Literal["mean", "sum", "last"]
Fill = Literal["last", "zero"]

MOST_GAPS, FEW_MOMENTS = 20, 20_000
"""Moments there may be to each row, and that there may be in any case: more come of a stamp that is wrong."""
FEW_WEEKS = 4
"""Of a weekday without any row, from so many on it is told."""
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MANY_GAPS = 0.05
"""From this share of gaps on it is asked whether they are zeros."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The regular moments of some series, one series after the other and in the order of time.

    `sizes` (series,) is how many moments each has, `first` (series,) the number of its first one, `place` (rows,) the moment
    that each row is of, `rows` (moments,) the last row of each moment, -1 of a gap.
    """

    frequency: Frequency
    sizes: Whole
    first: Whole
    place: Whole
    rows: Whole
    notes: tuple[str, ...] = ()

    @property
    def offsets(self) -> Whole:
        """(series,) where the moments of each begin."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def series(self) -> Whole:
        """(moments,) which series each is of."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def numbers(self) -> Whole:
        """(moments,) the numbers by which the frequency knows them."""
        return np.arange(len(self.rows)) + np.repeat(self.first - self.offsets, self.sizes)

    @property
    def stamps(self) -> Array:
        """(moments,) when each is: datetime64[s], of counted rows their numbers."""
        return self.frequency.stamp(self.numbers)

    def joined(self, values: Floats, how: Join) -> Floats:
        """float64 (moments,) of numbers (rows,): what is known of each moment, NaN where nothing is."""
        known = ~np.isnan(values)
        place, numbers = self.place[known], values[known]
        if how == "last":
            found = np.full(len(self.rows), np.nan)
            found[place] = numbers  # Of one place the last row stays.
            return found
        counts = np.bincount(place, minlength=len(self.rows))
        sums = np.bincount(place, numbers, minlength=len(self.rows))
        with np.errstate(invalid="ignore"):
            return np.where(counts > 0, sums if how == "sum" else sums / np.maximum(counts, 1), np.nan)

    def last(self, codes: Array, none: int = -1) -> Whole:
        """int64 (moments,) of whole numbers (rows,), of which `none` is nothing: the last one of each moment."""
        known = codes != none
        found = np.full(len(self.rows), none, np.int64)
        found[self.place[known]] = codes[known]
        return found


def make_grid(
    frequency: Frequency,
    times: Array,
    series: Whole,
    names: Sequence[str],
    origins: Sequence[str],
    join: Join,
    fill: Fill = "last",
    options: bool = True,
) -> Grid:
    """The moments from each series' first row to its last. `times` (rows,) are those that the frequency counts, `series` (rows,)
    which of the series `names` each row is of, and each has one; `origins` say where rows come from; `join` and `fill`
    are only told, with the `options` that choose them where those can still be said.

    Raises DataError where a series would have far more moments than rows: then a stamp is wrong, and it is named.
    """
    numbers = frequency.index(times)
    count = len(names)
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, series, numbers)
    np.maximum.at(last, series, numbers)
    sizes = last - first + 1
    if int(sizes.sum()) > max(MOST_GAPS * len(numbers), FEW_MOMENTS):
        raise _far_apart(frequency, numbers, series, sizes, origins, options)
    offsets = np.cumsum(sizes) - sizes
    place = numbers - first[series] + offsets[series]
    rows = np.full(int(sizes.sum()), -1, np.int64)
    rows[place] = np.arange(len(place))
    grid = Grid(frequency, sizes, first, place, rows)
    notes = (
        *_unsorted(numbers, series, origins),
        *_between(frequency, times, numbers, origins),
        *_several(place, rows, origins, join, count < 2, options),
        *_gaps(grid, names, join, fill, options),
    )
    return Grid(frequency, sizes, first, place, rows, notes)


def _far_apart(
    frequency: Frequency, numbers: Whole, series: Whole, sizes: Whole, origins: Sequence[str], options: bool
) -> DataError:
    own = np.flatnonzero(series == int(np.argmax(sizes)))
    order = own[np.argsort(numbers[own], kind="stable")]
    widest = int(np.argmax(np.diff(numbers[order])))
    # What is alone on its side of the widest gap is what is wrong.
    row = int(order[widest + 1] if len(order) - widest - 1 <= widest + 1 else order[widest])
    return DataError(
        f"there are {int(np.diff(numbers[order]).max()) - 1:,} moments without a row before or after this one "
        f"({frequency.words}).",
        where=origins[row], fix=f"Is the time right? Mend it or leave the row out{', or say a longer --freq' if options else ''}.",
    )  # fmt: skip


def _unsorted(numbers: Whole, series: Whole, origins: Sequence[str]) -> list[str]:
    order = np.argsort(series, kind="stable")
    back = np.flatnonzero((np.diff(numbers[order]) < 0) & (np.diff(series[order]) == 0)) + 1
    if not len(back):
        return []
    first = origins[int(order[back].min())]
    many = "1 row was" if len(back) == 1 else f"{len(back):,} rows were"
    return [f"{many} earlier than the row before, the first at {first}: all are sorted by time"]


def _between(frequency: Frequency, times: Array, numbers: Whole, origins: Sequence[str]) -> list[str]:
    between = frequency.stamp(numbers) != times
    if frequency.kind == "count" or not between.any():
        return []
    first = int(np.argmax(between))
    many = "1 row lies" if between.sum() == 1 else f"{int(between.sum()):,} rows lie"
    return [
        f"{many} between two moments, the first at {origins[first]} ({shown(times[first])}): taken for the moment before "
        f"({frequency.words})"
    ]


def _several(
    place: Whole, rows: Whole, origins: Sequence[str], join: Join, one: bool, options: bool
) -> list[str]:
    counts = np.bincount(place, minlength=len(rows))
    twice = np.flatnonzero(counts > 1)
    if not len(twice):
        return []
    first = int(np.flatnonzero(place == place[np.argmax(counts[place] > 1)])[1])
    what = {"mean": "the mean of its rows", "sum": "the sum of its rows", "last": "the last of its rows"}[
        join
    ]
    many = counted(len(twice), "moment has", "moments have")
    note = f"{many} several rows, the first of them again at {origins[first]}: the value is {what}"
    if not options:
        return [note]
    note += " (--join mean, sum or last)"
    most = len(twice) > np.count_nonzero(counts) / 2
    return [f"{note}. Are they several series? Name their column: --item" if most and one else note]


def _gaps(grid: Grid, names: Sequence[str], join: Join, fill: Fill, options: bool) -> list[str]:
    gaps = np.flatnonzero(grid.rows < 0)
    if not len(gaps):
        return []
    runs = np.split(gaps, np.flatnonzero(np.diff(gaps) > 1) + 1)
    longest = max(runs, key=len)
    stamps = grid.stamps
    of = f" of {names[int(grid.series[longest[0]])]}" if len(names) > 1 else ""
    where = shown(stamps[longest[0]])
    if len(longest) > 1:
        where += f" to {shown(stamps[longest[-1]])}"
    share = (
        f"{len(gaps) / len(grid.rows):.1%} of {len(grid.rows):,}"
        if len(gaps) > 1
        else f"1 of {len(grid.rows):,}"
    )
    how = "0" if fill == "zero" else "read as the last value"
    if fill == "last" and options:
        how += " and measured against nothing; --fill zero takes 0 instead"
    if options and fill == "last" and join == "sum" and len(gaps) > MANY_GAPS * len(grid.rows):
        how += ", which is likely meant where rows are summed up"
    many = counted(len(gaps), "moment has", "moments have")
    return [
        f"{many} no row ({share}), the longest gap{of} is {where}: {how}",
        *_never(grid, fill, options),
    ]


def _never(grid: Grid, fill: Fill, options: bool) -> list[str]:
    """Of days: those of the week on which no series has ever had a row, such as the Sundays of a shop."""
    if grid.frequency.kind != "seconds" or grid.frequency.step != DAY or fill == "zero":
        return []
    weekdays = (grid.stamps.astype("datetime64[D]").astype(np.int64) + 3) % 7
    there = np.bincount(weekdays, minlength=7) >= FEW_WEEKS
    never = there & (np.bincount(weekdays[grid.rows >= 0], minlength=7) == 0)
    if not never.any():
        return []
    names = " and ".join(f"{WEEKDAY_NAMES[day]}s" for day in np.flatnonzero(never))
    note = f"no row is ever on {names}: what is foretold of them tells nothing; leave it out"
    return [f"{note}, or say --fill zero if there was nothing" if options else note]


def shown(moment: object) -> str:
    """A moment for people: the day alone at midnight."""
    return str(moment).removesuffix("T00:00:00").replace("T", " ")
