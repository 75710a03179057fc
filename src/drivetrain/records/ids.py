"""Identifiers that sort as they were given, whatever the clock does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

HOUR = 3600 * 10**9
_TICKS = 1_000_000 / 4096
"""Nanoseconds of one step of an id's time: a millisecond has 4,096."""


class Clock:
    """Nanoseconds since 1970 (UTC), which never go back.

    Where the machine's clock jumps back, this one goes on at half its pace until the other has caught up, as adjtime(2) does:
    moments stay in order, and none is off for longer than twice the jump. Where it jumps ahead this one follows.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall, self._steady = wall, steady
        self._last, self._at = 0, steady()

    def now(self) -> int:
        at = self._steady()
        self._last = max(self._wall(), self._last + (at - self._at) // 2)
        self._at = at
        return self._last


def _steady() -> int:
    """Nanoseconds that pass at an even pace, those in which the machine sleeps too where the system counts them."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Calendar:
    """Nanoseconds since 1970 (UTC) by which records may be deleted for their age, which nobody can undo: a clock that jumps ahead
    by more than an hour is believed once it has been so for a day. It is to be asked every hour or so."""

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = _steady) -> None:
        self._wall, self._steady = wall, steady
        self._believed = self._seen = wall() - steady()
        self._since = 0

    def now(self) -> tuple[int, bool]:
        """The moment, and whether a jump was seen just now."""
        at = self._steady()
        ahead = self._wall() - at
        jumped = False
        if ahead <= self._believed + HOUR:
            self._believed = self._seen = ahead
        elif abs(ahead - self._seen) > HOUR:
            self._seen, self._since, jumped = ahead, at, True
        elif at - self._since > 24 * HOUR:
            self._believed = self._seen = ahead
        return at + self._believed, jumped


class Ids:
    """Ids of 128 bits as UUIDs of version 7 (RFC 9562, section 5.7, with method 3 of 6.2): 48 bits of milliseconds, 12 of their
    fraction, 62 at random. Those of one maker rise strictly; those of several sort by time."""

    def __init__(self) -> None:
        self._last = 0
        self._random, self._place = b"", 0

    def follow(self, newest: str, now: int) -> None:
        """Give none that is not later than this one; unless the clock that it is from went wrong by more than a day."""
        ticks = int(newest[:8] + newest[9:13] + newest[15:18], 16) if newest else 0
        if ticks >> 12 < now // 1_000_000 + 86_400_000:
            self._last = max(self._last, ticks)

    def next(self, nanoseconds: int) -> str:
        """The id of what happened then, or as soon after as is later than the last one."""
        milliseconds, rest = divmod(nanoseconds, 1_000_000)
        self._last = ticks = max(milliseconds << 12 | int(rest / _TICKS), self._last + 1)
        if self._place == len(self._random):
            self._random, self._place = os.urandom(4096), 0
        drawn = int.from_bytes(self._random[self._place : self._place + 8], "big")
        self._place += 8
        text = f"{ticks >> 12:012x}7{ticks & 0xFFF:03x}{drawn & 0x3FFFFFFFFFFFFFFF | 0x8000000000000000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
