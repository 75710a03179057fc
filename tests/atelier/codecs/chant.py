"""Syllables: letters from a to d, always as many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array

LETTERS = "abcd"


@dataclass(frozen=True)
class Chant(Codec):
    """int64 (length,): the place of each letter. Outputs are probabilities (length, letters)."""

    op: ClassVar[str] = "chant@1"
    learned: ClassVar[tuple[str, ...]] = ("length",)
    length: int | None = None

    def fit(self, values: Iterable[Any]) -> Self:
        return replace(self, length=self.length or len(next(iter(values))))

    def read(self, raw: Any) -> str:
        if not isinstance(raw, str) or not set(raw) <= set(LETTERS) or self.length not in (None, len(raw)):
            raise DataError(f"{raw!r} is no chant.")
        return raw

    def encode(self, value: str) -> Array:
        return np.array([LETTERS.index(letter) for letter in value], np.int64)

    def decode(self, output: Array) -> dict[str, Any]:
        return {"text": "".join(LETTERS[place] for place in output.argmax(1))}

    def profile(self, encoded: Array) -> dict[str, Any]:
        return {"n": len(encoded)}

    def margin(self, output: Array) -> float:
        first, second = np.sort(output, 1)[:, -1], np.sort(output, 1)[:, -2]
        return float((first - second).min() / 2)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length or 0,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.length or 0, len(LETTERS))

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}
