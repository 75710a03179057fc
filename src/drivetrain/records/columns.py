"""Records as columns of numpy arrays, for whoever watches a model: a hundred thousand at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from drivetrain.errors import UsageError, nearest
from drivetrain.records import words
from drivetrain.types import Array

PLAIN = (
    "id", "time", "model", "version", "bundle", "key", "probability", "latency_ms", "request", "source", "outcome_time",
)  # fmt: skip
NESTED = ("inputs", "answer", "outcome")
MOMENTS = ("time", "outcome_time")
_NUMBERS = {int, float, type(None)}


class Columns:
    """Gathers the columns that are asked for: PLAIN ones by their names, and of the JSON ones a whole (`outcome`) or a part of one,
    by the names that lead to it: `inputs.age`, `answer.label`, `answer.probabilities.yes`, `outcome.income`.

    Raises UsageError for another name. A part that a record doesn't have is None there.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._asked = [(name, *name.partition(".")[::2]) for name in names]
        for name, column, part in self._asked:
            if column not in NESTED and (part or column not in PLAIN):
                known = (*PLAIN, *(f"{nested}.NAME" for nested in NESTED), *NESTED)
                raise UsageError(
                    f"records have no column {name!r}.", where="columns",
                    fix=nearest(name, known) or f"There are {', '.join(known)}.",
                )  # fmt: skip
        self.needed = list(dict.fromkeys(column for _, column, _ in self._asked))
        self._found: dict[str, list[Array]] = {name: [] for name in names}

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows of the `needed` columns, as the store has them."""
        columns: dict[str, list[Any]] = dict(zip(self.needed, map(list, zip(*rows))))
        for name in NESTED:
            if name in columns:
                columns[name] = _parsed(columns[name])
        for name, column, part in self._asked:
            values = columns[column]
            if part:
                values = [None if value is None else _at(value, part) for value in values]
            self._found[name].append(_moments(values) if column in MOMENTS else _array(values))

    def arrays(self) -> dict[str, Array]:
        """Column -> (n,): datetime64[ns] for moments, float64 where all values are numbers or absent (NaN), else objects."""
        return {name: _together(parts) for name, parts in self._found.items()}


def _parsed(texts: Sequence[str | None]) -> list[Any]:
    """JSON texts as values, in one go: a third of the time that one by one takes."""
    return cast(
        "list[Any]", words.loads(f"[{','.join(['null' if text is None else text for text in texts])}]")
    )


def _at(value: Any, part: str) -> Any:
    """What an object has at the end of a path; names may have dots themselves."""
    if not isinstance(value, Mapping):
        return None
    found = cast("Mapping[str, Any]", value)
    if part in found:
        return found[part]
    head, dot, rest = part.partition(".")
    while dot:
        if head in found and (inner := _at(found[head], rest)) is not None:
            return inner
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _array(values: list[Any]) -> Array:
    if {*map(type, values)} <= _NUMBERS:
        return np.array(values, np.float64)  # None becomes NaN.
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _moments(values: list[Any]) -> Array:
    return np.array(["NaT" if value is None else value for value in values], "datetime64[ns]") \
        if None in values else np.array(values, np.int64).view("datetime64[ns]")  # fmt: skip


def _together(parts: list[Array]) -> Array:
    if not parts:
        return np.zeros(0, object)
    if len({part.dtype for part in parts}) > 1:
        # A column of numbers up to here, and of texts from there on: its gaps are None again.
        parts = [_as_objects(part) for part in parts]
    return np.concatenate(parts)


def _as_objects(part: Array) -> Array:
    found = part.astype(object)
    if part.dtype == np.float64:
        found[np.isnan(part)] = None
    return found
