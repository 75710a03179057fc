"""Trees by scikit-learn: where LightGBM isn't installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from drivetrain.learn.features.base import Features
from drivetrain.learn.trees.growth import (
    FEW_ROUNDS,
    HELD_OUT,
    LOSSES,
    SMALL,
    Floats,
    Growth,
    Nodes,
    rows_to_try,
)
from drivetrain.types import Array

RATE = 0.1
SHRINKAGE = 5.0
"""Of leaves, as a ridge's penalty: 0 to 3 % less loss on five tables of six (docs/decisions/tables.md)."""
PATIENCE = 20
"""Rounds without a lower loss on the rows held out, after which no more are tried."""


@dataclass(frozen=True, eq=False)
class SklearnTrees:
    """See `Grown`; `estimator` is a fitted HistGradientBoosting classifier or regressor."""

    estimator: Any

    @property
    def rounds(self) -> int:
        return int(self.estimator.n_iter_)

    @property
    def base(self) -> Floats:
        return np.asarray(self.estimator._baseline_prediction, np.float64).reshape(-1)

    def scores(self, features: Features) -> Floats:
        with few_threads(features):
            found = self._ask("")(features)
        return found.reshape(len(features), -1)

    def staged(self, features: Features, rounds: Sequence[int]) -> Iterator[Floats]:
        wanted = {*rounds}
        with few_threads(features):
            for number, found in enumerate(self._ask("staged_")(features), 1):
                if number in wanted:
                    yield found.reshape(len(features), -1)

    def trees(self) -> list[Nodes]:
        return [tree.nodes for each in self.estimator._predictors for tree in each]

    def _ask(self, prefix: str) -> Any:
        what = "decision_function" if hasattr(self.estimator, "decision_function") else "predict"
        return getattr(self.estimator, prefix + what)


def grow(features: Features, target: Array, growth: Growth) -> SklearnTrees:
    """First on a part of the rows, for the number of rounds with the lowest loss on the others; then on all rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options: dict[str, Any] = {
        "random_state": growth.seed,
        "learning_rate": RATE,
        "l2_regularization": SHRINKAGE,
        **growth.given(
            rate="learning_rate", leaves="max_leaf_nodes", least_rows="min_samples_leaf",
            l2="l2_regularization",
        ),
    }  # fmt: skip
    if growth.classifies:
        weight = "balanced" if growth.class_weights == "balanced" else None
        make = partial(HistGradientBoostingClassifier, class_weight=weight, **options)
    else:
        make = partial(HistGradientBoostingRegressor, loss=LOSSES[growth.loss], **options)
    with few_threads(features):
        tried = rows_to_try(target, growth)
        rounds = growth.rounds or min(growth.most_rounds, FEW_ROUNDS)
        if growth.rounds is None and tried.any():
            trial = make(
                max_iter=growth.most_rounds, early_stopping=True, n_iter_no_change=PATIENCE,
                validation_fraction=HELD_OUT,
            )  # fmt: skip
            rounds = max(1, int(np.argmax(trial.fit(features[tried], target[tried]).validation_score_)))
        return SklearnTrees(make(max_iter=rounds, early_stopping=False).fit(features, target))


def few_threads(features: Features) -> AbstractContextManager[Any]:
    """One thread for small tables."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if features.size <= SMALL else None, user_api="openmp")
