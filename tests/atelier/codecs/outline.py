"""Where in a picture something is: rows of 0 and 1, of one size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array


@dataclass(frozen=True)
class Outline(Codec):
    """uint8 (height, width) of 0 and 1. Outputs are how sure it is there (height, width)."""

    op: ClassVar[str] = "outline@1"
    learned: ClassVar[tuple[str, ...]] = ("size",)
    size: tuple[int, ...] | None = None

    def fit(self, values: Iterable[Any]) -> Self:
        return replace(self, size=self.size or self.read(next(iter(values))).shape)

    def read(self, raw: Any) -> Array:
        outline = np.array(raw, np.uint8)
        if outline.ndim != 2 or self.size not in (None, outline.shape):
            raise DataError("this is no outline.")
        return outline

    def encode(self, value: Array) -> Array:
        return value

    def decode(self, output: Array) -> dict[str, Any]:
        return {"area": float((output > 0.5).mean())}

    def profile(self, encoded: Array) -> dict[str, Any]:
        return {"area": float(encoded.mean())}

    def margin(self, output: Array) -> float:
        return float(np.abs(output - 0.5).min())

    def to_bytes(self, raw: Any) -> bytes:
        return super().to_bytes(self.read(raw).tolist())

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size or (0, 0)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.shape

    def schema(self) -> dict[str, Any]:
        return {"type": "array"}
