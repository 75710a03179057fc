"""How far angles are apart, the short way round."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.metrics.estimate import Estimate, Floats, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (Metric("degrees_off", "degrees off", higher=False, sentence="Off by {value} degrees over {rows}"),)
DECIDES = "degrees_off"


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    said, true = (np.degrees(np.arctan2(pairs[:, 0], pairs[:, 1])) for pairs in (outputs, encoded))
    return np.abs((said - true + 180) % 360 - 180).astype(np.float64)


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    return {DECIDES: Statistic.mean_of(losses(codec, outputs, encoded))}


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}
