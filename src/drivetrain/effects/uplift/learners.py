"""S-, T-, X- and DR-learner: the effect of a treatment on each row, learned so that no row is judged by what has seen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.bases import Base, Predict, fit
from drivetrain.effects.folds import fold_of
from drivetrain.effects.uplift.curve import effect_scores
from drivetrain.errors import DataError
from drivetrain.evidence.regression import Regression, regress

Floats = npt.NDArray[np.float64]
LearnerName = Literal["dr", "x", "t", "s"]
FOLDS, INNER = 5, 2
"""Outcomes and propensities are predicted by what has learned from the other folds: of all rows, and of those that judge a part."""
PARTS, FIRST = 10, 4
"""The first of so many equal parts only teach; each later part is judged by what was learned from all before it."""
PER_COLUMN = 20
"""Rows for each column from which a linear effect is fitted without a penalty, and has an interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Columns `x` (n, p) known before the treatment, `treated` (n,) 0 or 1, `outcome` (n,); `propensity` (n,) of being treated
    where it is known, None where it is to be estimated; `cluster` (n,) where rows come in groups. `share`: outcomes are 0 or 1.
    `clip`: estimated propensities are kept so far from 0 and 1 (0: as they are)."""

    x: Floats
    treated: Floats
    outcome: Floats
    propensity: Floats | None = None
    cluster: npt.NDArray[Any] | None = None
    share: bool = False
    clip: float = 0.0

    def take(self, rows: npt.NDArray[np.bool_]) -> Study:
        return replace(
            self,
            x=self.x[rows],
            treated=self.treated[rows],
            outcome=self.outcome[rows],
            propensity=None if self.propensity is None else self.propensity[rows],
            cluster=None if self.cluster is None else self.cluster[rows],
        )

    def folds(self, k: int, seed: int) -> npt.NDArray[np.int64]:
        return fold_of(len(self.x), k, seed, within=self.treated.astype(np.int64), cluster=self.cluster)


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """For each row (n,) the outcome without and with treatment, and its propensity, as predicted by what hasn't seen it."""

    without: Floats
    treated: Floats
    propensity: Floats

    def scores(self, study: Study) -> Floats:
        return effect_scores(study.treated, study.outcome, self.propensity, (self.without, self.treated))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows (m,), by their places, that come in the later parts: the `effect` (m,) that was predicted from the parts before, and
    `scores` (m,), which average to the true effect in any group of them, as do those that `expected` is of."""

    rows: npt.NDArray[np.int64]
    part: npt.NDArray[np.int64]
    effect: Floats
    expected: Expected
    scores: Floats

    def rank(self, of: Floats | None = None) -> Floats:
        """(m,) the place in (0, 1) of each row's effect, or of what was made `of` it, within its part, which one model has judged;
        equal ones share one."""
        value, found = self.effect if of is None else of, np.empty(len(self.part))
        for each in np.unique(self.part):
            held = self.part == each
            _, code, count = np.unique(value[held], return_inverse=True, return_counts=True)
            found[held] = ((np.cumsum(count) - count / 2) / held.sum())[code]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """`effect` predicts (k, p) -> (k,), learned from all rows. `expected` and `scores` (n,) are cross-fitted. `judged` says how
    good such effects are. `projection` is the regression of the scores on 1 and x, of a linear DR-learner with rows enough."""

    effect: Predict
    expected: Expected
    scores: Floats
    judged: Judged
    projection: Regression | None


Fitted = Callable[[Study, Expected, Base, int], Predict]


def learn(study: Study, learner: LearnerName, base: Base, seed: int = 0) -> Learned:
    """The learner fitted to all rows, and what fits to fewer say of rows that come later.

    t: outcomes with and without treatment are learned apart, and subtracted. s: together, the treatment one column of many.
    x: imputed effects of the treated and of the untreated, each learned, then weighed by propensity (Kuenzel, Sekhon, Bickel
    and Yu, 2019, PNAS 116:4156-4165). dr: `effect_scores` are regressed on the columns (Kennedy, 2023, Electronic Journal of
    Statistics 17:3008-3049), which a wrong model of either the outcomes or the propensities leaves standing.
    """
    expected, _ = _cross_fitted(study, base, FOLDS, seed)
    effect = _STAGES[learner](study, expected, base, seed)
    scores = expected.scores(study)
    linear = learner == "dr" and base == "linear"
    projection = _projection(study, scores) if linear else None
    return Learned(effect, expected, scores, _judged(study, learner, base, seed), projection)


def _judged(study: Study, learner: LearnerName, base: Base, seed: int) -> Judged:
    """Part after part: sums over them are then martingales, and have the intervals that they seem to have.

    Were each part judged by what was learned from all others, a row would have taught those who judge the very rows that have
    taught its own judge. Where effects are alike, intervals then hold the truth in 81 of 100 cases, and a score that is worth
    nothing seems to be worth something in 19 (bench/uplift.py). Luedtke and van der Laan (2016), Annals of Statistics
    44:713-742; Wager (2024), Sequential validation of treatment heterogeneity, arXiv 2405.05534.
    """
    part = study.folds(PARTS, seed + 1)
    later = np.flatnonzero(part >= FIRST)
    effect, parts = np.empty(len(part)), np.empty((3, len(part)))
    for each in range(FIRST, PARTS):
        held, before = study.take(part == each), study.take(part < each)
        inner, models = _cross_fitted(before, base, INNER, seed + 1 + each)
        effect[part == each] = _STAGES[learner](before, inner, base, seed)(held.x)
        parts[:, part == each] = np.mean([_predicted(model, held) for model in models], axis=0)
    expected = Expected(*parts[:, later])
    return Judged(later, part[later], effect[later], expected, expected.scores(study.take(part >= FIRST)))


Models = tuple[Predict, Predict, Predict | None]


def _models(study: Study, base: Base, seed: int) -> Models:
    """What predicts the outcome without and with treatment, and the propensity where it isn't known."""
    arms = [study.take(study.treated == arm) for arm in (0, 1)]
    without, with_ = (fit(base, arm.x, arm.outcome, share=study.share, seed=seed) for arm in arms)
    if study.propensity is not None:
        return without, with_, None
    return without, with_, fit(base, study.x, study.treated, share=True, seed=seed)


def _predicted(models: Models, study: Study) -> tuple[Floats, Floats, Floats]:
    without, with_, chance = models
    if chance is None:
        assert study.propensity is not None
        return without(study.x), with_(study.x), study.propensity
    kept = np.clip(chance(study.x), max(study.clip, 1e-6), 1 - max(study.clip, 1e-6))
    return without(study.x), with_(study.x), kept


def _cross_fitted(study: Study, base: Base, folds: int, seed: int) -> tuple[Expected, list[Models]]:
    fold = study.folds(folds, seed)
    parts, models = np.empty((3, len(fold))), list[Models]()
    for each in range(folds):
        held = fold == each
        models.append(_models(study.take(~held), base, seed))
        parts[:, held] = _predicted(models[-1], study.take(held))
    return Expected(*parts), models


def _s(study: Study, expected: Expected, base: Base, seed: int) -> Predict:
    centre = study.x.mean(axis=0)

    def design(x: Floats, treated: Floats) -> Floats:
        return np.concatenate([x, treated[:, None], (x - centre) * treated[:, None]], axis=1)

    outcome = fit(base, design(study.x, study.treated), study.outcome, share=study.share, seed=seed)
    return lambda x: outcome(design(x, np.ones(len(x)))) - outcome(design(x, np.zeros(len(x))))


def _t(study: Study, expected: Expected, base: Base, seed: int) -> Predict:
    without, with_ = (
        fit(base, arm.x, arm.outcome, share=study.share, seed=seed)
        for arm in (study.take(study.treated == each) for each in (0, 1))
    )
    return lambda x: with_(x) - without(x)


def _x(study: Study, expected: Expected, base: Base, seed: int) -> Predict:
    given = study.treated > 0
    of_treated = fit(base, study.x[given], (study.outcome - expected.without)[given], seed=seed)
    of_others = fit(base, study.x[~given], (expected.treated - study.outcome)[~given], seed=seed)
    if study.propensity is None:
        weight = fit(base, study.x, study.treated, share=True, seed=seed)
    else:  # Any weight between 0 and 1 is right; this one is near the least noisy.
        weight = partial(_alike, float(study.propensity.mean()))
    return lambda x: weight(x) * of_others(x) + (1 - weight(x)) * of_treated(x)


def _alike(value: float, x: Floats) -> Floats:
    return np.full(len(x), value)


def _dr(study: Study, expected: Expected, base: Base, seed: int) -> Predict:
    scores = expected.scores(study)
    if base == "linear" and (found := _projection(study, scores)) is not None:
        return lambda x: found.linear(with_one(x))
    return fit(base, study.x, scores, seed=seed)


def with_one(x: Floats) -> Floats:
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def _projection(study: Study, scores: Floats) -> Regression | None:
    """The best linear fit to the effects (Semenova and Chernozhukov, 2021, The Econometrics Journal 24:264-289); None where the
    columns are too many for it, or no two of them are."""
    n, p = study.x.shape
    if n < PER_COLUMN * (p + 1):
        return None
    try:
        return regress(with_one(study.x), scores, clusters=study.cluster)
    except DataError:
        return None


_STAGES: dict[LearnerName, Fitted] = {"dr": _dr, "x": _x, "t": _t, "s": _s}
