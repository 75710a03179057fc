"""LightGBM as a second opinion on what trees reach, where it is installed. No bundle is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.learn.tree_columns import fit_columns, matrix
from drivetrain.learn.tree_model import HELD_OUT, PATIENCE, SMALL
from drivetrain.types import Array, Batch


def fit_and_predict(
    signature: Signature,
    train: Batch,
    valid: Batch,
    target: str,
    *,
    seed: int,
    class_weights: str,
    loss: str,
    most_rounds: int,
) -> Array:
    """Outputs for the rows of `valid`, of a category or number target; the number of rounds is found on rows held out."""
    import lightgbm

    codec = signature.targets[target]
    classifies = isinstance(codec, Category)
    encoded = np.asarray(train[target]).reshape(-1)
    scale = np.unique(encoded) if classifies else cast_number(codec).transform(encoded)
    direction = (encoded[:, None] == scale).astype(np.float64) if classifies else scale[:, None]
    columns = fit_columns(signature, train, direction)
    features, wanted = matrix(columns, train), encoded if classifies else scale
    make = lightgbm.LGBMClassifier if classifies else lightgbm.LGBMRegressor
    options: dict[str, Any] = {"random_state": seed, "verbose": -1, "n_jobs": 1 if features.size <= SMALL else None}
    if classifies:
        options["class_weight"] = "balanced" if class_weights == "balanced" else None
    else:
        options["objective"] = "l1" if loss == "absolute" else "l2"
    held = np.random.default_rng(seed).random(len(features)) < HELD_OUT
    trial = make(n_estimators=most_rounds, **options)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    rounds = min(most_rounds, PATIENCE)
    if held.any() and np.isin(wanted[held], wanted[~held]).all() | (not classifies):
        trial.fit(features[~held], wanted[~held], eval_set=[(features[held], wanted[held])], callbacks=[stop])
        rounds = trial.best_iteration_ or most_rounds
    model = make(n_estimators=rounds, **options).fit(features, wanted)
    asked = matrix(columns, valid)
    if not classifies:
        return cast_number(codec).inverse(model.predict(asked))
    outputs = np.zeros((len(asked), len(codec.classes)))
    outputs[:, scale] = model.predict_proba(asked)
    return outputs


def cast_number(codec: Any) -> Number:
    """A target that is no category is a number."""
    assert isinstance(codec, Number)
    return codec
