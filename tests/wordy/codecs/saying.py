"""A text of known words: "17 4 99" is words 17, 4 and 99, and 0 follows them up to the last place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array


@dataclass(frozen=True)
class Saying(Codec):
    """Encodes to int64 (places,); outputs are float32 (places, words), probabilities."""

    op: ClassVar[str] = "saying@1"
    places: int = 256
    words: int = 5000

    def fit(self, values: Iterable[Any]) -> Self:
        return self

    def read(self, raw: Any) -> list[int]:
        try:
            return [int(word) for word in str(raw).split()]
        except ValueError as fault:
            raise DataError(f"{raw!r} is no saying.") from fault

    def encode(self, value: list[int]) -> Array:
        encoded = np.zeros(self.places, np.int64)
        encoded[: len(value)] = value
        return encoded

    def decode(self, output: Array) -> dict[str, Any]:
        return {"value": " ".join(str(word) for word in output.argmax(axis=1) if word)}

    def profile(self, encoded: Array) -> dict[str, Any]:
        return {"count": len(encoded)}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.places,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.places, self.words)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}
