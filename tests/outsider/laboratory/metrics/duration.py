"""What is measured of a duration: what is of a number, and how often it is right to a tenth."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.metrics import number
from drivetrain.metrics.estimate import Estimate, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.metrics.number import DECIDES, harm, losses
from drivetrain.types import Array

__all__ = ["DECIDES", "METRICS", "harm", "losses", "measure", "statistics"]

METRICS = (
    *number.METRICS,
    Metric(
        "within_a_tenth",
        "within a tenth",
        higher=True,
        share=True,
        sentence="{value} of {rows} are right to a tenth",
    ),
)


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    predicted, true = number.checked(codec, outputs, encoded)
    near = np.abs(predicted - true) <= 0.1 * np.abs(true)
    return {**number.statistics(codec, outputs, encoded), "within_a_tenth": Statistic.mean_of(near)}


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}
