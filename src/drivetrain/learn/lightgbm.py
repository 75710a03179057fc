"""LightGBM as a second opinion on what trees reach, where it is installed. No bundle is made of it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.learn.tree_columns import Features
from drivetrain.learn.tree_model import FEW_ROUNDS, HELD_OUT, PATIENCE, SMALL, Growth, rows_to_try
from drivetrain.types import Array


def installed() -> bool:
    return importlib.util.find_spec("lightgbm") is not None


@dataclass(frozen=True, eq=False)
class Estimator:
    """LightGBM's booster as scikit-learn's estimators are asked."""

    booster: Any

    def predict(self, features: Features) -> Array:
        return self.booster.predict(features)

    def predict_proba(self, features: Features) -> Array:
        shares = self.booster.predict(features)
        return np.stack([1 - shares, shares], axis=1) if shares.ndim == 1 else shares


def grow(features: Features, target: Array, growth: Growth) -> tuple[Any, int]:
    """As `tree_model.grow_trees`, by LightGBM with its own defaults."""
    import lightgbm

    options: dict[str, Any] = {
        "seed": growth.seed, "verbosity": -1, "deterministic": True, "num_threads": 1 if features.size <= SMALL else 0,
    }  # fmt: skip
    weights = None
    wanted = target
    if growth.classifies:
        present, wanted, counts = np.unique(target, return_inverse=True, return_counts=True)
        several = {"objective": "multiclass", "num_class": len(present)}
        options |= several if len(present) > 2 else {"objective": "binary"}
        if growth.class_weights == "balanced":
            weights = (len(target) / (len(present) * counts))[wanted]
    else:
        options["objective"] = "l1" if growth.loss == "absolute" else "l2"

    def rows(chosen: Array) -> Any:
        weight = None if weights is None else weights[chosen]
        return lightgbm.Dataset(features[chosen], wanted[chosen], weight=weight)

    rounds = min(growth.most_rounds, FEW_ROUNDS)
    tried = np.flatnonzero(rows_to_try(target, growth))
    if len(tried):
        held = np.random.default_rng(growth.seed).random(len(tried)) < HELD_OUT
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        trial = lightgbm.train(
            options, rows(tried[~held]), growth.most_rounds, valid_sets=[rows(tried[held])], callbacks=[stop]
        )
        rounds = trial.best_iteration or growth.most_rounds
    return Estimator(lightgbm.train(options, rows(np.arange(len(target))), rounds)), rounds
