"""Answers as a table: what a file or a frame of them holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from drivetrain.bundle.parts import Part
from drivetrain.codecs import Signature
from drivetrain.codecs.base import Cell
from drivetrain.types import Answer, Failure

ORIGIN, UNUSUAL, ERROR = "origin", "unusual", "error"


def answer_columns(
    signature: Signature,
    answers: Iterable[Answer | Failure],
    taken: Collection[str] = (),
    parts: Sequence[Part] = (),
) -> dict[str, list[Cell]]:
    """Column -> a cell for each answer: what was answered, what is unusual, the error.

    What a target is told by its codec says (`Codec.answer_cells`). With several targets the target's name comes before.
    Where a name is `taken`, ours is `NAME (answered)`. The `parts` of a blend, where the answers have them, follow, briefly:
    `value by PART`, `answer by PART`.
    """
    targets, several = signature.targets, len(signature.targets) > 1
    shares = [(name, model.name) for name in targets for model in parts if name in model.weights]

    def cells_of(answer: Answer | None) -> dict[str, Cell]:
        cells: dict[str, Cell] = {}
        for name, codec in targets.items():
            found = codec.answer_cells(None if answer is None else answer.targets[name])
            cells |= {f"{name} {column}" if several else column: cell for column, cell in found.items()}
        for name, model in shares:
            found = targets[name].answer_cells(
                None if answer is None else answer.parts[name][model], brief=True
            )
            told = {f"{column} by {model}": cell for column, cell in found.items()}
            cells |= {f"{name} {column}" if several else column: cell for column, cell in told.items()}
        return cells

    empty = cells_of(None)
    titles = [f"{title} (answered)" if title in taken else title for title in (*empty, UNUSUAL, ERROR)]
    columns: dict[str, list[Cell]] = {title: [] for title in titles}
    for answer in answers:
        if isinstance(answer, Failure):
            cells = [*empty.values(), None, f"{answer.error.error} {answer.error.fix}".strip()]
        else:
            unusual = "; ".join(f"{name}: {found}" for name, found in answer.unusual.items())
            cells = [*cells_of(answer).values(), unusual or None, None]
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    return columns
