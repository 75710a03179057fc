"""A bundle that recommends: an item is who asks and what they have had, its answer what they would like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from drivetrain.bundle.reader import Bundle
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.runtime.recommend import Recommender
from drivetrain.serve.ports import TensorGraph
from drivetrain.serve.programs.base import Servable, record_of
from drivetrain.types import Answer, Failure

WISHES = ("exclude_seen", "novelty", "diversity", "popularity_correction")
PARTS = ("user", "history", "n", *WISHES)
MOST = 1000


class Recommends(Servable):
    program: ClassVar[str] = "recommend"
    quotes: ClassVar[tuple[str, ...]] = ("user", "reasons", "why", "notes")

    def __init__(
        self, bundle: Bundle, name: str, version: int, *, threads: int | None, trusted: bool
    ) -> None:
        super().__init__(bundle, name, version)
        self.recommender = Recommender(bundle, threads=threads, trusted=trusted)
        ratings = self.recommender.ratings
        self.graph = TensorGraph(bundle.signature, ratings.session if ratings else self.recommender.session)
        self.schema = _SCHEMA
        self._rated = ratings

    def read(self, items: Sequence[Any]) -> list[Any]:
        return [*items]

    def answers(self, read: Sequence[Any], options: Mapping[str, Any]) -> list[Answer | Failure]:
        self.refuse_unknown(options)
        return [self._answer(item) for item in read]

    def _answer(self, item: Any) -> Answer | Failure:
        try:
            if (
                self._rated is not None
                and isinstance(item, Mapping)
                and item.keys() == self._rated.signature.inputs.keys()
            ):
                return self._rated.predict(cast("Any", item))  # A user and an item: the rating.
            record = record_of(item, PARTS, "wish for recommendations")
            for name in WISHES:
                kinds = (bool,) if name == "exclude_seen" else (int, float)
                if name in record and type(record[name]) not in kinds:
                    raise DataError(f"it can't be {record[name]!r:.40}.", where=name)
            if record.get("n", 1) > MOST:
                raise DataError(f"{MOST:,} are the most.", where="n")
            found = self.recommender.recommend(**{**record})
        except (DrivetrainError, TypeError) as fault:
            error = (
                fault
                if isinstance(fault, DrivetrainError)
                else DataError("it can't be understood as a wish for recommendations.")
            )
            return Failure("recommendations", error.at("recommendations"))
        target = next(iter(self.bundle.signature.targets))
        return Answer(found.user or "", {target: found.to_json()})


_SCHEMA = {
    "type": "object",
    "properties": {
        "user": {"type": ["string", "number", "null"]},
        "history": {
            "anyOf": [
                {"type": "array", "items": {"type": ["string", "number"]}},
                {"type": "object", "additionalProperties": {"type": "number"}},
                {"type": "null"},
            ]
        },
        "n": {"type": "integer", "minimum": 1, "maximum": MOST},
        "exclude_seen": {"type": "boolean"},
        **{name: {"type": "number", "minimum": 0, "maximum": 1} for name in WISHES[1:]},
    },
    "additionalProperties": False,
}
