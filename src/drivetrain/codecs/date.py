"""date@1: a day, or a moment in UTC. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

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

_TIME = (
    r"(?:(?:[Tt]|,? )([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?: ?([AaPp])[Mm])?"
    r"(?: ?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})" + _TIME)
COMPACT = re.compile(r"([0-9]{4})()([0-9]{2})([0-9]{2})" + _TIME)
YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})" + _TIME)
DAY_NAME = re.compile(r"([0-9]{1,2})([ -])([A-Za-z]{3,9})\.?,?\2([0-9]{4})" + _TIME)
NAME_DAY = re.compile(r"([A-Za-z]{3,9})\.?( )([0-9]{1,2}),? ([0-9]{4})" + _TIME)
_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)


@dataclass(frozen=True)
class Date(Codec):
    """A date, read to seconds since 1970-01-01 UTC. An input only: encodes to int64 (1 + len(parts),).

    First the seconds elapsed, rounded down, then `parts` of the calendar; all of a missing one, where `missing`
    allows that, is `MISSING` and -1. `fit` learns `parts` (those that vary) and `center` and `spread`, mean and
    standard deviation of the elapsed seconds, for the graph. `order` is that of written dates whose year is last;
    "ymd" has none of them, and `fit` finds the order where the dates leave no choice. `epoch` is the unit of
    numbers since 1970, or empty where numbers are no dates. `absent` are the texts and dates that mean that there is
    none, instead of the usual texts.
    """

    op: ClassVar[str] = "date@1"
    order: str = "ymd"
    parts: tuple[str, ...] | None = None
    missing: bool = False
    epoch: str = ""
    center: float | None = None
    spread: float | None = None
    absent: tuple[str, ...] | None = None
    no_value: ClassVar[frozenset[str]] = NO_NUMBER

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise FieldError(f"order must be one of {', '.join(ORDERS)}")
        if self.epoch and self.epoch not in UNITS:
            raise FieldError(f"epoch must be one of {', '.join(UNITS)}, or empty")
        if self.parts is not None and (
            len(set(self.parts)) < len(self.parts) or not set(self.parts) <= {*PARTS}
        ):
            raise FieldError(f"parts must be different ones of {', '.join(PARTS)}")
        if self.spread is not None and not (math.isfinite(self.spread) and self.spread > 0):
            raise FieldError("spread must be a number above 0")
        if self.center is not None and not (math.isfinite(self.center) and self.center == round(self.center)):
            raise FieldError("center must be a whole number")

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    @cached_property
    def _absent_dates(self) -> Floats:
        return parse_dates(np.array(self.absent or (), object), self.order, self.epoch)

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
        seconds = math.nan if is_missing(raw, self._absent) else _seconds(raw, self.order, self.epoch)
        if is_missing(raw, self._absent) or seconds in self._absent_dates:
            if self.missing:
                return math.nan
            raise DataError("the date is missing.", fix="Give every row a date, or leave the row out.")
        if math.isnan(seconds):
            other = isinstance(raw, str) and YEAR_LAST.fullmatch(raw.strip()) and self.order == "ymd"
            hint = "Say whether the day or the month is first: order='dmy' or 'mdy'." if other else ""
            raise DataError(f"{raw!r:.60} is not a date.", fix=hint or "Write it like 2019-12-31.")
        return seconds

    def encode(self, value: float) -> Array:
        return self._encoded(np.array([value]))[0]

    def encode_column(self, values: Array) -> tuple[Array, Errors]:
        seconds, faults = self._read_column(values)
        encoded = self._encoded(seconds)
        encoded[list(faults)] = 0
        return encoded, faults

    def _read_column(self, values: Array | Sequence[Any]) -> tuple[Floats, Errors]:
        """What `read` gives of each value (n,), NaN where it raises, and the errors by row."""
        different, which, seconds = _column(values, self.order, self.epoch)
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
        first, last = (_seconds(end, "ymd", "") if isinstance(end, str) else math.nan for end in ends)
        return [
            *found,
            (f"before the first in training, {_shown(ends[0])}", known & (elapsed < first)),
            (f"after the last in training, {_shown(ends[1])}", known & (elapsed > last)),
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
        if self.epoch:
            examples.append(("a number", -1.5))
        if self.missing:
            examples += [("missing", None), ("a word for missing", "N/A")]
        return examples


def _shown(moment: Any) -> str:
    """A moment of a profile, without a clock at midnight."""
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


def parse_dates(values: Array, order: str = "ymd", epoch: str = "") -> Floats:
    """Seconds since 1970-01-01 UTC of each raw value (n,), NaN where it is no date (or there is none).

    `order` and `epoch` are those of `Date`. Each different value is read once.
    """
    _, which, seconds = _column(values, order, epoch)
    return by_row(seconds, which)


def _column(values: Array | Sequence[Any], order: str, epoch: str) -> tuple[Sequence[Any], Array, Floats]:
    """Different values (k), which of them each row is (n,), and the seconds of each of them (k,)."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return cast("Sequence[Any]", values), np.arange(len(values)), _of_datetime64(values)
    different, which = distinct(values)
    seconds = np.full(len(different), np.nan)
    plain = np.array([isinstance(raw, str) and bool(_PLAIN.fullmatch(raw)) for raw in different], bool)
    try:
        found = np.array([different[place] for place in np.flatnonzero(plain)], "datetime64[s]")
        seconds[plain] = _of_datetime64(found)
    except ValueError:  # Some day that there is not, like 30 February.
        plain[:] = False
    for place in np.flatnonzero(~plain).tolist():
        seconds[place] = _seconds(different[place], order, epoch)
    return different, which, seconds


def _seconds(raw: Any, order: str, epoch: str) -> float:
    """Seconds since 1970 UTC, NaN where it is no date."""
    if isinstance(raw, str):
        text = raw.strip()
        if epoch and WRITTEN.fullmatch(text):
            raw = float(text)
        else:
            return _in_range(_written(text, order))
    if is_nothing(raw):
        return math.nan
    raw = scalar(raw)
    if isinstance(raw, datetime.date):
        return _in_range(_of_datetime(raw))
    if isinstance(raw, np.datetime64):
        return float(_of_datetime64(np.array([cast("Any", raw)]))[0])
    if isinstance(raw, (bool, np.bool_)) or not isinstance(raw, (int, float, np.integer, np.floating)):
        return math.nan
    try:
        number = float(cast("float", raw))
    except OverflowError:
        return math.nan
    if epoch:
        return _in_range(number / UNITS[epoch])
    whole = 10_000_101 <= number <= 99_991_231 and number.is_integer()
    return _written(str(int(number)), order) if whole else math.nan


def _in_range(seconds: float) -> float:
    return seconds if FIRST <= seconds < LAST else math.nan


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


def _written(text: str, order: str) -> float:
    """Seconds since 1970 UTC of a trimmed text, NaN where it is no date."""
    if match := YEAR_FIRST.fullmatch(text) or COMPACT.fullmatch(text):
        year, month, day = match[1], int(match[3]), match[4]
    elif match := YEAR_LAST.fullmatch(text):
        if order == "ymd":
            return math.nan
        year, month, day = match[4], int(match[3]), match[1]
        if order == "mdy":
            month, day = int(match[1]), match[3]
    elif match := DAY_NAME.fullmatch(text):
        year, month, day = match[4], MONTH.get(match[3].lower(), 0), match[1]
    elif match := NAME_DAY.fullmatch(text):
        year, month, day = match[4], MONTH.get(match[1].lower(), 0), match[3]
    else:
        return math.nan
    try:
        days = datetime.date(int(year), month, int(day)).toordinal() - 719_163
    except ValueError:
        return math.nan
    if not match[5]:
        return days * 86_400.0
    hours, minutes, seconds, fraction, half, zone = match.groups()[4:]
    clock = _clock(hours, minutes, seconds, half, zone)
    return math.nan if clock is None else days * 86_400 + clock + float(f"0.{fraction or 0}")


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
