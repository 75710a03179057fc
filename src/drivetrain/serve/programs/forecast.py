"""A bundle that forecasts: an item is a history, its answer what follows it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from drivetrain.bundle.reader import Bundle
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.runtime.contexts import History
from drivetrain.runtime.forecaster import Forecaster
from drivetrain.runtime.programs.forecast import FARTHEST
from drivetrain.serve.items import table_of
from drivetrain.serve.ports import TensorGraph
from drivetrain.serve.programs.base import Servable, record_of
from drivetrain.types import Answer, Failure

PARTS = ("history", "future", "horizon")


class _Asked(NamedTuple):
    input: str
    history: History | None = None
    horizon: int | None = None
    error: DrivetrainError | None = None


class Forecasts(Servable):
    program: ClassVar[str] = "forecast"
    quotes: ClassVar[tuple[str, ...]] = ("series", "notes")

    def __init__(
        self, bundle: Bundle, name: str, version: int, *, threads: int | None, trusted: bool
    ) -> None:
        super().__init__(bundle, name, version)
        self.forecaster = Forecaster(bundle, threads=threads, trusted=trusted)
        self.graph = TensorGraph(bundle.signature, self.forecaster.engine.session)
        self.schema = _schema(self.forecaster.layout.horizon)

    def read(self, items: Sequence[Any]) -> list[_Asked]:
        return [self._read(item) for item in items]

    def _read(self, item: Any) -> _Asked:
        try:
            record = record_of(item, PARTS, "forecast to make")
            if "history" not in record:
                raise DataError(
                    "there is no 'history' in it.", fix=f"Give an object with {', '.join(PARTS)}."
                )
            horizon = record.get("horizon")
            if horizon is not None and type(horizon) is not int:
                raise DataError(f"it has to be a whole number, not {horizon!r:.40}.", where="horizon")
            future = record.get("future")
            history = self.forecaster.read(
                _columns(record["history"], "history"),
                None if future is None else _columns(future, "future"),
                "history",
            )
            return _Asked("history", history, horizon)
        except DrivetrainError as fault:
            return _Asked("history", error=fault.at("history"))

    def answers(self, read: Sequence[_Asked], options: Mapping[str, Any]) -> list[Answer | Failure]:
        self.refuse_unknown(options)
        return [self._answer(asked) for asked in read]

    def _answer(self, asked: _Asked) -> Answer | Failure:
        if asked.error is not None:
            return Failure(asked.input, asked.error)
        try:
            found = self.forecaster.forecast_of(cast("History", asked.history), asked.horizon)
        except DrivetrainError as fault:
            return Failure(asked.input, fault.at(asked.input))
        target = self.forecaster.layout.target
        return Answer(asked.input, {target: {"forecasts": [each.to_json() for each in found]}})


def _columns(given: Any, what: str) -> Mapping[str, Any]:
    """A table as columns: of columns, of rows as objects, or of a text that is CSV. Raises DataError."""
    if isinstance(given, str):
        header, lines = table_of(given, sys.maxsize)
        for line, cells in lines:
            if len(cells) != len(header):
                words = f"there are {len(cells)} cells, and {len(header)} columns."
                raise DataError(words, where=f"{what}, line {line}")
        given = [dict(zip(header, cells)) for _, cells in lines]
    if isinstance(given, list):
        rows = cast("list[Any]", given)
        if not rows or not all(isinstance(row, Mapping) for row in rows):
            raise DataError("it is no list of rows, each an object by column.", where=what)
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    if not isinstance(given, Mapping):
        raise DataError(
            f"{type(given).__name__} is no table.", where=what, fix="Give columns, rows, or a CSV as a text."
        )
    columns = cast("Mapping[str, Any]", given)
    for name, cells in columns.items():
        if not isinstance(cells, list):
            raise DataError(f"the column {name!r:.60} is no list.", where=what)
    return columns


def _schema(horizon: int) -> dict[str, Any]:
    table = {
        "anyOf": [
            {"type": "object", "additionalProperties": {"type": "array"}},
            {"type": "array", "items": {"type": "object"}},
            {"type": "string"},
        ]
    }
    return {
        "type": "object",
        "properties": {
            "history": table,
            "future": {"anyOf": [*table["anyOf"], {"type": "null"}]},
            "horizon": {"type": ["integer", "null"], "minimum": 1, "maximum": FARTHEST * horizon},
        },
        "required": ["history"],
        "additionalProperties": False,
    }
