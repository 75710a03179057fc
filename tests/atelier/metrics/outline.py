"""How much of an outline is right."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.metrics.estimate import Estimate, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric("right_places", "places that are right", higher=True, share=True, sentence="{value} of places"),
)
DECIDES = "right_places"


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    return {"right_places": Statistic.mean_of(((outputs > 0.5) == (encoded > 0)).mean((1, 2)))}


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def losses(codec: Codec, outputs: Array, encoded: Array) -> Array:
    return np.abs(outputs - encoded).mean((1, 2))
