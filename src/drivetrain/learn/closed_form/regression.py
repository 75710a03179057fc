"""Penalised regression on the columns of a table: ridge regression of numbers, logistic regression of categories.

Closed form, or nearly so, and quick: where the target follows the columns in straight lines, or the rows are few, nothing
else that is tried is as good (Hoerl and Kennard 1970, Technometrics 12:55-67). The penalty is found by cross-validation.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import TrainingError
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.base import not_trained
from drivetrain.learn.baselines.supervised import MOST_WORK
from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.closed_form.columns import RegressionColumns, fit_columns_of
from drivetrain.learn.closed_form.ngram_model import Goal
from drivetrain.learn.closed_form.solver import Choice
from drivetrain.learn.names import REGRESSION
from drivetrain.learn.refusals import refuse_no_rows, refuse_targets
from drivetrain.learn.settings import CLASS_WEIGHTS, Record, telling
from drivetrain.learn.trees.columns import Features, takes
from drivetrain.learn.trees.growth import SMALL
from drivetrain.types import Array

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Of a sum of losses over rows, on columns of about unit size."""
FEW_ROWS, FOLDS = 10_000, 3
"""With more rows the penalty of a logistic regression hardly matters, and is 1."""
BEYOND = 1.0
"""An answer stays so many times the training's range beyond it: a line leads to any number."""


@dataclass(frozen=True)
class RegressionSettings(Record):
    """`penalty` is found by cross-validation unless it is given: scikit-learn's alpha, or 1 / C."""

    loss: ClassVar[str] = "squared"
    seed: int = 0
    class_weights: str = "none"
    penalty: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(isinstance(self.seed, int) and self.seed >= 0, "seed", "a whole number from 0")
        self._require(
            self.class_weights in CLASS_WEIGHTS, "class_weights", f"one of {', '.join(CLASS_WEIGHTS)}"
        )
        self._require(self.penalty is None or self.penalty > 0, "penalty", "a number above 0, or None")


class RegressionLearner(Solved):
    """Options are `seed`, `class_weights` and `penalty`, and those of `Solved`. Raises UsageError for targets that are
    neither a category nor a number, TrainingError where there is nothing to learn from."""

    name, kind = REGRESSION, RegressionSettings
    settings: RegressionSettings  # type: ignore[assignment]
    columns: RegressionColumns | None = None

    def _refuse_unfit(self) -> None:
        data = self.data
        refuse_pointless(data, REGRESSION, telling({"class_weights": self.settings.class_weights}))
        refuse_targets(data, "a regression")
        if not any(takes(codec) for codec in data.signature.inputs.values()):
            raise TrainingError(
                "a regression learns from numbers, categories, dates and tags, and there is none of them.",
                where=data.table.name,
                fix="Use another model, such as ngrams or mlp.",
            )

    def _solve(self) -> None:
        from threadpoolctl import threadpool_limits

        batch, settings = self.training_batch(), self.settings
        refuse_no_rows(self.data)
        unseen = [name for name, codec in self.data.signature.inputs.items() if not takes(codec)]
        note = f"a regression sees nothing of {', '.join(map(repr, unseen))}: text or pictures"
        if unseen and note not in self.notes:
            self.notes.append(note)
        columns = fit_columns_of(self.data.signature, batch)
        features = columns.features(batch)
        self.goals: dict[str, Goal] = {}
        with threadpool_limits(1 if features.size <= SMALL else None):
            for name, codec in self.data.signature.targets.items():
                fit = _labels if isinstance(codec, Category) else _numbers
                self.goals[name] = fit(codec, features, np.asarray(batch[name]), settings)
        self.columns = columns

    def chosen_settings(self) -> dict[str, Any]:
        """With the penalty that was found, where it is of one target: of several each has its own."""
        found = [goal.choice.penalty for goal in getattr(self, "goals", {}).values()]
        return {**self.settings.to_json(), **({"penalty": found[0]} if len(found) == 1 else {})}

    @property
    def trained(self) -> bool:
        return self.columns is not None

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        features = self._columns().features(batch)
        return {name: goal.answer(features) for name, goal in self.goals.items()}

    def graph(self) -> bytes:
        from drivetrain.learn.closed_form.regression_graph import export_regression

        return export_regression(self._columns(), self.goals, self.data.signature)

    def _columns(self) -> RegressionColumns:
        if self.columns is None:
            raise not_trained()
        return self.columns

    def description(self) -> str:
        count = (
            ""
            if self.columns is None
            else f", {sum(len(goal.weights) for goal in self.goals.values()):,} weights"
        )
        return f"penalised regression{count}"


def _labels(codec: Codec, features: Features, codes: Array, settings: RegressionSettings) -> Goal:
    """Logistic regression of codes (n,)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    present, counts = np.unique(codes, return_counts=True)
    none = np.zeros((features.shape[1], 0), np.float32)
    if len(present) < 2:
        return Goal(codec, none, np.zeros(0, np.float32), Choice(1.0, 0.0), present)
    iterations = int(np.clip(MOST_WORK / (features.size * len(present)), 10, 200))
    weight = "balanced" if settings.class_weights == "balanced" else None
    options: dict[str, Any] = {"max_iter": iterations, "class_weight": weight}
    penalty = settings.penalty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Stopped early it is penalised a little more.
        if penalty is None and counts.min() >= FOLDS and len(codes) <= FEW_ROWS:
            tried = LogisticRegressionCV(
                Cs=[1 / each for each in PENALTIES], cv=FOLDS, scoring="neg_log_loss", refit=True,
                l1_ratios=(0.0,), use_legacy_attributes=False, **options,
            ).fit(features, codes)  # fmt: skip
            model, penalty = tried, 1 / float(np.mean(tried.C_))
        else:
            penalty = penalty or 1.0
            model = LogisticRegression(C=1 / penalty, **options).fit(features, codes)
    return Goal(
        codec,
        model.coef_.T.astype(np.float32),
        model.intercept_.astype(np.float32),
        Choice(penalty, 0.0),
        present,
    )


def _numbers(codec: Codec, features: Features, values: Array, settings: RegressionSettings) -> Goal:
    """Ridge regression of numbers (n,), on the codec's scale."""
    from sklearn.linear_model import Ridge, RidgeCV

    assert isinstance(codec, Number)
    z = codec.transform(values.reshape(-1).astype(np.float64))
    center, spread = float(z.mean()), float(z.std()) or 1.0
    scaled, wide = (z - center) / spread, features.astype(np.float64)
    if settings.penalty is None and len(z) > 2:
        model = RidgeCV(alphas=PENALTIES).fit(wide, scaled)
        penalty = float(model.alpha_)
    else:
        penalty = settings.penalty or 1.0
        model = Ridge(alpha=penalty).fit(wide, scaled)
    low, high = float(scaled.min()), float(scaled.max())
    room = BEYOND * (high - low)
    return Goal(
        codec, model.coef_.reshape(-1, 1).astype(np.float32), np.reshape(model.intercept_, 1).astype(np.float32),
        Choice(penalty, 0.0), np.zeros(0, np.int64), center, spread, low - room, high + room,
    )  # fmt: skip
