"""Raw values as they travel: what a Predictor takes of a caller, as JSON and base64."""

from __future__ import annotations

import datetime
import io
import math
import os
import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from drivetrain.errors import DataError, FileError
from drivetrain.files import open_regular
from drivetrain.sound.wav import to_wav
from drivetrain.types import Array
from drivetrain.values import is_nothing, scalar

_HALVES = re.compile("[\ud800-\udfff]")


def is_file(schema: Mapping[str, Any]) -> bool:
    """Whether raw values of an input are files."""
    return schema.get("contentEncoding") == "base64"


def as_json(raw: Any, schema: Mapping[str, Any], most: int) -> Any:
    """A raw value as JSON has it; a file as base64, of `most` bytes at most. Raises DataError."""
    return b64encode(file_bytes(raw, schema, most)).decode() if is_file(schema) else plain(raw)


def plain(raw: Any) -> Any:
    """A cell, or lists of cells: no value is null, a date is ISO 8601, what is not finite its text, a half of a character U+FFFD,
    as codecs have it. Raises DataError."""
    if raw is None or type(raw) in (int, bool):
        return raw
    if isinstance(raw, str):
        return str(raw) if raw.isascii() else _HALVES.sub("\ufffd", raw)
    if isinstance(raw, float):
        return float(raw) if math.isfinite(raw) else None if raw != raw else str(float(raw))
    if isinstance(raw, (bytes, bytearray, memoryview)):
        raise DataError(f"{kind_of(cast('Any', raw))} is no value of a cell.", fix="Give its text.")
    if isinstance(raw, (list, tuple)):
        return [plain(each) for each in cast("Sequence[Any]", raw)]
    if isinstance(raw, np.ndarray):
        return plain(cast("Array", raw).tolist())
    if isinstance(raw, Mapping):
        return {str(name): plain(value) for name, value in cast("Mapping[Any, Any]", raw).items()}
    if isinstance(raw, np.datetime64):
        return None if is_nothing(raw) else str(cast("object", raw))
    value = scalar(raw)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, (str, int)) or value is None:
        return plain(value) if isinstance(value, str) else value
    raise DataError(f"{type(raw).__name__} can't be sent.", fix="Give a text, a number, or what JSON has.")


def file_bytes(raw: object, schema: Mapping[str, Any], most: int) -> bytes:
    """The bytes of a file: of a path, bytes as they are, a picture of Pillow's or an array as PNG, (samples, rate) as WAV.
    Raises DataError."""
    if isinstance(raw, (bytes, bytearray, memoryview)):
        data = bytes(cast("bytes", raw))
    elif isinstance(raw, (str, os.PathLike)):
        data = _read(os.fspath(cast("str", raw)), most)
    elif isinstance(raw, np.ndarray) and not str(schema.get("contentMediaType", "")).startswith("audio"):
        data = _png(cast("Array", raw))
    elif isinstance(raw, tuple) and len(cast("tuple[Any, ...]", raw)) == 2:
        data = _wav(*cast("tuple[Any, Any]", raw))
    elif _is_picture(cast("Any", raw)):
        data = _saved(cast("Any", raw))
    else:
        raise DataError(
            f"{kind_of(cast('Any', raw))} is not a file.",
            fix="Give a path, the bytes of a file, or an array.",
        )
    if len(data) > most:
        raise too_large(len(data), most)
    return data


def kind_of(raw: object) -> str:
    return type(raw).__name__


def _is_picture(raw: object) -> bool:
    """Whether it is one of Pillow's, which is not imported for this."""
    return hasattr(raw, "save") and hasattr(raw, "mode")


def too_large(size: int, most: int) -> DataError:
    return DataError(
        f"it is {size / 1e6:,.1f} MB as it travels; the server takes {most / 1e6:,.1f} MB.",
        fix="Make it smaller, or let the server take more (limits.body).",
    )


def _read(path: str, most: int) -> bytes:
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
            if len(data) > most:
                raise too_large(os.fstat(file.fileno()).st_size, most).at(path)
            return data
    except FileError as fault:
        raise DataError(fault.error, where=fault.where, fix=fault.fix) from fault


def _saved(picture: Any) -> bytes:
    file = io.BytesIO()
    try:
        picture.save(file, "PNG")
    except (OSError, ValueError, KeyError) as fault:
        raise DataError(f"this picture can't be sent as PNG: {fault}.", fix="Convert it to RGB.") from fault
    return file.getvalue()


def _png(pixels: Array) -> bytes:
    """uint8 (height, width), (height, width, 1) or (height, width, 3) as PNG: rows unfiltered, quickly compressed."""
    array = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype != np.uint8 or not array.size:
        raise DataError(
            f"an array of shape {pixels.shape} and dtype {pixels.dtype} is not a picture.",
            fix="Give uint8 of shape (height, width), (height, width, 1) or (height, width, 3).",
        )
    height, width, channels = array.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = array.reshape(height, -1)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 1)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _wav(samples: Any, rate: Any) -> bytes:
    """(samples, rate): floats from -1 to 1, int16, int32 or uint8, of shape (n,) or (n, channels)."""
    array = np.asarray(samples)
    if array.dtype.kind in "iu" and isinstance(samples, (list, tuple)):
        array = array.astype(np.float64)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    known = array.dtype.name in ("uint8", "int16", "int32", "float32", "float64")
    if array.ndim not in (1, 2) or not known or not _is_rate(rate):
        raise DataError(
            f"an array of shape {array.shape} and dtype {array.dtype}, {rate!r:.20} a second, is not a sound.",
            fix="Give (samples, rate): floats from -1 to 1, int16, int32 or uint8 of shape (n,) or (n, channels), and a whole "
            "number of samples a second.",
        )
    return to_wav(array, int(rate))


def _is_rate(rate: Any) -> bool:
    if not isinstance(rate, (int, float, np.number)):
        return False
    number = float(cast("float", rate))
    return 0 < number < 2**32 and number.is_integer()
