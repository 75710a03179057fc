"""Some channels over time: [[0.0, 0.5, 0.2], [1.0, 0.9, 1.1]], always of one size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array


@dataclass(frozen=True)
class Signal(Codec):
    """float32 (channels, moments)."""

    op: ClassVar[str] = "signal@1"
    learned: ClassVar[tuple[str, ...]] = ("size",)
    size: tuple[int, ...] | None = None

    def fit(self, values: Iterable[Any]) -> Self:
        return replace(self, size=self.size or self.read(next(iter(values))).shape)

    def read(self, raw: Any) -> Array:
        signal = np.array(raw, np.float32)
        if signal.ndim != 2 or self.size not in (None, signal.shape):
            raise DataError("this is no signal.")
        return signal

    def encode(self, value: Array) -> Array:
        return value

    def decode(self, output: Array) -> dict[str, Any]:
        raise DataError("a signal is no target")

    def profile(self, encoded: Array) -> dict[str, Any]:
        return {"mean": float(encoded.mean())}

    def to_bytes(self, raw: Any) -> bytes:
        return super().to_bytes(self.read(raw).tolist())

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size or (0, 0)

    def schema(self) -> dict[str, Any]:
        return {"type": "array"}
