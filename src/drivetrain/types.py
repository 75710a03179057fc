"""The things that flow through Drivetrain. Everything else makes, moves or measures one of these.

Sample   one row: field name -> raw value (path, bytes, text, number)
Batch    many rows: field name -> array whose first axis is the row
Answer   what a person is told about one sample: target name -> decoded output
Failure  why there is no answer for one sample
Session  runs a graph: arrays in, arrays out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from drivetrain.errors import DrivetrainError

Array = npt.NDArray[Any]
Sample = Mapping[str, Any]
Batch = Mapping[str, Array]


class Session(Protocol):
    """Runs a graph. `run` takes one array per input and gives one array per output, rows first."""

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]: ...


@dataclass(frozen=True, slots=True)
class Unusual:
    """A value of an input that nothing in training was like: the answer is a guess about something unknown.

    `value` is it, as it was given, "" where there is none; `reason` what it is: "not seen in training", "far above the
    training range of ...".
    """

    value: str
    reason: str

    def __str__(self) -> str:
        return f"{self.value}: {self.reason}" if self.value else self.reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one input: for each target the decoded output (see `Codec.decode`).

    With one target its parts are also attributes: `answer.label`, `answer.probability`,
    `answer.probabilities` for a category; `answer.value` for a number. `unusual` holds, by input, what nothing in
    training was like; `parts`, where it was asked for, by target and by part of a blend what that part says and its
    `weight`; `outputs`, where they were asked for, what the model put out for each target, float32 of its output_shape;
    `windows`, where they were asked for, of an input that is too long to be heard at once what is said of each of its
    windows, with the seconds it goes `from` and `to`. Where a server gave it, `served` says which: its `model`, `version` and
    `hash`, the `id` of its record (None: there is none), `latency_ms` and `request`.
    """

    input: str
    targets: dict[str, dict[str, Any]]
    unusual: Mapping[str, Unusual] = field(default_factory=dict[str, "Unusual"])
    parts: Mapping[str, dict[str, dict[str, Any]]] = field(
        default_factory=dict[str, "dict[str, dict[str, Any]]"]
    )
    outputs: Mapping[str, Array] = field(default_factory=dict[str, Array], repr=False, compare=False)
    windows: Sequence[Mapping[str, Any]] = ()
    served: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    def _only(self, part: str) -> Any:
        if len(self.targets) != 1:
            raise AttributeError(
                f"this answer has several targets {sorted(self.targets)}: use .targets[NAME]['{part}']"
            )
        (decoded,) = self.targets.values()
        if part not in decoded:
            raise AttributeError(f"this answer has no {part!r}; it has {sorted(decoded)}")
        return decoded[part]

    @property
    def label(self) -> str:
        return self._only("label")

    @property
    def probability(self) -> float:
        return self._only("probability")

    @property
    def probabilities(self) -> dict[str, float]:
        return self._only("probabilities")

    @property
    def value(self) -> float:
        return self._only("value")

    def to_json(self) -> dict[str, Any]:
        """`{"input", ...}`: the parts of the only target side by side, or one object per target; and, where there is any,
        `"unusual"`: `{INPUT: "VALUE: REASON"}`, and `"parts"`: `{NAME: {"weight", ...}}`, per target where there are several."""
        told = {name: str(found) for name, found in self.unusual.items()}
        more: dict[str, Any] = {"unusual": told} if told else {}
        if self.parts:
            (first, *others) = self.parts.values()
            more["parts"] = self.parts if others else first
        more |= {"windows": [*self.windows]} if self.windows else {}
        if len(self.targets) == 1:
            (decoded,) = self.targets.values()
            return {"input": self.input, **decoded, **more}
        return {"input": self.input, **self.targets, **more}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one input got no answer. The others of its batch are not affected."""

    input: str
    error: DrivetrainError

    def to_json(self) -> dict[str, str]:
        return {"input": self.input, **self.error.to_json()}
