"""Ridge regression of many dense columns in closed form; its penalty, and how sure a choice among classes may be, by what each
row is given when it is left out.

One eigendecomposition, of whichever is smaller, columns or rows, serves all penalties; leaving a row out, or all rows of a
group together, is one division or one small solve (Golub, Heath and Wahba 1979, Technometrics 21:215-223; Cawley 2006, IJCNN).
Classes are learned as -1 and 1, each against the rest. Their scores become probabilities by one factor, that of the least log
loss on rows left out (Guo et al. 2017, arXiv:1706.04599).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drivetrain.learn.closed_form.linear import Linear
from drivetrain.learn.closed_form.solver import Choice
from drivetrain.learn.features.base import Features
from drivetrain.learn.goals import Goal
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]

PENALTIES = tuple(float(penalty) for penalty in np.logspace(-4, 1.5, 12))
"""Of a column, on columns of mean 0 and deviation 1: all of them together are so many times their number."""
SHARPEST = 10.0
"""Times a score of 1: beyond it no probability is more than 0.99995."""
SMALLEST = 1e-12
CHUNK = 1_024
"""Columns that are taken together to float64."""
MOST_TOGETHER = 400
"""Rows of a group that are left out together: of longer recordings a stretch at a time."""


class Left(NamedTuple):
    """A penalty, the loss of rows left out, and the factor of their scores."""

    penalty: float
    loss: float
    factor: float


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns `scaled` (n, columns) by the weighted `mean` and `spread`, weighed by the roots of the rows' weights (n,); `left`
    (n, r) and `sizes` (r,) are their left singular vectors and squared singular values."""

    scaled: Features
    mean: Floats
    spread: Floats
    roots: Floats
    left: Floats
    sizes: Floats

    @classmethod
    def of(cls, features: Features, weights: Floats) -> Rows:
        total = weights.sum()
        mean = (weights @ features) / total
        spread = np.sqrt(np.maximum((weights @ np.square(features, dtype=np.float64)) / total - mean**2, 0.0))
        spread[spread < 1e-6] = np.inf  # What hardly changes has no say.
        roots = np.sqrt(weights)
        scaled = ((features - mean) / spread * roots[:, None]).astype(np.float32)
        return cls(scaled, mean, spread, roots, *_decomposed(scaled))

    def weights(self, inner: Floats) -> tuple[Floats, Floats]:
        """Of (r, scores) in terms of `left`: weights (columns, scores) of columns as they came, and what to add (scores,)."""
        found = (self.scaled.T @ (self.left @ inner).astype(np.float32)).astype(np.float64) / self.spread[
            :, None
        ]
        return found, -self.mean @ found


def _decomposed(scaled: Features) -> tuple[Floats, Floats]:
    rows, columns = scaled.shape
    wide = columns > rows
    product = np.zeros((min(rows, columns),) * 2)
    for start in range(0, columns if wide else rows, CHUNK):
        part = (scaled[:, start : start + CHUNK] if wide else scaled[start : start + CHUNK]).astype(
            np.float64
        )
        product += part @ part.T if wide else part.T @ part
    sizes, vectors = np.linalg.eigh(product)
    kept = sizes > max(float(sizes[-1]), 1.0) * 1e-10
    sizes, vectors = sizes[kept], vectors[:, kept]
    if not wide:
        vectors = scaled.astype(np.float64) @ (vectors / np.sqrt(sizes))
    return vectors, sizes


def fit_ridge(
    goal: Goal,
    features: Features,
    encoded: Array,
    *,
    penalty: float | None = None,
    class_weights: str = "none",
    groups: Array | None = None,
) -> Linear:
    """Fitted to dense columns (n, columns) and encoded training values (n,). `groups` int (n,) says which rows are left out
    together. The `penalty` is found where it is not given."""
    learned = goal.learned(encoded)
    columns, scores = features.shape[1], len(goal.scored)
    if not scores:
        return Linear(
            goal, np.zeros((columns, 0), np.float32), np.zeros(0, np.float32), Choice(penalty or 1.0, 0.0)
        )
    weights = np.ones(len(learned))
    if goal.classifies:
        codes = learned.astype(np.int64)
        counts = np.bincount(codes)
        if class_weights == "balanced":
            weights = len(codes) / (len(counts) * counts[codes])
        first = len(counts) - scores  # Of two classes the second alone has a score.
        wanted = np.where(codes[:, None] == np.arange(first, len(counts)), 1.0, -1.0)
    else:
        codes, wanted = None, learned.astype(np.float64)[:, None]
    rows = Rows.of(features, weights)
    middle = (weights @ wanted) / weights.sum()
    goals = (wanted - middle) * rows.roots[:, None]
    tried = [
        _left_out(rows, goals, middle, each, columns, codes, weights, groups)
        for each in (PENALTIES if penalty is None else (penalty,))
    ]
    best = min(tried, key=lambda each: each.loss)
    inner = (rows.left.T @ goals) / (rows.sizes + best.penalty * columns)[:, None]
    found, add = rows.weights(inner)
    return Linear(
        goal,
        (best.factor * found).astype(np.float32),
        (best.factor * (add + middle)).astype(np.float32),
        Choice(best.penalty, 0.0),
    )


def _left_out(
    rows: Rows,
    goals: Floats,
    middle: Floats,
    penalty: float,
    columns: int,
    codes: npt.NDArray[np.int64] | None,
    weights: Floats,
    groups: Array | None,
) -> Left:
    """What a penalty comes to. `goals` (n, scores) are weighed, and of mean 0."""
    shares = rows.sizes / (rows.sizes + penalty * columns)
    apart = goals - rows.left @ (shares[:, None] * (rows.left.T @ goals))
    constant = rows.roots / np.linalg.norm(rows.roots)
    for members in _together(groups, len(goals)):
        if members is None:
            own = 1 - np.square(rows.left) @ shares - constant**2
            apart /= np.maximum(own, SMALLEST)[:, None]
            continue
        left = rows.left[members]
        own = np.eye(len(members)) - (left * shares) @ left.T - np.outer(constant[members], constant[members])
        apart[members] = np.linalg.lstsq(own, apart[members], rcond=SMALLEST)[0]
    scores = (goals - apart) / rows.roots[:, None] + middle
    if codes is None:
        return Left(
            penalty, float((weights @ np.square(apart / rows.roots[:, None])).sum() / weights.sum()), 1.0
        )
    return Left(penalty, *_sharpened(scores, codes, weights))


def _together(groups: Array | None, count: int) -> Sequence[npt.NDArray[np.int64] | None]:
    """The rows that are left out together; [None]: each by itself."""
    if groups is None or len(np.unique(groups)) == count:
        return [None]
    order = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    return [
        part
        for whole in np.split(order, edges)
        for part in np.array_split(whole, -(-len(whole) // MOST_TOGETHER))
    ]


def _sharpened(scores: Floats, codes: npt.NDArray[np.int64], weights: Floats) -> tuple[float, float]:
    """The least log loss of scores (n, scores) of classes, and the factor that has it."""
    from scipy.optimize import minimize_scalar

    full = np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores
    true = full[np.arange(len(codes)), codes]

    def loss(power: float) -> float:
        sharp = np.exp(power)
        most = full.max(axis=1)
        together = np.log(np.exp(sharp * (full - most[:, None])).sum(axis=1)) + sharp * most
        return float(weights @ (together - sharp * true) / weights.sum())

    found = minimize_scalar(loss, bounds=(np.log(1e-2), np.log(SHARPEST)), method="bounded")
    return float(found.fun), float(np.exp(found.x))
