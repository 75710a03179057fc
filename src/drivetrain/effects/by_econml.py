"""The same effect by EconML, for those who have it: its double machine learning, on ridge regressions."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.effects.estimated import Contrast
from drivetrain.effects.randomised import lever_columns
from drivetrain.effects.rows import Asked
from drivetrain.errors import NotInstalled, UsageError
from drivetrain.metrics.estimate import CONFIDENCE

Floats = npt.NDArray[np.float64]


def by_econml(asked: Asked, x: Floats, folds: int, seed: int) -> list[Contrast]:
    """The contrasts with `x` (n, p) held fixed: LinearDML for a number, LinearDRLearner for a switch or a choice.

    Raises NotInstalled where there is no econml, and UsageError for rows in clusters, of which its intervals know nothing.
    """
    if importlib.util.find_spec("econml") is None:
        raise NotInstalled("by='econml' needs econml.", fix="Install it with: pip install econml")
    if asked.clusters is not None:
        raise UsageError("EconML's intervals know nothing of clusters.", where="by", fix="Take by='linear'.")
    # Learners of its own choosing had gone astray by thousands where the effect was 1.
    linear: Any = importlib.import_module("sklearn.linear_model")
    _, labels = lever_columns(asked)
    if asked.kind == "number":
        made: Any = importlib.import_module("econml.dml").LinearDML(
            model_y=linear.RidgeCV(), model_t=linear.RidgeCV(), cv=folds, random_state=seed
        )
    else:
        made = importlib.import_module("econml.dr").LinearDRLearner(
            model_regression=linear.RidgeCV(),
            model_propensity=linear.LogisticRegression(),
            cv=folds,
            random_state=seed,
        )
    made.fit(asked.y, asked.t, X=None, W=x)
    return [
        _contrast(asked, made.ate_inference(T0=0, T1=at), label) for at, label in enumerate(labels, start=1)
    ]


def _contrast(asked: Asked, found: Any, label: str) -> Contrast:
    low, high = (float(end) for end in found.conf_int_mean(alpha=1 - CONFIDENCE))
    method = f"double machine learning by EconML, 95 %; {', '.join(asked.adjust)} held fixed"
    return Contrast(
        label,
        float(found.mean_point),
        float(found.stderr_mean),
        low,
        high,
        float(found.pvalue()),
        asked.n,
        method,
    )
