"""window@1: a stretch of several signals, of one length."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array

NO_WINDOW = "the window can't be read"


@dataclass(frozen=True)
class Window(Codec):
    """Numbers by channel and time: an array, lists, or a file of them (.npy, or CSV without a header, a line a channel).
    Encodes to float32 (channels, length)."""

    op: ClassVar[str] = "window@1"
    from_files: ClassVar[bool] = True
    channels: int | None = None
    length: int | None = None

    def fit(self, values: Iterable[Any]) -> Self:
        if self.channels is not None and self.length is not None:
            return self
        first = next(iter(values), None)
        if first is None:
            raise DataError("there are no windows to fit to.")
        channels, length = self.read(first).shape
        return replace(self, channels=self.channels or channels, length=self.length or length)

    def read(self, raw: Any) -> Array:
        try:
            values = np.asarray(_contents(raw), np.float32)
        except (OSError, ValueError, TypeError) as fault:
            raise DataError(f"{NO_WINDOW}: {fault}", where=raw if isinstance(raw, str) else "") from fault
        if values.ndim != 2 or not values.size or not np.isfinite(values).all():
            raise DataError(
                f"{NO_WINDOW}: it is no table of finite numbers, but of shape {list(values.shape)}."
            )
        return values

    def encode(self, value: Array) -> Array:
        if value.shape != self.shape:
            raise DataError(
                f"the window is of shape {list(value.shape)}, and the others of {list(self.shape)}."
            )
        return value.copy()

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError("window@1 is an input only")

    def profile(self, encoded: Array) -> dict[str, Any]:
        if not len(encoded):
            return {"n": 0}
        mean, std = encoded.mean(axis=(0, 2), dtype=np.float64), encoded.std(axis=(0, 2), dtype=np.float64)
        return {"n": len(encoded), "mean": mean.tolist(), "std": std.tolist()}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        if self.channels is None or self.length is None:
            raise DrivetrainError("window@1 has no shape yet.", fix="Call fit first.")
        return self.channels, self.length

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}

    def to_bytes(self, raw: Any) -> bytes:
        return json.dumps(self.read(raw).tolist()).encode()


def _contents(raw: Any) -> Any:
    if isinstance(raw, (str, os.PathLike)):
        with open(raw, "rb") as file:
            raw = file.read()
    if isinstance(raw, bytes):
        if not raw.strip():
            raise ValueError("it is empty")
        npy = raw.startswith(b"\x93NUMPY")
        return (
            np.load(io.BytesIO(raw), allow_pickle=False)
            if npy
            else np.loadtxt(io.BytesIO(raw), delimiter=",", ndmin=2)
        )
    return raw
