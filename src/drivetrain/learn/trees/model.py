"""Histogram gradient-boosted trees for one target, by LightGBM, or by scikit-learn where that is not installed.

Each tree is grown on the gradient of the loss (Friedman 2001, Annals of Statistics 29:1189-1232), with columns cut into
255 bins (Ke and others 2017, LightGBM, NeurIPS). How many trees there are is told by training rows that are held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.trees import lightgbm
from drivetrain.learn.trees import scikit as sklearn_trees
from drivetrain.learn.trees.columns import Columns, fit_columns, matrix, takes
from drivetrain.learn.trees.growth import LOSSES, Floats, Grow, Grown, Growth
from drivetrain.types import Array, Batch

NEVER = -1e4
"""The score of a class that the training rows lack: its probability is 0 in float32."""


@dataclass(frozen=True, eq=False)
class TreeModel:
    """The fitted trees of one target.

    `grown` is None where there was nothing to tell apart; `present` are the codes of the classes that training has. A
    number is predicted as (z - center) / spread, with the codec's z.
    """

    codec: Codec
    columns: tuple[Columns, ...]
    grown: Grown | None
    present: npt.NDArray[np.int64]
    center: float = 0.0
    spread: float = 1.0

    @property
    def rounds(self) -> int:
        return 0 if self.grown is None else self.grown.rounds

    def predict(self, batch: Batch) -> Array:
        """Encoded rows -> float32: probabilities (n, classes), or numbers (n,) in natural units."""
        features = matrix(self.columns, batch)
        return self._answers(len(features), None if self.grown is None else self.grown.scores(features))

    def staged(self, batch: Batch, rounds: Sequence[int]) -> Iterator[Array]:
        """What `predict` would have given after each of some rounds, which rise."""
        if self.grown is not None:
            features = matrix(self.columns, batch)
            for scores in self.grown.staged(features, rounds):
                yield self._answers(len(features), scores)

    def output_of_score(self) -> npt.NDArray[np.int64]:
        """(scores,) which output each score adds to. Of two classes the second alone has one."""
        if not isinstance(self.codec, Category):
            return np.zeros(1, np.int64)
        return self.present[1:] if len(self.present) == 2 else self.present

    def base(self) -> Floats:
        """(outputs,): where the sums begin."""
        if not isinstance(self.codec, Category):
            outputs = np.zeros(1)
        else:
            outputs = np.full(len(self.codec.classes), NEVER)
            outputs[self.present] = 0.0
        if self.grown is not None:
            outputs[self.output_of_score()] = self.grown.base
        return outputs

    def _answers(self, rows: int, scores: Floats | None) -> Array:
        if not isinstance(self.codec, Category):
            assert isinstance(self.codec, Number)
            scaled = np.zeros(rows) if scores is None else scores[:, 0]
            return self.codec.inverse(scaled * self.spread + self.center).astype(np.float32)
        sums = np.zeros((rows, len(self.present)))
        if scores is not None:
            sums[:, -scores.shape[1] :] = scores
        shares = np.exp(sums - sums.max(axis=1, keepdims=True))
        outputs = np.zeros((rows, len(self.codec.classes)), np.float32)
        outputs[:, self.present] = shares / shares.sum(axis=1, keepdims=True)
        return outputs


def fit_trees(
    signature: Signature,
    train: Batch,
    target: str,
    *,
    grow: Grow | None = None,
    **options: Any,
) -> TreeModel:
    """Trees for one target, fitted to encoded rows, grown by `grower()` unless `grow` is another. Options are the fields of
    `Growth` (`seed`, `loss`, `rounds` and others).

    Raises TrainingError where no input can be taken, UsageError for a target or a loss that can't."""
    codec = signature.targets[target]
    encoded = np.asarray(train[target])
    make = grow or grower()
    growth = Growth(isinstance(codec, Category), **options)
    if isinstance(codec, Category):
        present = np.unique(encoded)
        direction = (encoded[:, None] == (present[1:] if len(present) == 2 else present)).astype(np.float64)
        columns = _columns(signature, train, direction)
        if len(present) < 2:
            return TreeModel(codec, columns, None, present)
        return TreeModel(codec, columns, make(matrix(columns, train), encoded, growth), present)
    if not isinstance(codec, Number):
        kind = codec.op.split("@")[0]
        raise UsageError(f"trees can't answer with {kind}.", where=target, fix="Use another model.")
    if growth.loss not in LOSSES:
        raise UsageError(
            f"trees have no loss {growth.loss!r}.", where="loss", fix=f"Use {' or '.join(LOSSES)}."
        )
    z = codec.transform(encoded.reshape(-1))
    center, spread = float(z.mean()), float(z.std())
    columns = _columns(signature, train, z[:, None])
    none = np.zeros(0, np.int64)
    if not spread > 0:
        return TreeModel(codec, columns, None, none, center)
    grown = make(matrix(columns, train), (z - center) / spread, growth)
    return TreeModel(codec, columns, grown, none, center, spread)


def grower() -> Grow:
    """LightGBM where it is installed, else scikit-learn."""
    return lightgbm.grow if lightgbm.installed() else sklearn_trees.grow


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
