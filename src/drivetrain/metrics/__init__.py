"""One definition of each metric, for training, evaluation and monitoring, each with its interval.

A new kind of target is one file beside this one, or in this room of an extension, with what `Kind` names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from drivetrain.codecs.base import Codec
from drivetrain.errors import DataError
from drivetrain.metrics.category import Reliability, confusion_matrix, per_class, reliability, top_k_accuracy
from drivetrain.metrics.estimate import Estimate, Floats, Statistic, mean, wilson
from drivetrain.metrics.kind import has_metrics, kinds, means_of, metrics_of
from drivetrain.metrics.metric import LOSS, Metric
from drivetrain.metrics.paired import Difference, difference, holm
from drivetrain.metrics.streamed import Scores, is_large, rows_at_once, scores
from drivetrain.types import Array

__all__ = [
    "Difference",
    "Estimate",
    "Metric",
    "Reliability",
    "Scores",
    "Statistic",
    "confusion_matrix",
    "difference",
    "grouped",
    "harm",
    "has_metrics",
    "holm",
    "is_large",
    "kinds",
    "losses",
    "mean",
    "means",
    "measure",
    "metrics_of",
    "paired",
    "paired_difference",
    "per_class",
    "reliability",
    "rows_at_once",
    "scores",
    "statistics",
    "top_k_accuracy",
    "wilson",
]


def measure(
    codec: Codec, outputs: Array, encoded: Array, seed: int = 0, groups: Array | None = None
) -> dict[str, Estimate]:
    """The metrics of a target: model outputs (n, *output_shape) against encoded true values (n, ...).

    `seed` draws the bootstrap's resamples; the same seed gives the same intervals. Items of equal `groups` (n,) are alike, as
    windows of one recording are, and intervals are of groups; what can't be resampled has none then. Raises DrivetrainError.
    """
    if is_large(codec):
        return scores(codec, outputs, encoded).measure(seed, groups)
    found = metrics_of(codec).measure(codec, outputs, encoded, seed)
    if groups is None:
        return found
    drawn = grouped(metrics_of(codec).statistics(codec, outputs, encoded), groups)
    return {
        name: drawn[name].estimate(seed) if name in drawn else replace(each, low=math.nan, high=math.nan)
        for name, each in found.items()
    }


def grouped(found: Mapping[str, Statistic], groups: Array | None) -> dict[str, Statistic]:
    """The same statistics, whose intervals are of groups of items (see `Statistic.drawn_by`)."""
    return {name: each.drawn_by(groups) for name, each in found.items()}


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) how wrong each item is: log loss of a category or of tags, absolute error of a number."""
    if is_large(codec):
        return scores(codec, outputs, encoded).losses
    return metrics_of(codec).losses(codec, outputs, encoded)


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The metrics of a target that can be resampled: those that `paired` compares. Raises DrivetrainError."""
    if is_large(codec):
        return scores(codec, outputs, encoded).statistics
    return metrics_of(codec).statistics(codec, outputs, encoded)


def means(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The statistics that are means over items, of which a category's take a hundredth of the time of all."""
    found = means_of(codec, outputs, encoded)
    return {name: made for name, made in found.items() if made.items is not None}


def harm(codec: Codec, outputs: Array, encoded: Array) -> tuple[str, Array]:
    """The metric by which rows are judged, of which less is better, and its value for each row (n,): what the file of its
    kind says, or else its `losses`."""
    kind = metrics_of(codec)
    if found := getattr(kind, "harm", None):
        return found(codec, outputs, encoded)
    return LOSS.key, kind.losses(codec, outputs, encoded)


def paired(
    codec: Codec, outputs_a: Array, outputs_b: Array, encoded: Array, seed: int = 0
) -> dict[str, Difference]:
    """Metric -> a - b, of two models' outputs for the same items. Raises DrivetrainError."""
    a, b = (statistics(codec, outputs, encoded) for outputs in (outputs_a, outputs_b))
    return {name: difference(a[name], b[name], seed) for name in a}


def paired_difference(
    losses_a: Floats, losses_b: Floats, seed: int = 0, groups: Array | None = None
) -> Estimate:
    """The mean of a - b over the same items, (n,) each, by a paired bootstrap: below 0 where a is better.

    Items, or `groups` of them, are drawn with both their losses, so that what is hard for both cancels out. Raises DataError.
    """
    if losses_a.shape != losses_b.shape or losses_a.ndim != 1:
        raise DataError(
            f"losses of shapes {losses_a.shape} and {losses_b.shape} are not pairs.",
            fix="Measure both models on the same items, in the same order.",
        )
    return Statistic.mean_of(losses_a - losses_b).drawn_by(groups).estimate(seed)
