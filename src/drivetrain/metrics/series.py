"""What is measured of forecasts: (n, horizon, 1 + levels) against true values (n, horizon, 1), NaN where nothing was measured."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.metrics.estimate import Estimate, Floats, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric("mae", "MAE", higher=False, sentence="Off by {value} on average over {rows}"),
    Metric("band_coverage", "coverage of the band", higher=True, share=True, ranks=False),
)
DECIDES = "mae"


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """The metrics with their intervals."""
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same as what can be resampled."""
    found = {"mae": Statistic.mean_of(losses(codec, outputs, encoded))}
    if outputs.shape[2] > 2:
        truth = encoded[:, :, 0]
        held = (outputs[:, :, 1] <= truth) & (truth <= outputs[:, :, -1])
        found["band_coverage"] = Statistic.mean_of(
            np.nanmean(np.where(np.isnan(truth), np.nan, held), axis=1)
        )
    return found


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) mean absolute errors of the moments of each origin that were measured."""
    return np.nanmean(np.abs(outputs[:, :, 0].astype(np.float64) - encoded[:, :, 0]), axis=1)
