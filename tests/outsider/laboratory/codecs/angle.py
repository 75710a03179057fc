"""angle@1: a direction in degrees, of which 359 and 1 are near."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.base import Cell
from drivetrain.errors import DataError
from drivetrain.types import Array


@dataclass(frozen=True)
class Angle(Codec):
    """A direction. Encodes to its sine and cosine, float32 (2,), and decodes such a pair."""

    op: ClassVar[str] = "angle@1"
    called: ClassVar[str] = "an angle"

    def fit(self, values: Iterable[Any]) -> Self:
        return self

    def read(self, raw: Any) -> float:
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise DataError(f"{raw!r:.60} is no angle.", fix="Write degrees, such as 12.5.")
        return value

    def encode(self, value: float) -> Array:
        return np.array([math.sin(math.radians(value)), math.cos(math.radians(value))], np.float32)

    def decode(self, output: Array) -> dict[str, Any]:
        degrees = math.degrees(math.atan2(float(output[0]), float(output[1]))) % 360
        return {"degrees": degrees, "text": f"{degrees:.0f}°"}

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        return {"degrees": None if answer is None else answer["degrees"]}

    def profile(self, encoded: Array) -> dict[str, Any]:
        return {"n": len(encoded)}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (2,)

    def schema(self) -> dict[str, Any]:
        return {"type": ["number", "string"]}
