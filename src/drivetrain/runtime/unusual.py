"""What in the inputs of many answers nothing in training was like: counted by column, for a person and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivetrain.types import Answer, Failure

EXAMPLES = 3


@dataclass(slots=True)
class _Count:
    rows: int = 0
    examples: dict[str, None] = field(default_factory=dict[str, None])


class Tally:
    """Counts while answers go by. `rows` is how many have been seen, failures left out."""

    def __init__(self, answers: Iterable[Answer | Failure] = ()) -> None:
        self.rows = 0
        self._found: dict[tuple[str, str], _Count] = {}
        for answer in answers:
            self.add(answer)

    def add(self, answer: Answer | Failure) -> None:
        if isinstance(answer, Failure):
            return
        self.rows += 1
        for column, found in answer.unusual.items():
            counted = self._found.setdefault((column, found.reason), _Count())
            counted.rows += 1
            if len(counted.examples) < EXAMPLES:
                counted.examples[found.value] = None

    def notes(self) -> list[str]:
        """What `sentence` says of each, the most frequent first."""
        return [sentence(found) for found in self.to_json()]

    def to_json(self) -> list[dict[str, Any]]:
        """`[{"column", "reason", "count", "of", "examples"}]`."""
        return [
            {
                "column": column, "reason": reason, "count": counted.rows, "of": self.rows,
                "examples": [example for example in counted.examples if example],
            }
            for (column, reason), counted in self._sorted()
        ]  # fmt: skip

    def _sorted(self) -> list[tuple[tuple[str, str], _Count]]:
        found: Mapping[tuple[str, str], _Count] = self._found
        return sorted(found.items(), key=lambda each: -each[1].rows)


def sentence(found: Mapping[str, Any]) -> str:
    """`'store': 165 of 400 values were not seen in training, such as '1.0'`, of an object of `Tally.to_json`."""
    were = "was" if found["count"] == 1 else "were"
    such = f", such as {', '.join(found['examples'])}" if found["examples"] else ""
    return f"{found['column']!r}: {found['count']:,} of {found['of']:,} values {were} {found['reason']}{such}"
