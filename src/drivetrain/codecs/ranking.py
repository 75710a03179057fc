"""ranking@1: what of a known list of items comes next for somebody, the best first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from drivetrain.codecs.base import Codec, FieldError, some_of
from drivetrain.codecs.tags import Tags
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array

MOST_OTHERS = 255


@dataclass(frozen=True)
class Ranking(Codec):
    """Some of `items`, in an order. A target: decodes scores (len(items),), a larger one being better.

    Raw values are lists of the items that were right. Encodes to uint8 (len(items) + 1,), 1 for each of them; the last
    counts those that are not in `items` (255 at most), for what can't be answered was missed all the same. An answer
    names the `shown` best items.
    """

    op: ClassVar[str] = "ranking@1"
    called: ClassVar[str] = "a ranking"
    items: tuple[str, ...] = ()
    shown: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(str(item) for item in self.items))
        if len(set(self.items)) != len(self.items):
            raise FieldError("an item is named twice")
        if type(self.shown) is not int or self.shown < 1:
            raise FieldError("shown must be a whole number from 1")

    @cached_property
    def _tags(self) -> Tags:
        return Tags(self.items, open=True)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.items:
            return self
        try:
            return replace(self, items=Tags(open=True).fit(values).tags)
        except DataError as fault:
            raise DataError("there are no items to fit to.", fix="Check the column.") from fault

    @property
    def code_names(self) -> tuple[str, ...]:
        return self.items

    def read(self, raw: Any) -> tuple[str, ...]:
        """The different items in the order they come in; none where there is no value."""
        return self._tags.read(raw)

    def encode(self, value: Sequence[str]) -> Array:
        known = self._tags.encode(value)
        others = min(len(value) - int(known.sum()), MOST_OTHERS)
        return np.append(known, np.uint8(others))

    def decode(self, output: Array) -> dict[str, Any]:
        """Scores (items,) -> the `shown` best items with their scores; of equals the first."""
        best = np.argsort(-np.asarray(output, np.float64), kind="stable")[: self.shown].tolist()
        scores = output.tolist()
        return {"ranking": [{"item": self.items[place], "score": scores[place]} for place in best]}

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How many rows have each item."""
        counts = encoded[:, :-1].sum(axis=0, dtype=np.int64).tolist()
        return {"n": len(encoded), "counts": dict(zip(self.items, counts))}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.output_shape[0] + 1,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        if not self.items:
            raise DrivetrainError("ranking@1 has no items yet.", fix="Call fit first, or name the items.")
        return (len(self.items),)

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.items

    def answer_words(self) -> str:
        return f"a score for each of {len(self.items)} items, the best first: {some_of(self.items)}."

    def schema(self) -> dict[str, Any]:
        return {"type": ["array", "null"], "items": {"type": "string"}}

    def to_bytes(self, raw: Any) -> bytes:
        return super().to_bytes(raw if raw is None else list(self.read(raw)))

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [
            ("no items", []),
            ("missing", None),
            ("all items", list(self.items)),
            ("an unknown item", [*self.items[:1], "\ufffd unknown"]),
        ]
