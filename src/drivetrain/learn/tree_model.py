"""Histogram gradient-boosted trees for one target, by scikit-learn.

Each tree is grown on the gradient of the loss (Friedman 2001, Annals of Statistics 29:1189-1232), with columns cut into
255 bins (Ke et al. 2017, LightGBM, NeurIPS). How many trees there are is told by a seventh of the training rows, held
out; then all training rows are taken with that number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.tree_columns import Columns, Features, fit_columns, matrix, takes
from drivetrain.types import Array, Batch

Floats = npt.NDArray[np.float64]

MOST_ROUNDS = 1000
RATE = 0.1
SHRINKAGE = 5.0
"""Of leaves, as a ridge's penalty: 0 to 3 % less loss on five tables of six (docs/decisions/tables.md)."""
PATIENCE = 20
"""Rounds without a lower loss on the rows held out, after which no more are tried."""
HELD_OUT = 0.15
FEWEST_ROWS = 40
"""With fewer training rows none is held out, and there are few rounds."""
FEW_ROUNDS = 20
FEWEST_OF_CLASS = 7
"""Of so many rows of a class at least one is held out."""
SMALL = 1_000_000
"""Cells up to which one thread is used."""
NEVER = -1e4
"""The score of a class that the training rows lack: its probability is 0 in float32."""
LOSSES = {"squared": "squared_error", "absolute": "absolute_error"}


@dataclass(frozen=True, eq=False)
class TreeModel:
    """The fitted trees of one target.

    `estimator` is scikit-learn's, None where there was nothing to tell apart; `present` are the codes of the classes that
    training has. A number is predicted as (z - center) / spread, with the codec's z.
    """

    codec: Codec
    columns: tuple[Columns, ...]
    estimator: Any
    rounds: int
    present: npt.NDArray[np.int64]
    center: float = 0.0
    spread: float = 1.0

    def predict(self, batch: Batch) -> Array:
        """Encoded rows -> float32: probabilities (n, classes), or numbers (n,) in natural units."""
        features = matrix(self.columns, batch)
        with few_threads(features):
            if isinstance(self.codec, Category):
                shares = None if self.estimator is None else self.estimator.predict_proba(features)
                return self._probabilities(len(features), shares)
            scaled = np.zeros(len(features)) if self.estimator is None else self.estimator.predict(features)
            return self._natural(scaled)

    def staged(self, batch: Batch) -> Iterator[Array]:
        """What `predict` would have given after each round."""
        if self.estimator is None:
            return
        features = matrix(self.columns, batch)
        with few_threads(features):
            if isinstance(self.codec, Category):
                for shares in self.estimator.staged_predict_proba(features):
                    yield self._probabilities(len(features), shares)
            else:
                for scaled in self.estimator.staged_predict(features):
                    yield self._natural(scaled)

    @property
    def trees_per_round(self) -> int:
        return 0 if self.estimator is None else self.estimator.n_trees_per_iteration_

    def output_of_tree(self) -> npt.NDArray[np.int64]:
        """(trees per round,) which output each tree of a round adds to. Of two classes the second alone has trees."""
        if not isinstance(self.codec, Category):
            return np.zeros(self.trees_per_round, np.int64)
        return self.present[1:] if self.trees_per_round == 1 else self.present

    def base(self) -> Floats:
        """(outputs,): where the sums begin."""
        if not isinstance(self.codec, Category):
            outputs = np.zeros(1)
        else:
            outputs = np.full(len(self.codec.classes), NEVER)
            outputs[self.present] = 0.0
        if self.estimator is not None:
            outputs[self.output_of_tree()] = np.asarray(self.estimator._baseline_prediction).reshape(-1)
        return outputs

    def _probabilities(self, rows: int, shares: Array | None) -> Array:
        assert isinstance(self.codec, Category)
        outputs = np.zeros((rows, len(self.codec.classes)), np.float32)
        outputs[:, self.present] = 1.0 if shares is None else shares
        return outputs

    def _natural(self, scaled: Array) -> Array:
        assert isinstance(self.codec, Number)
        return self.codec.inverse(scaled * self.spread + self.center).astype(np.float32)


@dataclass(frozen=True)
class Growth:
    """How trees are grown: on codes of classes where `classifies`, else on scaled numbers."""

    classifies: bool
    seed: int = 0
    class_weights: str = "none"
    loss: str = "squared"
    most_rounds: int = MOST_ROUNDS


Grow = Callable[[Features, Array, Growth], tuple[Any, int]]
"""Features (n, width) and targets (n,) -> an estimator as scikit-learn has them, and its number of rounds."""


def fit_trees(
    signature: Signature,
    train: Batch,
    target: str,
    *,
    seed: int = 0,
    class_weights: str = "none",
    loss: str = "squared",
    most_rounds: int = MOST_ROUNDS,
    grow: Grow | None = None,
) -> TreeModel:
    """Trees for one target, fitted to encoded rows, by scikit-learn unless `grow` is another.

    Raises TrainingError where no input can be taken, UsageError for a target or a loss that can't."""
    codec = signature.targets[target]
    encoded = np.asarray(train[target])
    make = grow or grow_trees
    if isinstance(codec, Category):
        present = np.unique(encoded)
        direction = (encoded[:, None] == (present[1:] if len(present) == 2 else present)).astype(np.float64)
        columns = _columns(signature, train, direction)
        if len(present) < 2:
            return TreeModel(codec, columns, None, 0, present)
        growth = Growth(True, seed, class_weights, loss, most_rounds)
        estimator, rounds = make(matrix(columns, train), encoded, growth)
        return TreeModel(codec, columns, estimator, rounds, present)
    if not isinstance(codec, Number):
        kind = codec.op.split("@")[0]
        raise UsageError(f"trees can't answer with {kind}.", where=target, fix="Use another model.")
    if loss not in LOSSES:
        raise UsageError(f"trees have no loss {loss!r}.", where="loss", fix=f"Use {' or '.join(LOSSES)}.")
    z = codec.transform(encoded.reshape(-1))
    center, spread = float(z.mean()), float(z.std())
    columns = _columns(signature, train, z[:, None])
    none = np.zeros(0, np.int64)
    if not spread > 0:
        return TreeModel(codec, columns, None, 0, none, center)
    growth = Growth(False, seed, class_weights, loss, most_rounds)
    estimator, rounds = make(matrix(columns, train), (z - center) / spread, growth)
    return TreeModel(codec, columns, estimator, rounds, none, center, spread)


def left_out(signature: Signature) -> list[str]:
    """The inputs that trees see nothing of."""
    return [name for name, codec in signature.inputs.items() if not takes(codec)]


def _columns(signature: Signature, train: Batch, direction: Floats) -> tuple[Columns, ...]:
    columns = fit_columns(signature, train, direction)
    if not columns:
        raise TrainingError(
            "trees learn from numbers, categories, dates and tags, and there is none of them.",
            fix="Use another model, such as mlp.",
        )
    return tuple(columns)


def grow_trees(features: Features, target: Array, growth: Growth) -> tuple[Any, int]:
    """By scikit-learn. First on a part of the rows, for the number of rounds with the lowest loss on the others; then
    on all rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options: dict[str, Any] = {
        "random_state": growth.seed,
        "learning_rate": RATE,
        "l2_regularization": SHRINKAGE,
    }
    if growth.classifies:
        weight = "balanced" if growth.class_weights == "balanced" else None
        make = partial(HistGradientBoostingClassifier, class_weight=weight, **options)
    else:
        make = partial(HistGradientBoostingRegressor, loss=LOSSES[growth.loss], **options)
    with few_threads(features):
        tried = rows_to_try(target, growth)
        rounds = min(growth.most_rounds, FEW_ROUNDS)
        if tried.any():
            trial = make(
                max_iter=growth.most_rounds, early_stopping=True, n_iter_no_change=PATIENCE,
                validation_fraction=HELD_OUT,
            )  # fmt: skip
            rounds = max(1, int(np.argmax(trial.fit(features[tried], target[tried]).validation_score_)))
        return make(max_iter=rounds, early_stopping=False).fit(features, target), rounds


def rows_to_try(target: Array, growth: Growth) -> npt.NDArray[np.bool_]:
    """(n,) the rows that the number of rounds is found on: a class must be able to be in both parts, so rare ones sit
    this out. None where they are too few."""
    tried = np.ones(len(target), bool)
    if growth.classifies:
        common = np.bincount(target) >= FEWEST_OF_CLASS
        tried = common[target] & (np.count_nonzero(common) > 1)
    return tried & (np.count_nonzero(tried) >= FEWEST_ROWS)


def few_threads(features: Features) -> AbstractContextManager[Any]:
    """One thread for small tables, where several are no quicker, and many times slower when they share their cores."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if features.size <= SMALL else None, user_api="openmp")
