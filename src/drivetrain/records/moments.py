"""Moments as people write them, and as records have them: nanoseconds since 1970 (UTC)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from drivetrain.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGO = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def iso(nanoseconds: int) -> str:
    """A moment as ISO 8601 in UTC, to the microsecond."""
    return as_datetime(nanoseconds).isoformat().replace("+00:00", "Z")


def as_datetime(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def moment(text: str, where: str = "") -> int:
    """A moment of ISO 8601 ("2026-11-01", "2026-11-01T12:30+01:00"; UTC where it doesn't say), or so long ago ("90m", "7d").
    Raises UsageError."""
    if ago := _AGO.fullmatch(text.strip().lower()):
        return time.time_ns() - int(float(ago[1]) * _SECONDS[ago[2]] * 1e9)
    try:
        found = datetime.fromisoformat(text.strip())
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return (found - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError) as fault:
        raise UsageError(
            f"{text!r:.40} is no moment.", where=where, fix="Give a date, such as 2026-11-01, or how long ago, such as 7d."
        ) from fault  # fmt: skip
