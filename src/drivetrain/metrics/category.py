"""What is measured of a category target: probabilities (n, classes) against positions in the classes (n,).

The predicted class is the one that the codec answers: the likeliest, or with costs the one of least expected cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import Codec
from drivetrain.codecs.category import Category
from drivetrain.errors import DataError
from drivetrain.metrics.area import roc_area
from drivetrain.metrics.estimate import (
    BOOTSTRAP,
    CONFIDENCE,
    WILSON,
    Estimate,
    Floats,
    Statistic,
    block_of,
    block_sums,
    resample,
    undefined,
    wilson,
)
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

LOG_LOSS = Metric("log_loss", "log loss", higher=False)
METRICS = (
    Metric(
        "accuracy", "accuracy", higher=True, share=True, too_wide=0.2,
        sentence="{value} of {rows} are classified right",
    ),
    Metric("error_rate", "error rate", higher=False, share=True, sentence="{value} of {rows} are classified wrong"),
    LOG_LOSS,
    Metric("calibration_error", "calibration error", higher=False, share=True),
    Metric(
        "auc", "AUC", higher=True, too_good=0.999, too_wide=0.2,
        sentence="An area under the ROC curve of {value} on {rows}",
    ),
    Metric("mean_cost", "mean cost", higher=False, sentence="An answer costs {value} on average over {rows}"),
    Metric("precision", "precision", higher=True, share=True),
    Metric("recall", "recall", higher=True, share=True),
    Metric("f1", "F1", higher=True, share=True),
)  # fmt: skip
DECIDES = LOG_LOSS.key
"""It tells apart more finely than accuracy."""

EPSILON = 2.0**-23
"""A probability below this counts as this (float32's step at 1), so that a log loss is at most 15.95."""
BINS = 15
CALIBRATION = f"{BOOTSTRAP}, {BINS} equal-mass bins, low end by the triangle inequality"
F1 = f"{WILSON}, of TP / (TP + FP + FN)"

Ints = npt.NDArray[np.int64]


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """accuracy, error_rate (Wilson), log_loss, mean_cost with costs (bootstrap), auc (DeLong) and calibration_error.

    `outputs` holds probabilities (n, classes), `encoded` positions (n,). n = 0: undefined. auc, of two classes
    that of the second one, else the mean over the classes that occur, is undefined where only one occurs. Raises
    DataError.
    """
    probabilities, codes = checked(codec, outputs, encoded)
    predicted = _predicted(codec, probabilities)
    found = {
        name: made.estimate(seed) for name, made in _means(codec, probabilities, codes, predicted).items()
    }
    found["auc"] = roc_area(probabilities, codes).estimate()
    found["calibration_error"] = _calibration(_confidence(probabilities, predicted), predicted == codes, seed)
    return found


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same metrics as what can be resampled, the calibration error left out: its bins are each model's own."""
    probabilities, codes = checked(codec, outputs, encoded)
    found = _means(codec, probabilities, codes, _predicted(codec, probabilities))
    return {**found, "auc": roc_area(probabilities, codes).statistic()}


def means(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """Those of them that are means, for which nothing is sorted as for the auc."""
    probabilities, codes = checked(codec, outputs, encoded)
    return _means(codec, probabilities, codes, _predicted(codec, probabilities))


def _means(codec: Codec, probabilities: Array, codes: Array, predicted: Ints) -> dict[str, Statistic]:
    found = {
        "accuracy": Statistic.mean_of(predicted == codes),
        "error_rate": Statistic.mean_of(predicted != codes),
        "log_loss": Statistic.mean_of(_log_losses(probabilities, codes)),
    }
    if costs := cast("Category", codec).costs:
        found["mean_cost"] = Statistic.mean_of(np.array(costs)[codes, predicted])
    return found


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) log losses, in nats: -log of the probability given to the true class, clipped at `EPSILON`."""
    return _log_losses(*checked(codec, outputs, encoded))


def harm(codec: Codec, outputs: Array, encoded: Array) -> tuple[str, Array]:
    """What the answer costs of each row (n,), where costs are set; else whether it is wrong."""
    found = statistics(codec, outputs, encoded)
    name = "mean_cost" if "mean_cost" in found else "error_rate"
    return name, cast("Array", found[name].items)


def checked(codec: Codec, outputs: Array, encoded: Array) -> tuple[Array, Array]:
    """Probabilities (n, classes) and codes (n,) as they came. Raises DataError for shape, range and NaN."""
    (classes,) = codec.output_shape
    probabilities, codes = np.asarray(outputs), np.asarray(encoded)
    if codes.ndim != 1 or probabilities.shape != (len(codes), classes):
        raise DataError(
            f"probabilities of shape {probabilities.shape} don't fit targets of shape {codes.shape}.",
            fix=f"Give one row of probabilities per target, one column for each of the {classes} classes.",
        )
    if not np.isfinite(probabilities).all():
        raise DataError("the probabilities hold NaN or infinity.", fix="Train with a lower learning rate.")
    if len(codes) and not (codes.min() >= 0 and codes.max() < classes):
        raise DataError(f"a target is not from 0 to {classes - 1}.", fix="Encode it with the same codec.")
    return probabilities, codes


def _predicted(codec: Codec, probabilities: Array) -> Ints:
    """(n,) the class that the codec answers."""
    return cast("Category", codec).chosen(probabilities)


def _confidence(probabilities: Array, predicted: Ints) -> Floats:
    """(n,) the probability of the predicted class."""
    return probabilities[np.arange(len(predicted)), predicted].astype(np.float64)


def _log_losses(probabilities: Array, codes: Array) -> Floats:
    own = probabilities[np.arange(len(codes)), codes].astype(np.float64)
    return -np.log(np.clip(own, EPSILON, 1.0))


def top_k_accuracy(codec: Codec, outputs: Array, encoded: Array, k: int = 5) -> Estimate:
    """The share of items whose true class is among the k likeliest (Wilson). Of equals the first wins."""
    probabilities, codes = checked(codec, outputs, encoded)
    own = probabilities[np.arange(len(codes)), codes][:, None]
    position = np.arange(probabilities.shape[1], dtype=np.int64)
    earlier = position < codes[:, None]
    rank = np.count_nonzero((probabilities > own) | ((probabilities == own) & earlier), axis=1)
    return wilson(int(np.count_nonzero(rank < k)), len(codes))


def confusion_matrix(codec: Codec, outputs: Array, encoded: Array) -> Ints:
    """(classes, classes) counts: row the true class, column the predicted one, both in the codec's order."""
    probabilities, codes = checked(codec, outputs, encoded)
    classes = probabilities.shape[1]
    pairs = codes.astype(np.int64) * classes + _predicted(codec, probabilities)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def per_class(
    codec: Codec, outputs: Array, encoded: Array, groups: Array | None = None
) -> dict[str, dict[str, Estimate]]:
    """For each class precision, recall and F1; undefined where there is nothing to divide by.

    Precision's n counts the predictions of the class, recall's the items of it. F1 = 2J / (1 + J) rises with
    J = TP / (TP + FP + FN), a plain proportion of the items that are in the class or said to be: so F1's
    interval is J's Wilson interval mapped. Unlike a bootstrap's it is no point when all are right. `groups` are those of
    `Statistic.drawn_by`.
    """
    names = cast("Category", codec).classes
    if groups is None:
        matrix = confusion_matrix(codec, outputs, encoded)
        hits, said, true = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
        return {
            name: _of_class(*(wilson(hit, n) for n in (predicted, actual, predicted + actual - hit)))
            for name, hit, predicted, actual in zip(names, hits.tolist(), said.tolist(), true.tolist())
        }
    probabilities, codes = checked(codec, outputs, encoded)
    predicted = _predicted(codec, probabilities)
    right = predicted == codes
    found: dict[str, dict[str, Estimate]] = {}
    for place, name in enumerate(names):
        rows = (predicted == place, codes == place, (predicted == place) | (codes == place))
        found[name] = _of_class(
            *(Statistic.mean_of(right[of]).drawn_by(groups[of]).estimate() for of in rows)
        )
    return found


def _of_class(precision: Estimate, recall: Estimate, overlap: Estimate) -> dict[str, Estimate]:
    value, low, high = (2 * x / (1 + x) for x in (overlap.value, overlap.low, overlap.high))
    return {"precision": precision, "recall": recall, "f1": Estimate(value, low, high, F1, overlap.n)}


@dataclass(frozen=True, slots=True)
class Reliability:
    """One bin of a reliability curve: `confidence` is the mean probability of the predicted class in it,
    `accuracy` the share that was right (Wilson), whose n is the bin's size."""

    confidence: float
    accuracy: Estimate

    def to_json(self) -> dict[str, Any]:
        return {"confidence": self.confidence, "accuracy": self.accuracy.to_json()}


def reliability(codec: Codec, outputs: Array, encoded: Array, bins: int = BINS) -> list[Reliability]:
    """The reliability curve, by rising confidence; equal-mass bins, those without an item left out."""
    probabilities, codes = checked(codec, outputs, encoded)
    if not len(codes):
        return []
    predicted = _predicted(codec, probabilities)
    confidence, right = _confidence(probabilities, predicted), predicted == codes
    member = _bin_of(confidence, bins)
    counts = np.bincount(member, minlength=bins)
    hits = np.bincount(member, weights=right, minlength=bins)
    totals = np.bincount(member, weights=confidence, minlength=bins)
    filled: list[int] = np.flatnonzero(counts).tolist()
    return [Reliability(float(totals[b] / counts[b]), wilson(int(hits[b]), int(counts[b]))) for b in filled]


def _bin_of(confidence: Floats, bins: int) -> Ints:
    """The bin of each item. Items of equal confidence share one, so that the rows' order doesn't matter."""
    edges = np.quantile(confidence, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.searchsorted(edges, confidence, side="left")


def _gap_sums(blocks: Ints, confidence: Floats, right: npt.NDArray[np.bool_]) -> Floats:
    """(blocks, bins): confidence minus rightness, summed over the items of each block in each bin."""
    cells = blocks * BINS + _bin_of(confidence, BINS)
    size = (int(blocks.max()) + 1) * BINS
    return np.bincount(cells, weights=confidence - right, minlength=size).reshape(-1, BINS).astype(np.float64)


def _calibration(confidence: Floats, right: npt.NDArray[np.bool_], seed: int) -> Estimate:
    """Expected calibration error: the sum over bins of |gap|, a bin's sum of confidence - rightness over n.

    Naeini, Cooper and Hauskrecht (2015), AAAI; with bins of equal mass, less biased than those of equal width:
    Roelofs, Cain, Shlens and Mozer (2022), AISTATS.

    A sum of absolute values is biased upwards and resampling adds that bias once more, so that plain
    percentiles miss the truth whenever a model is calibrated well. But by the triangle inequality the value
    exceeds the truth by no more than the sum of |sampling error of a gap|, and the low end allows for that
    sum's 97.5 % quantile over resamples. The bins stay those of the sample.
    """
    n = len(confidence)
    if not n:
        return undefined(CALIBRATION)
    blocks = block_of(n, seed)
    sums = np.concatenate([block_sums(blocks, np.ones(n)), _gap_sums(blocks, confidence, right)], axis=1)
    drawn = resample(sums, seed)
    gaps, resampled = sums[:, 1:].sum(axis=0) / n, drawn[:, 1:] / drawn[:, :1]
    value = float(np.abs(gaps).sum())
    if n < 2:
        return Estimate(value, math.nan, math.nan, CALIBRATION, n)
    level = (1 + CONFIDENCE) / 2
    error = float(np.quantile(np.abs(resampled - gaps).sum(axis=1), level))
    high = float(np.quantile(np.abs(resampled).sum(axis=1), level))
    return Estimate(value, max(0.0, value - error), min(1.0, max(value, high)), CALIBRATION, n)
