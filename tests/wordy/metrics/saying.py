"""What is measured of a saying, whose outputs come a batch at a time."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.metrics.estimate import Estimate, Floats, Statistic, ratio
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric("word_log_loss", "log loss of a word", higher=False),
    Metric("word_perplexity", "perplexity of words", higher=False),
    Metric("words_right", "words that are right", higher=True, share=True),
)
DECIDES = "word_log_loss"
most_rows = 0
"""The most rows that were asked about at once: for the test."""


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    return {name: found.estimate(seed) for name, found in statistics(codec, outputs, encoded).items()}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    lost = losses(codec, outputs, encoded)
    right = (outputs.argmax(axis=-1) == encoded).mean(axis=1)
    return {
        "word_log_loss": Statistic.mean_of(lost),
        "word_perplexity": Statistic((lost, np.ones(len(lost))), _perplexity),
        "words_right": Statistic.mean_of(right),
    }


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    global most_rows
    most_rows = max(most_rows, len(outputs))
    own = np.take_along_axis(outputs, encoded[..., None], axis=-1)[..., 0]
    return -np.log(np.clip(own.astype(np.float64), 1e-7, 1)).mean(axis=1)


def _perplexity(sums: Floats) -> Floats:
    return np.exp(ratio(sums))
