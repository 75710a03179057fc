"""A sparse linear model of the n-grams of texts: TF-IDF, and logistic regression or ridge regression on it.

An n-gram weighs 1 + ln(how often it comes in the text) times 1 + ln((1 + rows) / (1 + rows that have it)) (Salton and
Buckley 1988, Term-weighting approaches in automatic text retrieval); those of words and those of characters are brought to
length 1 each. Of a category the penalty of a weight is smaller where naive Bayes says that the n-gram tells classes
apart (Wang and Manning 2012, Baselines and Bigrams, ACL). The penalty itself is found by cross-validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy import sparse

from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.text import Text, has_grams
from drivetrain.learn.closed_form.solver import Choice, Labels, Numbers, choose, solve
from drivetrain.types import Array, Batch

Weights = npt.NDArray[np.float32]

FEWEST_ROWS = 2
"""An n-gram that fewer training rows have is not looked at."""
MOST_WEIGHTS = 2**20
"""Of all n-grams and scores together: 4 MiB. Where there are more, those of the n-grams that most rows have are taken."""
NEVER = -1e4
"""The score of a class that the training rows lack: its probability is 0 in float32."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The n-grams of one text input that are looked at.

    `dense` (2**bits,) is the number of each bucket among them, from 1, or 0; `words` is how many of them are of words, which
    come first; `idf` (n-grams + 1,), 0 for none.
    """

    field: str
    start: int
    bits: int
    dense: npt.NDArray[np.int32]
    words: int
    idf: Weights

    @property
    def count(self) -> int:
        """How many n-grams."""
        return len(self.idf) - 1

    @classmethod
    def of(cls, field: str, codec: Text, encoded: Array, most: int) -> Vocabulary:
        """Fitted to encoded training rows (n, length + most_grams): of `most` n-grams at most."""
        start, bits = codec.length or 0, codec.grams
        buckets = 1 << bits
        rows = np.zeros(buckets, np.int64)
        for piece in _pieces(encoded):
            codes = piece[:, start:]
            rows += np.bincount(codes[codes > 0] & (buckets - 1), minlength=buckets)
        kept = np.flatnonzero(rows >= FEWEST_ROWS)
        if len(kept) > most:
            kept = np.sort(kept[np.argsort(-rows[kept], kind="stable")[:most]])
        dense = np.zeros(buckets, np.int32)
        dense[kept] = np.arange(1, len(kept) + 1)
        idf = np.zeros(len(kept) + 1, np.float32)
        idf[1:] = 1 + np.log((1 + len(encoded)) / (1 + rows[kept]))
        return cls(field, start, bits, dense, int(np.searchsorted(kept, buckets // 2)), idf)

    def features(self, encoded: Array) -> sparse.csr_matrix:
        """float32 (n, n-grams): what each weighs in each row."""
        return sparse.vstack([self._features(piece) for piece in _pieces(encoded)], "csr")

    def _features(self, encoded: Array) -> sparse.csr_matrix:
        codes = encoded[:, self.start :]
        known = self.dense[codes & ((1 << self.bits) - 1)]
        known[codes == 0] = 0
        rows, places = np.nonzero(known)
        which = known[rows, places]
        weights = self.idf[which] * term_weights(codes[rows, places] >> self.bits)
        norms = np.zeros(2 * len(encoded), np.float32)
        side = 2 * rows + (which > self.words)
        np.add.at(norms, side, weights**2)
        weights /= np.sqrt(norms)[side]
        begin = np.searchsorted(rows, np.arange(len(encoded) + 1))
        return sparse.csr_matrix((weights, which - 1, begin), (len(encoded), self.count))


def term_weights(times: Array) -> Weights:
    """What an n-gram weighs for how often it comes in a text: nothing, 1, 1.69, 2.10, ..."""
    return np.where(times > 0, 1 + np.log(np.maximum(times, 1)), 0.0).astype(np.float32)


def _pieces(encoded: Array) -> Iterator[Array]:
    step = max(1, 2**22 // max(1, encoded.shape[1]))
    for start in range(0, max(1, len(encoded)), step):
        yield encoded[start : start + step]


@dataclass(frozen=True, eq=False)
class Goal:
    """What was fitted for one target: weights (n-grams of all vocabularies, outputs) and bias (outputs,).

    An output is the score of a class, of two classes that of the second alone; `present` are the codes of the classes that
    training has. Of a number the only output is (z - center) / spread, with the codec's z, held between `low` and `high`.
    """

    codec: Codec
    weights: Weights
    bias: Weights
    choice: Choice
    present: npt.NDArray[np.int64]
    center: float = 0.0
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def answer(self, features: sparse.csr_matrix) -> Array:
        """float32: probabilities (n, classes), or numbers (n,) in natural units."""
        weights, bias = self.linear()
        scores = (features @ weights).astype(np.float64) + bias
        if isinstance(self.codec, Category):
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
        assert isinstance(self.codec, Number)
        z = np.clip(scores[:, 0], self.low, self.high) * self.spread + self.center
        return self.codec.inverse(z).astype(np.float32)

    def linear(self) -> tuple[Weights, Weights]:
        """Weights (n-grams, scores) and bias (scores,): of a category a score for each class, of which one that training
        lacks is never answered; of a number the only one."""
        if not isinstance(self.codec, Category):
            return self.weights, self.bias
        classes = len(self.codec.classes)
        weights = np.zeros((len(self.weights), classes), np.float32)
        bias = np.full(classes, NEVER, np.float32)
        bias[self.present] = 0.0
        scored = self.present[len(self.present) - len(self.bias) :]
        weights[:, scored], bias[scored] = self.weights, self.bias
        return weights, bias


@dataclass(frozen=True, eq=False)
class NgramModel:
    """The n-grams that are looked at, and what was fitted for each target."""

    vocabularies: tuple[Vocabulary, ...]
    goals: Mapping[str, Goal]

    def predict(self, batch: Batch) -> dict[str, Array]:
        """Encoded rows -> each target's answers."""
        features = features_of(self.vocabularies, batch)
        return {name: goal.answer(features) for name, goal in self.goals.items()}


def fit_ngrams(
    signature: Signature,
    train: Batch,
    *,
    seed: int = 0,
    class_weights: str = "none",
    choice: Choice | None = None,
) -> NgramModel:
    """The model of all targets, fitted to encoded rows. `choice` is found by cross-validation where it is not given."""
    vocabularies = fit_vocabularies(signature, train)
    features = features_of(vocabularies, train)
    goals = {
        name: fit_goal(codec, features, np.asarray(train[name]), seed, class_weights, choice)
        for name, codec in signature.targets.items()
    }
    return NgramModel(vocabularies, goals)


def fit_vocabularies(signature: Signature, train: Batch) -> tuple[Vocabulary, ...]:
    """One for each input that has n-grams."""
    texts = {name: codec for name, codec in signature.inputs.items() if has_grams(codec)}
    scores = [
        len(codec.classes) if isinstance(codec, Category) else 1 for codec in signature.targets.values()
    ]
    most = max(1, MOST_WEIGHTS // (sum(scores) * max(1, len(texts))))
    return tuple(Vocabulary.of(name, cast("Text", codec), train[name], most) for name, codec in texts.items())


def features_of(vocabularies: Sequence[Vocabulary], batch: Batch) -> sparse.csr_matrix:
    """float32 (n, n-grams of all)."""
    return sparse.hstack([each.features(np.asarray(batch[each.field])) for each in vocabularies], "csr")


def fit_goal(
    codec: Codec,
    features: sparse.csr_matrix,
    encoded: Array,
    seed: int = 0,
    class_weights: str = "none",
    choice: Choice | None = None,
) -> Goal:
    """One target's, whose encoded training values (n,) these are."""
    if isinstance(codec, Category):
        present, codes = np.unique(encoded, return_inverse=True)
        labels = Labels.of(codes, class_weights == "balanced")
        choice = choice or choose(features, labels, seed)
        return Goal(codec, *solve(features, labels, choice), choice, present)
    assert isinstance(codec, Number)
    z = codec.transform(encoded.reshape(-1).astype(np.float64))
    center, spread = float(z.mean()), float(z.std()) or 1.0
    scaled = (z - center) / spread
    choice = choice or choose(features, Numbers(scaled), seed)
    return Goal(
        codec, *solve(features, Numbers(scaled), choice), choice, np.zeros(0, np.int64),
        center, spread, float(scaled.min()), float(scaled.max()),
    )  # fmt: skip
