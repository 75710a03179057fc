"""Linear models on sparse features by L-BFGS (Liu and Nocedal 1989, Mathematical Programming 45:503-528), their penalty
by cross-validation along a path from strong to weak, each of which starts where the one before ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

PENALTIES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
"""Of a sum of losses over rows, as scikit-learn's 1 / C."""
POWERS = (0.5, 0.0)
"""Of what naive Bayes says of a feature. 0: all are penalised alike."""
RARITIES = (1.0, 0.0)
"""Of how much more a feature weighs that few rows have. 0: all weigh alike."""
FOLDS, ENOUGH, FEW_ROWS = 3, 2_000, 1_000
"""Of cross-validation; one alone, where it holds out so many rows. Of few rows all folds tell what differs in kind too."""
MOST_NONZERO = 2**23
"""Of the rows that cross-validation takes."""
SMOOTHING = 1.0
"""Rows more, of each class, that have a feature."""
ITERATIONS, CLOSE, KEPT, LOOKS = 100, 1e-3, 5, 20
"""Of L-BFGS: at most, how small a part of the loss the last one gains, how many are remembered, and lengths of a step that
are tried."""
SMALLEST = 1e-30


class Choice(NamedTuple):
    """What cross-validation chooses."""

    penalty: float
    power: float
    rarity: float = RARITIES[0]


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
Weighed = Callable[[float, Array | None], sparse.csr_matrix]
"""A rarity and rows, or None for all -> the features of these, float32 (rows, features)."""


def choose(features: Weighed, goal: Goal, seed: int = 0) -> Choice:
    """Of `POWERS`, `RARITIES` and `PENALTIES` those of the least loss of rows that were held out. A goal of numbers has no
    power. What differs in kind is told by the first fold, one after the other; the penalty by all of them."""
    if len(goal) < 2 * FOLDS or not goal.outputs:
        return Choice(PENALTIES[0], 0.0, RARITIES[0])
    order = goal.order(np.random.default_rng(seed))
    step = max(1, int(np.ceil(features(RARITIES[0], None).nnz / MOST_NONZERO)))
    order = order[::step]
    folds = np.arange(len(order)) % FOLDS
    held = [np.sort(order[folds == fold]) for fold in range(FOLDS)]
    if len(held[0]) >= ENOUGH:
        held = held[:1]
    telling = range(len(held)) if len(goal) <= FEW_ROWS else range(1)
    tried: dict[tuple[float, float], Floats] = {}

    def least() -> tuple[float, float]:
        return min(tried, key=lambda both: float(tried[both].min()))

    def path(power: float, rarity: float, chosen: Sequence[int]) -> Floats:
        first = max(0, int(np.argmin(tried[least()])) - 1) if tried else 0
        losses = np.zeros(len(PENALTIES))
        for fold in chosen:
            train = np.sort(order[folds != fold])
            own, others = features(rarity, train), features(rarity, held[fold])
            losses += _path(own, goal[train], others, goal[held[fold]], power, first)
        return losses

    power = POWERS[0] if isinstance(goal, Labels) else 0.0
    for rarity in RARITIES:
        tried[power, rarity] = path(power, rarity, telling)
    _, rarity = least()
    for other in POWERS[1:] if power else ():
        tried[other, rarity] = path(other, rarity, telling)
    power, rarity = least()
    losses = tried[power, rarity] + path(power, rarity, range(len(telling), len(held)))
    return Choice(PENALTIES[int(np.argmin(losses))], power, rarity)


def _path(
    features: sparse.csr_matrix, goal: Goal, held: sparse.csr_matrix, truth: Goal, power: float, first: int
) -> Floats:
    """(penalties,) the loss of rows that were held out, from the `first` on, before which it is infinite; once it has risen,
    what it rose to."""
    found = np.full(len(PENALTIES), np.inf)
    rows = _Rows(features, goal, _scales(features, goal, power))
    point = rows.start()
    for place in range(first, len(PENALTIES)):
        point = rows.minimum(PENALTIES[place], point)
        weights, bias = rows.weights(point)
        found[place] = truth.losses((held @ weights).astype(np.float64) + bias)[0].sum()
        if place > first and found[place] > found[place - 1]:
            found[place:] = found[place]
            break
    return found


def solve(features: sparse.csr_matrix, goal: Goal, choice: Choice) -> tuple[Weights, Weights]:
    """Weights (features, outputs) and bias (outputs,)."""
    rows = _Rows(features, goal, _scales(features, goal, choice.power))
    return rows.weights(rows.minimum(choice.penalty, rows.start()))


def _scales(features: sparse.csr_matrix, goal: Goal, power: float) -> Weights:
    """(features, outputs) of mean square 1: the larger, the less a weight is penalised."""
    if not power or not isinstance(goal, Labels) or not goal.outputs:
        return np.ones((features.get_shape()[1], goal.outputs), np.float32)
    found = goal.importance(features) ** power
    return (found / np.sqrt(np.mean(found**2) or 1.0)).astype(np.float32)


class _Vector(NamedTuple):
    """`own` (rows x outputs + outputs,), what each row adds to the weights and then the bias, and its `image`: what that adds
    to each score, and the bias."""

    own: Floats
    image: Floats

    def plus(self, times: float, other: _Vector) -> _Vector:
        return _Vector(self.own + times * other.own, self.image + times * other.image)

    def dot(self, other: _Vector) -> float:
        """The product of the weights that the two stand for, and of their bias."""
        return float(self.own @ other.image)


class _Rows:
    """The minimum of a sum of losses and a penalty, among weights that are sums of rows: it is one of them (Kimeldorf and
    Wahba 1971, Journal of Mathematical Analysis and Applications 33:82-95). There are far more features than rows, so that
    L-BFGS goes through the features once a step, and all else are vectors of a number for each row."""

    def __init__(self, features: sparse.csr_matrix, goal: Goal, scales: Weights) -> None:
        # The features that many rows have side by side: what is met most stays in the processor's cache.
        self.order = np.argsort(-np.bincount(features.indices, minlength=len(scales)), kind="stable")
        places = np.empty(len(scales), features.indices.dtype)
        places[self.order] = np.arange(len(scales))
        self.features = sparse.csr_matrix(
            (features.data, places[features.indices], features.indptr), features.get_shape()
        )
        self.columns, self.goal = self.features.T, goal
        self.squares = scales[self.order] ** 2
        self.size = len(goal) * goal.outputs

    def start(self) -> _Vector:
        zeros = np.zeros(self.size + self.goal.outputs)
        return _Vector(zeros, zeros)

    def weights(self, point: _Vector) -> tuple[Weights, Weights]:
        rows = point.own[: self.size].reshape(len(self.goal), -1).astype(np.float32)
        weights = np.empty_like(self.squares)
        weights[self.order] = (self.columns @ rows) * self.squares
        return weights, point.own[self.size :].astype(np.float32)

    def minimum(self, penalty: float, point: _Vector) -> _Vector:
        """From a point on. Steps end when one gains next to nothing."""
        if not self.goal.outputs:
            return point
        past: list[tuple[_Vector, _Vector, float]] = []
        loss, slope = self._loss(point, penalty), self._slope(point, penalty)
        for _ in range(ITERATIONS):
            step, after = self._line(point, loss, _direction(slope, past), slope, penalty)
            if step is None:
                break
            point = point.plus(1.0, step)
            found = self._slope(point, penalty)
            turn = found.plus(-1.0, slope)
            if (bend := step.dot(turn)) > 0:
                past = [*past[1 - KEPT :], (step, turn, bend)]
            gained, loss, slope = loss - after, after, found
            if gained <= CLOSE * max(abs(loss), abs(loss + gained), 1.0):
                break
        return point

    def _scores(self, image: Floats) -> Floats:
        return image[: self.size].reshape(len(self.goal), -1) + image[self.size :]

    def _loss(self, point: _Vector, penalty: float) -> float:
        own, image = point.own[: self.size], point.image[: self.size]
        return float(self.goal.losses(self._scores(point.image))[0].sum() + penalty / 2 * (own @ image))

    def _slope(self, point: _Vector, penalty: float) -> _Vector:
        slopes = self.goal.losses(self._scores(point.image))[1]
        own = slopes.ravel() + penalty * point.own[: self.size]
        through = self.squares * (self.columns @ own.reshape(slopes.shape).astype(np.float32))
        bias = slopes.sum(axis=0)
        image = (self.features @ through).ravel()
        return _Vector(np.concatenate([own, bias]), np.concatenate([image, bias]))

    def _line(
        self, point: _Vector, loss: float, way: _Vector, slope: _Vector, penalty: float
    ) -> tuple[_Vector | None, float]:
        """The step along a way that is long enough (Armijo and Wolfe), and the loss after it: to look costs no pass through
        the features. None where there is none that gains."""
        falls = way.dot(slope)
        if not falls < 0:
            return None, loss
        scores, along = self._scores(point.image), self._scores(way.image)
        size = self.size
        rest = [
            penalty * float(ours.own[:size] @ way.image[:size]) for ours in (point, way)
        ]  # The slope of the penalty, and how that changes.
        base = penalty / 2 * float(point.own[:size] @ point.image[:size])
        low, high, length = 0.0, np.inf, 1.0
        for _ in range(LOOKS):
            losses, slopes = self.goal.losses(scores + length * along)
            after = float(losses.sum()) + base + length * (rest[0] + length / 2 * rest[1])
            rises = float((slopes * along).sum()) + rest[0] + length * rest[1]
            if not after <= loss + 1e-4 * length * falls:
                high = length
            elif rises < 0.5 * falls:
                low = length
            else:
                return _Vector(length * way.own, length * way.image), after
            length = 2 * length if np.isinf(high) else (low + high) / 2
        if not low:
            return None, loss
        losses = self.goal.losses(scores + low * along)[0]
        return _Vector(low * way.own, low * way.image), float(losses.sum()) + base + low * (
            rest[0] + low / 2 * rest[1]
        )


def _direction(slope: _Vector, past: Sequence[tuple[_Vector, _Vector, float]]) -> _Vector:
    """Against the slope, bent by the steps before (Nocedal and Wright 2006, Numerical Optimization, algorithm 7.4)."""
    way, shares = slope, []
    for step, turn, bend in reversed(past):
        shares.append(step.dot(way) / bend)
        way = way.plus(-shares[-1], turn)
    if past:
        step, turn, bend = past[-1]
        times = bend / (turn.dot(turn) or 1.0)
    else:
        times = 1 / (np.sqrt(slope.dot(slope)) or 1.0)
    way = _Vector(times * way.own, times * way.image)
    for (step, turn, bend), share in zip(past, reversed(shares)):
        way = way.plus(share - turn.dot(way) / bend, step)
    return _Vector(-way.own, -way.image)
