"""Histogram gradient-boosted trees for one target, by LightGBM, or by scikit-learn where that is not installed.

Each tree is grown on the gradient of the loss (Friedman 2001, Annals of Statistics 29:1189-1232), with columns cut into
255 bins (Ke and others 2017, LightGBM, NeurIPS). How many trees there are is told by training rows that are held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.features.base import Columns, for_trees, matrix, tree_columns, unseen
from drivetrain.learn.goals import Goal, goal_of
from drivetrain.learn.trees import lightgbm, scikit
from drivetrain.learn.trees.growth import LOSSES, Floats, Grow, Grown, Growth
from drivetrain.types import Array, Batch


@dataclass(frozen=True, eq=False)
class TreeModel:
    """The fitted trees of one target. `grown` is None where there was nothing to tell apart."""

    goal: Goal
    columns: tuple[Columns, ...]
    grown: Grown | None

    @property
    def rounds(self) -> int:
        return 0 if self.grown is None else self.grown.rounds

    def predict(self, batch: Batch) -> Array:
        """Encoded rows -> float32: probabilities (n, classes), or numbers (n,) in natural units."""
        features = matrix(self.columns, batch)
        scores = (
            np.tile(self._start(), (len(features), 1)) if self.grown is None else self.grown.scores(features)
        )
        return self.goal.answers(self.goal.expanded(scores))

    def staged(self, batch: Batch, rounds: Sequence[int]) -> Iterator[Array]:
        """What `predict` would have given after each of some rounds, which rise."""
        if self.grown is not None:
            features = matrix(self.columns, batch)
            for scores in self.grown.staged(features, rounds):
                yield self.goal.answers(self.goal.expanded(scores))

    def base(self) -> Floats:
        """(outputs,): where the sums begin."""
        return self.goal.expanded(self._start())

    def _start(self) -> Floats:
        return np.zeros(len(self.goal.scored)) if self.grown is None else self.grown.base


def fit_trees(
    signature: Signature,
    train: Batch,
    target: str,
    *,
    grow: Grow | None = None,
    **options: Any,
) -> TreeModel:
    """Trees for one target, fitted to encoded rows, grown by `grower()` unless `grow` is another. Options are the fields of
    `Growth` (`seed`, `loss`, `rounds` and others).

    Raises TrainingError where no input can be taken, UsageError for a target or a loss that can't."""
    encoded = np.asarray(train[target])
    goal = goal_of(signature.targets[target], encoded, "trees")
    growth = Growth(goal.classifies, **options)
    if not goal.classifies and growth.loss not in LOSSES:
        raise UsageError(
            f"trees have no loss {growth.loss!r}.", where="loss", fix=f"Use {' or '.join(LOSSES)}."
        )
    columns = tree_columns(signature, train, goal.direction(encoded))
    if not columns:
        raise nothing_seen()
    if not goal.varies:
        return TreeModel(goal, columns, None)
    return TreeModel(goal, columns, (grow or grower())(matrix(columns, train), goal.learned(encoded), growth))


def grower() -> Grow:
    """LightGBM where it is installed, else scikit-learn."""
    return lightgbm.grow if lightgbm.installed() else scikit.grow


def left_out(signature: Signature) -> list[str]:
    """The inputs that trees see nothing of."""
    return unseen(signature, for_trees)


def nothing_seen(where: str = "") -> TrainingError:
    """The error where trees see nothing of any input."""
    return TrainingError(
        "trees learn from numbers, categories, dates and tags, and there is none of them.", where=where,
        fix="Use another model, such as mlp.",
    )  # fmt: skip
