"""What a forecasting graph reads, made of the moments of series: what came before an origin, and what is known of what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import NO_NUMBER, is_missing
from drivetrain.errors import DataError
from drivetrain.figures import counted
from drivetrain.timeline.calendar import features
from drivetrain.timeline.frequency import Frequency
from drivetrain.timeline.grid import shown
from drivetrain.timeline.layout import Layout
from drivetrain.timeline.moments import Moments
from drivetrain.types import Array

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

LEAST = 0.5
"""A history must have this share of the moments that are read; the first of them stands for those that are missing."""
SPARSE = 0.1
"""Of a window that training has seen nothing of this share must be known; of any other one it is told from LEAST on: a training may
have been as sparse."""


@dataclass(frozen=True, eq=False)
class History:
    """The moments of series, with the raw rows that they come from. `numbers` (moments,) are those by which the frequency knows
    them."""

    moments: Moments
    columns: Mapping[str, Array]
    origins: Sequence[str]
    numbers: Places
    name: str = ""
    """What the history is called in errors."""

    @classmethod
    def of(cls, layout: Layout, columns: Mapping[str, Array], origins: Sequence[str], name: str) -> History:
        """The history that the rows of a table are. Raises DataError, UsageError."""
        moments = layout.rows(columns, origins, name).moments(options=False).begun()
        return cls(moments, columns, origins, layout.beat.index(moments.stamps), name)

    @property
    def layout(self) -> Layout:
        return self.moments.layout

    def before(self, series: Places, origins: Places) -> Floats:
        """float32 (n, context, channels): the moments before origins (n,), places in all moments, of their series (n,). The first
        moment of a series stands for those before it; the calendar is what it was then."""
        layout, moments = self.layout, self.moments
        places = origins[:, None] + np.arange(-layout.context, 0)
        begins = moments.offsets[series][:, None]
        found = moments.values[np.maximum(places, begins)]
        lacking = places < begins
        if layout.calendar and lacking.any():
            rows, columns = np.nonzero(lacking)
            numbers = self.numbers[begins[rows, 0]] + places[rows, columns] - begins[rows, 0]
            found[rows, columns, -len(layout.calendar) :] = calendar(layout, numbers)
        return found

    def after(self, series: Places, origins: Places) -> Floats:
        """float32 (n, horizon, channels known ahead): what is known of the moments from origins on. Beyond the history covariates
        are what they were last: see `refuse_unknown`."""
        layout, moments = self.layout, self.moments
        places = origins[:, None] + np.arange(layout.horizon)
        last = (moments.offsets + moments.sizes - 1)[series][:, None]
        found = moments.ahead[np.minimum(places, last)]
        beyond = places > last
        if layout.calendar and beyond.any():
            rows, columns = np.nonzero(beyond)
            numbers = self.numbers[last[rows, 0]] + places[rows, columns] - last[rows, 0]
            found[rows, columns, -len(layout.calendar) :] = calendar(layout, numbers)
        return found

    def refuse_unknown(self, series: int, origin: int, horizon: int) -> str:
        """Raise DataError that names column and stamp where a covariate that is known ahead is not, in the `horizon` moments from
        an origin on. A moment without a row before others that have one (a shop is closed on Sundays) is read as in the training,
        as the last value: the remark says so; "" else."""
        layout = self.layout
        gaps, lacking = self._to_come(series, origin, horizon)
        if lacking is not None:
            place, row, column = lacking
            raise DataError(
                f"{column!r} is not known at {self._when(series, place)}{self._of(series)}, and the model needs it for what it "
                "foretells.",
                where=self.origins[row] if row >= 0 else "the known future",
                fix=f"Give a row for each of the {horizon:,} moments to come, with {', '.join(layout.known)} and without "
                f"{' and '.join(layout.targets)}: at the end of the file, or in one of its own (--known-future).",
            )
        if not gaps:
            return ""
        many = counted(len(gaps), "has", "have")
        first = self._when(series, gaps[0])
        return f"of the {horizon:,} moments to come {many} no row, the first {first}: {', '.join(layout.known)} as last known"

    def lacks_rows(self, series: int, origin: int, horizon: int) -> bool:
        """Whether a series, such as one that has ended, has no rows that reach to the end of the `horizon` moments, and the model
        needs them. (A row with an empty cell is a mistake: see `refuse_unknown`.)"""
        _, lacking = self._to_come(series, origin, horizon)
        return lacking is not None and lacking[1] < 0

    def _to_come(
        self, series: int, origin: int, horizon: int
    ) -> tuple[list[int], tuple[int, int, str] | None]:
        """The places without a row among the `horizon` moments from an origin on, and the first where something that must be
        known ahead isn't: place, row (-1: there is none) and column."""
        layout, moments = self.layout, self.moments
        end = int(moments.offsets[series] + moments.sizes[series])
        gaps: list[int] = []
        for place in range(origin, origin + horizon) if layout.known else ():
            row = int(moments.rows[place]) if place < end else -1
            if row < 0 and place < end:
                gaps.append(place)
                continue
            for column in layout.known:
                if row < 0 or self._is_absent(column, row):
                    return gaps, (place, row, column)
        return gaps, None

    def _when(self, series: int, place: int) -> str:
        """When a moment of a series is, which may lie beyond its last one."""
        last = int(self.moments.offsets[series] + self.moments.sizes[series]) - 1
        return stamp_texts(self.layout, np.array([self.numbers[last] + place - last]))[0]

    def _of(self, series: int) -> str:
        """Words that name a series where there are several."""
        return f" of {self.moments.names[series]!r}" if len(self.moments.names) > 1 else ""

    def _is_absent(self, column: str, row: int) -> bool:
        """Whether a number is missing; of names none is one too, such as that of no holiday."""
        return column not in self.layout.classes and is_missing(self.columns[column][row], NO_NUMBER)

    @property
    def least(self) -> int:
        """How many moments a series must have before an origin."""
        return max(1, int(np.ceil(LEAST * self.layout.context)))

    def is_short(self, series: int, origin: int, seen: int | None = None) -> bool:
        """Whether a series has fewer before an origin, or hardly any that is known: see `_is_sparse`."""
        return origin - int(self.moments.offsets[series]) < self.least or self._is_sparse(
            series, origin, seen
        )

    def refuse_short(self, series: int, origin: int, seen: int | None = None) -> str:
        """A remark where the history before an origin is shorter than what is read, or most of it isn't known; "" else. Raises
        DataError where it has less than half of it, or hardly anything is known."""
        layout, of = self.layout, self._of(series)
        have = origin - int(self.moments.offsets[series])
        read = f"{layout.context:,} that are read"
        if have < self.least:
            raise DataError(
                f"the history{of} has {have:,} known moments, and the model reads {layout.context:,} before what it foretells: "
                f"{self.least:,} at least.",
                where=self.name,
                fix="Give more of its past.",
            )
        known = self._known(series, origin)
        if self._is_sparse(series, origin, seen):
            raise DataError(
                f"of the {layout.context:,} moments{of} before what is foretold only {known:,} {'is' if known == 1 else 'are'} "
                "known: that tells the model nothing.",
                where=self.name,
                fix="Give the rows between, or a history with a row for each moment.",
            )
        notes: list[str] = []
        if have < layout.context:
            notes.append(
                f"the history{of} has {have:,} moments of the {read}: the first stands for those before it"
            )
        if known < min(have, self.least):
            notes.append(
                f"only {known:,} of the {read}{of} {'is' if known == 1 else 'are'} known: the others are read as the last one "
                "before them"
            )
        return ". ".join(notes)

    def _known(self, series: int, origin: int) -> int:
        """How many of the moments that are read before an origin are known."""
        begin = max(int(self.moments.offsets[series]), origin - self.layout.context)
        return int((~np.isnan(self.moments.truth[begin:origin, 0])).sum())

    def _is_sparse(self, series: int, origin: int, seen: int | None) -> bool:
        """Whether hardly any moment of a whole window is known that lies behind what training has seen (`seen`, the number of the
        first moment that it hasn't; None: nothing)."""
        begin = origin - self.layout.context
        if seen is None or begin < int(self.moments.offsets[series]) or self.numbers[begin] < seen:
            return False
        return self._known(series, origin) < SPARSE * self.layout.context


def calendar(layout: Layout, numbers: Places) -> Floats:
    """float32 (n, channels) of the moments of these numbers."""
    return features(layout.calendar, local_of(layout, numbers))


def local_of(layout: Layout, numbers: Places) -> Array:
    """What the wall clock shows at moments (n,), datetime64[s]; of counted rows their numbers."""
    return layout.local(layout.beat.stamp(numbers))


def stamp_texts(layout: Layout, numbers: Places) -> list[str]:
    """Moments (n,) as text: ISO 8601, the date alone where moments are at midnight and days or more apart, with the offset from
    UTC where there is a time zone and they are less; a year or a count alone where the table has these."""
    beat: Frequency = layout.beat
    if beat.kind == "count":
        return [str(number) for number in beat.stamp(numbers).tolist()]
    local = local_of(layout, numbers)
    if layout.when == "year":
        return [str(moment)[:4] for moment in local]
    if beat.on_the_wall:
        return [shown(moment).replace(" ", "T") for moment in local]
    texts = [str(moment) for moment in local]
    if not layout.zone:
        return texts
    offsets = (local - beat.stamp(numbers)).astype(np.int64)
    return [text + _offset(seconds) for text, seconds in zip(texts, offsets.tolist())]


def _offset(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"
