"""Rows of one shape on the disk: one array, in which each row has its place before anything is encoded."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.types import Array

ARRAY = "array.npy"
FLUSH_SECONDS = 0.1


class RowFile:
    """An .npy file whose rows are written one by one, in any order, by several threads and processes; a row that
    nobody writes is zeros. Written and not mapped: a full disk is then an error, not a crash."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / ARRAY
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        self.first, self.row_bytes = array.offset, array[:1].nbytes
        self.descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))

    @classmethod
    def create(cls, folder: Path, rows: int, codec: Codec) -> RowFile:
        np.lib.format.open_memmap(folder / ARRAY, mode="w+", dtype=codec.dtype, shape=(rows, *codec.shape))
        return cls(folder)

    @staticmethod
    def read(folder: Path, codec: Codec) -> Array:
        """The rows. Copy-on-write: pages come from the system's cache, and torch may wrap the array, which it thinks
        writable."""
        del codec
        return np.load(folder / ARRAY, mmap_mode="c", allow_pickle=False)

    @contextmanager
    def chunk(self, start: int, count: int) -> Iterator[Callable[[int, Array], None]]:
        """What writes the rows from `start` on."""
        del start, count
        yield self.write

    def write(self, row: int, array: Array) -> None:
        """Raises OSError: no space left."""
        if (
            os.pwrite(self.descriptor, np.ascontiguousarray(array).data, self.first + row * self.row_bytes)
            < self.row_bytes
        ):
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path))

    @contextmanager
    def flushed(self) -> Iterator[None]:
        """All rows are on the disk at the end. They go there while the others are still being encoded, or the last
        flush of a large file would be a wait of its own."""
        done = Event()

        def flush() -> None:
            while not done.wait(FLUSH_SECONDS):
                os.fsync(self.descriptor)

        thread = Thread(target=flush, daemon=True)
        thread.start()
        try:
            yield
            done.set()
            thread.join()
            os.fsync(self.descriptor)
        finally:
            done.set()
            thread.join()
            os.close(self.descriptor)
