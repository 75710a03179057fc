"""A bundle whose graph is run once: `runtime/predictor.py` answers, here for many callers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from drivetrain.bundle.reader import Bundle
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.runtime.predictor import Predictor
from drivetrain.runtime.rows import Row, describe
from drivetrain.serve.ports import TensorGraph
from drivetrain.serve.programs.base import Servable, item_schema
from drivetrain.serve.raw import Budget, from_wire
from drivetrain.types import Answer, Failure


class Single(Servable):
    program: ClassVar[str] = "single"
    options: ClassVar[tuple[str, ...]] = ("parts", "windows")

    def __init__(
        self, bundle: Bundle, name: str, version: int, *, threads: int | None, trusted: bool
    ) -> None:
        super().__init__(bundle, name, version)
        self.predictor = Predictor(bundle, threads=threads, trusted=trusted)
        self.graph = TensorGraph(bundle.signature, self.predictor.session)
        self.schema = item_schema(bundle.signature.inputs)
        self._files = [field for field, codec in bundle.signature.inputs.items() if codec.from_files]

    def read(self, items: Sequence[Any]) -> list[Row]:
        budget = Budget(self.pixels)
        given = [self._plain(item, budget) for item in items] if self._files else [*items]
        return [*self.predictor.reader.rows(given, None)]

    def answers(self, read: Sequence[Row], options: Mapping[str, Any]) -> list[Answer | Failure]:
        for option, value in options.items():
            if not isinstance(value, bool):
                raise UsageError(f"it has to be true or false, not {value!r:.40}.", where=option)
        return self.predictor.answers(
            read, parts=options.get("parts", False), windows=options.get("windows", False)
        )

    def _plain(self, item: Any, budget: Budget) -> Any:
        """The item with the bytes of its files; or the error."""
        if isinstance(item, DrivetrainError):
            return item
        inputs = self.bundle.signature.inputs
        try:
            if not isinstance(item, Mapping):
                return from_wire(item, next(iter(inputs.values())), budget) if len(inputs) == 1 else item
            record = dict(cast("Mapping[str, Any]", item))
            for field in self._files:
                if field in record:
                    record[field] = from_wire(record[field], inputs[field], budget)
            return record
        except DrivetrainError as fault:
            return fault.at("a text" if isinstance(item, str) else describe(item))
