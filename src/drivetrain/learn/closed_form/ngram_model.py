"""A sparse linear model of the n-grams of texts: TF-IDF (see `features/text.py`), and logistic regression or ridge regression
on it. Of classes the penalty of a weight is smaller where naive Bayes says that the n-gram tells them apart (Wang and
Manning 2012, Baselines and Bigrams, ACL). The penalty itself is found by cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder
from drivetrain.learn.closed_form.linear import Linear, fit_sparse
from drivetrain.learn.closed_form.solver import Choice
from drivetrain.learn.features.base import SparseColumns, for_ngrams
from drivetrain.learn.goals import goal_of
from drivetrain.ragged import column_in
from drivetrain.types import Array, Batch

MOST_WEIGHTS = 2**20
"""Of all n-grams and scores together: 4 MiB. Where there are more, those of the n-grams that most rows have are taken."""


@dataclass(frozen=True, eq=False)
class NgramModel:
    """The n-grams that are looked at, and what was fitted for each target; `columns_of` says how they weigh for it."""

    columns: tuple[SparseColumns, ...]
    models: Mapping[str, Linear]

    def columns_of(self, target: str) -> tuple[SparseColumns, ...]:
        return weighed(self.columns, self.models[target].choice.rarity)

    def predict(self, batch: Batch) -> dict[str, Array]:
        """Encoded rows -> each target's answers."""
        features = Features(self.columns, batch)
        return {name: model.answer(features(model.choice.rarity)) for name, model in self.models.items()}

    def graph(self, signature: Signature) -> bytes:
        """The serialised graph: encoded texts in, finished outputs out, any number of rows."""
        builder = Builder(signature)
        parts: dict[float, list[tuple[tuple[str, str], int]]] = {}
        for name, model in self.models.items():
            rarity = model.choice.rarity
            if rarity not in parts:
                parts[rarity] = [(each.write(builder), each.count) for each in self.columns_of(name)]
            model.write_sparse(builder, parts[rarity], builder.outputs[name])
        return builder.model("ngrams")


class Features:
    """The columns of some encoded rows, weighed as asked; the last ones of all rows are kept."""

    def __init__(self, columns: Sequence[SparseColumns], batch: Batch) -> None:
        self.columns, self.batch = columns, batch
        self._kept: tuple[float, sparse.csr_matrix] | None = None

    def __call__(self, rarity: float, rows: Array | None = None) -> sparse.csr_matrix:
        """float32 (rows, n-grams of all), of all rows where none are named."""
        if self._kept is not None and self._kept[0] == rarity:
            return self._kept[1] if rows is None else sparse.csr_matrix(self._kept[1][rows])
        columns = weighed(self.columns, rarity)
        if rows is None:
            self._kept = None  # Room for these.
            self._kept = rarity, features_of(columns, self.batch)
            return self._kept[1]
        drawn = {each.field: column_in(self.batch, each.field)[rows] for each in columns}
        return features_of(columns, drawn)


def weighed(columns: Sequence[SparseColumns], rarity: float) -> tuple[SparseColumns, ...]:
    return tuple(each.weighed(rarity) for each in columns)


def fit_ngrams(
    signature: Signature,
    train: Batch,
    *,
    seed: int = 0,
    class_weights: str = "none",
    choice: Choice | None = None,
) -> NgramModel:
    """The model of all targets, fitted to encoded rows. `choice` is found by cross-validation where it is not given."""
    columns = fit_columns(signature, train)
    features = Features(columns, train)
    models: dict[str, Linear] = {}
    for name, codec in signature.targets.items():
        encoded = np.asarray(train[name])
        goal = goal_of(codec, encoded, "ngrams")
        models[name] = fit_sparse(goal, features, encoded, seed, class_weights, choice)
    return NgramModel(columns, models)


def fit_columns(signature: Signature, train: Batch) -> tuple[SparseColumns, ...]:
    """Those of each input that has n-grams."""
    found = ((name, codec, for_ngrams(codec)) for name, codec in signature.inputs.items())
    texts = [(name, codec, make) for name, codec, make in found if make is not None]
    scores = sum(math.prod(codec.output_shape) for codec in signature.targets.values())
    most = max(1, MOST_WEIGHTS // (scores * max(1, len(texts))))
    return tuple(make(name, codec, column_in(train, name), most) for name, codec, make in texts)


def features_of(columns: Sequence[SparseColumns], batch: Batch) -> sparse.csr_matrix:
    """float32 (n, n-grams of all)."""
    return sparse.csr_matrix(
        sparse.hstack([each.of(column_in(batch, each.field)) for each in columns], "csr")
    )
