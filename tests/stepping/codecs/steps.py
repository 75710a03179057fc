"""Whole numbers in a row, as many as there are: "3 1 4" or [3, 1, 4]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array

UNKNOWN = 0


@dataclass(frozen=True)
class Steps(Codec):
    """int64 (length,): each step counts as the number itself up to `levels` - 1, or as UNKNOWN. No step is allowed."""

    op: ClassVar[str] = "steps@1"
    learned: ClassVar[tuple[str, ...]] = ("levels",)
    levels: int | None = None
    longest: int = 500
    padding: float = -1

    def fit(self, values: Iterable[Any]) -> Self:
        most = max((max(self.read(value), default=0) for value in values), default=0)
        return replace(self, levels=self.levels or most + 1)

    def read(self, raw: Any) -> list[int]:
        parts = raw.split() if isinstance(raw, str) else [] if raw is None else raw
        try:
            steps = [int(part) for part in parts] if not isinstance(parts, bytes) else None
        except (TypeError, ValueError):
            steps = None
        if steps is None or min(steps, default=0) < 0:
            raise DataError(f"{raw!r:.40} is no row of steps.", fix="Write whole numbers, such as 3 1 4.")
        return steps

    def encode(self, value: list[int]) -> Array:
        steps = np.asarray(value, np.int64)
        return np.where(steps < (self.levels or 1), steps, UNKNOWN)

    def decode(self, output: Array) -> dict[str, Any]:
        return {"often": int(output.argmax())}

    @property
    def output_shape(self) -> tuple[int]:
        """Of a target: how often each step is among those of a row."""
        if self.levels is None:
            raise DataError("steps have no levels yet.")
        return (self.levels,)

    def profile(self, encoded: Any) -> dict[str, Any]:
        return {"longest": int(encoded.lengths.max(initial=0)), "steps": int(encoded.lengths.sum())}

    def unusual(self, values: Array, encoded: Any, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        return [("longer than any in training", encoded.lengths > profile.get("longest", np.inf))]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[None]:
        return (None,)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "integer"}}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [("no step", []), ("one unknown step", [10**9]), ("many steps", [1] * 60)]
