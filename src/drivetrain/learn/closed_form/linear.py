"""A linear model of columns for one target, dense or sparse: how it is fitted, what it answers, and its graph."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.graphs.builder import Builder
from drivetrain.learn.closed_form.solver import Choice, Labels, Numbers, Weighed, choose, solve
from drivetrain.learn.features.base import Features, SparseColumns, Sums
from drivetrain.learn.goals import NEVER, Goal
from drivetrain.types import Array

Weights = npt.NDArray[np.float32]

MOST_WORK = 5e9
"""Rows x features x classes x iterations of a logistic regression: some 5 s on one core."""
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Of a sum of losses over rows, on columns of about unit size."""
FEW_ROWS, FOLDS = 10_000, 3
"""With more rows the penalty of a logistic regression hardly matters, and is 1."""
AT_ONCE = 4
"""Scores: their weights are gathered for each n-gram of each row, which takes memory."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Weights (columns, scores) and bias (scores,), and the penalty that they were fitted with."""

    goal: Goal
    weights: Weights
    bias: Weights
    choice: Choice

    def answer(self, features: Any) -> Array:
        """Of columns (n, columns), dense or sparse."""
        weights, bias = self.expanded()
        return self.goal.answers((features @ weights).astype(np.float64) + bias)

    def expanded(self) -> tuple[Weights, Weights]:
        """Weights (columns, outputs) and bias (outputs,): a class that training lacks is never answered."""
        bias = self.goal.expanded(self.bias).astype(np.float32)
        weights = np.zeros((len(self.weights), len(bias)), np.float32)
        weights[:, self.goal.scored] = self.weights
        return weights, bias

    def sums(self, columns: tuple[SparseColumns, ...]) -> Sums:
        """What its scores are sums of, where its columns are these."""
        weights, bias = self.expanded()
        present = np.flatnonzero(bias > NEVER) if self.goal.classifies else self.goal.scored
        return Sums(columns, weights, bias, present, self.goal.scale)

    def write(self, builder: Builder, features: str, output: str) -> None:
        """Add what `answer` computes to a graph that has the columns."""
        weights, bias = self.expanded()
        sums = builder.add("MatMul", features, builder.constant(weights))
        self.goal.write(builder, builder.add("Add", sums, builder.constant(bias)), output)

    def write_sparse(
        self, builder: Builder, parts: Sequence[tuple[tuple[str, str], int]], output: str
    ) -> None:
        """The same of sparse columns: ((which, values), how many columns) of each input (see `SparseColumns.write`)."""
        scored = self.goal.scored
        weights, bias = self.expanded()
        weights = self.weights if len(scored) else weights
        sums, start = "", 0
        for (which, values), count in parts:
            own = np.concatenate([np.zeros_like(weights[:1]), weights[start : start + count]])
            part = _gathered(builder, which, values, own)
            sums = builder.add("Add", sums, part) if sums else part
            start += count
        if 0 < len(scored) < len(bias):  # What has no score has the bias alone.
            sums = builder.add("MatMul", sums, builder.constant(np.eye(len(bias))[scored]))
        self.goal.write(builder, builder.add("Add", sums, builder.constant(bias)), output)


def _gathered(builder: Builder, which: str, values: str, weights: Weights) -> str:
    """The sum of the weights (columns + 1, scores) of a row's columns, times what each is: (n, scores)."""
    parts = [
        builder.add(
            "MatMul", values,
            builder.add("Gather", builder.constant(weights[:, start : start + AT_ONCE]), which),
        )
        for start in range(0, weights.shape[1], AT_ONCE)
    ]  # fmt: skip
    sums = parts[0] if len(parts) == 1 else builder.add("Concat", *parts, axis=2)
    return builder.add("Reshape", sums, builder.whole(-1, weights.shape[1]))


def fit_sparse(
    goal: Goal,
    weighed: Weighed,
    encoded: Array,
    seed: int = 0,
    class_weights: str = "none",
    choice: Choice | None = None,
) -> Linear:
    """Fitted to sparse columns and encoded training values (n,), within what those were. `choice` is found by
    cross-validation where it is not given."""
    learned = goal.learned(encoded)
    wanted = Labels.of(learned, class_weights == "balanced") if goal.classifies else Numbers(learned)
    choice = choice or choose(weighed, wanted, seed)
    features = weighed(choice.rarity, None)
    return Linear(goal.limited(0.0), *solve(features, wanted, choice), choice)


def fit_dense(
    goal: Goal, features: Features, encoded: Array, penalty: float | None = None, class_weights: str = "none"
) -> Linear:
    """Logistic regression or ridge regression on columns of about unit size. `penalty`, scikit-learn's alpha or 1 / C, is
    found by cross-validation where it is not given."""
    learned = goal.learned(encoded)
    if not len(goal.scored):
        return Linear(
            goal, np.zeros((features.shape[1], 0), np.float32), np.zeros(0, np.float32), Choice(1.0, 0.0)
        )
    if goal.classifies:
        model, penalty = _logistic(features, learned, penalty, class_weights)
    else:
        model, penalty = _ridge(features.astype(np.float64), learned, penalty)
    scores = len(goal.scored)
    return Linear(
        goal,
        np.reshape(model.coef_, (scores, -1)).T.astype(np.float32),
        np.reshape(model.intercept_, scores).astype(np.float32),
        Choice(penalty, 0.0),
    )


def _logistic(
    features: Features, codes: Array, penalty: float | None, class_weights: str
) -> tuple[Any, float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    counts = np.bincount(codes)
    iterations = int(np.clip(MOST_WORK / (features.size * len(counts)), 10, 200))
    weight = "balanced" if class_weights == "balanced" else None
    options: dict[str, Any] = {"max_iter": iterations, "class_weight": weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Stopped early it is penalised a little more.
        if penalty is None and counts.min() >= FOLDS and len(codes) <= FEW_ROWS:
            options |= {
                "Cs": [1 / each for each in PENALTIES],
                "l1_ratios": (0.0,),
                "use_legacy_attributes": False,
            }
            tried = LogisticRegressionCV(cv=FOLDS, scoring="neg_log_loss", **options).fit(features, codes)
            return tried, 1 / float(np.mean(tried.C_))
        penalty = penalty or 1.0
        return LogisticRegression(C=1 / penalty, **options).fit(features, codes), penalty


def _ridge(features: Array, scaled: Array, penalty: float | None) -> tuple[Any, float]:
    from sklearn.linear_model import Ridge, RidgeCV

    if penalty is None and len(scaled) > 2:
        tried: Any = RidgeCV(alphas=PENALTIES).fit(features, scaled)
        return tried, float(tried.alpha_)
    penalty = penalty or 1.0
    return Ridge(alpha=penalty).fit(features, scaled), penalty
