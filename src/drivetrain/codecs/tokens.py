"""tokens@1: whole numbers from 0, one after the other, that stand for pieces of a text or for whatever comes in a row.

Who has text gives a model that generates a codec of its own instead, which makes such numbers of it and a text of them: all that
the rest asks of it is `of_tokens`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec, FieldError
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array
from drivetrain.values import scalar

MOST_SIZE = 2**20


@dataclass(frozen=True)
class Tokens(Codec):
    """Tokens from 0, below `size`. Raw values are lists of whole numbers. Encodes to int64, as long as the list is.

    Left None, `size` is learned: one more than the largest token of the training values.
    """

    op: ClassVar[str] = "tokens@1"
    learned: ClassVar[tuple[str, ...]] = ("size",)
    of_tokens: ClassVar[bool] = True
    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and (type(self.size) is not int or not 1 <= self.size <= MOST_SIZE):
            raise FieldError(f"size must be a whole number from 1 to {MOST_SIZE:,}")

    def fit(self, values: Iterable[Any]) -> Self:
        if self.size is not None:
            return self
        return replace(self, size=1 + max((max(self.read(raw), default=0) for raw in values), default=0))

    def read(self, raw: Any) -> list[int]:
        """The tokens."""
        if not isinstance(raw, (list, tuple, np.ndarray)):
            raise DataError(
                "this is no list of tokens.", fix="Give whole numbers from 0, one after the other."
            )
        tokens = [scalar(token) for token in cast("Sequence[Any]", raw)]
        most = MOST_SIZE if self.size is None else self.size
        for token in tokens:
            if type(token) is not int or not 0 <= token < most:
                raise DataError(f"{token!r:.50} is no token: they are whole numbers from 0 to {most - 1:,}.")
        return tokens

    def encode(self, value: Sequence[int]) -> Array:
        return np.array(value, np.int64)

    def decode(self, output: Array) -> dict[str, Any]:
        """int64 (n,), chosen by a program -> the same as a list."""
        if output.ndim != 1 or output.dtype != np.int64:
            raise DrivetrainError("tokens@1 decodes what a program has chosen: int64, one axis.")
        return {"tokens": output.tolist()}

    def profile(self, encoded: Any) -> dict[str, Any]:
        """How many rows there are, and tokens in the longest and together."""
        lengths = [len(row) for row in encoded]
        return {"n": len(lengths), "longest": max(lengths, default=0), "tokens": sum(lengths)}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (None,)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "integer", "minimum": 0}}

    def to_bytes(self, raw: Any) -> bytes:
        return super().to_bytes(self.read(raw))

    def nasty_examples(self) -> list[tuple[str, Any]]:
        last = (self.size or 1) - 1
        return [("one token", [0]), ("the last token", [last]), ("one token many times", [last] * 20)]
