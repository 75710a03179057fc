"""WAV files of plain samples, read and written by numpy alone (RIFF/WAVE, Microsoft and IBM 1991; WAVE_FORMAT_EXTENSIBLE
2001)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

import numpy as np

from drivetrain.errors import DataError
from drivetrain.types import Array

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_PLAIN = {(PCM, 1), (PCM, 2), (PCM, 3), (PCM, 4), (FLOAT, 4), (FLOAT, 8)}
"""(kind, bytes of a sample) that are read here."""
_NOT_SAID = (0, 0xFFFFFFFF)
"""The length that a program writes that doesn't know it yet, as into a pipe."""
_FMT = struct.Struct("<HHIIHH")
_MOST_CHUNKS = 10_000


@dataclass(frozen=True)
class Header:
    """What a file says of its samples: they begin at `offset`, `frames` of them in each of `channels`, of which the file
    holds `there`, `width` bytes each."""

    rate: int
    channels: int
    kind: int
    width: int
    offset: int
    frames: int
    there: int


def header(file: IO[bytes]) -> Header | None:
    """What a WAV file says; None where its samples are compressed, or too many for the format, which is for another
    reader. Raises DataError for what is no whole header."""
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    open_end = int.from_bytes(head[4:8], "little") in _NOT_SAID
    form: tuple[int, ...] | None = None
    for _ in range(_MOST_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        size, begin = int.from_bytes(chunk[4:], "little"), file.tell()
        if chunk[:4] == b"fmt ":
            form = _form(file.read(min(size, 40)))
        elif chunk[:4] == b"data":
            if form is None:
                raise DataError("the WAV file has samples before it says what they are.")
            kind, channels, rate, block = form
            if not channels or not rate or not block or block % channels:
                raise DataError(
                    f"the WAV file says {channels} channels of {rate} samples a second, {block} bytes each."
                )
            there = end - begin
            size = there if size == _NOT_SAID[1] or (open_end and size == 0) else size
            if (kind, block // channels) not in _PLAIN:
                if there < size:
                    raise DataError(f"the WAV file ends {size - there:,} bytes before its samples do.")
                return None
            return Header(
                rate, channels, kind, block // channels, begin, size // block, min(size, there) // block
            )
        file.seek(begin + size + size % 2)
    raise DataError("the WAV file has no samples: it ends before them.")


def _form(said: bytes) -> tuple[int, int, int, int]:
    """(kind, channels, rate, bytes of a frame) of a chunk "fmt "."""
    if len(said) < _FMT.size:
        raise DataError("the WAV file ends within its header.")
    kind, channels, rate, _, block, _ = _FMT.unpack_from(said)
    if kind == EXTENSIBLE and len(said) >= 26:
        kind = int.from_bytes(said[24:26], "little")  # The first two bytes of the subformat's GUID.
    return kind, channels, rate, block


def frames(file: IO[bytes], said: Header, start: int, stop: int) -> Array:
    """The frames from `start` to `stop` as float32 (n, channels): whole numbers of b bits divided by 2^(b - 1), of 8 bits
    less 128 before, and floats as they are."""
    block = said.width * said.channels
    file.seek(said.offset + start * block)
    data = file.read((stop - start) * block)
    data = data[: len(data) // block * block]
    match said.kind, said.width:
        case (3, width):
            with np.errstate(over="ignore"):  # What float32 can't hold is infinite, and refused.
                values = np.frombuffer(data, f"<f{width}").astype(np.float32)
        case (_, 1):
            values = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
        case (_, 2):
            values = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        case (_, 3):
            whole = np.zeros((len(data) // 3, 4), np.uint8)
            whole[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            values = (whole.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
        case _:
            values = (np.frombuffer(data, "<i4") / 2.0**31).astype(np.float32)
    return values.reshape(-1, said.channels)


def to_wav(samples: Array, rate: int) -> bytes:
    """A WAV file of samples (n,) or (n, channels): uint8, int16, int32, float32 or float64, as they are."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    kind = FLOAT if samples.dtype.kind == "f" else PCM
    data = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()
    return wrapped(data, rate, channels, kind, samples.dtype.itemsize)


def wrapped(data: bytes, rate: int, channels: int, kind: int, width: int, extensible: bool = False) -> bytes:
    """A WAV file of samples as they lie in it, of `width` bytes each."""
    block = width * channels
    fmt = _FMT.pack(EXTENSIBLE if extensible else kind, channels, rate, rate * block, block, 8 * width)
    if extensible:
        guid = kind.to_bytes(2, "little") + bytes.fromhex("000000001000800000aa00389b71")
        fmt += struct.pack("<HHI", 22, 8 * width, 0) + guid
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        for name, body in ((b"fmt ", fmt), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
