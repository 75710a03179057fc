"""What a calendar says of a moment, as numbers that are known for the future too. OPS.md says each exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.timeline.frequency import Frequency
from drivetrain.timeline.stamps import DAY
from drivetrain.types import Array

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIME_OF_DAY = ("time of day, sine", "time of day, cosine")
TIME_OF_YEAR = ("time of year, sine", "time of year, cosine")
CHANNELS = (*TIME_OF_DAY, *DAYS, *TIME_OF_YEAR)
YEAR, ENOUGH = 366, 3


def calendar_channels(frequency: Frequency, days: float = math.inf) -> tuple[str, ...]:
    """The names of what is told of a moment: the time of day where moments are less than a day apart, the weekday where less
    than a week, the time of the year where less than a year and what is learned from has at least so many `days` as ENOUGH
    years: in a shorter one it is as good as a date, and what a network makes of it is that it knows each week by heart. Nothing
    where rows are counted."""
    year = TIME_OF_YEAR if days >= ENOUGH * YEAR else ()
    if frequency.kind == "count":
        return ()
    if frequency.kind == "months":
        return year if frequency.step < 12 else ()
    seconds = DAY if frequency.kind == "business" else frequency.step
    return (
        *(TIME_OF_DAY if seconds < DAY else ()),
        *(DAYS if seconds < 7 * DAY else ()),
        *year,
    )


def features(names: Sequence[str], local: Array) -> npt.NDArray[np.float32]:
    """float32 (n, names) of what the wall clock shows, datetime64[s] (n,): sine and cosine of 2 pi times the share of the day
    that is over, or of a year of 366 days at the day's beginning; of each weekday 1 where it is that and else 0."""
    if not names:
        return np.zeros((len(local), 0), np.float32)
    days = local.astype("datetime64[D]")
    of_day = (local.astype("datetime64[s]") - days).astype(np.int64) / DAY
    of_year = (days - days.astype("datetime64[Y]")).astype(np.int64) / YEAR
    weekday = (days.astype(np.int64) + 3) % 7
    made: dict[str, Callable[[], Array]] = {
        **{name: lambda place=place: weekday == place for place, name in enumerate(DAYS)},
        **dict(zip(TIME_OF_DAY, _round(of_day))),
        **dict(zip(TIME_OF_YEAR, _round(of_year))),
    }
    return np.stack([made[name]().astype(np.float32) for name in names], axis=1)


def _round(share: Array) -> tuple[Callable[[], Array], Callable[[], Array]]:
    return lambda: np.sin(2 * np.pi * share), lambda: np.cos(2 * np.pi * share)
