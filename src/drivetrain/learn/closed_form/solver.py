"""Linear models on sparse features by L-BFGS (Liu and Nocedal 1989, Mathematical Programming 45:503-528), their penalty
by cross-validation along a path from strong to weak, each of which starts where the one before ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize

from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
"""Of a sum of losses over rows, as scikit-learn's 1 / C."""
POWERS = (0.5, 0.0)
"""Of what naive Bayes says of a feature. 0: all are penalised alike."""
FOLDS, ENOUGH = 3, 2_000
"""Of cross-validation; one alone, where it holds out so many rows."""
MOST_NONZERO = 2**23
"""Of the rows that cross-validation takes."""
SMOOTHING = 1.0
"""Rows more, of each class, that have a feature."""
ITERATIONS, CLOSE, KEPT = 100, 1e-3, 5
"""Of L-BFGS: at most, how small a part of the loss the last one gains, and how many are remembered."""
SMALLEST = 1e-30


class Choice(NamedTuple):
    """What cross-validation chooses."""

    penalty: float
    power: float


@dataclass(frozen=True, eq=False)
class Labels:
    """Codes (n,) from 0 of the classes, and the weight (n,) of each row. Of two classes the second alone has a score."""

    codes: Array
    weights: Floats
    classes: int

    @classmethod
    def of(cls, codes: Array, balanced: bool) -> Self:
        counts = np.bincount(codes)
        weights = len(codes) / (len(counts) * counts[codes]) if balanced else np.ones(len(codes))
        return cls(codes, weights, len(counts))

    def __getitem__(self, rows: Array) -> Labels:
        return Labels(self.codes[rows], self.weights[rows], self.classes)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def outputs(self) -> int:
        return self.classes if self.classes > 2 else self.classes - 1

    def order(self, generator: np.random.Generator) -> Array:
        """(n,) the rows, drawn by chance, class by class: every n-th of them has each class by its share."""
        drawn = generator.permutation(len(self))
        return drawn[np.argsort(self.codes[drawn], kind="stable")]

    def losses(self, scores: Floats) -> tuple[Floats, Floats]:
        """Scores (n, outputs) -> the log loss of each row (n,) and its derivative by the scores (n, outputs)."""
        if self.outputs == 1:
            signs = 2.0 * self.codes - 1
            away = -signs * scores[:, 0]
            slopes = (-signs / (1 + np.exp(-np.clip(away, -500, 500))))[:, None]
            return self.weights * np.logaddexp(0, away), self.weights[:, None] * slopes
        shares = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
        shares /= shares.sum(axis=1, keepdims=True)
        rows = np.arange(len(self))
        found = -np.log(np.maximum(shares[rows, self.codes], SMALLEST))
        shares[rows, self.codes] -= 1
        return self.weights * found, self.weights[:, None] * shares

    def importance(self, features: sparse.csr_matrix) -> Floats:
        """(features, outputs): the size of the log ratio of how often a feature is there within a class and elsewhere."""
        there = sparse.csr_matrix(
            (np.ones_like(features.data), features.indices, features.indptr), features.shape
        )
        counts = there.T @ np.eye(self.classes, dtype=np.float32)[self.codes] + SMOOTHING
        others = counts.sum(axis=1, keepdims=True) - counts
        ratios = np.log(counts / counts.sum(axis=0)) - np.log(others / others.sum(axis=0))
        return np.abs(ratios[:, -self.outputs :]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers (n,) of mean 0 and deviation 1."""

    values: Floats
    outputs = 1

    def __getitem__(self, rows: Array) -> Numbers:
        return Numbers(self.values[rows])

    def __len__(self) -> int:
        return len(self.values)

    def order(self, generator: np.random.Generator) -> Array:
        return generator.permutation(len(self))

    def losses(self, scores: Floats) -> tuple[Floats, Floats]:
        """Half the squared error of each row, and its derivative."""
        away = scores - self.values[:, None]
        return away[:, 0] ** 2 / 2, away


Goal = Labels | Numbers


def choose(features: sparse.csr_matrix, goal: Goal, seed: int = 0) -> Choice:
    """The penalty, and of labels the power, of the least loss of rows that were held out."""
    if len(goal) < 2 * FOLDS or not goal.outputs:
        return Choice(PENALTIES[0], 0.0)
    order = goal.order(np.random.default_rng(seed))
    step = max(1, int(np.ceil(features.nnz / MOST_NONZERO)))
    order = order[::step]
    folds = np.arange(len(order)) % FOLDS
    powers = POWERS if isinstance(goal, Labels) else (0.0,)
    losses = np.zeros((len(powers), len(PENALTIES)))
    for fold in range(FOLDS):
        train, held = np.sort(order[folds != fold]), np.sort(order[folds == fold])
        own, others = (features[train], goal[train]), (features[held], goal[held])
        for number, power in enumerate(powers):
            losses[number] += _path(*own, *others, power)
        best = int(np.argmin(losses.min(axis=1)))  # The first fold tells the power, all of them the penalty.
        losses, powers = losses[[best]], (powers[best],)
        if len(held) >= ENOUGH:
            break
    return Choice(PENALTIES[int(np.argmin(losses[0]))], powers[0])


def _path(
    features: sparse.csr_matrix, goal: Goal, held: sparse.csr_matrix, truth: Goal, power: float
) -> Floats:
    """(penalties,) the loss of rows that were held out; once it has risen, what it rose to."""
    found = np.full(len(PENALTIES), np.inf)
    scales = _scales(features, goal, power)
    start = None
    for place, penalty in enumerate(PENALTIES):
        start = _minimum(features, goal, penalty, scales, start)
        weights, bias = _parts(start, scales)
        found[place] = truth.losses((held @ weights).astype(np.float64) + bias)[0].sum()
        if place and found[place] > found[place - 1]:
            found[place:] = found[place]
            break
    return found


def solve(features: sparse.csr_matrix, goal: Goal, choice: Choice) -> tuple[Weights, Weights]:
    """Weights (features, outputs) and bias (outputs,)."""
    scales = _scales(features, goal, choice.power)
    start = None
    for penalty in PENALTIES:
        if penalty > choice.penalty:
            start = _minimum(features, goal, penalty, scales, start)
    return _parts(_minimum(features, goal, choice.penalty, scales, start), scales)


def _scales(features: sparse.csr_matrix, goal: Goal, power: float) -> Weights:
    """(features, outputs) of mean square 1: the larger, the less a weight is penalised."""
    if not power or not isinstance(goal, Labels) or not goal.outputs:
        return np.ones((features.get_shape()[1], goal.outputs), np.float32)
    found = goal.importance(features) ** power
    return (found / np.sqrt(np.mean(found**2) or 1.0)).astype(np.float32)


def _parts(flat: Floats, scales: Weights) -> tuple[Weights, Weights]:
    size = scales.size
    return flat[:size].reshape(scales.shape).astype(np.float32) * scales, flat[size:].astype(np.float32)


def _minimum(
    features: sparse.csr_matrix, goal: Goal, penalty: float, scales: Weights, start: Floats | None
) -> Floats:
    """The flat weights, before they are scaled, and the bias after them."""
    size = scales.size
    if start is None:
        start = np.zeros(size + goal.outputs)
    columns = features.T

    def loss_and_slopes(flat: Floats) -> tuple[float, Floats]:
        weights, _ = _parts(flat, scales)
        losses, slopes = goal.losses((features @ weights).astype(np.float64) + flat[size:])
        own = flat[:size]
        loss = losses.sum() + penalty / 2 * (own @ own)
        down = (columns @ slopes.astype(np.float32)) * scales
        return loss, np.concatenate([down.ravel() + penalty * own, slopes.sum(axis=0)])

    if not size:
        return start
    return minimize(
        loss_and_slopes, start, jac=True, method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "ftol": CLOSE, "gtol": 1e-9, "maxcor": KEPT},
    ).x  # fmt: skip
