"""What is measured of a number target: predictions (n,) against true values (n,), both in natural units."""

from __future__ import annotations

from typing import cast

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.codecs.number import Number
from drivetrain.errors import DataError
from drivetrain.metrics.estimate import Estimate, Floats, Statistic, ratio
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric(
        "mean_absolute_error", "mean absolute error", higher=False,
        sentence="Off by {value} on average over {rows}",
    ),
    Metric("root_mean_squared_error", "root mean squared error", higher=False),
    Metric(
        "root_mean_squared_log_error", "root mean squared log error", higher=False,
        sentence="Root mean squared error of the logarithm of {value} on {rows}",
    ),
    Metric(
        "mean_absolute_log_error", "mean absolute log error", higher=False,
        sentence="The logarithm is off by {value} on average over {rows}",
    ),
    Metric("r2", "R²", higher=True, too_good=0.999, too_wide=0.3),
    Metric(
        "interval_coverage", "interval coverage", higher=True, share=True, ranks=False,
        sentence="{value} of {rows} lie in the range that is answered",
    ),
)  # fmt: skip
DECIDES = "mean_absolute_error"


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """mean_absolute_error, root_mean_squared_error and r2, each with its bootstrap interval.

    Where the codec has `log`, also root_mean_squared_log_error, the error of log(1 + |x|); where it has an interval,
    also interval_coverage, the share of true values in the ranges that are answered (Wilson). `outputs` and `encoded`
    are (n,) or (n, 1). n = 0: undefined. r2 is undefined where the true values don't vary. Raises DataError.
    """
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same metrics as what can be resampled."""
    predicted, true = checked(codec, outputs, encoded)
    errors, ones = predicted - true, np.ones(len(true))
    # Centred first: the sum of squares of large values with a small spread would lose its digits.
    centred = true - true.mean() if len(true) else true
    found = {
        "mean_absolute_error": Statistic.mean_of(np.abs(errors)),
        "root_mean_squared_error": Statistic((errors**2, ones), _root_mean),
        "r2": Statistic((errors**2, centred, centred**2, ones), _explained, by_row=False),
    }
    number = cast("Number", codec)
    if number.log:
        logged = number.transform(predicted) - number.transform(true)
        found["root_mean_squared_log_error"] = Statistic((logged**2, ones), _root_mean)
    if number.interval is not None:
        low, high = number.bounds(predicted)
        found["interval_coverage"] = Statistic.mean_of((low <= true) & (true <= high))
    return found


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) absolute errors, in the units of the target."""
    predicted, true = checked(codec, outputs, encoded)
    return np.abs(predicted - true)


def harm(codec: Codec, outputs: Array, encoded: Array) -> tuple[str, Array]:
    """The absolute error of each row (n,): of the logarithm where that is what is learned."""
    number = cast("Number", codec)
    if number.log:
        z = [number.transform(np.asarray(values).reshape(-1)) for values in (outputs, encoded)]
        return "mean_absolute_log_error", np.abs(z[0] - z[1])
    return "mean_absolute_error", losses(codec, outputs, encoded)


def checked(codec: Codec, outputs: Array, encoded: Array) -> tuple[Floats, Floats]:
    """Predictions and true values as float64 (n,), or DataError."""
    predicted, true = np.asarray(outputs), np.asarray(encoded)
    n = len(true)
    if predicted.shape not in ((n,), (n, 1)) or true.shape not in ((n,), (n, 1)):
        raise DataError(
            f"predictions of shape {predicted.shape} don't fit targets of shape {true.shape}.",
            fix="Give one number per target.",
        )
    if not np.isfinite(predicted).all() or not np.isfinite(true).all():
        raise DataError(
            "the predictions or targets hold NaN or infinity.", fix="Train with a lower learning rate."
        )
    predicted = cast("Number", codec).within(predicted)  # What is answered is measured.
    return predicted.reshape(n).astype(np.float64), true.reshape(n).astype(np.float64)


def _root_mean(sums: Floats) -> Floats:
    return np.sqrt(ratio(sums))


def _explained(sums: Floats) -> Floats:
    """1 - residual sum of squares / total sum of squares about the mean; NaN where the latter is 0."""
    residual, total, squares, n = sums.T
    about_mean = squares - total**2 / n
    return 1 - residual / np.where(about_mean > 1e-12 * squares, about_mean, np.nan)
