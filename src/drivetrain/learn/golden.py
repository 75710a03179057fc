"""Which rows become the golden cases of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.bundle import nasty_samples
from drivetrain.bundle.golden import MOST_CASES
from drivetrain.data.dataset import Dataset
from drivetrain.metrics import is_large, rows_at_once
from drivetrain.metrics.estimate import Floats
from drivetrain.types import Sample

VALIDATION_CASES = 16
MOST_NUMBERS, LEAST_CASES = 2**18, 8
"""Numbers of what isn't read from files, such as long windows of series, in all cases together; and cases there are in any case."""
MOST_VALUES, MOST_OF_VALIDATION = 5_000, 15_000
"""Raw values of all cases together, and of those from the data: each is a member of the bundle, which takes time to
open, and there may be 20,000."""


def golden_samples(data: Dataset, losses: Sequence[Floats]) -> list[tuple[str, Any, Sample]]:
    """(name, kind, sample): rows of the measured part from the easiest to the hardest by a model's losses (n,) of each
    target, and each input's nasty values with the other inputs taken from the first row; of a wide table as many of them
    as there is room for, and of large outputs as many as are held at once."""
    targets = data.signature.targets.values()
    most = rows_at_once(targets) if any(map(is_large, targets)) else MOST_CASES
    wide = sum(math.prod(c.shape) for c in data.signature.inputs.values() if not (c.from_files or c.varies))
    most = min(most, max(LEAST_CASES, MOST_NUMBERS // max(1, wide)))
    name = data.measured_part
    rows = data.part(name).rows
    order = np.argsort(np.sum(losses, axis=0), kind="stable")
    columns = list(data.signature.inputs)
    count = min(VALIDATION_CASES, len(order), max(1, MOST_OF_VALIDATION // len(columns)), max(1, most // 2))
    chosen = order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]

    def sample(row: int) -> dict[str, Any]:
        return {column: _plain(data.raw(column, row)) for column in columns}

    found: list[tuple[str, Any, Sample]] = [
        (f"{name} row {number}", "validation", sample(int(rows[place])))
        for number, place in enumerate(chosen)
    ]
    nasty = list(nasty_samples(data.signature, sample(int(rows[chosen[0]]))))
    room = max(0, min(most, MOST_VALUES // len(columns)) - len(found))
    return found + [
        nasty[place] for place in np.linspace(0, len(nasty) - 1, min(room, len(nasty))).astype(int)
    ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
