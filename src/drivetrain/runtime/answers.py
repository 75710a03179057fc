"""Answers as a table: what a file or a frame of them holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from drivetrain.bundle.parts import Part
from drivetrain.codecs import Codec, Signature
from drivetrain.files import to_json
from drivetrain.types import Answer, Failure

Cell = str | float | int | bool | None
ORIGIN, UNUSUAL, ERROR = "origin", "unusual", "error"


def answer_columns(
    signature: Signature,
    answers: Iterable[Answer | Failure],
    taken: Collection[str] = (),
    parts: Sequence[Part] = (),
) -> dict[str, list[Cell]]:
    """Column -> a cell for each answer: what was answered, what is unusual, the error.

    A category has `answer`, `probability` and `probability of CLASS` for each class; a number `value` and, where it has an
    interval, `low` and `high`; tags have `tags` and `probability of TAG`; any other target `answer` as JSON. With several
    targets the target's name comes before. Where a name is `taken`, ours is `NAME (answered)`. The `parts` of a blend, where
    the answers have them, follow: `value by PART`, `answer by PART`.
    """
    several = len(signature.targets) > 1
    wanted = [(name, part) for name, codec in signature.targets.items() for part in _parts(codec)]
    titles = [f"{name} {part}" if several else part for name, part in wanted]
    shares = [
        (name, model.name, part)
        for name, codec in signature.targets.items()
        for model in parts
        if name in model.weights
        for part in _parts(codec)
        if part in ("answer", "probability", "value", "tags")
    ]
    titles += [
        f"{name} {part} by {model}" if several else f"{part} by {model}" for name, model, part in shares
    ]
    titles = [f"{title} (answered)" if title in taken else title for title in (*titles, UNUSUAL, ERROR)]
    columns: dict[str, list[Cell]] = {title: [] for title in titles}
    for answer in answers:
        cells: list[Cell]
        if isinstance(answer, Failure):
            cells = [*[None] * (len(titles) - 2), None, f"{answer.error.error} {answer.error.fix}".strip()]
        else:
            unusual = "; ".join(f"{name}: {found}" for name, found in answer.unusual.items())
            told = [_cell(answer.targets[name], part) for name, part in wanted]
            told += [_cell(answer.parts[name][model], part) for name, model, part in shares]
            cells = [*told, unusual or None, None]
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    return columns


def _parts(codec: Codec) -> list[str]:
    """The columns of a target."""
    kind = codec.op.split("@")[0]
    if kind == "number":
        return ["value", "low", "high"] if getattr(codec, "interval", None) is not None else ["value"]
    if kind == "category":
        return ["answer", "probability", *(_OF + name for name in cast("Any", codec).classes)]
    return ["tags", *(_OF + name for name in cast("Any", codec).tags)] if kind == "tags" else ["answer"]


_OF = "probability of "


def _cell(decoded: Mapping[str, Any], part: str) -> Cell:
    if part == "tags":
        return "; ".join(decoded.get("tags") or [])
    if part.startswith(_OF):
        return _number(decoded.get("probabilities", {}).get(part.removeprefix(_OF)))
    if part == "answer":
        return decoded["label"] if "label" in decoded else to_json(decoded)
    return _number(decoded.get(part))


def _number(value: float | None) -> float | None:
    """With the digits that a 32-bit number has: 0.9 and not 0.8999999761581421."""
    return None if value is None else float(str(np.float32(value)))
