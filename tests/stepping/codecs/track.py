"""Moments of a few channels each, as many as there are: [[0.1, 2.0], [0.3, 1.5]]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array


@dataclass(frozen=True)
class Track(Codec):
    """float32 (length, channels)."""

    op: ClassVar[str] = "track@1"
    learned: ClassVar[tuple[str, ...]] = ("channels",)
    channels: int | None = None
    padding: float = 0

    def fit(self, values: Iterable[Any]) -> Self:
        found = {self.read(value).shape[1] for value in values}
        return replace(self, channels=self.channels or max(found))

    def read(self, raw: Any) -> Array:
        try:
            moments = np.array(raw, np.float64)
        except (TypeError, ValueError):
            moments = np.zeros(())
        if moments.ndim != 2 or self.channels not in (None, moments.shape[1]) or not len(moments):
            raise DataError(f"{raw!r:.40} is no track.", fix="Give a list of moments.")
        return moments

    def encode(self, value: Array) -> Array:
        return value.astype(np.float32)

    def decode(self, output: Array) -> dict[str, Any]:
        raise DataError("a track is no target")

    def profile(self, encoded: Any) -> dict[str, Any]:
        return {"moments": int(encoded.lengths.sum())}

    def to_bytes(self, raw: Any) -> bytes:
        return super().to_bytes(self.read(raw).tolist())

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (None, self.channels or 0)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [("one moment", [[0.5] * (self.channels or 1)])]
