"""category@1: one of a known list of classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.errors import DataError, DrivetrainError, nearest
from drivetrain.types import Array


def _order(classes: set[str]) -> list[str]:
    """By number when every class is one, else by code point, so that the order never depends on a locale."""
    try:
        return sorted(classes, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(classes)


@dataclass(frozen=True)
class Category(Codec):
    """One of `classes`. Encodes to int64 (), the position in `classes`; decodes probabilities (len(classes),)."""

    op: ClassVar[str] = "category@1"
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.classes)}

    def fit(self, values: Iterable[Any]) -> Self:
        if self.classes:
            return self
        return replace(self, classes=tuple(_order({self.read(value) for value in values})))

    def read(self, raw: Any) -> str:
        if raw is None or (isinstance(raw, (float, np.floating)) and raw != raw):
            raise DataError("the class is missing.", fix="Give every row a class, or leave the row out.")
        if isinstance(raw, (bytes, list, dict, tuple, np.ndarray)):
            kind = type(raw).__name__  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
            raise DataError(f"a class is text, not {kind}.")
        text = str(cast("object", raw)).strip()
        if not text:
            raise DataError("the class is empty.", fix="Give every row a class, or leave the row out.")
        return text

    def encode(self, value: str) -> Array:
        code = self._codes.get(value)
        if code is None:
            hint = nearest(value, self.classes) or f"The classes are {', '.join(self.classes[:10])}."
            raise DataError(f"the class {value!r} was not seen in training.", fix=hint)
        return np.array(code, dtype=np.int64)

    def decode(self, output: Array) -> dict[str, Any]:
        """Probabilities (classes,) -> label, its probability and all probabilities by class. A tie goes to the first."""
        best = int(np.argmax(output))
        return {
            "label": self.classes[best],
            "probability": float(output[best]),
            "probabilities": dict(zip(self.classes, output.tolist())),
        }

    def profile(self, encoded: Array) -> dict[str, Any]:
        counts = np.bincount(encoded.reshape(-1), minlength=len(self.classes))
        return {"n": int(encoded.size), "counts": dict(zip(self.classes, counts.tolist()))}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        if not self.classes:
            raise DrivetrainError(
                "category@1 has no classes yet.", fix="Call fit first, or name the classes."
            )
        return (len(self.classes),)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", **({"enum": list(self.classes)} if self.classes else {})}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [(f"class {name}", name) for name in (*self.classes[:1], *self.classes[1:][-1:])]
