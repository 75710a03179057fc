"""How far apart the moments of a series are: found from stamps or said by a name, and counted either way.

Names are those of pandas: `15min`, `h`, `6h`, `D`, `B` (Monday to Friday), `W-MON`, `MS` (a month's first day), `ME` (its last),
`BME` (its last business day), `MS-15` (its 15th), `QS`, `YS` ... A moment has a whole number, the next one the number after it; a
stamp between two moments has that of the earlier one. What is a day or more is counted on the wall clock, what is less in UTC: no
hour is lost or told twice where the clocks change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError, UsageError
from drivetrain.timeline.stamps import DAY, Stamps
from drivetrain.types import Array

Whole = npt.NDArray[np.int64]
Kind = Literal["seconds", "months", "business", "count"]

UNITS = {"s": 1, "min": 60, "h": 3_600, "D": DAY, "W": 7 * DAY}
MONTHS = {"MS": 1, "ME": 1, "BME": 1, "QS": 3, "QE": 3, "BQE": 3, "YS": 12, "YE": 12, "BYE": 12}
END, BUSINESS_END = 31, 32
"""The days of a month that stand for its last, and for its last from Monday to Friday."""
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONDAY = 4 * DAY
"""Seconds from 1970-01-01, which was a Thursday, to the first Monday."""
SHARE = 0.5
"""Of the steps between stamps those that must be one moment long."""
OTHER_NAMES = {
    "H": "h", "T": "min", "S": "s", "M": "MS", "Q": "QS", "Y": "YS", "A": "YS", "m": "min", "d": "D", "w": "W",
    "hour": "h", "day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS", "minute": "min", "second": "s",
}  # fmt: skip
_NAME = re.compile(r"([1-9][0-9]{0,4})?([A-Za-z]+)(?:-([A-Z]{3}|[0-9]{1,2}))?(?:\+([0-9]{1,6})s)?")
_ROWS = re.compile(r"([1-9][0-9]{0,8})?rows(?:\+([0-9]{1,9}))?")
SEASONS: dict[int, tuple[int, ...]] = {
    1: (60, 3_600), 60: (1_440, 10_080), 300: (288, 2_016), 600: (144, 1_008), 900: (96, 672), 1_800: (48, 336),
    3_600: (24, 168), DAY: (7, 365), 7 * DAY: (52,),
}  # fmt: skip
"""Seconds from a moment to the next -> how many moments a season usually has."""


@dataclass(frozen=True)
class Frequency:
    """`step` seconds, months, business days or rows from a moment to the next. `phase` is the first moment from 1970 on, in
    seconds or months; `day` that of the month (31: its last, 32: its last business day), and `clock` the seconds after midnight, of
    months and business days. Made by `parse` or `find_frequency`."""

    kind: Kind
    step: int = 1
    phase: int = 0
    day: int = 1
    clock: int = 0

    @property
    def on_the_wall(self) -> bool:
        """Whether its moments are counted on the wall clock."""
        return self.kind in ("months", "business") or (self.kind == "seconds" and self.step % DAY == 0)

    def times(self, stamps: Stamps) -> Array:
        """The times that it counts."""
        return stamps.local if self.on_the_wall else stamps.instants

    def index(self, times: Array) -> Whole:
        """int64 (n,) numbers of the moments at or before times, datetime64[s] (n,)."""
        seconds = times.astype(np.int64)
        if self.kind in ("seconds", "count"):
            return (seconds - self.phase) // self.step
        days = (times - np.timedelta64(self.clock, "s")).astype("datetime64[D]")
        if self.kind == "business":
            return np.busday_count(np.datetime64(0, "D"), np.busday_offset(days, 0, roll="backward"))
        months = days.astype("datetime64[M]")
        before = days < self._day_of(months)
        return (months.astype(np.int64) - before - self.phase) // self.step

    def stamp(self, index: Array) -> Array:
        """datetime64[s] (n,): the times of moments; of rows their numbers."""
        if self.kind in ("seconds", "count"):
            found = np.asarray(index, np.int64) * self.step + self.phase
            return found if self.kind == "count" else found.astype("datetime64[s]")
        if self.kind == "business":
            days = np.busday_offset(np.datetime64(0, "D"), np.asarray(index, np.int64))
        else:
            months = (np.asarray(index, np.int64) * self.step + self.phase).astype("datetime64[M]")
            days = self._day_of(months)
        return days.astype("datetime64[s]") + np.timedelta64(self.clock, "s")

    def _day_of(self, months: Array) -> Array:
        """Its day in months, datetime64[D]: the last of a month that is too short."""
        first = months.astype("datetime64[D]")
        last = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
        if self.day == BUSINESS_END:
            return np.busday_offset(last, 0, roll="backward")
        return np.minimum(first + np.timedelta64(self.day - 1, "D"), last)

    @property
    def seasons(self) -> tuple[int, ...]:
        """How many moments its usual seasons have, the shortest first."""
        if self.kind == "months":
            return (12 // self.step,) if self.step < 12 and 12 % self.step == 0 else ()
        if self.kind == "business":
            return (5, 261)
        if self.kind == "count":
            return ()
        if self.step in SEASONS:
            return SEASONS[self.step]
        return tuple(
            span // self.step for span in (DAY, 7 * DAY) if span % self.step == 0 and span > self.step
        )

    @property
    def words(self) -> str:
        """What it is for people: "every day", "every 30 minutes"."""
        if self.kind == "count":
            return "row after row" if self.step == 1 else f"every {self.step:,}"
        if self.kind == "business":
            return "every business day"
        if self.kind == "months":
            unit, many = next(
                (name, self.step // size)
                for name, size in (("year", 12), ("quarter", 3), ("month", 1))
                if self.step % size == 0
            )
        else:
            names = (("week", 7 * DAY), ("day", DAY), ("hour", 3_600), ("minute", 60), ("second", 1))
            unit, many = next((name, self.step // size) for name, size in names if self.step % size == 0)
        return f"every {unit}" if many == 1 else f"every {many} {unit}s"

    def __str__(self) -> str:
        if self.kind == "count":
            return f"{'' if self.step == 1 else self.step}rows" + (f"+{self.phase}" if self.phase else "")
        if self.kind == "business":
            return "B" + _plus(self.clock)
        if self.kind == "months":
            return self._months()
        unit = (
            "W"
            if self.step == 7 * DAY
            else next(name for name in ("D", "h", "min", "s") if self.step % UNITS[name] == 0)
        )
        many = self.step // UNITS[unit]
        if unit == "W":
            weekday, rest = divmod((self.phase - MONDAY) % self.step, DAY)
            return f"W-{WEEKDAYS[weekday]}" + _plus(rest)
        return f"{'' if many == 1 else many}{unit}" + _plus(self.phase)

    def _months(self) -> str:
        size = next(size for size in (12, 3, 1) if self.step % size == 0)
        many, letter = self.step // size, {12: "Y", 3: "Q", 1: "M"}[size]
        name = f"{'' if many == 1 else many}{'B' * (self.day == BUSINESS_END)}{letter}{'E' if self.day >= END else 'S'}"
        if size > 1 and self.phase:
            name += f"-{MONTH_NAMES[self.phase % 12]}"
        elif size == 1 and self.day not in (1, END, BUSINESS_END):
            name += f"-{self.day}"
        return name + _plus(self.clock)


def _plus(seconds: int) -> str:
    return f"+{seconds}s" if seconds else ""


def parse(name: str, stamps: Stamps | None = None) -> Frequency:
    """The frequency of a name. The weekday of a `W` without one is that of most of the `stamps`. Raises UsageError."""
    if counted := _ROWS.fullmatch(name.strip()):
        return Frequency("count", int(counted[1] or 1), int(counted[2] or 0))
    found = _NAME.fullmatch(name.strip())
    if found is None:
        raise _unknown(name)
    many, unit, of, plus = int(found[1] or 1), found[2], found[3], int(found[4] or 0)
    unit = (
        unit
        if unit in (*UNITS, *MONTHS, "B")
        else OTHER_NAMES.get(unit, OTHER_NAMES.get(unit.lower().rstrip("s"), unit))
    )
    if unit == "B" and many == 1 and of is None:
        return Frequency("business", clock=plus)
    if unit in MONTHS:
        step = many * MONTHS[unit]
        day = 1 if unit.endswith("S") else BUSINESS_END if unit[0] == "B" else END
        if of in MONTH_NAMES and "M" not in unit:
            return Frequency("months", step, MONTH_NAMES.index(of) % step, day, plus)
        if of is not None and of.isdecimal() and 1 <= int(of) <= END and unit == "MS":
            return Frequency("months", step, 0, int(of), plus)
        if of is None:
            phase = (step - 1) % step if day >= END and step > 1 else 0
            return Frequency("months", step, phase, day, plus)
        raise _unknown(name)
    if unit not in UNITS or (of is not None and (unit != "W" or of not in WEEKDAYS)):
        raise _unknown(name)
    step = many * UNITS[unit]
    if unit != "W":
        return Frequency("seconds", step, plus % step)
    if of is None and stamps is not None and len(stamps.local):
        weekdays = (stamps.local.astype("datetime64[D]").astype(np.int64) + 3) % 7
        of = WEEKDAYS[int(np.bincount(weekdays).argmax())]
    return Frequency("seconds", step, (MONDAY + WEEKDAYS.index(of or "MON") * DAY + plus) % step)


def _unknown(name: str) -> UsageError:
    return UsageError(
        f"there is no frequency {name!r:.40}.",
        where="freq",
        fix="Such as 15min, h, D, B (business days), W-MON, MS (months), BME (their last business days), QS, YS.",
    )


def find_frequency(stamps: Stamps, series: Array, origins: Sequence[str]) -> Frequency:
    """The frequency of stamps (n,), of which `series` (n,) says what each is of.

    At least half of the steps between neighbours of a series must be one moment long, and every other a whole number of
    moments. Raises DataError where there is none, with the row where it is first broken and the frequency that is nearest.
    """
    found = _calendar(stamps.local, series) or _beat(stamps.instants, series)
    if found is not None:
        return found
    order, steps = _steps(stamps.instants, series)
    if not len(steps):
        raise DataError(
            "there is one time only in every series: it tells no frequency.",
            where=origins[0],
            fix="Give more rows, or say --freq D.",
        )
    usual = int(np.bincount(np.unique(steps, return_inverse=True)[1]).argmax())
    most = int(np.unique(steps)[usual])
    row = (
        int(order[np.argmax(steps % most != 0)])
        if (steps % most != 0).any()
        else int(order[np.argmax(steps != most)])
    )
    raise DataError(
        f"the times follow no regular beat: steps go from {_span(int(steps.min()))} to {_span(int(steps.max()))}, most often "
        f"{_span(most)} ({(steps == most).mean():.0%}).",
        where=origins[row],
        fix=f"Say the frequency, such as --freq {_nearest(float(np.median(steps)))}: rows of one moment are then joined (--join), "
        "and moments without a row are gaps. Or leave the column of times out: rows then follow each other.",
    )


def find_count(numbers: Whole, series: Array) -> Frequency:
    """That of whole numbers (n,) that count moments."""
    step = _common(numbers, numbers, series) or 1
    return Frequency("count", step, int(numbers.min()) % step if len(numbers) else 0)


def _steps(times: Array, series: Array) -> tuple[Array, Whole]:
    """The rows (k,) that come after an earlier one of their series, and by how many seconds (k,); none of one time twice."""
    order = np.lexsort((times, series))
    steps = np.diff(times[order].astype(np.int64))
    kept = (series[order][1:] == series[order][:-1]) & (steps > 0)
    return order[1:][kept], steps[kept]


def _calendar(local: Array, series: Array) -> Frequency | None:
    """Of stamps that are all at one time of day: months, business days, weeks or days; None of others."""
    seconds = local.astype(np.int64)
    clock = int(seconds[0] % DAY)
    if (seconds % DAY != clock).any():
        return None
    days = local.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    lengths = (
        (months + np.timedelta64(1, "M")).astype("datetime64[D]") - months.astype("datetime64[D]")
    ).astype(np.int64)
    of_month = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    day = int(of_month.max())
    if (of_month == np.minimum(day, lengths)).all():
        step = _common(_steps(months.astype("datetime64[s]"), series)[0], months.astype(np.int64), series)
        if step:
            day = END if (of_month == lengths).all() else day
            return Frequency("months", step, int(months.astype(np.int64)[0]) % step, day, clock)
    if (days == Frequency("months", day=BUSINESS_END)._day_of(months)).all():
        step = _common(_steps(months.astype("datetime64[s]"), series)[0], months.astype(np.int64), series)
        if step:
            return Frequency("months", step, int(months.astype(np.int64)[0]) % step, BUSINESS_END, clock)
    numbers = days.astype(np.int64)
    weekdays = (numbers + 3) % 7
    rows, _ = _steps(local, series)
    weeks = (numbers + 3) // 7
    if (
        (weekdays < 5).all() and len(np.unique(weekdays)) > 1 and weeks.max() > weeks.min()
    ):  # A weekend is left out.
        business = np.busday_count(np.datetime64(0, "D"), days)
        if _common(rows, business, series) == 1:
            return Frequency("business", clock=clock)
    step = _common(rows, numbers, series)
    return Frequency("seconds", step * DAY, int(seconds[0]) % (step * DAY)) if step else None


def _beat(instants: Array, series: Array) -> Frequency | None:
    seconds = instants.astype(np.int64)
    step = _common(_steps(instants, series)[0], seconds, series)
    if not step or ((seconds - seconds[0]) % step).any():
        return None
    return Frequency("seconds", step, int(seconds[0]) % step)


def _common(rows: Array, numbers: Whole, series: Array) -> int:
    """The greatest common divisor of the steps between the numbers of one series, where it is itself that of half of them, and
    all numbers are such steps apart; else 0. `rows` are not looked at where there are none."""
    if not len(rows):
        return 0
    order = np.lexsort((numbers, series))
    steps = np.diff(numbers[order])
    steps = steps[(series[order][1:] == series[order][:-1]) & (steps > 0)]
    if not len(steps):
        return 0
    step = math.gcd(*np.unique(steps).tolist())
    same = ((numbers - numbers[0]) % step == 0).all()
    return step if same and (steps == step).mean() >= SHARE else 0


def _span(seconds: int) -> str:
    for name, size in (("day", DAY), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            many = seconds / size
            return f"{many:.4g} {name}{'' if many == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _nearest(seconds: float) -> str:
    """The name of the usual frequency that is nearest to a step."""
    usual = {
        **{f"{name}": size for name, size in UNITS.items()},
        "5min": 300, "15min": 900, "30min": 1_800, "MS": 30.4 * DAY, "QS": 91.3 * DAY, "YS": 365.25 * DAY,
    }  # fmt: skip
    return min(usual, key=lambda name: abs(math.log(seconds / usual[name])))
