"""How many letters are right."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.metrics.estimate import Estimate, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric("right_letters", "letters that are right", higher=True, share=True, sentence="{value} of letters"),
)
DECIDES = "right_letters"


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    return {"right_letters": Statistic.mean_of((outputs.argmax(2) == encoded).mean(1))}


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def losses(codec: Codec, outputs: Array, encoded: Array) -> Array:
    true = np.take_along_axis(outputs, encoded[:, :, None], 2)[:, :, 0]
    return -np.log(np.maximum(true, 1e-9)).mean(1)
