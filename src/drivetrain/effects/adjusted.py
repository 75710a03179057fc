"""The effect of a lever in rows where nobody drew it by chance, with columns held fixed: double machine learning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.by_econml import by_econml
from drivetrain.effects.estimated import Contrast
from drivetrain.effects.nuisance import FOLDS, Learner, cross_fitted, folds_of
from drivetrain.effects.randomised import covariates, lever_columns
from drivetrain.effects.rows import Asked
from drivetrain.evidence.regression import regress

Floats = npt.NDArray[np.float64]

By = Learner | Literal["econml"]

BENDS = 2
"""Of each number that is held fixed: a straight line would leave what bends."""
LEAST_PROPENSITY = 1e-3
"""Propensities are no smaller in a quotient; where any matters, the overlap check has refused before."""


@dataclass(frozen=True, eq=False)
class Adjusted:
    """`contrasts` as asked. `expected_lever` is what the columns say of the lever: (n,) its mean, or (n, k) the propensity of
    each level. `expected` (n, k): the outcome's mean at each level, (n, 1) for a number. None of it has seen the row's own fold."""

    contrasts: list[Contrast]
    expected_lever: Floats
    expected: Floats
    told: list[str]


def adjusted(asked: Asked, *, by: By = "linear", seed: int = 0) -> Adjusted:
    """The effect with the columns of `asked.adjust` held fixed, of all rows on average.

    A number: the partially linear model, residual on residual (Robinson, 1988, Econometrica 56:931-954). A switch or a choice:
    augmented inverse propensity weighting (Robins, Rotnitzky and Zhao, 1994, JASA 89:846-866). What the columns say of lever
    and outcome is learned from other folds' rows (Chernozhukov and others, 2018, Econometrics Journal 21:C1-C68). `by` "econml":
    the contrasts are EconML's.
    """
    x, _, told = covariates(asked, asked.adjust, BENDS)
    fold = folds_of(asked.n, seed, asked.clusters)
    learner: Learner = "linear" if by == "econml" else by
    found = _slope(asked, x, fold, learner) if asked.kind == "number" else _levels(asked, x, fold, learner)
    contrasts = by_econml(asked, x, FOLDS, seed) if by == "econml" else found.contrasts
    return Adjusted(contrasts, found.expected_lever, found.expected, told)


def _slope(asked: Asked, x: Floats, fold: npt.NDArray[np.int64], by: Learner) -> Adjusted:
    lever = cross_fitted(x, asked.t, fold, by=by)
    outcome = cross_fitted(x, asked.y, fold, by=by)
    away = (asked.t - lever)[:, None]
    found = regress(away, asked.y - outcome, clusters=asked.clusters, errors="HC1", names=[asked.lever])
    low, high = found.intervals()[0]
    _, labels = lever_columns(asked)
    one = Contrast(
        labels[0], float(found.beta[0]), float(found.standard_errors[0]), float(low), float(high),
        float(found.p_values()[0]), asked.n, f"{_method(asked, by)}; 95 %, {found.errors}",
    )  # fmt: skip
    return Adjusted([one], lever, outcome[:, None], [])


def _levels(asked: Asked, x: Floats, fold: npt.NDArray[np.int64], by: Learner) -> Adjusted:
    count = max(len(asked.levels), 2)
    was = asked.t[:, None] == np.arange(count)
    propensity = np.stack(
        [cross_fitted(x, was[:, at] * 1.0, fold, by=by, shares=True) for at in range(1, count)], axis=1
    )
    first = np.maximum(1 - propensity.sum(axis=1, keepdims=True), 0.0)
    propensity = np.concatenate([first, propensity], axis=1)
    propensity /= propensity.sum(axis=1, keepdims=True)
    expected = np.stack(
        [cross_fitted(x, asked.y, fold, by=by, among=was[:, at]) for at in range(count)], axis=1
    )
    score = expected + was * (asked.y[:, None] - expected) / np.maximum(propensity, LEAST_PROPENSITY)
    _, labels = lever_columns(asked)
    means, contrasts = score.mean(axis=0), list[Contrast]()
    for at, label in enumerate(labels, start=1):
        found = regress(
            np.ones((asked.n, 1)), score[:, at] - score[:, 0], clusters=asked.clusters, errors="HC1",
            names=[asked.lever],
        )  # fmt: skip
        low, high = found.intervals()[0]
        ratio = float(means[at] / means[0]) if means[0] > 0 and means[at] > 0 else math.nan
        contrasts.append(
            Contrast(
                label, float(found.beta[0]), float(found.standard_errors[0]), float(low), float(high),
                float(found.p_values()[0]), asked.n, f"{_method(asked, by)}; 95 %, {found.errors}", ratio,
            )
        )  # fmt: skip
    return Adjusted(contrasts, propensity, expected, [])


def _method(asked: Asked, by: Learner) -> str:
    kind = "partially linear" if asked.kind == "number" else "augmented inverse propensity weighting"
    learned = {"linear": "ridge regressions", "trees": "boosted trees", "auto": "the better of two learners"}[
        by
    ]
    return (
        f"double machine learning, {kind}, by {learned}, cross-fitted; {', '.join(asked.adjust)} held fixed"
    )
