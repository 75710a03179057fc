"""Memory that is freed is kept for the next use, instead of going to the system and back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""glibc's names for what it does with freed memory, as in its malloc.h."""
NEVER = 2**31 - 1
GLIBC_TRIM, GLIBC_MMAPS = 64 * 2**20, 65_536
"""What glibc comes to by itself: twice the largest threshold of its own, and its default."""


@contextmanager
def kept_memory() -> Generator[None, None, None]:
    """Within it glibc's malloc gives nothing back; at the end it gives back what is free.

    A training step, and a picture that is decoded, take and free the same megabytes as the one before. By default glibc
    may return them to the system each time, which then hands out new pages full of zeros: up to a third of the time of
    a small convolutional network's step, a twentieth of a picture's. The setting holds for the process. Elsewhere than
    on Linux with glibc this does nothing.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not (hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim")):
        yield
        return
    libc.mallopt(TRIM_THRESHOLD, NEVER)
    libc.mallopt(MMAP_MAX, 0)
    try:
        yield
    finally:
        libc.mallopt(TRIM_THRESHOLD, GLIBC_TRIM)
        libc.mallopt(MMAP_MAX, GLIBC_MMAPS)
        libc.malloc_trim(0)


def give_back() -> None:
    """Give what is free back to the system, as after a large file was read: glibc keeps it otherwise, for the next one."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
