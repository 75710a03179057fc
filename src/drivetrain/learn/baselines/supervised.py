"""What a simple method reaches on the same rows: the figures that a model has to beat to be worth its trouble.

For a category target "majority class" and "logistic regression", for a number target "mean" and "linear
regression"; for both, where there is text, "TF-IDF and logistic regression" (or "ridge regression") of its words and
characters; beside tables, "gradient-boosted trees". The regressions
are fitted to at most 10,000 training rows, the trees to at most 200,000, which their name says when it is so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.text import has_grams
from drivetrain.learn.trees.columns import DateColumns, takes
from drivetrain.learn.trees.growth import FEW_ROUNDS, LOSSES, MOST_ROUNDS
from drivetrain.learn.trees.model import fit_trees
from drivetrain.types import Array, Batch

MOST_ROWS = 10_000
MOST_TREE_ROWS = 200_000
TFIDF = {"category": "TF-IDF and logistic regression", "number": "TF-IDF and ridge regression"}
TFIDF_PENALTY = 0.1
"""scikit-learn's 1 / C: what the usual recipe has."""
TREES = "gradient-boosted trees"
MOST_SIDE = 16
"""Pictures are reduced to at most this many rows and columns."""
MOST_CLASSES = 256
"""A category input has a column for each of its most frequent classes, up to this many; tags alike."""
ONE_HOT = {"month": 13, "weekday": 7, "hour": 24}
"""Parts of a date that have a column for each of their values, from 0 on."""
MOST_WORK = 5e9
"""Rows x features x classes x iterations of the logistic regression: some 5 s on one core."""
MOST_TREE_WORK = 1e9
"""Rows x inputs x trees: some 20 s on one core."""
CHUNK_BYTES = 32 * 2**20

Features = npt.NDArray[np.float32]
FeatureMap = Callable[[Array], Features]


@dataclass(frozen=True, eq=False)
class Baseline:
    """A simple method's outputs (n, *output_shape) for a target of the measured rows, as a model would give them."""

    name: str
    target: str
    outputs: Array


def fit_baselines(
    signature: Signature,
    train: Batch,
    valid: Batch,
    seed: int = 0,
    *,
    class_weights: str = "none",
    loss: str = "squared",
    trees: bool = True,
) -> list[Baseline]:
    """Each simple method fitted to `train` and asked about `valid`, target by target, simplest first.

    Both batches hold encoded columns, field -> (n, ...). With several targets the name ends with " of TARGET".
    Empty when either batch has no rows. Regressions are left out where there is nothing to regress on: inputs
    of an unknown kind only, or a single class; trees beside pictures, and where `trees` is False. `class_weights` and
    `loss` are those of the model that they stand beside. Deterministic for a seed on one machine.
    """
    rows, others = _rows(signature, train), _rows(signature, valid)
    if not rows or not others:
        return []
    sample = _sample(rows, MOST_ROWS, seed)
    features = _features(signature, train, valid, sample)
    texts = _tfidf(signature, train, valid, sample)
    trees = trees and _trees_see(signature)
    found: list[Baseline] = []
    for name, codec in signature.targets.items():
        kind = PREDICTORS.get(codec.op.split("@")[0])
        if kind is None:
            continue
        (simple, constant), (regression, fit) = kind
        encoded = np.asarray(train[name])
        methods: list[tuple[str, Array | None]] = [(simple, constant(codec, encoded, others))]
        if features is not None:
            fitted = fit(codec, features[0], encoded[sample], features[1], class_weights)
            methods.append((regression + _on_rows(sample, rows), fitted))
        if texts is not None:
            name_of_it = TFIDF[codec.op.split("@")[0]] + _on_rows(sample, rows)
            methods.append((name_of_it, texts(codec, encoded[sample], class_weights)))
        suffix = f" of {name}" if len(signature.targets) > 1 else ""
        if trees and len(np.unique(encoded)) > 1:
            options = {
                "seed": seed,
                "class_weights": class_weights,
                "loss": loss if loss in LOSSES else "squared",
            }
            methods.append(_trees(signature, train, valid, name, options))
        found += [
            Baseline(method + suffix, name, outputs) for method, outputs in methods if outputs is not None
        ]
    return found


def _rows(signature: Signature, batch: Batch) -> int:
    return min((len(batch[name]) for name in signature.fields), default=0)


def _sample(rows: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _on_rows(sample: Array, rows: int) -> str:
    return f" on {len(sample):,} rows" if len(sample) < rows else ""


# Texts.


def _tfidf(
    signature: Signature, train: Batch, valid: Batch, chosen: Array
) -> Callable[[Codec, Array, str], Array | None] | None:
    """What gives a target's outputs by the words and characters of the texts alone; None where there are no texts."""
    if not any(map(has_grams, signature.inputs.values())):
        return None
    from drivetrain.learn.closed_form.ngram_model import features_of, fit_goal, fit_vocabularies
    from drivetrain.learn.closed_form.solver import Choice

    drawn = {name: np.asarray(train[name])[chosen] for name in signature.inputs}
    vocabularies = fit_vocabularies(signature, drawn)
    features, others = features_of(vocabularies, drawn), features_of(vocabularies, valid)

    def answer(codec: Codec, encoded: Array, class_weights: str) -> Array | None:
        if len(np.unique(encoded)) < 2:
            return None
        choice = Choice(TFIDF_PENALTY, 0.0)
        return fit_goal(codec, features, encoded, class_weights=class_weights, choice=choice).answer(others)

    return answer


# Trees.


def _trees_see(signature: Signature) -> bool:
    """Whether there is anything that trees take; beside pictures they are not worth their time."""
    codecs = signature.inputs.values()
    return any(takes(codec) for codec in codecs) and not any(len(codec.shape) == 3 for codec in codecs)


def _trees(
    signature: Signature, train: Batch, valid: Batch, target: str, options: Mapping[str, Any]
) -> tuple[str, Array]:
    """(name, outputs) of the trees for one target, by LightGBM where it is installed."""
    rows = _rows(signature, train)
    chosen = _sample(rows, MOST_TREE_ROWS, options["seed"])
    drawn = {name: np.asarray(train[name])[chosen] for name in (*signature.inputs, target)}
    codec = signature.targets[target]
    outputs = len(codec.classes) if isinstance(codec, Category) and len(codec.classes) > 2 else 1
    work = len(chosen) * len(signature.inputs) * outputs
    rounds = int(np.clip(MOST_TREE_WORK / work, FEW_ROUNDS, MOST_ROUNDS))
    model = fit_trees(signature, drawn, target, most_rounds=rounds, **options)
    return TREES + _on_rows(chosen, rows), model.predict(valid)


# Inputs: encoded arrays to columns of comparable size.


def _features(
    signature: Signature, train: Batch, valid: Batch, chosen: Array
) -> tuple[Features, Features] | None:
    """The chosen training rows and all validation rows as (n, columns), or None without a known kind of input."""
    parts: list[tuple[Features, Features]] = []
    for name, codec in signature.inputs.items():
        make = FEATURES.get(codec.op.split("@")[0])
        if make is not None:
            sample = _Rows(train[name], chosen)
            mapped = make(codec, sample)
            parts.append(
                (_apply(mapped, sample), _apply(mapped, _Rows(valid[name], np.arange(len(valid[name])))))
            )
    if not parts:
        return None
    return np.concatenate([a for a, _ in parts], axis=1), np.concatenate([b for _, b in parts], axis=1)


class _Rows:
    """Rows of an array that may lie on disk, in pieces: pictures as a whole may not fit in memory."""

    def __init__(self, array: Array, chosen: Array) -> None:
        self.array, self.chosen = array, chosen

    def __iter__(self) -> Iterator[Array]:
        each = max(1, int(np.prod(self.array.shape[1:], dtype=np.int64)) * self.array.itemsize)
        step = max(1, CHUNK_BYTES // each)
        for start in range(0, len(self.chosen), step):
            yield np.asarray(self.array[self.chosen[start : start + step]])

    def all(self) -> Array:
        return np.asarray(self.array[self.chosen])


def _apply(mapped: FeatureMap, rows: _Rows) -> Features:
    return np.concatenate([mapped(piece) for piece in rows])


def _image_features(codec: Codec, sample: _Rows) -> FeatureMap:
    """Each channel reduced to at most 16 x 16 by area mean, scaled to 0..1."""
    height, width = codec.shape[:2]
    out = (min(height, MOST_SIDE), min(width, MOST_SIDE))

    def reduce(images: Array) -> Features:
        # Of a large picture every n-th pixel will do: at least 4 x 4 for each one that remains.
        steps = [max(1, side // (4 * MOST_SIDE)) for side in images.shape[1:3]]
        images = images[:, :: steps[0], :: steps[1]]
        n, rows, columns, channels = images.shape
        across = images.reshape(n, rows, columns * channels).astype(np.float32)
        down = (_area_mean(rows, out[0]) @ across).reshape(n * out[0], columns, channels)
        reduced = _area_mean(columns, out[1]) @ down
        return (reduced.reshape(n, -1) / 255).astype(np.float32)

    return reduce


def _area_mean(size: int, wanted: int) -> Features:
    """(wanted, size): each row the share that every source pixel has in one of `wanted` equal stretches."""
    edges = np.arange(wanted + 1) * (size / wanted)
    pixel = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) * (wanted / size)).astype(np.float32)


def _scaled(values: npt.NDArray[np.float64]) -> FeatureMap:
    """Of a sample (n, columns): each column less its mean, over its deviation; a gap is the mean, and is told by a column
    of its own where the sample has any."""
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / counts
    spread = np.sqrt(np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / counts)
    spread[spread == 0] = 1.0
    gaps = ~known.all(axis=0)

    def scale(columns: Array) -> Features:
        absent = np.isnan(columns)
        scaled = np.where(absent, 0.0, (columns - mean) / spread)
        return np.concatenate([scaled, absent[:, gaps]], axis=1).astype(np.float32)

    return scale


def _number_features(codec: Codec, sample: _Rows) -> FeatureMap:
    transform = cast("Number", codec).transform
    scale = _scaled(transform(sample.all().reshape(-1, 1)))
    return lambda numbers: scale(transform(numbers.reshape(-1, 1)))


def _category_features(codec: Codec, sample: _Rows) -> FeatureMap:
    counts = np.bincount(sample.all(), minlength=cast("Category", codec).levels)
    frequent = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    return lambda codes: (codes.reshape(-1, 1) == frequent).astype(np.float32)


def _date_features(codec: Codec, sample: _Rows) -> FeatureMap:
    """Elapsed time and parts scaled; besides, a column for each month, weekday and hour."""
    date = cast("Date", codec)
    columns = DateColumns("", int(date.center or 0))
    parts = date.parts or ()

    def gaps(encoded: Array) -> npt.NDArray[np.float64]:
        values = columns.of(encoded).astype(np.float64)
        values[np.isnan(values[:, 0])] = np.nan
        return values

    scale = _scaled(gaps(sample.all()))

    def make(encoded: Array) -> Features:
        each = [
            (encoded[:, [1 + place]] == np.arange(ONE_HOT[part])).astype(np.float32)
            for place, part in enumerate(parts)
            if part in ONE_HOT
        ]
        return np.concatenate([scale(gaps(encoded)), *each], axis=1)

    return make


def _tag_features(codec: Codec, sample: _Rows) -> FeatureMap:
    counts = sample.all().sum(axis=0, dtype=np.int64)
    frequent = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    return lambda tags: tags[:, frequent].astype(np.float32)


FEATURES: dict[str, Callable[[Codec, _Rows], FeatureMap]] = {
    "image": _image_features,
    "number": _number_features,
    "category": _category_features,
    "date": _date_features,
    "tags": _tag_features,
}


# Targets: outputs as a model would give them.


def _majority(codec: Codec, train: Array, n: int) -> Array:
    """(n, classes): each class's frequency in training."""
    counts = np.bincount(train, minlength=len(cast("Category", codec).classes))
    return np.tile(counts / counts.sum(), (n, 1))


def _logistic(
    codec: Codec, features: Features, train: Array, valid: Features, class_weights: str
) -> Array | None:
    """(n, classes): a class that the training rows lack has probability 0. None when they hold one class only."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(train)
    if len(present) < 2:
        return None
    iterations = int(np.clip(MOST_WORK / (features.size * len(present)), 10, 100))
    weight = "balanced" if class_weights == "balanced" else None
    model = LogisticRegression(max_iter=iterations, class_weight=weight)
    with warnings.catch_warnings():
        # Stopped early it is a somewhat weaker baseline, which a user need not hear about.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, train)
    outputs = np.zeros((len(valid), len(cast("Category", codec).classes)))
    outputs[:, present] = model.predict_proba(valid)
    return outputs


def _mean(codec: Codec, train: Array, n: int) -> Array:
    return np.full(n, train.mean(dtype=np.float64))


def _linear(
    codec: Codec, features: Features, train: Array, valid: Features, class_weights: str
) -> Array | None:
    """Ridge regression with a penalty of 1 on columns of about unit size; on the log scale where the codec has one, and
    there within the range of the training rows, beyond which a line leads to any number."""
    from sklearn.linear_model import Ridge

    del class_weights
    number = cast("Number", codec)
    z = number.transform(train.reshape(-1))
    model = Ridge(alpha=1.0, solver="cholesky")
    model.fit(features.astype(np.float64), z)
    predicted = model.predict(valid.astype(np.float64))
    return number.inverse(np.clip(predicted, z.min(), z.max()) if number.log else predicted)


Constant = Callable[[Codec, Array, int], Array]
Regression = Callable[[Codec, Features, Array, Features, str], Any]
PREDICTORS: dict[str, tuple[tuple[str, Constant], tuple[str, Regression]]] = {
    "category": (("majority class", _majority), ("logistic regression", _logistic)),
    "number": (("mean", _mean), ("linear regression", _linear)),
}
