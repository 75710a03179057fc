"""A series in parts that add up: trend, one or several seasons, and the rest.

The seasons are found in turn, the shortest first, and twice over, as MSTL has it (Bandara, Hyndman and Bergmeir 2021,
arXiv 2107.13462): each is the local mean of the same phase in the cycles about it, so that it may change slowly. The trend is a
local line (Cleveland et al. 1990, STL, with a window of fixed width at the ends too). Moments that lie far off count less (Tukey's
bisquare). Missing moments have no weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ROUNDS, ROBUST = 2, 2
CYCLES = 7
"""A season's phase is smoothed over so many cycles before and after, with falling weight."""
FAR = 6.0
"""A moment that lies so many median distances off has no weight."""
LEAST_CYCLES = 3
"""Of fewer cycles nobody can tell a season from chance."""
SHUFFLES = 99
LEAST_GAIN = 0.02
"""A season that tells less of what is not trend, in cycles that it was not made of, is not worth its name."""
MOST_LAGS = 1_000
MOST_LOOKED_AT = 50_000
"""Seasons are told by so many moments at most, the newest."""


@dataclass(frozen=True, eq=False)
class Season:
    """A pattern that comes again every `period` moments; `strength` (0 to 1) is the share that it explains of what is neither
    trend nor another season: max(0, 1 - var(rest) / var(season + rest)), as in Hyndman and Athanasopoulos (fpp3, 4.3)."""

    period: int
    values: Floats
    strength: float


@dataclass(frozen=True, eq=False)
class Parts:
    """float64 (n,) each: `values` (NaN where missing) = `trend` + the sum of `seasons` + `rest` (NaN where missing).

    `trend_strength` is that of a season, for the trend. `noise` is the rest's share of the variance. `lags` and `correlations` are
    the autocorrelation of what the trend leaves, for lag 1 on; `edge` is what chance stays within, 95 times in 100.
    """

    values: Floats
    trend: Floats
    seasons: tuple[Season, ...]
    rest: Floats
    trend_strength: float
    noise: float
    correlations: Floats
    edge: float

    @property
    def seasonal(self) -> Floats:
        """All seasons together."""
        return sum((season.values for season in self.seasons), np.zeros(len(self.values)))


def decompose(values: Floats, periods: Sequence[int] = (), least_gain: float = LEAST_GAIN) -> Parts:
    """The parts of a series (n,), NaN where missing. Of `periods`, in moments, those count that `is_season` finds. At least four
    known moments; a constant series has no noise and no season."""
    values = np.asarray(values, np.float64)
    known = np.isfinite(values)
    values = np.where(known, values, np.nan)
    periods = sorted({int(p) for p in periods if p >= 2 and LEAST_CYCLES * p <= len(values)})
    found: list[int] = []
    weights = known.astype(np.float64)
    width = max(periods, default=0)
    flat = values - local_line(values, weights, _trend_window(len(values), width))
    for period in periods:
        if is_season(flat, period, least_gain):
            found.append(period)
            flat = flat - _season(flat, known.astype(np.float64), period)
    trend, seasons = _fit(values, weights, found)
    rest = values - trend - sum(seasons, np.zeros(len(values)))
    for _ in range(ROBUST):
        weights = known * _bisquare(rest)
        trend, seasons = _fit(values, weights, found)
        rest = values - trend - sum(seasons, np.zeros(len(values)))
    spread = float(np.nanvar(rest))
    told = tuple(
        Season(period, season, _strength(season, rest)) for period, season in zip(found, seasons, strict=True)
    )
    total = float(np.nanvar(values))
    lags = min(MOST_LAGS, len(values) // 2, max(40, 3 * max(found, default=len(values) // 12)))
    return Parts(
        values, trend, told, rest, _strength(trend, rest), min(1.0, spread / total) if total > 0 else 0.0,
        autocorrelation(values - trend, lags), 1.96 / np.sqrt(max(1, int(known.sum()))),
    )  # fmt: skip


def _fit(values: Floats, weights: Floats, periods: Sequence[int]) -> tuple[Floats, list[Floats]]:
    seasons = [np.zeros(len(values)) for _ in periods]
    # A moving average over whole cycles holds none of them: the seasons are cut off before the trend is known.
    window = _trend_window(len(values), max(periods, default=0))
    trend = local_line(values, weights, window)
    for _ in range(ROUNDS if periods else 1):
        for place, period in enumerate(periods):
            others = sum((s for n, s in enumerate(seasons) if n != place), np.zeros(len(values)))
            seasons[place] = _season(values - trend - others, weights, period)
        trend = local_line(values - sum(seasons, np.zeros(len(values))), weights, window)
    return trend, seasons


def _trend_window(length: int, period: int) -> int:
    """Moments to either side: STL's 1.5 periods / (1 - 1.5 / CYCLES) as a whole, or a tenth of a series without a season."""
    whole = 1.5 * period / (1 - 1.5 / (2 * CYCLES + 1)) if period else max(7.0, length / 10)
    return max(2, int(np.ceil(whole / 2)))


def _season(values: Floats, weights: Floats, period: int) -> Floats:
    """The local mean of the same phase in the cycles about each moment, without what is left of the trend in it."""
    length = len(values)
    cycles = -(-length // period)
    padded = np.full((2, cycles * period), np.nan)
    padded[0, :length], padded[1, :length] = values, weights
    table, weight = padded[0].reshape(cycles, period), np.nan_to_num(padded[1]).reshape(cycles, period)
    weight = np.where(np.isfinite(table), weight, 0.0)
    filled = np.where(weight > 0, table, 0.0)
    reach = min(CYCLES, cycles - 1)
    kernel = _tricube(reach)
    sums, totals = (_slide(part, kernel) for part in (filled * weight, weight))
    means = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 1e-12)
    season = means.ravel()[:length]
    ones = np.ones(length)
    return season - local_mean(season, ones, period)


def is_season(flat: Floats, period: int, least: float = LEAST_GAIN) -> bool:
    """Whether what the trend leaves (n,) has a pattern of this period: its phases' means over all other cycles tell at least
    `least` of the variance in a cycle, and more than after each of 99 shifts of every cycle by a step of its own, which keep
    all that the moments of one cycle have to do with each other."""
    flat = flat[-MOST_LOOKED_AT:]
    cycles = len(flat) // period
    if cycles < LEAST_CYCLES:
        return False
    table = flat[len(flat) - cycles * period :].reshape(cycles, period)
    gain = _explained(table)
    if not gain > least:
        return False
    rng = np.random.default_rng(0)
    phases = np.arange(period)
    for _ in range(SHUFFLES):
        moved = (phases + rng.integers(0, period, (cycles, 1))) % period
        if _explained(np.take_along_axis(table, moved, axis=1)) >= gain:
            return False
    return True


def _explained(table: Floats) -> float:
    """The share of the variance (cycles, period) that the phases' means over the other cycles explain."""
    known = np.isfinite(table)
    counts = known.sum(axis=0)
    filled = np.where(known, table, 0.0)
    others = (filled.sum(axis=0) - filled) / np.maximum(counts - known, 1)
    used = known & (counts > 1)
    if not used.any():
        return 0.0
    about = float(filled[used].mean())
    total = float(((filled - about)[used] ** 2).sum())
    return 1 - float(((filled - others)[used] ** 2).sum()) / total if total > 0 else 0.0


def autocorrelation(values: Floats, lags: int) -> Floats:
    """The correlation (lags,) of a series with itself 1, 2, ... moments later, over the pairs that are known; 0 where it is
    constant."""
    known = np.isfinite(values)
    if lags < 1 or known.sum() < 2:
        return np.zeros(max(0, lags))
    filled = np.where(known, values - values[known].mean(), 0.0)
    size = 1 << (2 * len(values) - 1).bit_length()
    products, pairs = (
        np.fft.irfft(np.abs(np.fft.rfft(part, size)) ** 2, size)[: lags + 1]
        for part in (filled, known.astype(np.float64))
    )
    about = products / np.maximum(np.round(pairs), 1)
    # By n and not by the pairs of a lag, as usual: else the last lags, of few pairs, go anywhere.
    share = np.round(pairs) / max(1.0, float(np.round(pairs[0])))
    return about[1:] * share[1:] / about[0] if about[0] > 0 else np.zeros(lags)


def peak(correlations: Floats, edge: float, least: int = 3) -> int | None:
    """The lag of the highest hill of an autocorrelation beyond its first valley, where that stands out; else None."""
    inner = np.arange(1, len(correlations) - 1)
    hills = inner[
        (correlations[inner] > correlations[inner - 1]) & (correlations[inner] >= correlations[inner + 1])
    ]
    below = np.flatnonzero(correlations < edge)
    hills = hills[(hills + 1 >= least) & (hills > (below[0] if len(below) else len(correlations)))]
    if not len(hills):
        return None
    best = int(hills[np.argmax(correlations[hills])])
    return best + 1 if correlations[best] > max(0.1, 2 * edge) else None


# --- smoothing ----------------------------------------------------------------------------------------------


def local_line(values: Floats, weights: Floats, reach: int) -> Floats:
    """A line fitted about each moment (n,) to those up to `reach` away, weighted by `weights` (0 or more) and, the nearer the
    more, by (1 - (distance / (reach + 1))^3)^3; its value there. Where there is no weight, the nearest value that has some."""
    values = np.where(np.isfinite(values), values, 0.0)
    reach = max(1, min(reach, len(values) - 1))
    offsets = np.arange(-reach, reach + 1, dtype=np.float64)
    kernel = _tricube(reach)
    shifted = values - (float(np.average(values, weights=weights)) if weights.sum() > 0 else 0.0)
    s0, s1, s2, t0, t1 = (
        _convolve(part, kernel * offsets**power)
        for part, power in (
            (weights, 0),
            (weights, 1),
            (weights, 2),
            (weights * shifted, 0),
            (weights * shifted, 1),
        )
    )
    bottom = s0 * s2 - s1**2
    sound = bottom > 1e-9 * np.maximum(s0 * s2, 1e-300)
    level = np.divide(t0, s0, out=np.zeros_like(t0), where=s0 > 1e-9)
    fitted = np.where(sound, (s2 * t0 - s1 * t1) / np.where(sound, bottom, 1.0), level)
    return _over_gaps(fitted, s0 > 1e-9) + (values - shifted)[0]


def local_mean(values: Floats, weights: Floats, width: int) -> Floats:
    """The mean of `width` moments about each; an even number of them counts the two ends half. Near the ends of the series the
    mean of the first, or last, whole window."""
    kernel = np.ones(width) if width % 2 else np.r_[0.5, np.ones(width - 1), 0.5]
    half = len(kernel) // 2
    sums, totals = (_convolve(part, kernel) for part in (values * weights, weights))
    means = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 1e-9)
    if len(values) > 2 * half:
        means[:half], means[len(values) - half :] = means[half], means[len(values) - half - 1]
    return means


def _tricube(reach: int) -> Floats:
    distance = np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    return (1 - distance**3) ** 3


def _convolve(values: Floats, kernel: Floats) -> Floats:
    """sum over d of kernel[d] * values[i + d], d from -reach to reach; by FFT where that is faster."""
    reach = len(kernel) // 2
    if len(kernel) <= 64:
        return np.convolve(values, kernel[::-1])[reach : reach + len(values)]
    size = 1 << (len(values) + len(kernel) - 2).bit_length()
    both = np.fft.rfft(values, size) * np.fft.rfft(kernel[::-1], size)
    return np.fft.irfft(both, size)[reach : reach + len(values)]


def _slide(table: Floats, kernel: Floats) -> Floats:
    """The same along the first axis of a table (cycles, period)."""
    reach = len(kernel) // 2
    padded = np.pad(table, ((reach, reach), (0, 0)))
    return sum(
        (weight * padded[place : place + len(table)] for place, weight in enumerate(kernel)),
        np.zeros_like(table),
    )


def _over_gaps(values: Floats, sound: npt.NDArray[np.bool_]) -> Floats:
    if sound.all() or not sound.any():
        return values
    places = np.arange(len(values))
    return np.interp(places, places[sound], values[sound])


def _bisquare(rest: Floats) -> Floats:
    distance = np.abs(rest)
    usual = float(np.nanmedian(distance)) if np.isfinite(distance).any() else 0.0
    if usual <= 0:
        return np.ones(len(rest))
    return np.clip(1 - (np.nan_to_num(distance) / (FAR * usual)) ** 2, 0, None) ** 2


def _strength(part: Floats, rest: Floats) -> float:
    together = float(np.nanvar(part + rest))
    return float(np.clip(1 - np.nanvar(rest) / together, 0, 1)) if together > 0 else 0.0
