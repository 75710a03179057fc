"""date@1: a day, or a moment in UTC. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import (
    NEVER_MISSING,
    NO_NUMBER,
    Codec,
    Errors,
    FieldError,
    absent_words,
    by_row,
    distinct,
    errors_by_row,
    is_missing,
)
from drivetrain.codecs.number import WRITTEN
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array
from drivetrain.values import is_nothing, scalar

Floats = npt.NDArray[np.float64]

PARTS = ("year", "month", "day", "weekday", "yearday", "hour", "minute")
CALENDAR = {"month": (1, 12), "weekday": (0, 7), "hour": (0, 24)}
"""Parts of which each value is a thing of its own: the first, and how many. Sunday need not lie between Saturday and Monday."""
ROUND = {"day": (1, 31), "yearday": (1, 366), "minute": (0, 60)}
"""Parts that are places on a round, likewise."""
ORDERS = ("ymd", "dmy", "mdy")
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""What `epoch` may be -> how many of it make a second."""
MISSING = -(2**62)
"""Elapsed seconds of a missing date; its parts are -1."""
FIRST, LAST = -62_135_596_800.0, 253_402_300_800.0
"""From the first second of the year 1 to before the first of the year 10000."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
MONTH = {name: 1 + place % 12 for place, name in enumerate((*MONTHS, *NAMES))} | {"sept": 9}

_ZONE = r"(?: ?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_HOUR = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?: ?([AaPp])[Mm])?"
_TIME = rf"(?:(?:[Tt]|,? ){_HOUR}{_ZONE})?"
_YEAR = "([0-9]{4}|[0-9]{2})"
YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})" + _TIME)
COMPACT = re.compile(r"([0-9]{4})()([0-9]{2})([0-9]{2})" + _TIME)
DIGITS = re.compile(
    r"([0-9]{4})()([0-9]{2})([0-9]{2})[Tt]?([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:[.,]([0-9]+))?)?()" + _ZONE
)
YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2{_YEAR}{_TIME}")
DAY_NAME = re.compile(rf"([0-9]{{1,2}})([ -])([A-Za-z]{{3,9}})\.?,?\2{_YEAR}{_TIME}")
NAME_DAY = re.compile(rf"([A-Za-z]{{3,9}})\.?( )([0-9]{{1,2}}),? {_YEAR}{_TIME}")
YEAR_MONTH = re.compile(r"([0-9]{4})([-/])([0-9]{1,2})()" + _TIME)
MONTH_YEAR = re.compile(rf"([0-9]{{1,2}}(?=[-/])|[A-Za-z]{{3,9}}\.?,?(?=[- ]))([-/ ])()([0-9]{{4}}){_TIME}")
CLOCK = re.compile(_HOUR)
_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)


class Reading(NamedTuple):
    """How texts and numbers are read as dates: the fields of `Date` of these names."""

    order: str = "ymd"
    epoch: str = ""
    century: int = 0
    clock: bool = False


@dataclass(frozen=True)
class Date(Codec):
    """A date, read to seconds since 1970-01-01 UTC. An input only: encodes to int64 (1 + len(parts),).

    First the seconds elapsed, rounded down, then `parts` of the calendar; all of a missing one, where `missing`
    allows that, is `MISSING` and -1. `fit` learns `parts` (those that vary) and `center` and `spread`, mean and
    standard deviation of the elapsed seconds, for the graph. `order` is that of written dates whose year is last;
    "ymd" has none of them, and `fit` finds the order where the dates leave no choice. `epoch` is the unit of
    numbers since 1970, or empty where numbers are no dates. `century` is the first of the hundred years that years of two
    digits stand for, 0 where there are none of them. With `clock` there are times of day alone. `absent` are the texts
    and dates that mean that there is none, instead of the usual texts.
    """

    op: ClassVar[str] = "date@1"
    order: str = "ymd"
    parts: tuple[str, ...] | None = None
    missing: bool = False
    epoch: str = ""
    center: float | None = None
    spread: float | None = None
    absent: tuple[str, ...] | None = None
    century: int = 0
    clock: bool = False
    no_value: ClassVar[frozenset[str]] = NO_NUMBER

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise FieldError(f"order must be one of {', '.join(ORDERS)}")
        if self.epoch and self.epoch not in UNITS:
            raise FieldError(f"epoch must be one of {', '.join(UNITS)}, or empty")
        if self.century and not 1000 <= self.century <= 9900:
            raise FieldError("century must be a year from 1000 to 9900, or 0")
        if self.parts is not None and (
            len(set(self.parts)) < len(self.parts) or not set(self.parts) <= {*PARTS}
        ):
            raise FieldError(f"parts must be different ones of {', '.join(PARTS)}")
        if self.spread is not None and not (math.isfinite(self.spread) and self.spread > 0):
            raise FieldError("spread must be a number above 0")
        if self.center is not None and not (math.isfinite(self.center) and self.center == round(self.center)):
            raise FieldError("center must be a whole number")

    @property
    def reading(self) -> Reading:
        return Reading(self.order, self.epoch, self.century, self.clock)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    @cached_property
    def _absent_dates(self) -> Floats:
        return parse_dates(np.array(self.absent or (), object), *self.reading)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.parts is not None and self.center is not None and self.spread is not None:
            return self
        column = cast("Array", values) if isinstance(values, np.ndarray) else list(values)
        order, (seconds, faults) = self.order, self._read_column(column)
        if faults and self.order == "ymd":
            for other in ("dmy", "mdy"):
                found = replace(self, order=other)._read_column(column)
                if not found[1]:
                    order, (seconds, faults) = other, found
                    break
        if faults:
            raise next(iter(faults.values()))
        elapsed = np.floor(seconds[~np.isnan(seconds)])
        if not elapsed.size:
            raise DataError("there are no dates to fit to.", fix="Check that the column has values.")
        varying = tuple(
            name for name, part in zip(PARTS, calendar(elapsed, PARTS)) if (part != part[0]).any()
        )
        center, width = float(round(float(elapsed.mean()))), float(elapsed.std()) or 1.0
        return replace(
            self,
            order=order,
            parts=varying if self.parts is None else self.parts,
            center=center if self.center is None else self.center,
            spread=width if self.spread is None else self.spread,
        )

    def read(self, raw: Any) -> float:
        """Seconds since 1970-01-01 00:00 UTC; NaN where missing."""
        seconds = math.nan if is_missing(raw, self._absent) else _seconds(raw, self.reading)
        if is_missing(raw, self._absent) or seconds in self._absent_dates:
            if self.missing:
                return math.nan
            raise DataError("the date is missing.", fix="Give every row a date, or leave the row out.")
        if math.isnan(seconds):
            raise DataError(f"{raw!r:.60} is not {self._what}.", fix=self._hint(raw))
        return seconds

    @property
    def _what(self) -> str:
        return "a time of day" if self.clock else "a date"

    def _hint(self, raw: Any) -> str:
        if self.clock:
            return "Write it like 14:35."
        if isinstance(raw, str) and (found := YEAR_LAST.fullmatch(raw.strip())):
            if len(found[4]) == 2 and not self.century:
                return "Write the year with four digits."
            if self.order == "ymd":
                return "Say whether the day or the month is first: order='dmy' or 'mdy'."
        return "Write it like 2019-12-31."

    def encode(self, value: float) -> Array:
        return self._encoded(np.array([value]))[0]

    def encode_column(self, values: Array) -> tuple[Array, Errors]:
        seconds, faults = self._read_column(values)
        encoded = self._encoded(seconds)
        encoded[list(faults)] = 0
        return encoded, faults

    def _read_column(self, values: Array | Sequence[Any]) -> tuple[Floats, Errors]:
        """What `read` gives of each value (n,), NaN where it raises, and the errors by row."""
        different, which, seconds = _column(values, self.reading)
        faults: Errors = {}
        seconds = np.where(np.isin(seconds, self._absent_dates), np.nan, seconds)
        for place in np.flatnonzero(np.isnan(seconds)).tolist():
            try:
                self.read(different[place])
            except DrivetrainError as fault:
                faults[place] = fault
        return by_row(seconds, which), errors_by_row(faults, which)

    def _encoded(self, seconds: Floats) -> Array:
        """int64 (n, 1 + parts) of seconds (n,)."""
        parts = self._parts()
        absent = np.isnan(seconds)
        elapsed = np.floor(np.where(absent, 0.0, seconds))
        encoded = np.stack([elapsed.astype(np.int64), *calendar(elapsed, parts)], axis=1)
        encoded[absent] = [MISSING, *[-1] * len(parts)]
        return encoded

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError("date@1 is an input only: no model output decodes to a date yet")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How many there are and are missing, and quantiles of the dates as ISO 8601."""
        elapsed = encoded[:, 0]
        known = elapsed[elapsed != MISSING]
        counts = {"n": len(elapsed), "missing": len(elapsed) - len(known)}
        if not len(known):
            return counts
        levels = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
        quantiles = np.quantile(known, levels, method="lower").astype("datetime64[s]")
        return {**counts, "quantiles": dict(zip(map(str, levels), map(str, quantiles)))}

    def unusual(self, values: Array, encoded: Array, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """What is earlier or later than all of training, and gaps where training had none."""
        elapsed, known = encoded[:, 0], encoded[:, 0] != MISSING
        found = [(NEVER_MISSING, ~known)] if profile.get("missing") == 0 else []
        quantiles = profile.get("quantiles")
        if not isinstance(quantiles, Mapping):
            return found
        ends = [cast("Mapping[str, Any]", quantiles).get(level) for level in ("0.0", "1.0")]
        first, last = (_seconds(end, Reading()) if isinstance(end, str) else math.nan for end in ends)
        return [
            *found,
            (f"before the first in training, {_shown(ends[0], self.clock)}", known & (elapsed < first)),
            (f"after the last in training, {_shown(ends[1], self.clock)}", known & (elapsed > last)),
        ]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        return (1 + len(self._parts()),)

    def _parts(self) -> tuple[str, ...]:
        if self.parts is None:
            raise DrivetrainError("date@1 has no parts yet.", fix="Call fit first, or name the parts.")
        return self.parts

    def input_words(self) -> str:
        none = ", or none" if self.missing else ""
        return f"a date, such as 2019-12-31, with or without a time{none}."

    def schema(self) -> dict[str, Any]:
        kinds = ["string", *["number"] * bool(self.epoch), *["null"] * self.missing]
        return {"type": kinds if len(kinds) > 1 else kinds[0]}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        examples: list[tuple[str, Any]] = [
            ("before 1970", "1969-12-31T23:59:59.5Z"),
            ("leap day with an offset", " 2000-02-29 00:30:00+05:30 "),
            ("a name of a month", "31 Dec 1999"),
            ("digits alone", "19000301"),
            ("after noon", "9999/12/31 12:59 PM"),
        ]
        if self.order != "ymd":
            examples.append(("year last", "03/04/2021"))
        if self.century:
            examples.append(("two digits of the year", "4-Nov-95"))
        if self.clock:
            examples = [("a time of day", "9:05"), ("the last second", "11:59:59.5 pm")]
        if self.epoch:
            examples.append(("a number", -1.5))
        if self.missing:
            examples += [("missing", None), ("a word for missing", "N/A")]
        return examples


def _shown(moment: Any, clock: bool) -> str:
    """A moment of a profile: the day alone at midnight, the time alone for one of day."""
    if clock:
        return str(moment)[11:16]
    return str(moment).removesuffix("T00:00:00")[:30]


def calendar(elapsed: Floats, parts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """The parts (n,) of moments, whole seconds (n,) since 1970 UTC. Monday is 0; the first day of a year is 1."""
    seconds = elapsed.astype(np.int64)
    number, clock = np.divmod(seconds, 86_400)
    days = number.astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    made = {
        "year": lambda: years.astype(np.int64) + 1970,
        "month": lambda: months.astype(np.int64) % 12 + 1,
        "day": lambda: (days - months).astype(np.int64) + 1,
        "weekday": lambda: (number + 3) % 7,
        "yearday": lambda: (days - years).astype(np.int64) + 1,
        "hour": lambda: clock // 3600,
        "minute": lambda: clock // 60 % 60,
    }
    return [made[name]() for name in parts]


def parse_dates(
    values: Array, order: str = "ymd", epoch: str = "", century: int = 0, clock: bool = False
) -> Floats:
    """Seconds since 1970-01-01 UTC of each raw value (n,), NaN where it is no date (or there is none).

    The options are the fields of `Reading`. Each different value is read once.
    """
    _, which, seconds = _column(values, Reading(order, epoch, century, clock))
    return by_row(seconds, which)


def _column(values: Array | Sequence[Any], reading: Reading) -> tuple[Sequence[Any], Array, Floats]:
    """Different values (k), which of them each row is (n,), and the seconds of each of them (k,)."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return cast("Sequence[Any]", values), np.arange(len(values)), _of_datetime64(values)
    different, which = distinct(values)
    seconds = np.full(len(different), np.nan)
    plain = np.array([isinstance(raw, str) and bool(_PLAIN.fullmatch(raw)) for raw in different], bool)
    plain &= not reading.clock
    try:
        found = np.array([different[place] for place in np.flatnonzero(plain)], "datetime64[s]")
        seconds[plain] = _of_datetime64(found)
    except ValueError:  # Some day that there is not, like 30 February.
        plain[:] = False
    for place in np.flatnonzero(~plain).tolist():
        seconds[place] = _seconds(different[place], reading)
    return different, which, seconds


def _seconds(raw: Any, reading: Reading) -> float:
    """Seconds since 1970 UTC, NaN where it is no date; of a time of day, since midnight."""
    seconds = _moment(raw, reading)
    first, last = (0.0, 86_400.0) if reading.clock else (FIRST, LAST)
    return seconds if first <= seconds < last else math.nan


def _moment(raw: Any, reading: Reading) -> float:
    if isinstance(raw, str):
        text = raw.strip()
        if not (reading.epoch and WRITTEN.fullmatch(text)):
            return _written(text, reading)
        raw = float(text)
    if is_nothing(raw):
        return math.nan
    raw = scalar(raw)
    if isinstance(raw, datetime.time):
        return _of_datetime(datetime.datetime.combine(_EPOCH, raw)) if reading.clock else math.nan
    if isinstance(raw, datetime.date):
        return _of_datetime(raw)
    if isinstance(raw, np.datetime64):
        return float(_of_datetime64(np.array([cast("Any", raw)]))[0])
    if isinstance(raw, (bool, np.bool_)) or not isinstance(raw, (int, float, np.integer, np.floating)):
        return math.nan
    try:
        number = float(cast("float", raw))
    except OverflowError:
        return math.nan
    if reading.epoch:
        return number / UNITS[reading.epoch]
    digits = 10_000_101 <= number <= 99_991_231 or 10_000_101_000_000 <= number <= 99_991_231_235_959
    return _written(str(int(number)), reading) if digits and number.is_integer() else math.nan


def _of_datetime(moment: datetime.date) -> float:
    if not isinstance(moment, datetime.datetime):
        return (moment.toordinal() - 719_163) * 86_400.0
    since = (moment if moment.tzinfo else moment.replace(tzinfo=_UTC)) - _EPOCH
    fraction = since.microseconds * 1000 + int(getattr(moment, "nanosecond", 0))
    return since.days * 86_400 + since.seconds + fraction / 1e9


def _of_datetime64(moments: Array) -> Floats:
    """Of any unit (n,); NaN for not-a-time and outside the years 1 to 9999."""
    unit = str(np.datetime_data(moments.dtype)[0])
    years = moments.astype("datetime64[Y]").astype(np.int64) + 1970
    known = ~np.isnat(moments) & (years >= 1) & (years <= 9999)
    moments = np.where(known, moments, np.zeros(1, moments.dtype))
    per = {"ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15}.get(unit, 1)
    fine = moments.astype(f"datetime64[{unit if per > 1 else 's'}]").astype(np.int64)
    return np.where(known, fine // per + (fine % per) / per, np.nan)


def _written(text: str, reading: Reading) -> float:
    """Seconds since 1970 UTC of a trimmed text, NaN where it is no date."""
    if reading.clock and (match := CLOCK.fullmatch(text)):
        return _with_time(0, match.groups(), None)
    for pattern, find in _FORMS:
        if match := pattern.fullmatch(text):
            year, month, day = find(match, reading.order)
            break
    else:
        return math.nan
    number = int(month) if month.isdecimal() else MONTH.get(month.rstrip(".,").lower(), 0)
    try:
        days = datetime.date(_full_year(year, reading.century), number, int(day or 1)).toordinal() - 719_163
    except ValueError:
        return math.nan
    *clock, zone = match.groups()[4:]
    return _with_time(days, clock, zone)


def _full_year(year: str, century: int) -> int:
    """The year; 0, which there is not, for two digits where they are not read."""
    if len(year) > 2:
        return int(year)
    return century + (int(year) - century) % 100 if century else 0


def _year_last(match: re.Match[str], order: str) -> tuple[str, str, str]:
    first, second, last = match[1], match[3], match[4]
    if order == "ymd":  # With two digits the year may be first; with four it has been found already.
        return (first, second, last) if len(first) == len(last) == 2 else ("0", second, last)
    return (last, first, second) if order == "mdy" else (last, second, first)


def _year_first(match: re.Match[str], order: str) -> tuple[str, str, str]:
    del order
    return match[1], match[3], match[4]


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], tuple[str, str, str]]], ...] = (
    (YEAR_FIRST, _year_first),
    (COMPACT, _year_first),
    (DIGITS, _year_first),
    (YEAR_LAST, _year_last),
    (DAY_NAME, lambda match, _: (match[4], match[3], match[1])),
    (NAME_DAY, lambda match, _: (match[4], match[1], match[3])),
    (YEAR_MONTH, _year_first),
    (MONTH_YEAR, lambda match, _: (match[4], match[1], match[3])),
)
"""What a date may look like -> its year, month and day by the order of those whose year is last."""


def _with_time(days: int, clock: Sequence[str | None], zone: str | None) -> float:
    hours, minutes, seconds, fraction, half = clock
    if not hours or not minutes:
        return days * 86_400.0
    whole = _clock(hours, minutes, seconds, half, zone)
    return math.nan if whole is None else days * 86_400 + whole + float(f"0.{fraction or 0}")


def _clock(hours: str, minutes: str, seconds: str | None, half: str | None, zone: str | None) -> int | None:
    """Whole seconds since midnight UTC, None where there is no such time."""
    hour, minute, second = int(hours), int(minutes), int(seconds or 0)
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "Pp" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    shift = 0
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        if int(digits[2:]) > 59:
            return None
        shift = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[0] == "-" else 1)
    return hour * 3600 + minute * 60 + second - shift
