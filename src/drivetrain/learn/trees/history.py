"""How the loss of trees fell from round to round, on rows that they were grown on and on rows that they were not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.learn.trees.model import TreeModel
from drivetrain.types import Batch

POINTS = 40
ROWS, CELLS = 10_000, 100_000
"""Rows, and rows times outputs, that the loss is measured on; more are drawn from."""
Point = tuple[float, float]


def curve(
    models: Mapping[str, TreeModel], train: Batch, valid: Batch, seconds: float, seed: int
) -> list[dict[str, Any]]:
    """Rows of a learner's history, for some rounds up to the last: losses are added up over the targets, the error is that
    of the first one. `epoch` is the round; `seconds` are shared out among the rows."""
    most = max(1, *(model.rounds for model in models.values()))
    rounds = np.unique(np.linspace(1, most, min(most, POINTS)).round().astype(int)).tolist()
    measured = [_sample(batch, models, seed) for batch in (train, valid)]
    found = {
        name: [_points(model, name, part, rounds) for part in measured] for name, model in models.items()
    }
    first = found[next(iter(found))]
    rows: list[dict[str, Any]] = []
    for place, number in enumerate(rounds):
        sums = [sum(target[part][place][0] for target in found.values()) for part in (0, 1)]
        rows.append({
            "epoch": number, "phase": 1, "train_loss": sums[0], "valid_loss": sums[1], "train_error": first[0][place][1],
            "valid_rows": len(next(iter(measured[1].values()))), "valid_error": first[1][place][1],
            "seconds": seconds / len(rounds),
        })  # fmt: skip
    return rows


def _sample(batch: Batch, models: Mapping[str, TreeModel], seed: int) -> Batch:
    widest = max(len(model.base()) for model in models.values())
    rows, most = len(next(iter(batch.values()))), min(ROWS, max(1, CELLS // widest))
    if rows <= most:
        return batch
    chosen = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return {name: array[chosen] for name, array in batch.items()}


def _points(model: TreeModel, target: str, batch: Batch, rounds: list[int]) -> list[Point]:
    """(loss, error) after each of the rounds; after its last one a model stays as it is."""
    encoded = np.asarray(batch[target])
    own = [min(number, max(1, model.rounds)) for number in rounds]
    wanted = sorted({*own})
    stages = [model.predict(batch)] if model.grown is None else model.staged(batch, wanted)
    found = {number: model.goal.measured(outputs, encoded) for number, outputs in zip(wanted, stages)}
    return [found[number] for number in own]
