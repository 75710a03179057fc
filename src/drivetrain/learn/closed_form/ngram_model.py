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
    """The n-grams that are looked at, and what was fitted for each target."""

    columns: tuple[SparseColumns, ...]
    models: Mapping[str, Linear]

    def predict(self, batch: Batch) -> dict[str, Array]:
        """Encoded rows -> each target's answers."""
        features = features_of(self.columns, batch)
        return {name: model.answer(features) for name, model in self.models.items()}

    def graph(self, signature: Signature) -> bytes:
        """The serialised graph: encoded texts in, finished outputs out, any number of rows."""
        builder = Builder(signature)
        parts = [(columns.write(builder), columns.count) for columns in self.columns]
        for name, model in self.models.items():
            model.write_sparse(builder, parts, builder.outputs[name])
        return builder.model("ngrams")


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
    features = features_of(columns, train)
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
