"""category@1: one of a known list of classes, or, where it is open, something else or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import (
    NEVER_MISSING,
    Cell,
    Codec,
    Errors,
    FieldError,
    absent_words,
    by_row,
    distinct,
    errors_by_row,
    share_cells,
    some_of,
)
from drivetrain.errors import DataError, DrivetrainError, nearest
from drivetrain.types import Array
from drivetrain.values import as_text, canonical, is_nothing, places_by_text, short

_WHOLE = re.compile("-?[1-9][0-9]{0,14}|0")
MOST_COMPARED = 100
"""With more classes an unseen one isn't compared with each: a column of them would take minutes."""


def _as_json(name: str) -> list[Any]:
    """What else than its text JSON may hold for a class: true and false, and a whole number."""
    if name in ("true", "false"):
        return [name == "true"]
    return [int(name)] if _WHOLE.fullmatch(name) else []


def order(classes: Iterable[str]) -> list[str]:
    """By number when every class is one, else by code point, so that the order never depends on a locale."""
    names = list(classes)
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


@dataclass(frozen=True)
class Category(Codec):
    """One of `classes`. Encodes to int64 (), the position in `classes`; decodes probabilities (len(classes),).

    With `open`, for inputs, any other text is code len(classes) and a missing one len(classes) + 1; then `fit` makes
    no class of a text with fewer than `rare` rows, nor of one beyond the `most` most frequent (0: no limit).
    `costs[i][j]`, for targets, is what it costs to answer class j where i is true: the answer is then the class of
    the least expected cost instead of the likeliest. `absent` are the texts that mean that there is none, instead of the
    usual ones.

    A class is known by its text, else by its canonical one: 3, 3.0 and "3.0" are one class, and so are true and "True".
    """

    op: ClassVar[str] = "category@1"
    called: ClassVar[str] = "a category"
    choices: ClassVar[tuple[str, ...]] = ("label",)
    classes: tuple[str, ...] = ()
    open: bool = False
    rare: int = 0
    most: int = 0
    costs: tuple[tuple[float, ...], ...] = ()
    absent: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(cast("object", self.classes), (str, bytes)) or not hasattr(self.classes, "__iter__"):
            raise FieldError(f"classes is a list of names, not {self.classes!r:.60}")
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        object.__setattr__(self, "costs", tuple(tuple(float(cost) for cost in row) for row in self.costs))
        if len(set(self.classes)) != len(self.classes):
            raise FieldError("a class is named twice")
        if min(self.rare, self.most) < 0 or (max(self.rare, self.most) and not self.open):
            raise FieldError(
                "rare and most are whole numbers from 0, above 0 only where the category is open"
            )
        if self.costs:
            self._check_costs()

    def _check_costs(self) -> None:
        sides = {len(self.costs), *map(len, self.costs), len(self.classes) or len(self.costs)}
        if self.open or len(sides) > 1 or not all(math.isfinite(cost) for row in self.costs for cost in row):
            raise DrivetrainError(
                f"costs need a row and a column of finite numbers for each of the {len(self.classes)} classes.",
                fix=f"The classes are {', '.join(self.classes[:10])}; a category with costs can't be open.",
            )

    @cached_property
    def _codes(self) -> dict[str, int]:
        """By name, and by canonical text: classes may have been named by hand, or long ago."""
        return places_by_text(self.classes)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    def code_of(self, text: str) -> int | None:
        """The position of the class that a trimmed text names; None where there is none."""
        code = self._codes.get(text)
        return self._codes.get(canonical(text)) if code is None else code

    def _is_absent(self, text: str) -> bool:
        return canonical(text).lower() in self._absent

    @property
    def levels(self) -> int:
        """How many codes there are: the classes, and where it is open one for other and one for missing."""
        return len(self.classes) + 2 * self.open

    def fit(self, values: Iterable[Any]) -> Self:
        if self.classes:
            return self
        different, which = distinct(values)
        texts = [None if text is None else canonical(text) for text in map(self.read, different)]
        if not self.open:
            return replace(self, classes=tuple(order({text for text in texts if text is not None})))
        counts: dict[str, int] = {}
        for text, rows in zip(texts, np.bincount(which, minlength=len(texts)).tolist()):
            if text is not None and not self._is_absent(text):
                counts[text] = counts.get(text, 0) + rows
        classes = [text for text in order(counts) if counts[text] >= self.rare]
        if self.most:
            kept = set(sorted(classes, key=lambda text: -counts[text])[: self.most])
            classes = [text for text in classes if text in kept]
        return replace(self, classes=tuple(classes))

    def read(self, raw: Any) -> str | None:
        """The text; None where there is none and the category is open."""
        if is_nothing(raw):
            if self.open:
                return None
            raise DataError("the class is missing.", fix="Give every row a class, or leave the row out.")
        text = as_text(raw, "class")
        if text:
            return text
        if self.open:
            return None
        raise DataError("the class is empty.", fix="Give every row a class, or leave the row out.")

    def encode(self, value: str | None) -> Array:
        return np.array(self._code(value), dtype=np.int64)

    def encode_column(self, values: Array) -> tuple[Array, Errors]:
        different, which = distinct(values)
        codes: list[int] = []
        faults: Errors = {}
        for place, raw in enumerate(different):
            try:
                codes.append(self._code(self.read(raw)))
            except DrivetrainError as fault:
                codes.append(0)
                faults[place] = fault
        return by_row(np.array(codes, np.int64), which), errors_by_row(faults, which)

    def _code(self, value: str | None) -> int:
        code = None if value is None else self.code_of(value)
        if code is not None:
            return code
        absent = value is None or self._is_absent(value)
        if self.open:
            return len(self.classes) + absent
        if absent and self.absent is not None:
            raise DataError(f"the class is missing: {value!r} says so.", fix="Leave the row out.")
        close = nearest(value or "", self.classes) if len(self.classes) <= MOST_COMPARED else ""
        hint = close or f"The classes are {', '.join(self.classes[:10])}."
        raise DataError(f"the class {value!r} was not seen in training.", fix=hint)

    def expected_costs(self, probabilities: Array) -> npt.NDArray[np.float64]:
        """(n, classes): what each answer is expected to cost, for probabilities (n, classes)."""
        shares = np.asarray(probabilities, np.float64)
        expected = np.zeros(shares.shape)
        for true, costs in enumerate(self.costs):  # One after the other, so that every language rounds alike.
            expected += shares[:, true, None] * np.array(costs)
        return expected

    def chosen(self, probabilities: Array) -> npt.NDArray[np.int64]:
        """(n,) the code that is answered for probabilities (n, classes): the likeliest, or with `costs` the class of
        the least expected cost; of equals the first."""
        if self.costs:
            return self.expected_costs(probabilities).argmin(axis=1)
        return np.asarray(probabilities).argmax(axis=1)

    def margin(self, output: Array) -> float:
        if len(output) < 2:
            return math.inf
        if not self.costs:
            second, first = np.sort(np.asarray(output, np.float64))[-2:]
            return float(first - second) / 2
        expected, costs = self.expected_costs(output[None])[0], np.array(self.costs)
        best = int(expected.argmin())
        weights = np.abs(costs - costs[:, best, None]).sum(axis=0)
        rivals = weights > 0
        return float(((expected - expected[best])[rivals] / weights[rivals]).min(initial=math.inf))

    def decode(self, output: Array) -> dict[str, Any]:
        """Probabilities (classes,) -> label, its probability and all probabilities by class. A tie goes to the first."""
        _ = self.output_shape  # Raises where there is nothing to choose from.
        best = int(self.chosen(output[None])[0])
        return {
            "label": self.classes[best],
            "probability": float(output[best]),
            "probabilities": dict(zip(self.classes, output.tolist())),
        }

    def knows(self, raw: Any) -> bool:
        text = self.read(raw)
        return text is None or self.code_of(text) is not None

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        told = answer or {}
        cells: dict[str, Cell] = {"answer": told.get("label"), "probability": short(told.get("probability"))}
        return cells if brief else cells | share_cells(self.classes, told)

    def profile(self, encoded: Array) -> dict[str, Any]:
        counts: list[int] = np.bincount(encoded.reshape(-1), minlength=self.levels).tolist()
        profile = {"n": int(encoded.size), "counts": dict(zip(self.classes, counts))}
        return {**profile, "other": counts[-2], "missing": counts[-1]} if self.open else profile

    def unusual(self, values: Array, encoded: Array, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """Where it is open: what is none of `classes`, and gaps where training had none."""
        if not self.open:
            return []
        other, rows, gaps = (profile.get(name) for name in ("other", "n", "missing"))
        reason = "not seen in training"
        if isinstance(other, int) and isinstance(rows, int) and 0 < other <= rows:
            reason = f"not seen in training or rarely ({100 * other / rows:.2g} % of its rows)"
        found = [(reason, encoded == len(self.classes))]
        return [*found, (NEVER_MISSING, encoded == len(self.classes) + 1)] if gaps == 0 else found

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        if self.open:
            raise DrivetrainError("an open category can't be a target.", fix="Set open to False.")
        if not self.classes:
            raise DrivetrainError(
                "category@1 has no classes yet.", fix="Call fit first, or name the classes."
            )
        return (len(self.classes),)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.classes

    @property
    def code_names(self) -> tuple[str, ...]:
        return (*self.classes, *(("<another>", "<missing>") if self.open else ()))

    def input_words(self) -> str:
        names = f"{len(self.classes)} classes: {some_of(self.classes)}"
        return f"text, or none; {names}, and others." if self.open else f"one of {names}."

    def answer_words(self) -> str:
        return f"a probability for each of {len(self.classes)} classes: {some_of(self.classes)}."

    def schema(self) -> dict[str, Any]:
        if self.open:
            return {"type": ["string", "number", "boolean", "null"]}
        if not self.classes:
            return {"type": ["string", "number", "boolean"]}
        values = [value for name in self.classes for value in (name, *_as_json(name))]
        return {"enum": values} if len(values) > len(self.classes) else {"type": "string", "enum": values}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        examples: list[tuple[str, Any]] = [
            (f"class {name}", name) for name in (*self.classes[:1], *self.classes[1:][-1:])
        ]
        if self.open:
            unseen = next(
                name
                for name in map("unseen {}".format, range(len(self.classes) + 1))
                if name not in self._codes
            )
            examples += [("unseen", unseen), ("missing", None), ("blank", " "), ("a word for missing", "N/A")]
        return examples
