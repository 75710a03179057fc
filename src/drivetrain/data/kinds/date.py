"""Columns of dates and of times of day: in which order they are written, and what years of two digits stand for.

A column that holds dates in 95 of 100 cells that are not missing is a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.base import NO_NUMBER
from drivetrain.codecs.date import CALENDAR, MISSING, ORDERS, UNITS, Date, Reading, parse_dates
from drivetrain.data.cell_text import Texts
from drivetrain.data.faults import Fault
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import (
    DATE,
    MOSTLY,
    ColumnContext,
    ColumnKind,
    places,
    refuse_most,
    refuse_unusable,
    unfit,
)
from drivetrain.data.kinds.category import unread
from drivetrain.data.read.columns import Column, Numbers
from drivetrain.data.read.notation import PLAIN
from drivetrain.interface import column_option
from drivetrain.types import Array

TIME_NAME = re.compile(
    r"(?:^|[\W_])(?:date|day|time|timestamp|datetime|epoch|created|updated|when|dt|at)(?:$|[\W_])"
    r"|dteday|timestamp|[a-z](?-i:Date|Time|At)$",
    re.IGNORECASE,
)
SAID_ORDERS = {"day-first": "dmy", "month-first": "mdy"}
SAID_CENTURY = re.compile("from-([1-9][0-9]{3})")
_FROM_1990, _TO_2050 = 631_152_000, 2_524_608_000
_EPOCHS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_FIRST = {"dmy": "the day", "mdy": "the month", "ymd": "the year"}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CALLED = {
    "month": [f"in {name}" for name in MONTHS],
    "weekday": [f"on a {name}" for name in DAYS],
    "hour": [f"at {hour} h" for hour in range(24)],
}
"""The names of the values of `CALENDAR`."""
DAY = 86_400
_USUAL_CENTURY, _LAST_YEAR, _LEAST_GAP = 1969, 2049, 20
"""Two digits are 1969 to 2068, as POSIX has it, unless so many years or more on end are not among them: then the others
lie together, in this century where they end before the middle of it."""


def moment(seen: ColumnContext, numbers: Numbers, named: bool = False) -> ColumnKind | None:
    """Numbers that are days such as 20191231 or seconds since 1970, where the name says time, or a person does."""
    if not ((named or TIME_NAME.search(seen.name)) and len(numbers.finite) and numbers.way == PLAIN):
        return None
    low, high = numbers.finite.min(), numbers.finite.max()
    if any(19_000_101 * per <= low and high <= 21_001_231 * per + per for per in (1, 1_000_000)):
        dates = seen.column.dates("ymd")
        if np.isnan(dates).sum() == len(seen.column) - len(numbers.finite):
            return date(seen, Reading())
    for unit, per in UNITS.items():
        if _FROM_1990 * per <= low and high <= _TO_2050 * per:
            return date(seen, Reading(epoch=unit))
    return None


def guess_date(seen: ColumnContext) -> ColumnKind | None:
    """A column of dates; None where it holds none."""
    if seen.column.kind == "date":
        return date(seen, Reading())
    if seen.column.kind != "text" or seen.column.sample.n_unique() < 3:
        return None
    reading, share, sure = find_reading(seen)
    return date(seen, reading, sure) if share >= MOSTLY else _in_two_orders(seen, share)


def date(seen: ColumnContext, reading: Reading, sure: bool = True) -> ColumnKind:
    """The column as a date, whatever else it could be."""
    seconds = seen.column.dates(*reading)
    known = seconds[~np.isnan(seconds)]
    whole_days = bool((known % 86_400 == 0).all()) and not reading.clock
    first, last = (_text(moment, reading, whole_days) for moment in (known.min(), known.max()))
    what = "times of day" if reading.clock else "dates"
    reason = f"{what} from {first} to {last}, {len(np.unique(known)):,} different in {len(seconds):,} rows"
    reason += seen.gaps(NO_NUMBER)
    if reading.order != "ymd":
        reason += f", {_FIRST[reading.order]} written first"
    reason += f", in {_EPOCHS[reading.epoch]} since 1970" if reading.epoch else ""
    if reading.century:
        reason += f", years of two digits from {reading.century} on"
    codec = Date(**reading._asdict(), missing=True)
    return seen.is_(DATE, reason, codec, _faults(seen, reading, seconds, sure))


def _text(seconds: float, reading: Reading, whole_days: bool) -> str:
    text = str(np.datetime64(int(seconds), "s")).replace("T", " ")
    return text[:10] if whole_days else text[11:16] if reading.clock else text


def _faults(seen: ColumnContext, reading: Reading, seconds: Array, sure: bool) -> Iterator[Fault]:
    """Cells that are no dates, and what can be read in more than one way."""
    name = seen.name
    if len(others := np.flatnonzero(np.isnan(seconds) & ~seen.column.missing_as(NO_NUMBER).to_numpy())):
        message = f"{name!r}: {len(others):,} of {len(seconds):,} cells are no dates; they count as missing."
        yield Fault(
            "mixed cells",
            "warning",
            message,
            places(seen, others),
            "Mend them, or call the column a category.",
        )
    if not sure:
        other = "month-first" if reading.order == "dmy" else "day-first"
        message = (
            f"{name!r}: day and month can't be told apart; {_FIRST[reading.order]} is taken to come first."
        )
        fix = f"Write the dates like 2019-12-31, or say {column_option(name, f'{DATE}:{other}')}."
        yield Fault("order of dates", "warning", message, [], fix)
    if reading.century and not any(map(SAID_CENTURY.fullmatch, seen.written)):
        short = np.isnan(seen.column.dates(*reading._replace(century=0))) & ~np.isnan(seconds)
        row = int(np.argmax(short))
        message = (
            f"{name!r}: years of two digits are taken for {reading.century} to {reading.century + 99}, so "
            f"{seen.column.values[row]!r} for {date_text(int(seconds[row]))}."
        )
        fix = f"If the first year is another one, say it: {column_option(name, f'{DATE}:from-1930')}."
        yield Fault("years of two digits", "warning", message, [], fix)


def find_reading(seen: ColumnContext) -> tuple[Reading, float, bool]:
    """How the dates of a column are written, the share of cells that are dates so, and whether nothing fits as well."""
    column = seen.column
    if not column.is_text or not len(column.sample):
        return Reading(), float(not column.is_text), True
    century = next((int(said[1]) for word in seen.written if (said := SAID_CENTURY.fullmatch(word))), 0)
    orders = [SAID_ORDERS[word] for word in seen.written if word in SAID_ORDERS] or list(ORDERS)
    bases = [Reading(century=century)] if century else [Reading(), Reading(century=_USUAL_CENTURY)]
    best = (Reading(), 0.0, True)
    for base in (*bases, Reading(clock=True)):
        found = _ordered(column, base, ["ymd"] if base.clock else orders)
        best = max(best, found, key=lambda found: found[1])
        if best[1] >= MOSTLY:
            break
    reading, share, sure = best
    if reading.century and not century:
        reading = reading._replace(century=_century(column, reading))
    return reading, share, sure


def _ordered(column: Column, base: Reading, orders: list[str]) -> tuple[Reading, float, bool]:
    some = column.sample.to_numpy()
    likely = {
        order: float(np.mean(~np.isnan(parse_dates(some, *base._replace(order=order))))) for order in orders
    }
    if max(likely.values()) < 0.5:
        return base, 0.0, True
    likely = {order: share for order, share in likely.items() if share == max(likely.values())}
    if "ymd" in likely and not base.century:
        likely = {"ymd": 1.0}  # Where the year is first the others read the same.
    present = max(1, len(column) - int(column.missing_as(NO_NUMBER).sum()))
    seconds = {
        order: column.dates(*base._replace(order=order)) for order in sorted(likely, key=_BY_CUSTOM.index)
    }
    shares = {order: int((~np.isnan(found)).sum()) / present for order, found in seconds.items()}
    best = max(shares, key=shares.__getitem__)
    equal = [order for order in shares if shares[order] == shares[best]]
    if all(np.array_equal(seconds[order], seconds[best], equal_nan=True) for order in equal):
        best = "ymd" if "ymd" in equal else best
        return base._replace(order=best), shares[best], True
    rising = [order for order in equal if _mostly_rises(seconds[order])]
    best = (rising or equal)[0]
    return base._replace(order=best), shares[best], len(rising) == 1


_BY_CUSTOM = ("dmy", "mdy", "ymd")


def _mostly_rises(seconds: Array) -> bool:
    known = seconds[~np.isnan(seconds)]
    return bool(np.mean(np.diff(known) >= 0) > MOSTLY)


def _century(column: Column, reading: Reading) -> int:
    """The first of the hundred years that years of two digits stand for: the years that there are lie together."""
    long = ~np.isnan(column.dates(*reading._replace(century=0)))
    seconds = column.dates(*reading._replace(century=2000))[~long]
    moments = np.floor(seconds[~np.isnan(seconds)]).astype(np.int64).astype("datetime64[s]")
    years = np.unique(moments.astype("datetime64[Y]").astype(np.int64) + 1970 - 2000)
    gaps = np.diff([*years, years[0] + 100])
    largest = int(np.argmax(gaps))
    gap, start = int(gaps[largest]), int(years[(largest + 1) % len(years)])
    if gap < _LEAST_GAP:
        return _USUAL_CENTURY
    span = 100 - gap
    first = 2000 + start if 2000 + start + span <= _LAST_YEAR else 1900 + start
    usual = first >= _USUAL_CENTURY and first + span < _USUAL_CENTURY + 100
    return _USUAL_CENTURY if usual else first - gap // 2


def _in_two_orders(seen: ColumnContext, share: float) -> ColumnKind | None:
    """Dates of which some have the day first and some the month: text as it stands, of no use where nearly all differ."""
    if share < 0.5:
        return None
    some = seen.column.sample.unique(maintain_order=True)
    day, month = (~np.isnan(parse_dates(some.to_numpy(), order)) for order in ("dmy", "mdy"))
    if (day | month).mean() < MOSTLY or not (day & ~month).any() or not (month & ~day).any():
        return None
    told = f"{some.filter(day & ~month)[0]!r} and {some.filter(month & ~day)[0]!r}"
    reason = f"dates with the day first and dates with the month first, such as {told}"
    fix = "Write the dates like 2019-12-31."
    return unread(seen, "order of dates", reason, fix)


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_unusable(seen, word)
    if seen.column.kind == "number":
        if found := moment(seen, seen.numbers, named=True):
            return found
        raise unfit(seen, DATE, "its numbers are neither days such as 20191231 nor times since 1970")
    if seen.column.kind not in ("text", "date"):
        raise unfit(seen, DATE, "it holds no dates")
    reading, share, sure = find_reading(seen)
    if share == 0 and seen.numbers.share >= MOSTLY and (found := moment(seen, seen.numbers, named=True)):
        return found
    others = np.flatnonzero(np.isnan(seen.column.dates(*reading)) & ~seen.column.missing.to_numpy())
    refuse_most(seen, DATE, others, share)
    return date(seen, reading, sure)


def values(column: Column, codec: Codec, folder: str) -> Array:
    """datetime64 in microseconds (n,), UTC."""
    seconds = column.dates(*cast("Date", codec).reading)
    moments = np.floor(np.nan_to_num(seconds) * 1e6).astype("datetime64[us]")
    moments[np.isnan(seconds)] = np.datetime64("NaT")
    return moments


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    elapsed, clock = encoded[:, 0], cast("Date", codec).clock
    return [None if seconds == MISSING else date_text(seconds, clock) for seconds in elapsed.tolist()]


def date_text(seconds: int, clock: bool = False) -> str:
    """Seconds since 1970 as ISO 8601; the day alone at midnight, the time alone for one of day."""
    text = str(np.datetime64(seconds, "s"))
    if clock:
        return text[11:16]
    return text[:10] if seconds % DAY == 0 else text[:16].replace("T", " ")


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    absent = encoded[:, 0] == MISSING
    elapsed = np.where(absent, np.nan, encoded[:, 0].astype(np.float64))
    clock = cast("Date", codec).clock
    yield ranged(elapsed, lambda seconds: date_text(int(seconds), clock))
    for place, part in enumerate(cast("Date", codec).parts or (), start=1):
        if part in CALENDAR:
            names, codes = CALLED[part], encoded[:, place].astype(np.int64)
            codes -= CALENDAR[part][0]
            codes[absent] = len(names)
            yield [*names, "is missing"], codes


WORDS = (DATE,)
WRITTEN = {**{word: word for word in SAID_ORDERS}, "from-1950": SAID_CENTURY.pattern}
RULES = ((20, guess_date),)
