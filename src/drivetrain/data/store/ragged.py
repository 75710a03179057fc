"""Rows of different lengths on the disk: their values one after the other, and how many each has.

    values.npy    (total, ...)
    lengths.npy   int64 (n,); 0 of a row that could not be encoded

Where a row begins is known when those before it are encoded. So each chunk of rows goes to files of its own, and at the end
they are put together in their order: the same rows give the same bytes, whichever was ready first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.ragged import Ragged
from drivetrain.types import Array

VALUES, LENGTHS = "values.npy", "lengths.npy"
CHUNKS = "chunks"


class RaggedRows:
    """Such files while they are written, chunk by chunk, in any order, by several threads and processes."""

    row_bytes = 2**16
    """As long as nobody knows it, a row counts as a large one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chunks = folder, folder / CHUNKS
        self.empty: Array = np.load(folder / VALUES, allow_pickle=False)

    @classmethod
    def create(cls, folder: Path, rows: int, codec: Codec) -> RaggedRows:
        del rows
        (folder / CHUNKS).mkdir()
        np.save(folder / VALUES, np.zeros((0, *codec.shape[1:]), codec.dtype))
        return cls(folder)

    @staticmethod
    def read(folder: Path, codec: Codec) -> Ragged:
        """The rows; their values stay on the disk until they are asked for, as those of a RowFile do. Raises ValueError."""
        lengths = np.load(folder / LENGTHS, allow_pickle=False)
        if not lengths.sum():  # What is empty can't be mapped.
            return codec.together([np.load(folder / VALUES, allow_pickle=False)] * len(lengths))  # type: ignore[return-value]
        values = np.load(folder / VALUES, mmap_mode="c", allow_pickle=False)
        if lengths.sum() != len(values):
            raise ValueError("the lengths are not those of the values")
        return Ragged.of(values, lengths, codec.padding)

    @contextmanager
    def chunk(self, start: int, count: int) -> Iterator[Callable[[int, Array], None]]:
        """What writes the rows from `start` on, in their order. Raises OSError: no space left."""
        lengths = np.zeros(count, np.int64)
        with open(self.chunks / f"{start}.values", "wb") as file:

            def write(row: int, array: Array) -> None:
                file.write(array.tobytes())
                lengths[row - start] = len(array)

            yield write
        np.save(self.chunks / f"{start}.npy", lengths)

    @contextmanager
    def flushed(self) -> Iterator[None]:
        """At the end all rows are put together, on the disk."""
        yield
        starts = sorted(int(path.stem) for path in self.chunks.glob("*.npy"))
        none = np.zeros(0, np.int64)
        lengths = np.concatenate([none, *(np.load(self.chunks / f"{start}.npy") for start in starts)])
        np.save(self.folder / LENGTHS, lengths)
        header = np.lib.format.header_data_from_array_1_0(self.empty)
        shape = (int(lengths.sum()), *self.empty.shape[1:])
        with open(self.folder / VALUES, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
            for start in starts:
                with open(self.chunks / f"{start}.values", "rb") as part:
                    shutil.copyfileobj(part, file)
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(self.chunks)
