"""How well a row's steps were foretold: shares (n, levels) against steps of different lengths."""

from __future__ import annotations

import numpy as np

from drivetrain.metrics.category import LOG_LOSS
from drivetrain.metrics.estimate import Statistic

METRICS, DECIDES = (LOG_LOSS,), LOG_LOSS.key


def measure(codec, outputs, encoded, seed=0):
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def statistics(codec, outputs, encoded):
    return {DECIDES: Statistic.mean_of(losses(codec, outputs, encoded))}


def losses(codec, outputs, encoded):
    del codec
    rows = np.repeat(np.arange(len(encoded)), encoded.lengths)
    each = -np.log(np.asarray(outputs, np.float64)[rows, encoded.flat])
    return np.bincount(rows, each, len(encoded)) / np.maximum(1, encoded.lengths)
