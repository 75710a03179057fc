"""What any forecast is measured beside: the last value, the last season, the line through both ends, a moving average.

Each takes the moments before an origin, float (n, length), and gives the next ones, (n, horizon). Hyndman and Athanasopoulos
(2021), Forecasting: principles and practice, 3rd edition, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from drivetrain.types import Array

Baseline = Callable[[Array, int, int], Array]
"""Past (n, length), horizon and season -> (n, horizon)."""


def naive(past: Array, horizon: int, season: int = 1) -> Array:
    """The last value, for ever."""
    return np.repeat(past[:, -1:], horizon, axis=1)


def seasonal_naive(past: Array, horizon: int, season: int) -> Array:
    """What was there a whole number of seasons before: the last of them. The last value where the past has less than one."""
    if season > past.shape[1]:
        return naive(past, horizon)
    return past[:, -season:][:, np.arange(horizon) % season]


def drift(past: Array, horizon: int, season: int = 1) -> Array:
    """The line from the first moment through the last."""
    slope = (past[:, -1:] - past[:, :1]) / max(1, past.shape[1] - 1)
    return past[:, -1:] + slope * np.arange(1, horizon + 1)


def moving_average(past: Array, horizon: int, season: int) -> Array:
    """The mean of the last season, or of what there is of it."""
    return np.repeat(past[:, -max(1, season) :].mean(axis=1, keepdims=True), horizon, axis=1)


BASELINES: dict[str, Baseline] = {
    "naive": naive,
    "seasonal naive": seasonal_naive,
    "drift": drift,
    "moving average": moving_average,
}


def has_statsforecast() -> bool:
    return find_spec("statsforecast") is not None


def ets(past: Array, horizon: int, season: int) -> Array:
    """AutoETS of statsforecast, fitted to each past anew: a second or so for each, so of few. Raises ImportError where it is not
    installed; the last value where it finds no model."""
    return _statistical("AutoETS", past, horizon, season)


def theta(past: Array, horizon: int, season: int) -> Array:
    """AutoTheta of statsforecast, in the same way."""
    return _statistical("AutoTheta", past, horizon, season)


def _statistical(name: str, past: Array, horizon: int, season: int) -> Array:
    import statsforecast.models as models  # type: ignore[import-not-found]

    model: Any = getattr(models, name)(season_length=max(1, season))
    found = naive(past, horizon).astype(np.float64)
    for row, series in enumerate(np.asarray(past, np.float64)):
        try:
            answer = model.forecast(y=series, h=horizon)["mean"]
        except (ValueError, ZeroDivisionError, FloatingPointError, np.linalg.LinAlgError):
            continue  # A constant or a very short past has no such model: the last value stands.
        found[row] = np.where(np.isfinite(answer), answer, found[row])
    return found


METHODS: dict[str, Baseline] = {"AutoETS": ets, "AutoTheta": theta}
"""What is fitted anew at each origin."""
