"""How much a file from outside may take: memory and columns. Each can be set by an environment variable."""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from pathlib import Path

from drivetrain.errors import DataError, UsageError

MOST_COLUMNS = 10_000
UNKNOWN = 8 * 10**9
"""Bytes of memory that are taken to be there where the system doesn't say."""
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def from_environment(name: str, otherwise: float) -> float:
    """A number above 0 that an environment variable may set. Raises UsageError for anything else."""
    text = os.environ.get(name) or ""
    with suppress(ValueError):
        number = float(text or otherwise)
        if 0 < number < math.inf:
            return number
    raise UsageError(f"{text!r} is not a number above 0.", where=name)


def memory_budget() -> int:
    """The bytes of memory that reading may take: `DRIVETRAIN_MEMORY_GB`, else what is free now, within the limits of this
    process (`ulimit -v`) and of its container."""
    if os.environ.get("DRIVETRAIN_MEMORY_GB"):
        return int(from_environment("DRIVETRAIN_MEMORY_GB", 0) * 1e9)
    free = [_free_here(), _left_in_address_space()]
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):
            free.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return max(0, min([left for left in free if left is not None], default=UNKNOWN))


def refuse_too_large(needed: float, what: str, place: str) -> None:
    """Raise DataError where reading `what` needs more bytes of memory than there are."""
    budget = memory_budget()
    if needed > budget:
        raise DataError(
            f"{what} takes about {needed / 1e9:.1f} GB of memory, and {budget / 1e9:.1f} GB are free.",
            where=place,
            fix="Take fewer rows or columns, or allow more with DRIVETRAIN_MEMORY_GB=NUMBER in the environment.",
        )


def refuse_many_columns(count: int, place: str) -> None:
    """Raise DataError for more columns than are read: each is looked at by itself and beside the others."""
    most = int(from_environment("DRIVETRAIN_MOST_COLUMNS", MOST_COLUMNS))
    if count > most:
        raise DataError(
            f"there are {count:,} columns, and at most {most:,} are read.",
            where=place,
            fix="Keep those that matter, or allow more with DRIVETRAIN_MOST_COLUMNS=NUMBER in the environment.",
        )


def _free_here() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    if sys.platform == "darwin":  # Which calls free only what nobody has ever used.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def _left_in_address_space() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError, IndexError):
        return limit - int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return limit
