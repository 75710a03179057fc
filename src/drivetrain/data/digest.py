"""What a column holds, as one short text: two columns are the same data when their digests are equal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from drivetrain.ragged import Column
from drivetrain.types import Array
from drivetrain.windows import Windows


def digest(values: Array, files: bool = False) -> str:
    """SHA-256 of a column of raw values (n,), in their order.

    Numbers count as float64, whatever dtype they came in. With `files` a path counts as the file's name and size: to
    read every picture again would take too long.
    """
    if values.dtype.kind in "biuf":
        numbers = values.astype(np.float64) + 0.0  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan
        return hashlib.sha256(numbers.tobytes()).hexdigest()
    found = hashlib.sha256()
    for text in _texts(values, files):
        found.update(text)
    return found.hexdigest()


def encoded_digest(column: Column | Windows) -> str:
    """SHA-256 of encoded rows (n, ...): of an array as it lies in memory, of others by what they are made of."""
    if isinstance(column, np.ndarray):
        found = hashlib.sha256(f"{column.dtype}{column.shape}".encode())
        found.update(np.ascontiguousarray(column).data)
        return found.hexdigest()
    windows = isinstance(column, Windows)
    parts = (column.values, column.starts, column.origins) if windows else (column.lengths, column.flat)
    return hashlib.sha256("".join(map(encoded_digest, parts)).encode()).hexdigest()


def _texts(values: Array, files: bool) -> Iterator[bytes]:
    """Each value as bytes that end where the next one begins."""
    for value in values.tolist() if values.dtype.kind == "O" else values.astype(str):
        yield as_bytes(value, files) + b"\0\n"


def as_bytes(value: Any, files: bool = False) -> bytes:
    """One raw value as bytes; a file as its name and size, where it can be looked at."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    if isinstance(value, tuple) and any(isinstance(part, np.ndarray) for part in value):
        return b"".join(as_bytes(part) + b"\0" for part in value)  # (samples, rate)
    if files and isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        try:
            size = os.stat(path).st_size
        except (OSError, ValueError):
            size = -1
        return f"{os.path.basename(path)}\0{size}".encode(errors="surrogateescape")
    return str(value).encode(errors="surrogateescape") if value is not None else b"\1"
