"""The effect of a lever in rows where nobody drew it by chance, with columns held fixed: double machine learning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.by_econml import by_econml
from drivetrain.effects.design import Term, terms_of
from drivetrain.effects.estimated import Contrast, apart
from drivetrain.effects.form import columns_of, form
from drivetrain.effects.nuisance import FOLDS, Learner, cross_fitted, folds_of
from drivetrain.effects.overlap import without_like
from drivetrain.effects.randomised import lever_columns
from drivetrain.effects.rows import Asked
from drivetrain.evidence.regression import regress, t_quantile, two_sided
from drivetrain.figures import percent

Floats = npt.NDArray[np.float64]

By = Learner | Literal["econml"]

ROWS_A_TERM, DIFFERS = 20, 0.01
"""With so many rows a term it is seen whether a number does the same to all rows: it doesn't with a p below that. Residual on
residual then weighs rows by how much the lever moves by itself, which is nobody's average."""
SPLITS, FEW = 5, 2000
"""Up to so many rows it matters which of them are in a fold together: the mean over splits doesn't hang on it."""
MOST_LEFT_OUT = 0.5
"""Beyond it nothing is left to be an effect of; what is refused (overlap) begins long before."""
LEAST_PROPENSITY = 1e-3
"""Propensities are no smaller in a quotient; where any matters, the overlap check has refused before."""


@dataclass(frozen=True, eq=False)
class Adjusted:
    """`contrasts` as asked. `expected_lever` is what the columns say of the lever: (n,) its mean, or (n, k) the propensity of
    each level. `expected` (n, k): the outcome's mean at each level, (n, 1) for a number. None of it has seen the row's own fold.
    `kept` (n,): the rows that the contrasts are of. `terms`: what of the columns was held fixed, of the freer form or not."""

    contrasts: list[Contrast]
    expected_lever: Floats
    expected: Floats
    told: list[str]
    kept: npt.NDArray[np.bool_]
    terms: list[Term]
    free: bool


def adjusted(asked: Asked, *, by: By = "linear", seed: int = 0, free: bool | None = None) -> Adjusted:
    """The effect with the columns of `asked.adjust` held fixed, on average of all rows that have others like them.

    A number: the partially linear model, residual on residual (Robinson, 1988, Econometrica 56:931-954),
    with each column times the lever beside where the effect differs with the columns. A switch or a choice:
    augmented inverse propensity weighting (Robins, Rotnitzky and Zhao, 1994, JASA 89:846-866). What the columns say of lever
    and outcome is learned from other folds' rows (Chernozhukov and others, 2018, Econometrics Journal 21:C1-C68). `by` "econml":
    the contrasts are EconML's.
    """
    fold = folds_of(asked.n, seed, asked.clusters)
    terms, free = form(asked, fold, free)
    x, terms = columns_of(terms, asked.rows)
    _, told = terms_of(asked.rows, asked.adjust)
    learner: Learner = "linear" if by == "econml" else by
    found = _slope(asked, x, fold, learner) if asked.kind == "number" else _levels(asked, x, fold, learner)
    contrasts = by_econml(asked, x, FOLDS, seed) if by == "econml" else found.contrasts
    return replace(found, contrasts=contrasts, told=[*told, *found.told], terms=terms, free=free)


def adjusted_well(asked: Asked, *, by: By = "linear", seed: int = 0) -> Adjusted:
    """The same, by ridge regressions of few rows over several splits into folds (Chernozhukov and others, 2018, definition 3.3,
    by means)."""
    first = adjusted(asked, by=by, seed=seed)
    if asked.n > FEW or by != "linear":
        return first
    others = [adjusted(asked, by=by, seed=seed + at * 7919, free=first.free) for at in range(1, SPLITS)]
    each = zip(*(one.contrasts for one in (first, *others)))
    return replace(first, contrasts=[_together(contrasts) for contrasts in each])


def _together(contrasts: Sequence[Contrast]) -> Contrast:
    value = float(np.mean([one.value for one in contrasts]))
    error = float(np.sqrt(np.mean([one.error**2 + (one.value - value) ** 2 for one in contrasts])))
    first = contrasts[0]
    half = error * ((first.high - first.low) / 2 / first.error if first.error > 0 else 0.0)
    freedom = max(first.n - 1, 1)
    p = float(two_sided(np.array([apart(value, error)]), freedom)[0])
    return replace(first, value=value, error=error, low=value - half, high=value + half, p=p)


def _slope(asked: Asked, x: Floats, fold: npt.NDArray[np.int64], by: Learner) -> Adjusted:
    lever = cross_fitted(x, asked.t, fold, by=by)
    outcome = cross_fitted(x, asked.y, fold, by=by)
    away, left = (asked.t - lever)[:, None], asked.y - outcome
    found = regress(away, left, clusters=asked.clusters, errors="HC1", names=[asked.lever])
    spread, told = 0.0, list[str]()
    if asked.n > ROWS_A_TERM * (1 + x.shape[1]) and x.shape[1]:
        centred = x - x.mean(axis=0)
        names = [asked.lever, *(f"{asked.lever} by column {at}" for at in range(x.shape[1]))]
        design = np.concatenate([away, away * centred], axis=1)
        other = regress(design, left, clusters=asked.clusters, errors="HC1", names=names)
        if other.joint_p(range(1, len(names))) < DIFFERS:
            found, spread = other, float((centred @ other.beta[1:]).var() / asked.n)
            told.append(
                f"What {asked.lever} does differs with the columns held fixed: this is its average over all rows."
            )
    value, error = float(found.beta[0]), math.hypot(found.standard_errors[0], math.sqrt(spread))
    half = t_quantile(0.975, found.freedom) * error
    p = float(two_sided(np.array([apart(value, error)]), found.freedom)[0])
    _, labels = lever_columns(asked)
    one = Contrast(
        labels[0], value, error, value - half, value + half, p, asked.n,
        f"{_method(asked, by)}; 95 %, {found.errors}",
    )  # fmt: skip
    return Adjusted([one], lever, outcome[:, None], told, np.ones(asked.n, bool), [], False)


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
    alone = without_like(asked, propensity)
    kept = ~alone if alone.mean() <= MOST_LEFT_OUT else np.ones(asked.n, bool)
    score, clusters = score[kept], None if asked.clusters is None else asked.clusters[kept]
    means, contrasts = score.mean(axis=0), list[Contrast]()
    for at, label in enumerate(labels, start=1):
        found = regress(
            np.ones((len(score), 1)), score[:, at] - score[:, 0], clusters=clusters, errors="HC1",
            names=[asked.lever],
        )  # fmt: skip
        low, high = found.intervals()[0]
        ratio = float(means[at] / means[0]) if means[0] > 0 and means[at] > 0 else math.nan
        contrasts.append(
            Contrast(
                label, float(found.beta[0]), float(found.standard_errors[0]), float(low), float(high),
                float(found.p_values()[0]), len(score), f"{_method(asked, by)}; 95 %, {found.errors}", ratio,
            )
        )  # fmt: skip
    told = list[str]()
    if not kept.all():
        told.append(
            f"{int((~kept).sum()):,} rows ({percent(float((~kept).mean()))}) have next to no row like them with another "
            f"{asked.lever} and are left out: this is of the other {int(kept.sum()):,}."
        )
    return Adjusted(contrasts, propensity, expected, told, kept, [], False)


def _method(asked: Asked, by: Learner) -> str:
    kind = "partially linear" if asked.kind == "number" else "augmented inverse propensity weighting"
    learned = {"linear": "ridge regressions", "trees": "boosted trees", "auto": "the better of two learners"}[
        by
    ]
    return (
        f"double machine learning, {kind}, by {learned}, cross-fitted; {', '.join(asked.adjust)} held fixed"
    )
