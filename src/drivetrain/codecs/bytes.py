"""bytes@1: a file's bytes as a picture. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec, FieldError
from drivetrain.errors import DataError, DrivetrainError, FileError
from drivetrain.files import open_regular
from drivetrain.types import Array

LAYOUTS = ("rows", "pairs")
LARGEST_SIDE = 256
MOST = 1 << 30
GOLDEN_BYTES = 1 << 16
REPLACE = "Replace the file or leave it out."


@dataclass(frozen=True)
class Bytes(Codec):
    """A file of any kind, read to uint8 (bytes,), the first `most` of it, and encoded to a grey picture uint8 (size, size, 1).

    `layout` "rows" lays the bytes out row by row, as light as their value: of more than there are pixels each shows the mean
    of a stretch (Nataraj et al. 2011, Malware Images). "pairs" shows how often a byte follows another: the first says the
    row, the second the column; what is where in the file says nothing then, nor how long it is (Conti et al. 2008, Visual
    Reverse Engineering of Binary and Data Files).
    """

    op: ClassVar[str] = "bytes@1"
    called: ClassVar[str] = "a file"
    like: ClassVar[str] = "image"
    encoded_tolerance: ClassVar[float] = 1.0
    from_files: ClassVar[bool] = True
    drawn: ClassVar[bool] = True
    size: int = 64
    layout: str = "rows"
    most: int = 1 << 20

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise FieldError(f"layout must be one of {', '.join(LAYOUTS)}")
        if not 8 <= self.size <= LARGEST_SIDE:
            raise FieldError(f"size must be from 8 to {LARGEST_SIDE}")
        if self.layout == "pairs" and 256 % self.size:
            raise FieldError("size must be 8, 16, 32, 64, 128 or 256 with the layout pairs")
        if not 1 <= self.most <= MOST:
            raise FieldError(f"most must be from 1 to {MOST:,}")

    def fit(self, values: Iterable[Any]) -> Self:
        """Nothing is learned."""
        del values
        return self

    def read(self, raw: Any) -> Array:
        """uint8 (n,), at least one."""
        place = ""
        if isinstance(raw, (bytes, bytearray, memoryview)):
            data = bytes(cast("bytes", raw)[: self.most])
        elif isinstance(raw, (str, os.PathLike)):
            place = os.fspath(cast("str", raw))
            try:
                with open_regular(place) as file:
                    data = file.read(self.most)
            except FileError as fault:
                raise DataError(fault.error, where=fault.where, fix=fault.fix) from fault
        else:
            raise DataError(
                f"{type(raw).__name__} is not a file.", fix="Give a path, or the bytes of a file."
            )
        if not data:
            raise DataError("the file is empty (0 bytes).", where=place, fix=REPLACE)
        return np.frombuffer(data, np.uint8)

    def encode(self, value: Array) -> Array:
        laid = in_rows if self.layout == "rows" else in_pairs
        return laid(value, self.size)[:, :, None]

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError(f"{self.op} can't be a target: there is no model output that it decodes")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How light the pictures are."""
        if not len(encoded):
            return {"n": 0}
        means = encoded.reshape(len(encoded), -1).mean(axis=1, dtype=np.float64)
        counts, edges = np.histogram(means, bins=32, range=(0, 256))
        return {"n": len(encoded), "brightness": {"edges": edges.tolist(), "counts": counts.tolist()}}

    def lost(self, raw: Any, encoded: Array) -> Mapping[str, str]:
        del encoded
        path = isinstance(raw, (str, os.PathLike))
        size = os.path.getsize(cast("str", raw)) if path else len(raw)
        if size <= self.most:
            return {}
        return {"not read to the end, for being too large": f"only its first {self.most:,} bytes are read"}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 1)

    def input_words(self) -> str:
        ways = {
            "rows": "byte after byte in rows, as light as its value, of more than there are pixels the means of stretches",
            "pairs": "by how often a byte (which says the row) is followed by another (the column)",
        }
        return (
            f"a file of any kind, of which the first {self.most:,} bytes are looked at, as a grey picture of {self.size} x "
            f"{self.size} pixels: {ways[self.layout]}."
        )

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64"}

    def to_bytes(self, raw: Any) -> bytes:
        """The bytes that are looked at."""
        return self.read(raw).tobytes()

    def from_bytes(self, data: bytes) -> bytes:
        return data

    def nasty_examples(self) -> list[tuple[str, Any]]:
        """Of one byte, of as many as pixels and around, and of all alike."""
        pixels = self.size * self.size
        mixed = (np.arange(3 * pixels + 1) ** 2 // 7 % 256).astype(np.uint8)
        return [
            ("one byte", b"\xff"),
            ("two bytes", b"\x01\xfe"),
            ("a byte for each pixel", mixed[:pixels].tobytes()),
            ("a byte more", mixed[: pixels + 1].tobytes()),
            ("three for each and one more", mixed.tobytes()),
            ("all alike", b"a" * 100),
            ("text", b"To be, or not to be, that is the question.\n" * 3),
        ]


def in_rows(values: Array, size: int) -> Array:
    """uint8 (n,) -> uint8 (size, size)."""
    pixels = size * size
    if len(values) <= pixels:
        laid = np.zeros(pixels, np.uint8)
        laid[: len(values)] = values
    else:
        begins = np.arange(pixels) * len(values) // pixels
        counts = np.diff(begins, append=len(values))
        sums = np.add.reduceat(values, begins, dtype=np.int64)
        laid = ((2 * sums + counts) // (2 * counts)).astype(np.uint8)
    return laid.reshape(size, size)


def in_pairs(values: Array, size: int) -> Array:
    """uint8 (n,) -> uint8 (size, size): 255 log(1 + count) / log(1 + largest count), rounded."""
    cells = values.astype(np.int64) * size // 256
    counts = np.bincount(cells[:-1] * size + cells[1:], minlength=size * size)
    scale = 255 / np.log1p(max(1, int(counts.max())))
    return np.floor(np.log1p(counts) * scale + 0.5).astype(np.uint8).reshape(size, size)
