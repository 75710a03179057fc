"""duration@1: how long something took, in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivetrain.codecs.base import Cell
from drivetrain.codecs.number import Number
from drivetrain.errors import DataError
from drivetrain.types import Array

SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)")
UNITS = re.compile(
    r"(?:(\d+(?:\.\d+)?) ?d)? ?(?:(\d+(?:\.\d+)?) ?h)? ?(?:(\d+(?:\.\d+)?) ?min)? ?(?:(\d+(?:\.\d+)?) ?s)?"
)


@dataclass(frozen=True)
class Duration(Number):
    """A duration as "1:30:05", "90 min" or "1 h 30 min", or as a number of seconds. All else is as with a number."""

    op: ClassVar[str] = "duration@1"
    like: ClassVar[str] = "number"
    called: ClassVar[str] = "a duration"
    unit: str = "s"

    def read(self, raw: Any) -> float:
        seconds = parse(raw.strip()) if isinstance(raw, str) else None
        return super().read(raw if seconds is None else seconds)

    def decode(self, output: Array) -> dict[str, Any]:
        answer = super().decode(output)
        return {**answer, "text": as_clock(answer["value"])}

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        cells = super().answer_cells(answer, brief)
        return cells if brief else {**cells, "duration": None if answer is None else answer["text"]}

    def schema(self) -> dict[str, Any]:
        return {"type": ["number", "string", *(["null"] if self.missing else [])]}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [
            ("a clock", "100:00:01.5"),
            ("units", "1 d 2 h 3 min 4 s"),
            ("minutes", "90 min"),
            ("a number", 5400),
        ]


def parse(text: str) -> float | None:
    """Seconds; None for what is not written as a duration."""
    if found := CLOCK.fullmatch(text):
        hours, minutes, seconds = found.groups(default="0")
        return 3_600 * int(hours) + 60 * int(minutes) + float(seconds)
    if text and (found := UNITS.fullmatch(text)):
        return sum(float(part) * size for part, size in zip(found.groups(default="0"), SECONDS.values()))
    return None


def as_clock(seconds: float) -> str:
    """Seconds as 1:30:05."""
    if not math.isfinite(seconds):
        raise DataError(f"{seconds} is no duration.")
    minutes, rest = divmod(round(abs(seconds)), 60)
    return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:{rest:02}"
