"""Cells of a table of series: numbers, names, and where each comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import distinct, is_missing
from drivetrain.codecs.number import INFINITE, LARGEST, Number
from drivetrain.errors import DataError
from drivetrain.types import Array
from drivetrain.values import as_text, canonical


def read_numbers(values: Array, codec: Number, origins: Sequence[str]) -> npt.NDArray[np.float64]:
    """float64 (rows,) of raw numbers, NaN where there is none. Raises DataError that names the row of what is no number, and of
    one that is infinite."""
    _, faults = codec.encode_column(values)
    if faults:
        row = min(faults)
        raise faults[row].at(origins[row])
    found = codec.truths(values, values)
    for row in np.flatnonzero(np.isnan(found)).tolist():
        if _is_infinite(values[row]):
            raise DataError(
                f"{values[row]!r:.40} is not a finite number.",
                where=origins[row],
                fix="Mend it, or leave it empty.",
            )
    if (wrong := np.abs(found) > LARGEST).any():
        raise DataError(
            "the number is too large for 32 bits.", where=origins[int(np.argmax(wrong))], fix="Mend it."
        )
    return found


def _is_infinite(raw: Any) -> bool:
    if isinstance(raw, str):
        return bool(INFINITE.fullmatch(raw.strip()))
    return isinstance(raw, (float, np.floating)) and math.isinf(raw)


def absent(values: Array) -> npt.NDArray[np.bool_]:
    """(rows,) where there is no value."""
    if values.dtype.kind in "iub":
        return np.zeros(len(values), bool)
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "M":
        return np.isnat(values)
    different, which = distinct(values)
    return np.array([is_missing(value, Number.no_value) for value in different], bool)[which]


def texts_of(values: Array) -> tuple[list[str], Array]:
    """The different texts of raw values, canonical, by first appearance; empty where there is none: and which each row has."""
    different, which = distinct(values)
    texts = ["" if is_missing(value) else canonical(as_text(value, "name")) for value in different]
    first: dict[str, int] = {}
    order = np.full(len(different), len(values))
    np.minimum.at(order, which, np.arange(len(which)))
    for place in np.argsort(order, kind="stable").tolist():
        first.setdefault(texts[place], len(first))
    return list(first), np.array([first[text] for text in texts], np.int64)[which]


class At(Sequence[str]):
    """Where the kept rows come from, with the column."""

    def __init__(self, origins: Sequence[str], kept: Array, column: str) -> None:
        self._origins, self._kept, self._column = origins, kept, column

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, row: Any) -> Any:
        place = self._origins[int(self._kept[row])]
        return f"{place}, column {self._column!r}" if self._column else place
