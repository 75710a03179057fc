"""A picture's file, opened and decoded within bounds: what is asked for is a regular file of at most so many bytes,
pixels, scans and seconds. And one written so that every runtime writes the same bytes."""

from __future__ import annotations

import io
import os
import re
import struct
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from PIL import Image as Pillow

# Named here, or Pillow imports every plugin it has at the first WebP or TIFF.
from PIL import TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from drivetrain.errors import DataError, DrivetrainError, FileError
from drivetrain.files import file_error, open_regular
from drivetrain.types import Array

_PLUGINS = (TiffImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MOST_BYTES = 1 << 29
MOST_PIXELS = 89_478_485
MOST_SCANS = 100
"""A progressive JPEG has about ten. Each goes over all of the picture again: 0.05 s for the largest one."""
MOST_SECONDS = 30.0
"""Of this thread's computing; the largest pictures take two or three."""
MOST_STORED = 65_535
"""Bytes of a stored block of deflate (RFC 1951)."""
REPLACE = "Replace the file or leave it out."
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    Pillow.DecompressionBombError,
)
"""What Pillow was seen to raise for bytes that are no whole picture, its EXIF included."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends a JPEG's scan: a marker other than those within it."""


@contextmanager
def opened(raw: Any) -> Generator[Pillow.Image, None, None]:
    """The picture of a path, of a file's bytes or of Pillow, its header read and checked; `load` decodes its pixels.
    Raises DataError."""
    if isinstance(raw, Pillow.Image):
        yield raw.copy()
    elif isinstance(raw, (bytes, bytearray, memoryview)):
        with _parsed(io.BytesIO(cast("bytes", raw)), "") as picture:
            yield picture
    elif isinstance(raw, (str, os.PathLike)):
        place = place_of(raw)
        file = _regular(place)
        with file, _parsed(file, place) as picture:
            yield picture
    else:
        raise DataError(
            f"{type(raw).__name__} is not a picture.", fix="Give a path, the bytes of a file, or an array."
        )


def load(picture: Pillow.Image, place: str) -> None:
    """Decode the pixels. Raises DataError for what is damaged, or would take too long."""
    file = getattr(picture, "fp", None)
    try:
        if file is not None:
            if picture.format in ("JPEG", "MPO"):
                _refuse_many_scans(file, place)
            cast("Any", picture).fp = _Timed(file, place)
        picture.load()
    except DrivetrainError:
        raise
    except DAMAGED as fault:
        raise DataError(f"the picture can't be decoded: {fault}.", where=place, fix=REPLACE) from fault


def file_bytes(path: Any) -> bytes:
    """The bytes of a picture's file. Raises DataError."""
    with _regular(place_of(path)) as file:
        return file.read(MOST_BYTES)


def place_of(raw: Any) -> str:
    """The path that a picture is read from, else ""."""
    return os.fspath(raw) if isinstance(raw, (str, os.PathLike)) else ""  # pyright: ignore


def _regular(path: str) -> io.BufferedReader:
    try:
        return open_regular(path, most=MOST_BYTES)
    except FileError as fault:
        raise DataError(fault.error, where=fault.where, fix=fault.fix) from fault


@contextmanager
def _parsed(file: Any, place: str) -> Generator[Pillow.Image, None, None]:
    if not file.seek(0, os.SEEK_END):
        raise DataError("the file is empty (0 bytes).", where=place, fix=REPLACE)
    file.seek(0)
    too_large = DataError(
        f"the picture has more than {MOST_PIXELS:,} pixels.", where=place, fix="Make it smaller."
    )
    try:
        picture = Pillow.open(file, formats=FORMATS)
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise too_large from None
    except UnidentifiedImageError:
        raise DataError(
            "this is not a picture that can be read.", where=place, fix=f"Readable are {', '.join(FORMATS)}."
        ) from None
    except DAMAGED as fault:
        reason = file_error(fault, place).error if isinstance(fault, OSError) and fault.errno else fault
        raise DataError(f"the picture can't be opened: {reason}.", where=place, fix=REPLACE) from fault
    with picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise too_large
        if not picture.width * picture.height:
            raise DataError("the picture has no pixels.", where=place, fix=REPLACE)
        yield picture


class _Timed:
    """A file that can be read for so many seconds of computing: a decoder asks for its bytes piece by piece."""

    def __init__(self, file: Any, place: str) -> None:
        self._file = file
        self._place = place
        self._end = time.thread_time() + MOST_SECONDS

    def read(self, size: int = -1) -> bytes:
        if time.thread_time() > self._end:
            raise DataError(
                f"decoding the picture takes more than {MOST_SECONDS:.0f} seconds.",
                where=self._place,
                fix=REPLACE,
            )
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _refuse_many_scans(file: Any, place: str) -> None:
    if isinstance(file, io.BytesIO):
        data = file.getvalue()  # No copy.
    else:
        position = file.tell()
        file.seek(0)
        data: bytes = file.read(MOST_BYTES)
        file.seek(position)
    # What only looks like a scan's start, in what a camera added, is not counted; looking at all is seldom needed.
    if _at_most(data) > MOST_SCANS and _scans(data) > MOST_SCANS:
        raise DataError(
            f"the picture is drawn in more than {MOST_SCANS} scans.",
            where=place,
            fix="Save it anew, or leave it out.",
        )


def _at_most(data: bytes) -> int:
    """How often a scan's mark is there; by numpy, for which this takes a sixth of the time that `bytes.count` takes."""
    values = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(values[:-1] == 0xFF)
    return int(np.count_nonzero(values[places + 1] == 0xDA))


def _scans(data: bytes) -> int:
    """The scans of a JPEG: its segments are walked through from marker to marker, to its end."""
    count, position = 0, 2
    while (found := _MARKER.search(data, position)) and found[0] != b"\xff\xd9":
        count += found[0] == b"\xff\xda"
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return count


def plain_png(pixels: Array) -> bytes:
    """uint8 (height, width, 1 or 3) as a PNG whose rows are neither filtered nor compressed: compressors differ in what
    they make of the same pixels, and of this there is one way only."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    blocks = [rows[start : start + MOST_STORED] for start in range(0, len(rows), MOST_STORED)]
    stored = b"".join(
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks, 1)
    )
    data = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
