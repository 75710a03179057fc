"""Answers as a table: a CSV file that a spreadsheet can open without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from drivetrain.codecs import Codec, Signature
from drivetrain.files import to_json, write_csv
from drivetrain.types import Answer, Failure

Cell = str | float | None


def write_answers(
    path: str | os.PathLike[str],
    origins: Sequence[str],
    answers: Iterable[Answer | Failure],
    signature: Signature,
) -> None:
    """Write a row for each answer, all or nothing: where it comes from, what was answered, or the error.

    A category has `answer` and `probability`, a number `value` and, where it has an interval, `low` and `high`, tags
    `tags`, any other target `answer` as JSON; with several targets the target's name comes before. Texts are in quotes,
    and behind an apostrophe where a spreadsheet would take them for a formula. Raises FileError.
    """
    several = len(signature.targets) > 1
    parts = {name: _parts(codec) for name, codec in signature.targets.items()}
    columns = [f"{name} {part}" if several else part for name, found in parts.items() for part in found]
    rows = (
        [origin, *_cells(answer, parts), _error(answer)]
        for origin, answer in zip(origins, answers, strict=True)
    )
    write_csv(path, ["origin", *columns, "error"], rows)


def _parts(codec: Codec) -> tuple[str, ...]:
    """The columns of a target."""
    kind = codec.op.split("@")[0]
    if kind == "number":
        return ("value", "low", "high") if getattr(codec, "interval", None) is not None else ("value",)
    return {"category": ("answer", "probability"), "tags": ("tags",)}.get(kind, ("answer",))


def _cells(answer: Answer | Failure, parts: dict[str, tuple[str, ...]]) -> list[Cell]:
    if isinstance(answer, Failure):
        return [None for found in parts.values() for _ in found]
    return [_cell(answer.targets[name], part) for name, found in parts.items() for part in found]


def _cell(decoded: dict[str, Any], part: str) -> Cell:
    value = decoded["label"] if part == "answer" and "label" in decoded else decoded.get(part)
    if part == "tags":
        return "; ".join(value or [])
    return to_json(decoded) if part == "answer" and value is None else value


def _error(answer: Answer | Failure) -> str | None:
    return f"{answer.error.error} {answer.error.fix}".strip() if isinstance(answer, Failure) else None
