"""Stamps of all kinds as moments: the clock on the wall, and the instant in UTC, which differ where there is a time zone.

A stamp without a zone is what the wall clock showed. With a zone's name (`--timezone Europe/Berlin`) daylight saving is known:
of an hour that the clock shows twice the first row is the first, and an hour that it skips is refused. Stamps that have offsets
of their own (`+02:00`, `Z`) must all have the same, or two that are an hour apart at most, which is daylight saving; a mixture
is refused unless a zone is named, in which all of them are then told.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import by_row, distinct
from drivetrain.codecs.date import Date, parse_dates
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.types import Array

Seconds = npt.NDArray[np.int64]

DAY = 86_400
DAYLIGHT_SAVING = 3_600
"""How far apart two offsets of one zone may be."""
_OFFSET = re.compile(r":[0-9]{2}(?:[.,][0-9]+)?(?: ?[AaPp][Mm])? ?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)$")
_FIXED = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Clock:
    """What a wall clock shows at an instant: that of a `zone` by its name (IANA's, or an offset such as +01:00); of none, the
    instant itself."""

    zone: str = ""

    def __post_init__(self) -> None:
        if self.zone and self.offset is None:
            try:
                zoneinfo.ZoneInfo(self.zone)
            except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
                fix = (
                    nearest(self.zone, sorted(zoneinfo.available_timezones()))
                    or "Such as Europe/Berlin or +01:00."
                )
                raise UsageError(
                    f"there is no time zone {self.zone!r:.60}.", where="timezone", fix=fix
                ) from None

    @property
    def offset(self) -> int | None:
        """Seconds ahead of UTC, where that is always the same; None where a zone's name says it."""
        if self.zone in ("", "UTC"):
            return 0
        found = _FIXED.fullmatch(self.zone)
        return None if found is None else _seconds(found[1], found[2], found[3])

    def local(self, instants: Array) -> Array:
        """datetime64[s] (n,) in UTC -> what the clock shows, datetime64[s]."""
        if self.offset is not None:
            return instants + np.timedelta64(self.offset, "s")
        seconds = instants.astype(np.int64)
        days, which = np.unique(seconds // DAY, return_inverse=True)
        begin, end = self._offsets(days * DAY), self._offsets((days + 1) * DAY)
        offsets = begin[which]
        changing = np.flatnonzero((begin != end)[which])
        offsets[changing] = self._offsets(seconds[changing])
        return (seconds + offsets).astype("datetime64[s]")

    def _offsets(self, seconds: Seconds) -> Seconds:
        """Seconds ahead of UTC at instants (n,)."""
        zone = zoneinfo.ZoneInfo(self.zone)
        moments = (_EPOCH + datetime.timedelta(seconds=second) for second in seconds.tolist())
        found = [_offset(moment.astimezone(zone)) for moment in moments]
        return np.array(found, np.int64)

    def instants(self, local: Array, again: Array) -> tuple[Array, Array]:
        """What the clock shows, datetime64[s] (n,), -> the instants, and which of them (bool) it never shows. Of what it shows
        twice it is the second time where `again` is true."""
        if self.offset is not None:
            return local - np.timedelta64(self.offset, "s"), np.zeros(len(local), bool)
        seconds = local.astype(np.int64)
        days, which = np.unique(seconds // DAY, return_inverse=True)
        begin, end = self._offsets((days - 1) * DAY), self._offsets((days + 2) * DAY)
        offsets, never = begin[which], np.zeros(len(local), bool)
        zone = zoneinfo.ZoneInfo(self.zone)
        for row in np.flatnonzero((begin != end)[which]).tolist():
            shown = _EPOCH.replace(tzinfo=None) + datetime.timedelta(seconds=int(seconds[row]))
            moment = shown.replace(tzinfo=zone, fold=int(again[row]))
            offsets[row] = _offset(moment)
            never[row] = moment.astimezone(datetime.UTC).astimezone(zone).replace(tzinfo=None) != shown
        return (seconds - offsets).astype("datetime64[s]"), never


@dataclass(frozen=True, eq=False)
class Stamps:
    """What stamps (n,) mean: `local` and `instants`, both datetime64[s], and the clock between them. `notes` are what was done
    unasked."""

    local: Array
    instants: Array
    clock: Clock
    notes: tuple[str, ...] = ()
    shown: Array | None = None
    """Of stamps with a zone what the clock shows where each was written."""

    def without_zone(self) -> Stamps:
        """As those of a training without a zone are read: what each shows, whatever its zone. It is told."""
        if self.shown is None:
            return self
        note = (
            "the stamps have a time zone, and those of the training had none: what their clock shows is taken"
        )
        return Stamps(self.shown, self.shown, Clock(), (note,))


def read_stamps(values: Array, way: Date, origins: Sequence[str], series: Array, zone: str = "") -> Stamps:
    """Stamps (n,) of any kind that date@1 reads. `origins` say where each row comes from, `series` (n,) which series it is of.

    Raises DataError that names the row: of what is no stamp, of one with a zone among others without or with others, and of
    one that the clock of `zone` never shows.
    """
    seconds = parse_dates(values, *way.reading)
    if (wrong := np.isnan(seconds)).any():
        row = int(np.argmax(wrong))
        try:
            way.with_fields(missing=False).read(values[row])  # It raises, and says what is wrong.
        except DataError as fault:
            raise fault.at(origins[row]) from fault
        raise DataError(f"{values[row]!r:.60} is no time.", where=origins[row])
    moments = np.floor(seconds).astype(np.int64)
    if (moments != seconds).any() and len(np.unique(moments)) < len(np.unique(seconds)):
        raise DataError(
            "there are several stamps within one second.", where=origins[int(np.argmax(moments != seconds))],
            fix="Leave the column of times out: rows then follow each other in the order of the file.",
        )  # fmt: skip
    offsets = _offsets_of(values)
    if offsets is None:
        return _on_the_wall(moments.astype("datetime64[s]"), Clock(zone), origins, series)
    if (lacking := np.isnan(offsets)).any():
        first = bool(lacking[0])
        row = int(np.argmax(lacking != first))
        raise DataError(
            f"{values[row]!r:.60} has {'a' if first else 'no'} time zone, and the first row has {'none' if first else 'one'}.",
            where=origins[row], fix="Write all of them alike.",
        )  # fmt: skip
    return _with_offsets(values, moments.astype("datetime64[s]"), offsets, origins, zone)


def _with_offsets(
    values: Array, instants: Array, offsets: Array, origins: Sequence[str], zone: str
) -> Stamps:
    shown = instants + offsets.astype("timedelta64[s]")
    if zone:
        clock = Clock(zone)
        return Stamps(clock.local(instants), instants, clock, shown=shown)
    different = np.unique(offsets)
    if len(different) > 2 or different[-1] - different[0] > DAYLIGHT_SAVING:
        row = int(np.argmax(offsets != offsets[0]))
        raise DataError(
            f"{values[row]!r:.60} has another time zone than {values[0]!r:.60}.", where=origins[row],
            fix="Name the zone in which days begin: --timezone Europe/Berlin, or UTC.",
        )  # fmt: skip
    clock = Clock(_named(int(different[0])))
    notes: tuple[str, ...] = ()
    if len(different) > 1:
        notes = (
            f"the stamps have two time zones an hour apart, which is daylight saving: they are told in {clock.zone}. "
            "--timezone NAME tells them by the clock of a place",
        )
    return Stamps(clock.local(instants), instants, clock, notes, shown)


def _on_the_wall(local: Array, clock: Clock, origins: Sequence[str], series: Array) -> Stamps:
    """Of stamps without a zone."""
    if not clock.zone:
        return Stamps(local, local, clock)
    instants, never = clock.instants(local, _again(local, series))
    if never.any():
        row = int(np.argmax(never))
        raise DataError(
            f"the clocks of {clock.zone} never showed {str(local[row]).replace('T', ' ')}: that hour was skipped.",
            where=origins[row],
            fix="Name the zone that the stamps are in; those of standard time all year round are in one such as +01:00.",
        )
    return Stamps(local, instants, clock)


def _again(local: Array, series: Array) -> Array:
    """Which stamps (n,) the same series has had in a row before."""
    order = np.lexsort((np.arange(len(local)), local, series))
    same = (local[order][1:] == local[order][:-1]) & (series[order][1:] == series[order][:-1])
    again = np.zeros(len(local), bool)
    again[order[1:]] = same
    return again


def _offsets_of(values: Array) -> Array | None:
    """Seconds ahead of UTC that stamps (n,) have, NaN of one without; None where none has."""
    if values.dtype.kind in "Miuf":
        return None
    different, which = distinct(values)
    found = np.array([_offset_of(value) for value in different], np.float64)
    return None if np.isnan(found).all() else by_row(found, which)


def _offset_of(value: Any) -> float:
    if isinstance(value, datetime.datetime):
        return float("nan") if value.tzinfo is None else float(_offset(value))
    if not isinstance(value, str) or (found := _OFFSET.search(value.strip())) is None:
        return float("nan")
    if found[1][0] not in "+-":
        return 0.0
    return float(_seconds(found[1][0], found[1][1:3], found[1][3:].lstrip(":")))


def _offset(moment: datetime.datetime) -> int:
    return int(cast("datetime.timedelta", moment.utcoffset()).total_seconds())


def _seconds(sign: str, hours: str, minutes: str | None) -> int:
    return (int(hours) * 3600 + int(minutes or 0) * 60) * (-1 if sign == "-" else 1)


def _named(offset: int) -> str:
    """As `Clock` reads it; UTC for none."""
    if not offset:
        return "UTC"
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
