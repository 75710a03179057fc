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
from drivetrain.timeline.layout import Layout, Moments
from drivetrain.types import Array

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

LEAST = 0.5
"""A history must have this share of the moments that are read; the first of them stands for those that are missing."""


@dataclass(frozen=True, eq=False)
class History:
    """The moments of series, with the raw rows that they come from. `numbers` (moments,) are those by which the frequency knows
    them."""

    moments: Moments
    columns: Mapping[str, Array]
    origins: Sequence[str]
    numbers: Places

    @classmethod
    def of(cls, layout: Layout, columns: Mapping[str, Array], origins: Sequence[str], name: str) -> History:
        """The history that the rows of a table are. Raises DataError, UsageError."""
        moments = layout.rows(columns, origins, name).moments().begun()
        return cls(moments, columns, origins, layout.beat.index(moments.stamps))

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
        layout, moments = self.layout, self.moments
        end = int(moments.offsets[series] + moments.sizes[series])
        of = f" of {moments.names[series]!r}" if len(moments.names) > 1 else ""
        gaps: list[int] = []
        for step in range(horizon if layout.known else 0):
            place = origin + step
            row = int(moments.rows[place]) if place < end else -1
            if row < 0 and place < end:
                gaps.append(place)
                continue
            lacking = [name for name in layout.known if row < 0 or self._is_absent(name, row)]
            if lacking:
                number = self.numbers[end - 1] + place - (end - 1)
                when = stamp_texts(layout, np.array([number]))[0]
                where = self.origins[row] if row >= 0 else "the known future"
                raise DataError(
                    f"{lacking[0]!r} is not known at {when}{of}, and the model needs it for what it foretells.",
                    where=where,
                    fix=f"Give a row for each of the {horizon:,} moments to come, with {', '.join(layout.known)} and without "
                    f"{' and '.join(layout.targets)}: at the end of the file, or in one of its own (--known-future).",
                )
        if not gaps:
            return ""
        first = stamp_texts(layout, self.numbers[gaps[:1]])[0]
        many = counted(len(gaps), "has", "have")
        return f"of the {horizon:,} moments to come {many} no row, the first {first}: {', '.join(layout.known)} as last known"

    def _is_absent(self, column: str, row: int) -> bool:
        """Whether a number is missing; of names none is one too, such as that of no holiday."""
        return column not in self.layout.classes and is_missing(self.columns[column][row], NO_NUMBER)

    @property
    def least(self) -> int:
        """How many moments a series must have before an origin."""
        return max(1, int(np.ceil(LEAST * self.layout.context)))

    def is_short(self, series: int, origin: int) -> bool:
        """Whether a series has fewer before an origin."""
        return origin - int(self.moments.offsets[series]) < self.least

    def refuse_short(self, series: int, origin: int) -> str:
        """A remark where the history before an origin is shorter than what is read; "" else. Raises DataError where it has less
        than half of it."""
        layout, moments = self.layout, self.moments
        have = origin - int(moments.offsets[series])
        if have >= layout.context:
            return ""
        of = f" of {moments.names[series]!r}" if len(moments.names) > 1 else ""
        if have < self.least:
            raise DataError(
                f"the history{of} has {have:,} known moments, and the model reads {layout.context:,} before what it foretells: "
                f"{self.least:,} at least.",
                fix="Give more of its past.",
            )
        read = f"{layout.context:,} that are read"
        return f"the history{of} has {have:,} moments of the {read}: the first stands for those before it"


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
