"""How far a series can be foretold at all, before any model is trained.

By simple rules from rolling origins, against repeating the last value; and by the spectrum: how evenly what moves the series is
spread over all frequencies (Goerg 2013, Forecastable component analysis).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_ORIGINS = 200
MOST_HELD = 20_000
"""Of a longer series the newest moments are looked at."""
NAIVE, MEAN = "the last value", "the mean of all"
DRIFT = "the last value and the mean slope"
LINEAR = "a linear rule of the last {:,}"
MOST_BACK = 64
TIMES = 1.96


@dataclass(frozen=True)
class Predictability:
    """Mean absolute errors over `horizon` moments from `origins` rolling origins in the last three tenths of the series.

    `rule` is the best simple rule by the first half of them; `error` and `naive` (the last value repeated) are measured on the
    second half, `gain` is 1 - error / naive there, `low` and `high` its 95 % interval by blocks of origins (None where they are too
    few), `mean` the error of the mean of all before. `spectrum` (0 to 1) is
    1 - the spectral entropy / log of the number of frequencies: 0 for white noise, 1 for a single wave.
    """

    horizon: int
    origins: int
    rule: str
    error: float
    naive: float
    mean: float
    gain: float
    low: float | None
    high: float | None
    spectrum: float


def predictability(values: Floats, horizon: int, periods: Sequence[int] = ()) -> Predictability | None:
    """How well the simple rules do on a series (n,), NaN where missing; None where it is too short for ten origins, or where
    nothing moves."""
    values = values[-MOST_HELD:]
    known = np.isfinite(values)
    if known.sum() < 20:
        return None
    filled = values[_last_known(known)]
    start = max(int(0.7 * len(values)), horizon, 2 * max(periods, default=1) + 2)
    origins = np.arange(start, len(values) - horizon + 1)
    if len(origins) < 10:
        return None
    origins = origins[np.linspace(0, len(origins) - 1, min(MOST_ORIGINS, len(origins))).astype(np.int64)]
    ahead = origins[:, None] + np.arange(horizon)
    truth, counts = values[ahead], known[ahead]
    errors = {
        name: np.abs(np.where(counts, told - truth, 0.0)).sum(axis=1)
        for name, told in _rules(filled, origins, horizon, periods).items()
    }
    asked = np.maximum(counts.sum(axis=1), 1)
    half = len(origins) // 2
    rule = min(errors, key=lambda name: float((errors[name] / asked)[:half].mean()))
    own, naive, mean = ((errors[name] / asked)[half:] for name in (rule, NAIVE, MEAN))
    if not naive.mean() > 0:
        return None
    spacing = max(1.0, float(np.diff(origins).mean())) if len(origins) > 1 else 1.0
    low, high = _interval(own, naive, max(1, int(np.ceil(horizon / spacing))))
    gain = 1 - float(own.mean() / naive.mean())
    return Predictability(
        horizon, len(origins), rule, float(own.mean()), float(naive.mean()), float(mean.mean()), gain, low, high,
        spectral_order(filled),
    )  # fmt: skip


def _last_known(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    places = np.where(known, np.arange(len(known)), 0)
    return np.maximum(np.maximum.accumulate(places), int(np.argmax(known)))


def _rules(
    values: Floats, origins: npt.NDArray[np.int64], horizon: int, periods: Sequence[int]
) -> dict[str, Floats]:
    """Name -> what it tells (origins, horizon), each from the moments before its origin alone."""
    steps = np.arange(1, horizon + 1)
    last = values[origins - 1]
    sums = np.r_[0.0, np.cumsum(values - values.mean())]
    slope = (last - values[0]) / np.maximum(origins - 1, 1)
    found: dict[str, Floats] = {
        NAIVE: np.repeat(last[:, None], horizon, axis=1),
        DRIFT: last[:, None] + slope[:, None] * steps,
    }
    for width in dict.fromkeys((*periods, 5)):
        mean = (sums[origins] - sums[np.maximum(origins - width, 0)]) / np.minimum(
            width, origins
        ) + values.mean()
        found[f"the mean of the last {width:,}"] = np.repeat(mean[:, None], horizon, axis=1)
    found[MEAN] = np.repeat((sums[origins] / origins + values.mean())[:, None], horizon, axis=1)
    for period in periods:
        back = (steps - 1) // period + 1
        places = origins[:, None] + steps - 1 - back * period
        found[f"the same moment {period:,} before"] = values[places]
        # What the same moment was away from the cycle about it, in up to 5 cycles, on the level of the last cycle.
        level = (sums[origins] - sums[origins - period]) / period + values.mean()
        away = np.zeros((len(origins), horizon))
        counted = np.zeros((len(origins), 1))
        for cycle in range(5):
            edge = origins - cycle * period
            sound = edge - period >= 0
            safe = np.maximum(edge, period)
            mean = (sums[safe] - sums[safe - period]) / period + values.mean()
            place = safe[:, None] - period + (steps - 1) % period
            away += np.where(sound[:, None], values[place] - mean[:, None], 0.0)
            counted += sound[:, None]
        usual = level[:, None] + away / np.maximum(counted, 1)
        found[f"the level of the last {period:,} and the usual pattern"] = usual
    back = min(MOST_BACK, 2 * max((*periods, 16)), int(origins[0]) // 4)
    found[LINEAR.format(back)] = _linear(values, origins, horizon, back)
    return found


def _linear(values: Floats, origins: npt.NDArray[np.int64], horizon: int, back: int) -> Floats:
    """What a ridge regression (lambda a hundredth of the mean square) of the next `horizon` moments on the last `back`, all less
    the last value, tells; fitted on what is before the first origin."""
    ends = np.arange(back, int(origins[0]) - horizon + 1)
    if len(ends) < 2 * back:
        return np.repeat(values[origins - 1][:, None], horizon, axis=1)
    past, future = np.arange(-back, 0), np.arange(horizon)
    last = values[ends - 1][:, None]
    x, y = values[ends[:, None] + past] - last, values[ends[:, None] + future] - last
    square = x.T @ x
    square[np.diag_indices(back)] += 0.01 * max(float(np.trace(square)) / back, 1e-300)
    weights = np.linalg.solve(square, x.T @ y)
    now = values[origins - 1][:, None]
    return now + (values[origins[:, None] + past] - now) @ weights


def _interval(own: Floats, naive: Floats, block: int) -> tuple[float | None, float | None]:
    """The 95 % interval of 1 - mean(own) / mean(naive), by the variance of block means (linearised ratio)."""
    ratio = float(own.mean() / naive.mean())
    off = own - ratio * naive
    blocks = len(off) // block
    if blocks < 2:
        return None, None
    means = off[len(off) - blocks * block :].reshape(blocks, block).mean(axis=1)
    error = TIMES * float(means.std(ddof=1)) / float(np.sqrt(blocks) * naive.mean())
    return 1 - ratio - error, 1 - ratio + error


def spectral_order(values: Floats) -> float:
    """1 - the entropy of the spectrum / log of the number of frequencies, of a series (n,) without gaps: by the mean of the
    periodograms of up to 8 stretches that overlap by half (Welch 1967), so that chance alone makes no order."""
    length = max(16, 2 * len(values) // 9)
    if len(values) < 2 * 16 or np.ptp(values) == 0:
        return 0.0
    window = np.hanning(length)
    starts = np.arange(0, len(values) - length + 1, max(1, length // 2))
    power = np.zeros(length // 2)
    for start in starts.tolist():
        stretch = values[start : start + length]
        line = np.polyval(np.polyfit(np.arange(length), stretch, 1), np.arange(length))
        power += np.abs(np.fft.rfft((stretch - line) * window))[1 : length // 2 + 1] ** 2
    shares = power / power.sum() if power.sum() > 0 else np.full(len(power), 1 / len(power))
    entropy = -float((shares * np.log(np.maximum(shares, 1e-300))).sum())
    return float(np.clip(1 - entropy / np.log(len(shares)), 0, 1))
