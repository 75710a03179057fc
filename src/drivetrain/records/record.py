"""What is kept of one answer, and what turned out to be true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from drivetrain.errors import DrivetrainError
from drivetrain.records.moments import iso


class NotRecorded(DrivetrainError):
    """An answer that had to be recorded and could not be; it must not be given."""


class StoreGone(DrivetrainError):
    """The store can't be reached, is locked or full, for now: what is in the journals waits for it."""


@dataclass(slots=True)
class Record:
    """One answer. The recorder sets `id` (a UUID of version 7: its text sorts by time) and `time`, where they are empty.

    `inputs` and `answer` hold what JSON holds, and floats that are no number; `probability` is that of what was answered, where
    there is one; `request` is the id of the request, `key` the caller's own name of the case; `source` is "http", "grpc", "batch",
    or "shadow" for an answer that nobody was given; `time` is in nanoseconds since 1970 (UTC).
    """

    model: str
    version: int
    bundle: str
    """Its hash."""
    inputs: Mapping[str, Any] | None
    answer: Mapping[str, Any]
    probability: float | None = None
    latency_ms: float | None = None
    request: str = ""
    key: str = ""
    source: str = "http"
    id: str = ""
    time: int = 0
    outcome: Any = None
    outcome_time: int | None = None
    """None where no truth is known yet."""

    def to_json(self) -> dict[str, Any]:
        """As it is listed: moments as ISO 8601, and the outcome where there is one."""
        found: dict[str, Any] = {
            "id": self.id, "time": iso(self.time), "model": self.model, "version": self.version, "bundle": self.bundle,
            "key": self.key or None, "inputs": self.inputs, "answer": self.answer, "probability": self.probability,
            "latency_ms": self.latency_ms, "request": self.request, "source": self.source,
        }  # fmt: skip
        if self.outcome_time is not None:
            found |= {"outcome": self.outcome, "outcome_time": iso(self.outcome_time)}
        return found


class About(TypedDict):
    """Of a record, what is neither asked nor answered."""

    model: str
    version: int
    bundle: str
    latency_ms: NotRequired[float | None]
    request: NotRequired[str]
    key: NotRequired[str]
    source: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What turned out to be true of the answer that has this `id`, or of every answer about the case that the caller calls `key`.

    `value` is the target's true value; of a model with several targets an object of them by name.
    """

    value: Any
    id: str = ""
    key: str = ""


@dataclass(slots=True)
class Told:
    """What became of outcomes: records that have one now and had none, records that had another before, records that had the same,
    and the ids and keys of which there is no record. `no_class` are values that are none of the classes that the answer chose
    from: kept as they are, but never right, which may be a slip."""

    stored: int = 0
    replaced: int = 0
    unchanged: int = 0
    unknown: list[str] = field(default_factory=list[str])
    no_class: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        told = {
            "stored": self.stored, "replaced": self.replaced, "unchanged": self.unchanged, "unknown": self.unknown,
        }  # fmt: skip
        return {**told, "no_class": self.no_class} if self.no_class else told


@dataclass(slots=True)
class Forgotten:
    """Rows that were deleted in the store, rows that were in journals and won't come into it, and journals of others that had
    not been emptied yet when this was told: what they hold of these rows is left out when they are."""

    rows: int
    in_journals: int
    journals_left: int

    def to_json(self) -> dict[str, int]:
        return {"rows": self.rows, "in_journals": self.in_journals, "journals_left": self.journals_left}
