"""What a simple method reaches on the same rows: the figures that a model has to beat to be worth its trouble.

For a category target "majority class" and "logistic regression", for a number target "mean" and "linear
regression". The regressions are fitted to at most 10,000 training rows, which their name says when it is so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.metrics import Estimate, measure
from drivetrain.types import Array, Batch

MOST_ROWS = 10_000
MOST_SIDE = 16
"""Pictures are reduced to at most this many rows and columns."""
MOST_CLASSES = 256
"""A category input has a column for each of its most frequent classes, up to this many."""
MOST_WORK = 5e9
"""Rows x features x classes x iterations of the logistic regression: some 5 s on one core."""
CHUNK_BYTES = 32 * 2**20

Features = npt.NDArray[np.float32]
FeatureMap = Callable[[Array], Features]


def baselines(
    signature: Signature, train: Batch, valid: Batch, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """The metrics on `valid` of each simple method fitted to `train`: name -> metric -> estimate, simplest first.

    Both batches hold encoded columns, field -> (n, ...). With several targets the name ends with " of TARGET".
    Empty when either batch has no rows. Regressions are left out where there is nothing to regress on: inputs
    of an unknown kind only, or a single class. Deterministic for a seed on one machine.
    """
    rows, others = _rows(signature, train), _rows(signature, valid)
    if not rows or not others:
        return {}
    chosen = np.arange(rows)
    if rows > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    note = f" on {MOST_ROWS:,} rows" if rows > MOST_ROWS else ""
    features = _features(signature, train, valid, chosen)
    found: dict[str, dict[str, Estimate]] = {}
    for name, codec in signature.targets.items():
        suffix = f" of {name}" if len(signature.targets) > 1 else ""
        kind = PREDICTORS.get(codec.op.split("@")[0])
        if kind is None:
            continue
        (simple, constant), (regression, fit) = kind
        encoded = np.asarray(valid[name])
        outputs = constant(codec, np.asarray(train[name]), others)
        found[simple + suffix] = measure(codec, outputs, encoded, seed)
        if features is not None:
            outputs = fit(codec, features[0], np.asarray(train[name])[chosen], features[1])
            if outputs is not None:
                found[regression + note + suffix] = measure(codec, outputs, encoded, seed)
    return found


def _rows(signature: Signature, batch: Batch) -> int:
    return min((len(batch[name]) for name in signature.fields), default=0)


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


def _number_features(codec: Codec, sample: _Rows) -> FeatureMap:
    values = sample.all().astype(np.float64)
    mean, spread = values.mean(), values.std() or 1.0
    return lambda numbers: ((numbers.reshape(-1, 1).astype(np.float64) - mean) / spread).astype(np.float32)


def _category_features(codec: Codec, sample: _Rows) -> FeatureMap:
    counts = np.bincount(sample.all())
    frequent = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    return lambda codes: (codes.reshape(-1, 1) == frequent).astype(np.float32)


FEATURES: dict[str, Callable[[Codec, _Rows], FeatureMap]] = {
    "image": _image_features,
    "number": _number_features,
    "category": _category_features,
}


# Targets: outputs as a model would give them.


def _majority(codec: Codec, train: Array, n: int) -> Array:
    """(n, classes): each class's frequency in training."""
    counts = np.bincount(train, minlength=len(cast("Category", codec).classes))
    return np.tile(counts / counts.sum(), (n, 1))


def _logistic(codec: Codec, features: Features, train: Array, valid: Features) -> Array | None:
    """(n, classes): a class that the training rows lack has probability 0. None when they hold one class only."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(train)
    if len(present) < 2:
        return None
    iterations = int(np.clip(MOST_WORK / (features.size * len(present)), 10, 100))
    model = LogisticRegression(max_iter=iterations)
    with warnings.catch_warnings():
        # Stopped early it is a somewhat weaker baseline, which a user need not hear about.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, train)
    outputs = np.zeros((len(valid), len(cast("Category", codec).classes)))
    outputs[:, present] = model.predict_proba(valid)
    return outputs


def _mean(codec: Codec, train: Array, n: int) -> Array:
    return np.full(n, train.mean(dtype=np.float64))


def _linear(codec: Codec, features: Features, train: Array, valid: Features) -> Array | None:
    """Ridge regression with a penalty of 1 on columns of about unit size."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0, solver="cholesky")
    model.fit(features.astype(np.float64), train.reshape(-1).astype(np.float64))
    return model.predict(valid.astype(np.float64))


Constant = Callable[[Codec, Array, int], Array]
Regression = Callable[[Codec, Features, Array, Features], Any]
PREDICTORS: dict[str, tuple[tuple[str, Constant], tuple[str, Regression]]] = {
    "category": (("majority class", _majority), ("logistic regression", _logistic)),
    "number": (("mean", _mean), ("linear regression", _linear)),
}
