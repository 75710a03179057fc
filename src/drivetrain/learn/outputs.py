"""What a model put out for the rows of a part: whole where that is little, else batch by batch as statistics alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from drivetrain.data.dataset import Dataset
from drivetrain.errors import DataError
from drivetrain.metrics import Scores, is_large, rows_at_once
from drivetrain.metrics.streamed import LARGE
from drivetrain.types import Array, Batch


class Outputs(dict[str, Array]):
    """Target -> outputs (n, *output_shape). Of a target whose outputs are large they are not in it, but its `scores`: to
    ask for them raises DataError."""

    def __init__(self, whole: Mapping[str, Array], scores: Mapping[str, Scores] | None = None) -> None:
        super().__init__(whole)
        self.scores = scores or {}

    def __missing__(self, target: str) -> Array:
        if target not in self.scores:
            raise KeyError(target)
        raise DataError(
            f"the outputs of {target!r} are never held whole: they have more than {LARGE:,} numbers a row.",
            fix="Ask for its metrics, statistics or losses.",
        )


def stream(
    data: Dataset,
    part: str,
    truths: Mapping[str, Array],
    run: Callable[[Batch], Mapping[str, Array]],
    advance: Callable[[int], None],
) -> Outputs:
    """The outputs that `run` gives for the usable rows of a part, whose true values these are; of large ones the scores.
    `advance` is told how many rows are done."""
    targets, rows = data.signature.targets, data.part(part)
    size = rows_at_once(targets.values())
    whole: dict[str, list[Array]] = {name: [] for name, codec in targets.items() if not is_large(codec)}
    scores: dict[str, list[Scores]] = {name: [] for name in targets if name not in whole}
    for start in range(0, max(1, len(rows)), size):
        at = slice(start, start + size)
        outputs = run(rows.batch(at))
        for name, pieces in whole.items():
            pieces.append(outputs[name])
        for name, found in scores.items():
            found.append(Scores.of(targets[name], outputs[name], truths[name][at]))
        advance(min(size, len(rows) - start))
    return Outputs(
        {name: np.concatenate(pieces) for name, pieces in whole.items()},
        {name: Scores.joined(found) for name, found in scores.items()},
    )
