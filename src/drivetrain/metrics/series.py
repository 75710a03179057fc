"""What is measured of forecasts: (n, horizon, 1 + levels) against true values (n, horizon, 1), NaN where nothing was measured.

Rows are origins one after the other, whose windows overlap: what is hard for one is hard for the next. So intervals are of
resamples of runs as long as the horizon (see `Statistic.block`), for single rows would make them many times too narrow.
Hyndman and Koehler (2006), Another look at measures of forecast accuracy, International Journal of Forecasting 22:679-688.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.codecs.series import Series
from drivetrain.errors import DataError
from drivetrain.metrics.estimate import Estimate, Floats, Statistic, ratio
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric("mae", "MAE", higher=False, sentence="Off by {value} on average over {rows}"),
    Metric("mase", "MASE", higher=False),
    Metric("rmse", "RMSE", higher=False),
    Metric("smape", "sMAPE", higher=False, share=True),
    Metric("wql", "weighted quantile loss", higher=False),
    Metric(
        "band_coverage", "coverage of the band", higher=True, share=True, ranks=False,
        sentence="{value} of what comes lies in the band, over {rows}",
    ),
)  # fmt: skip
DECIDES = "mae"


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """The metrics with their intervals, all but MASE, which needs more than a forecast (see `scaled`)."""
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same as what can be resampled: mae, rmse and smape of the forecasts, and where there are quantiles wql and
    band_coverage.

    mae is the mean of |error|, rmse the root of the mean of its square, smape the mean of |error| over the mean of the sizes of
    forecast and truth (0 to 2; 0 where both are 0). wql is twice the sum of quantile losses over the sum of |truth|, the mean of
    all levels: what comes near to the CRPS over |truth|. band_coverage is the share of moments between the outermost quantiles.
    Origins weigh alike. Raises DataError.
    """
    made, truth = checked(codec, outputs, encoded)
    series, point = cast("Series", codec), made[:, :, 0]
    block, ones = series.length or 1, np.ones(len(truth))
    errors = np.abs(point - truth)
    sizes = (np.abs(point) + np.abs(truth)) / 2
    relative = np.divide(
        errors, sizes, out=np.where(np.isnan(truth), np.nan, 0.0), where=(sizes > 0) & ~np.isnan(truth)
    )
    found = {
        "mae": Statistic.mean_of(_mean(errors), block),
        "rmse": Statistic((_mean(errors**2), ones), _root_mean, block=block),
        "smape": Statistic.mean_of(_mean(relative), block),
    }
    if len(series.levels) > 1:
        apart = truth[:, :, None] - made[:, :, 1:]
        lost = 2 * np.maximum(np.array(series.levels) * apart, (np.array(series.levels) - 1) * apart)
        inside = np.where(np.isnan(truth), np.nan, (made[:, :, 1] <= truth) & (truth <= made[:, :, -1]))
        terms = _mean(lost.mean(axis=2)), _mean(np.abs(truth))
        found["wql"] = Statistic(terms, _share, block=block)
        found["band_coverage"] = Statistic.mean_of(_mean(inside), block)
    return found


def scaled(codec: Codec, outputs: Array, encoded: Array, sizes: Array) -> Statistic:
    """MASE: each origin's mean absolute error over what its series' seasonal naive forecast was off by in training, `sizes` (n,)
    above 0. Below 1 it is closer than that, on average over origins of all series."""
    return Statistic.mean_of(losses(codec, outputs, encoded) / sizes, cast("Series", codec).length or 1)


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) mean absolute errors of the moments of each origin that were measured."""
    made, truth = checked(codec, outputs, encoded)
    return _mean(np.abs(made[:, :, 0] - truth))


def checked(codec: Codec, outputs: Array, encoded: Array) -> tuple[Floats, Floats]:
    """Outputs (n, horizon, 1 + levels), as answers are, and truths (n, horizon) as float64, or DataError."""
    made, truth = cast("Series", codec).within(outputs), np.asarray(encoded, np.float64)
    if made.shape[1:] != codec.output_shape or truth.shape != (len(made), codec.output_shape[0], 1):
        raise DataError(f"forecasts of shape {made.shape} don't fit true values of shape {truth.shape}.")
    if not np.isfinite(made).all():
        raise DataError("the forecasts hold NaN or infinity.", fix="Train with a lower learning rate.")
    return made, truth[:, :, 0]


def _mean(items: Floats) -> Floats:
    """(n,) of (n, horizon): over the moments that were measured; NaN where none was."""
    known = ~np.isnan(items)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, items, 0.0).sum(axis=1) / known.sum(axis=1)


def _share(sums: Floats) -> Floats:
    """The first over the second; NaN where that is 0."""
    return sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], np.nan)


def _root_mean(sums: Floats) -> Floats:
    return np.sqrt(ratio(sums))
