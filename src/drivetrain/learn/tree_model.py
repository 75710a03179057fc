"""Histogram gradient-boosted trees for one target, by scikit-learn.

Each tree is grown on the gradient of the loss (Friedman 2001, Annals of Statistics 29:1189-1232), with columns cut into
255 bins (Ke et al. 2017, LightGBM, NeurIPS). How many trees there are is told by a seventh of the training rows, held
out; then all training rows are taken with that number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


def fit_trees(
    signature: Signature,
    train: Batch,
    target: str,
    *,
    seed: int = 0,
    class_weights: str = "none",
    loss: str = "squared",
    most_rounds: int = MOST_ROUNDS,
) -> TreeModel:
    """Trees for one target, fitted to encoded rows. Raises TrainingError where no input can be taken, UsageError for
    a target or a loss that can't."""
    codec = signature.targets[target]
    codes = np.asarray(train[target])
    if isinstance(codec, Category):
        present = np.unique(codes)
        direction = (codes[:, None] == (present[1:] if len(present) == 2 else present)).astype(np.float64)
        columns = _columns(signature, train, direction)
        if len(present) < 2:
            return TreeModel(codec, columns, None, 0, present)
        options: dict[str, Any] = {"class_weight": "balanced"} if class_weights == "balanced" else {}
        estimator, rounds = _boost("Classifier", matrix(columns, train), codes, seed, most_rounds, options)
        return TreeModel(codec, columns, estimator, rounds, present)
    if not isinstance(codec, Number):
        raise UsageError(
            f"trees can't answer with {codec.op.split('@')[0]}.", where=target, fix="Use another model."
        )
    if loss not in LOSSES:
        raise UsageError(f"trees have no loss {loss!r}.", where="loss", fix=f"Use {' or '.join(LOSSES)}.")
    z = codec.transform(codes.reshape(-1))
    center, spread = float(z.mean()), float(z.std())
    columns = _columns(signature, train, z[:, None])
    none = np.zeros(0, np.int64)
    if not spread > 0:
        return TreeModel(codec, columns, None, 0, none, center)
    scaled = (z - center) / spread
    options = {"loss": LOSSES[loss]}
    estimator, rounds = _boost("Regressor", matrix(columns, train), scaled, seed, most_rounds, options)
    return TreeModel(codec, columns, estimator, rounds, none, center, spread)


def left_out(signature: Signature) -> list[str]:
    """The inputs that trees see nothing of."""
    return [name for name, codec in signature.inputs.items() if not takes(codec)]


def _columns(signature: Signature, train: Batch, direction: Floats) -> tuple[Columns, ...]:
    columns = fit_columns(signature, train, direction)
    if not columns:
        raise TrainingError(
            "trees learn from numbers, categories, dates and tags, and there is none of them.",
            fix="Use another model.",
        )
    return tuple(columns)


def _boost(
    kind: str, features: Features, target: Array, seed: int, most_rounds: int, options: Mapping[str, Any]
) -> tuple[Any, int]:
    """The estimator and its number of rounds."""
    from sklearn import ensemble

    make = partial(getattr(ensemble, f"HistGradientBoosting{kind}"), random_state=seed, **options)
    with few_threads(features):
        rounds = _best_rounds(make, features, target, most_rounds)
        return make(max_iter=rounds, early_stopping=False).fit(features, target), rounds


def _best_rounds(make: Callable[..., Any], features: Features, target: Array, most_rounds: int) -> int:
    """The number of rounds with the lowest loss on rows held out."""
    tried = np.ones(len(target), bool)
    if target.dtype.kind in "iu":  # A class must be able to be in both parts; those that can't sit this out.
        counts = np.bincount(target)
        tried = counts[target] >= FEWEST_OF_CLASS
        if np.count_nonzero(counts >= FEWEST_OF_CLASS) < 2:
            return min(most_rounds, FEW_ROUNDS)
    if np.count_nonzero(tried) < FEWEST_ROWS:
        return min(most_rounds, FEW_ROUNDS)
    trial = make(
        max_iter=most_rounds, early_stopping=True, n_iter_no_change=PATIENCE, validation_fraction=HELD_OUT
    )
    trial.fit(features[tried], target[tried])
    return max(1, int(np.argmax(trial.validation_score_)))


def few_threads(features: Features) -> AbstractContextManager[Any]:
    """One thread for small tables, where several are no quicker, and many times slower when they share their cores."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if features.size <= SMALL else None, user_api="openmp")
