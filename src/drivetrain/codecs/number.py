"""number@1: one real number."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.errors import DataError
from drivetrain.types import Array

LARGEST = float(np.finfo(np.float32).max)
RESOLUTION = float(np.finfo(np.float32).eps)
WRITTEN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""Numbers as every language writes them; Python alone would also take 1_000 and digits of other scripts."""


@dataclass(frozen=True)
class Number(Codec):
    """A finite number. Encodes to float32 (), unscaled; decodes float32 () or (1,).

    `mean` and `std` are learned from the training values; the graph scales by them when `normalize` is true.
    """

    op: ClassVar[str] = "number@1"
    normalize: bool = True
    mean: float | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        if self.std is not None and not (math.isfinite(self.std) and self.std > 0):
            raise ValueError("std must be a number above 0")
        if self.mean is not None and not math.isfinite(self.mean):
            raise ValueError("mean must be a finite number")

    def fit(self, values: Iterable[Any]) -> Self:
        if self.mean is not None and self.std is not None:
            return self
        numbers = np.array([self.read(value) for value in values], dtype=np.float64)
        if not numbers.size:
            raise DataError("there are no numbers to fit to.", fix="Check that the column has values.")
        mean, spread = float(numbers.mean()), float(numbers.std())
        if spread <= RESOLUTION * abs(mean):
            spread = 1.0  # A constant column's rounding, or what float32 can't resolve: nothing to divide by.
        kept_mean = mean if self.mean is None else self.mean
        return replace(self, mean=kept_mean, std=spread if self.std is None else self.std)

    def read(self, raw: Any) -> float:
        if isinstance(raw, bool) or not isinstance(raw, (int, float, str, np.integer, np.floating)):
            raise DataError(f"{raw!r:.60} is not a number.")
        if isinstance(raw, str) and not WRITTEN.fullmatch(raw.strip()):
            raise DataError(f"{raw!r:.60} is not a number.", fix="Write it like 12.5 or 1e-3.")
        try:
            value = float(cast("float", raw))
        except OverflowError:  # A whole number beyond float64, which may be too long to print.
            raise DataError("the number is too large for 32 bits.", fix="Leave the row out.") from None
        if not abs(value) <= LARGEST:
            fix = "Leave the row out or mend the value."
            raise DataError(f"{raw!r:.60} is not a finite 32-bit number.", fix=fix)
        return value

    def encode(self, value: float) -> Array:
        return np.array(value, dtype=np.float32)

    def decode(self, output: Array) -> dict[str, Any]:
        return {"value": float(np.asarray(output).reshape(()))}

    def profile(self, encoded: Array) -> dict[str, Any]:
        values = encoded.reshape(-1).astype(np.float64)
        if not values.size:
            return {"n": 0}
        levels = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
        quantiles = np.quantile(values, levels)
        return {
            "n": int(values.size),
            "mean": float(values.mean()),
            "std": float(values.std()),
            "quantiles": {str(level): float(value) for level, value in zip(levels, quantiles)},
        }

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        return ()

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [("zero", 0), ("minus", -1.5), ("text", " 3.25 "), ("exponent", "1e-3")]
