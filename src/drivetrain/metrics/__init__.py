"""One definition of each metric, for training, evaluation and monitoring, each with its interval.

A new kind of target is one file beside this one with `measure` and `losses`, and a line in `KINDS`.
"""

from __future__ import annotations

from typing import Protocol

from drivetrain.codecs.base import Codec
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.metrics import category, number
from drivetrain.metrics.category import Reliability, confusion_matrix, per_class, reliability, top_k_accuracy
from drivetrain.metrics.estimate import Estimate, Floats, mean, wilson
from drivetrain.types import Array

__all__ = [
    "Estimate",
    "Reliability",
    "confusion_matrix",
    "losses",
    "mean",
    "measure",
    "paired_difference",
    "per_class",
    "reliability",
    "top_k_accuracy",
    "wilson",
]


class Kind(Protocol):
    """What a file of metrics offers for its kind of target."""

    def measure(self, codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]: ...
    def losses(self, codec: Codec, outputs: Array, encoded: Array) -> Floats: ...


KINDS: dict[str, Kind] = {"category": category, "number": number}


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """The metrics of a target: model outputs (n, *output_shape) against encoded true values (n, ...).

    `seed` draws the bootstrap's resamples; the same seed gives the same intervals. Raises DrivetrainError.
    """
    return _kind(codec).measure(codec, outputs, encoded, seed)


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) how wrong each item is: log loss of a category, absolute error of a number."""
    return _kind(codec).losses(codec, outputs, encoded)


def paired_difference(losses_a: Floats, losses_b: Floats, seed: int = 0) -> Estimate:
    """The mean of a - b over the same items, (n,) each, by a paired bootstrap: below 0 where a is better.

    Items are drawn with both their losses, so that what is hard for both cancels out. Raises DataError.
    """
    if losses_a.shape != losses_b.shape or losses_a.ndim != 1:
        raise DataError(
            f"losses of shapes {losses_a.shape} and {losses_b.shape} are not pairs.",
            fix="Measure both models on the same items, in the same order.",
        )
    return mean(losses_a - losses_b, seed)


def _kind(codec: Codec) -> Kind:
    name = codec.op.split("@")[0]
    if name not in KINDS:
        raise DrivetrainError(
            f"there are no metrics for {codec.op}.", fix=f"There are for {', '.join(KINDS)}."
        )
    return KINDS[name]
