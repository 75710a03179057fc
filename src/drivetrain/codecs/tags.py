"""tags@1: any number of a known list of tags, none included."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import (
    Cell,
    Codec,
    Errors,
    FieldError,
    absent_words,
    distinct,
    is_missing,
    share_cells,
    some_of,
)
from drivetrain.codecs.category import order
from drivetrain.errors import DataError, DrivetrainError, nearest
from drivetrain.types import Array
from drivetrain.values import as_text, canonical, places_by_text


@dataclass(frozen=True)
class Tags(Codec):
    """Some of `tags`. Encodes to uint8 (len(tags),), 1 for each that there is; decodes probabilities (len(tags),).

    Raw values are lists of text, or with a `separator` texts that it parts. With `open` a tag that isn't in
    `tags` is left out, else it is an error; then `fit` takes no tag with fewer than `rare` rows. `thresholds`, one for
    each tag, are the probabilities from which on a tag is answered; none given means 0.5. `absent` are the texts that mean
    that there are none. A tag is known by its text, else by its canonical one, as a class is.
    """

    op: ClassVar[str] = "tags@1"
    called: ClassVar[str] = "a set of tags"
    choices: ClassVar[tuple[str, ...]] = ("tags",)
    tags: tuple[str, ...] = ()
    separator: str = ""
    rare: int = 0
    open: bool = False
    thresholds: tuple[float, ...] = ()
    absent: tuple[str, ...] | None = None
    no_value: ClassVar[frozenset[str]] = frozenset({""})

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(str(tag) for tag in self.tags))
        if len(set(self.tags)) != len(self.tags):
            raise FieldError("a tag is named twice")
        if self.rare < 0 or (self.rare and not self.open):
            raise FieldError("rare is a whole number from 0, above 0 only where the tags are open")
        if self.separator and not self.separator.strip() and self.separator != " ":
            raise FieldError("separator must be visible, or one space")
        if not all(0 < threshold < 1 for threshold in self.thresholds):
            raise FieldError("thresholds must lie between 0 and 1")
        if self.thresholds and self.tags and len(self.thresholds) != len(self.tags):
            raise DrivetrainError(f"{len(self.thresholds)} thresholds don't fit {len(self.tags)} tags.")

    @cached_property
    def _codes(self) -> dict[str, int]:
        return places_by_text(self.tags)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.tags:
            return self
        different, which = distinct(_hashable(values))
        counts: dict[str, int] = {}
        for raw, rows in zip(different, np.bincount(which, minlength=len(different)).tolist()):
            for tag in dict.fromkeys(map(canonical, self.read(raw))):
                counts[tag] = counts.get(tag, 0) + rows
        tags = tuple(tag for tag in order(counts) if counts[tag] >= self.rare)
        if not tags:
            raise DataError("there are no tags to fit to.", fix="Check the column, and `rare`.")
        return replace(self, tags=tags)

    def read(self, raw: Any) -> tuple[str, ...]:
        """The different tags in the order they come in; none where there is no value."""
        if is_missing(raw, self._absent):
            return ()
        if isinstance(raw, str):
            if not self.separator:
                raise DataError(
                    f"{raw!r:.60} is a text, not a list of tags.",
                    fix="Give a list, or say what separates them.",
                )
            pieces: Sequence[Any] = raw.split(self.separator)
        elif isinstance(raw, (list, tuple, np.ndarray)):
            pieces = list(cast("Sequence[Any]", raw))
        else:
            raise DataError(f"tags are a list of text, not {type(raw).__name__}.")
        found = dict.fromkeys(
            "" if is_missing(piece, frozenset()) else as_text(piece, "tag") for piece in pieces
        )
        return tuple(tag for tag in found if tag)

    def encode(self, value: Sequence[str]) -> Array:
        encoded = np.zeros(self.shape, np.uint8)
        for tag in value:
            code = self._codes.get(tag, self._codes.get(canonical(tag)))
            if code is not None:
                encoded[code] = 1
            elif not self.open:
                hint = nearest(tag, self.tags) or f"The tags are {', '.join(self.tags[:10])}."
                raise DataError(f"the tag {tag!r} was not seen in training.", fix=hint)
        return encoded

    def encode_column(self, values: Array) -> tuple[Array, Errors]:
        return super().encode_column(_hashable(values))

    def _thresholds(self) -> Array:
        return np.array(self.thresholds or [0.5] * len(self.tags))

    def chosen(self, probabilities: Array) -> Array:
        """bool (n, tags): the tags that are answered for probabilities (n, tags)."""
        return np.asarray(probabilities, np.float64) >= self._thresholds()

    def margin(self, output: Array) -> float:
        gaps = np.abs(np.asarray(output, np.float64) - self._thresholds())
        return float(gaps[gaps > 0].min(initial=math.inf))

    def decode(self, output: Array) -> dict[str, Any]:
        """Probabilities (tags,) -> the tags whose threshold they reach, and all probabilities by tag."""
        yes = self.chosen(output[None])[0].tolist()
        return {
            "tags": [tag for tag, said in zip(self.tags, yes) if said],
            "probabilities": dict(zip(self.tags, output.tolist())),
        }

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        cells: dict[str, Cell] = {"tags": None if answer is None else "; ".join(answer.get("tags") or [])}
        return cells if brief else cells | share_cells(self.tags, answer or {})

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How often each tag occurs, and how many rows have none."""
        rows = encoded.reshape(len(encoded), len(self.tags))
        counts = rows.sum(axis=0, dtype=np.int64).tolist()
        none = int(len(rows) - np.count_nonzero(rows.any(axis=1)))
        return {"n": len(rows), "counts": dict(zip(self.tags, counts)), "none": none}

    def unusual(self, values: Array, encoded: Array, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """Where they are open: rows with a tag that is none of `tags`; and rows without any where training had none."""
        found: list[tuple[str, Array]] = []
        if self.open:
            different, which = distinct(_hashable(values))
            found = [
                ("with a tag not seen in training", np.array([*map(self._unseen, different)], bool)[which])
            ]
        if profile.get("none") == 0:
            without = ~encoded.any(axis=1) & ~(found[0][1] if found else np.zeros(len(encoded), bool))
            found.append(("without tags, as none was in training", without))
        return found

    def _unseen(self, raw: Any) -> bool:
        try:
            return any(tag not in self._codes for tag in self.read(raw))
        except DrivetrainError:
            return False

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        if not self.tags:
            raise DrivetrainError("tags@1 has no tags yet.", fix="Call fit first, or name the tags.")
        return (len(self.tags),)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.tags

    def input_words(self) -> str:
        return f"any of {len(self.tags)} tags: {some_of(self.tags)}."

    def answer_words(self) -> str:
        return f"a probability for each of {len(self.tags)} tags: {some_of(self.tags)}."

    def schema(self) -> dict[str, Any]:
        items = {"type": "string", **({"enum": list(self.tags)} if self.tags and not self.open else {})}
        if self.separator:
            return {"type": ["array", "string", "null"], "items": items}
        return {"type": ["array", "null"], "items": items}

    def to_bytes(self, raw: Any) -> bytes:
        if isinstance(raw, (list, tuple, np.ndarray)):
            raw = list(self.read(raw))
        return super().to_bytes(raw)

    def nasty_examples(self) -> list[tuple[str, Any]]:
        examples: list[tuple[str, Any]] = [
            ("no tags", []),
            ("missing", None),
            ("all tags", list(self.tags)),
            ("one tag twice", [self.tags[-1], f" {self.tags[-1]} "] if self.tags else []),
        ]
        if self.separator:
            examples.append(("text", f" {self.separator} ".join(self.tags[:2])))
        if self.open:
            examples.append(("an unknown tag", [*self.tags[:1], "\ufffd unknown"]))
        return examples


def _hashable(values: Iterable[Any]) -> Array:
    """The column with lists as tuples, so that each different one is looked at once."""
    rows = list(values)
    column = np.empty(len(rows), object)
    for row, raw in enumerate(rows):
        column[row] = tuple(cast("Sequence[Any]", raw)) if isinstance(raw, (list, np.ndarray)) else raw
    return column
