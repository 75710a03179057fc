"""LightGBM as a second opinion on what trees reach, where it is installed. No bundle is made of it."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import numpy as np

from drivetrain.learn.tree_columns import Features
from drivetrain.learn.tree_model import FEW_ROUNDS, HELD_OUT, PATIENCE, SMALL, Growth, rows_to_try
from drivetrain.types import Array


def installed() -> bool:
    return importlib.util.find_spec("lightgbm") is not None


def grow(features: Features, target: Array, growth: Growth) -> tuple[Any, int]:
    """As `tree_model.grow_trees`, by LightGBM with its own defaults."""
    import lightgbm

    options: dict[str, Any] = {"random_state": growth.seed, "verbose": -1}
    options["n_jobs"] = 1 if features.size <= SMALL else None
    if growth.classifies:
        weight = "balanced" if growth.class_weights == "balanced" else None
        make = partial(lightgbm.LGBMClassifier, class_weight=weight, **options)
    else:
        make = partial(
            lightgbm.LGBMRegressor, objective="l1" if growth.loss == "absolute" else "l2", **options
        )
    rounds = min(growth.most_rounds, FEW_ROUNDS)
    tried = np.flatnonzero(rows_to_try(target, growth))
    held = np.random.default_rng(growth.seed).random(len(tried)) < HELD_OUT
    if len(tried) and np.isin(target[tried[held]], target[tried[~held]]).all() | (not growth.classifies):
        own, other = tried[~held], tried[held]
        trial = make(n_estimators=growth.most_rounds)
        trial.fit(
            features[own], target[own], eval_set=[(features[other], target[other])],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )  # fmt: skip
        rounds = trial.best_iteration_ or growth.most_rounds
    return make(n_estimators=rounds).fit(features, target), rounds
