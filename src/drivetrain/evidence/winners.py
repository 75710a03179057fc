"""The winner's curse: the best of several estimates is too good, for it was also chosen for its luck.

Two ways out, and both are used. The value comes of *data fission* (Leiner, Duan, Wasserman and Ramdas, 2023, JASA;
for Gaussian estimates Oliveira, Lei and Tibshirani, 2021, "coupled bootstrap"): noise is added to the estimates to choose by,
and subtracted to measure by, which makes the two independent; averaged over many noises. It has no bias for the value
of choosing so, whatever the true effects are. The interval is the hybrid one of Andrews, Kitagawa and McCloskey (2024,
Inference on Winners, Quarterly Journal of Economics 139:305-358): conditional on who won, and cut to one that holds for all
options at once; or that one alone, where options are much alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import DataError
from drivetrain.evidence.given import Column, array
from drivetrain.evidence.normal import log_below, z_of
from drivetrain.evidence.words import with_interval
from drivetrain.figures import rough

Floats = npt.NDArray[np.float64]

NOISE = 0.7
"""Standard deviations of the noise, in those of the estimates: of less the value would vary more, with more the choice
would be another one more often (bench/evidence.py has both)."""
SPLITS = 4_000
DRAWS = 20_000
SURE_OF_ALL = 0.1
"""The share of the risk of error that is spent on the interval for all options."""
FEW = 3
"""Where options are so much alike that an interval for all of them is as wide as one for so many unlike ones, it is taken: of two
prices a cent apart, which of them won tells much, and conditioning on it would throw that away."""


@dataclass(frozen=True, slots=True)
class Winner:
    """The best of `options`, at `place`: what it was estimated at (`naive`), and `value`, `low` to `high`, after what being
    chosen adds."""

    place: int
    naive: float
    value: float
    low: float
    high: float
    confidence: float
    options: int

    @property
    def words(self) -> str:
        told = with_interval(self.value, self.low, self.high)
        if self.options == 1:
            return f"{told}, of one option: nothing was chosen"
        return f"{told} after what being the best of {self.options:,} adds by luck; taken at its word {rough(self.naive)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "place": self.place, "naive": self.naive, "value": self.value, "low": self.low, "high": self.high,
            "confidence": self.confidence, "options": self.options, "words": self.words,
        }  # fmt: skip


@public
def best_of(
    values: Column,
    errors: Column,
    *,
    higher: bool = True,
    confidence: float = 0.9,
    seed: int = 0,
) -> Winner:
    """The best of (K,) estimates. `errors` are their standard errors (K,), 0 for what is known, or their covariance (K, K).

    Options that share their error (prices on a grid, of one model) need the covariance: as though independent they would be
    corrected too much. Raises DataError for shapes that don't fit, NaN, and what is no covariance.
    """
    x = array(values, "the estimates")
    covariance, root = _covariance(x, array(errors, "the errors"))
    x = x if higher else -x
    place = int(x.argmax())
    z = z_of(confidence)
    variance = float(covariance[place, place])
    naive = float(x[place])
    if len(x) == 1 or not covariance.any():
        half = z * math.sqrt(variance)
        value, low, high = naive, naive - half, naive + half
    else:
        value = _fissioned(x, root, seed)
        low, high = _hybrid(x, covariance, root, place, 1 - confidence, seed)
        low, high = min(low, value), max(high, value)  # Wider only: it holds the truth no less often.
    if not higher:
        naive, value, low, high = -naive, -value, -high, -low
    return Winner(place, naive, value, low, high, confidence, len(x))


@public
def best_of_draws(draws: Column, *, higher: bool = True, confidence: float = 0.9, seed: int = 0) -> Winner:
    """The best of K options, each known by draws (D, K) of what is uncertain about it: a posterior of a flat prior, a bootstrap.

    Draws of the world's own chance don't belong here: average over them first. A posterior whose prior you believe has
    no curse: its mean is right whatever was chosen by it.
    """
    found = array(draws, "the draws")
    if found.ndim != 2 or len(found) < 2:
        raise DataError(f"draws of shape {found.shape} are not (draws, options) with two draws at least.")
    covariance = np.atleast_2d(np.cov(found, rowvar=False))
    return best_of(found.mean(axis=0), covariance, higher=higher, confidence=confidence, seed=seed)


def _covariance(x: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """The covariance (K, K), and a root of it (K, rank): root @ root.T."""
    if x.ndim != 1 or not len(x):
        raise DataError(f"estimates of shape {x.shape} are not a list with one for each option.")
    if errors.shape not in ((len(x),), (len(x), len(x))):
        raise DataError(
            f"errors of shape {errors.shape} don't fit {len(x):,} estimates.",
            fix=f"Give a standard error for each ({len(x)},) or their covariance ({len(x)}, {len(x)}).",
        )
    if not np.isfinite(x).all() or not np.isfinite(errors).all():
        raise DataError("the estimates or their errors hold NaN or infinity.", fix="Leave that option out.")
    if errors.ndim == 1:
        if (errors < 0).any():
            raise DataError("a standard error is below 0.")
        return np.diag(errors**2), np.diag(errors)
    values, vectors = np.linalg.eigh((errors + errors.T) / 2)
    if values[0] < -1e-8 * max(values[-1], 1e-300) or not np.allclose(errors, errors.T, rtol=1e-6):
        raise DataError("the errors are no covariance: not symmetric, or with a negative variance.")
    kept = values > 1e-12 * values[-1]
    return errors, vectors[:, kept] * np.sqrt(values[kept])


def _normals(root: Floats, times: int, seed: int) -> Floats:
    """(times, K) draws of the estimates' errors, and as many of their opposites."""
    drawn = np.random.default_rng(seed).standard_normal((times // 2, root.shape[1])) @ root.T
    return np.concatenate([drawn, -drawn])


def _fissioned(x: Floats, root: Floats, seed: int) -> float:
    total, step = 0.0, max(2, 2 * (2**22 // len(x) // 2))
    for start in range(0, SPLITS, step):
        noise = _normals(root, min(step, SPLITS - start), seed + start)
        chosen = (x + NOISE * noise).argmax(axis=1)
        total += float((x - noise / NOISE)[np.arange(len(noise)), chosen].sum())
    return total / SPLITS


def _hybrid(
    x: Floats, covariance: Floats, root: Floats, place: int, risk: float, seed: int
) -> tuple[float, float]:
    """The hybrid interval of the winner's true value, which misses it with at most the given risk."""
    sd = math.sqrt(covariance[place, place])
    if sd == 0:
        return float(x[place]), float(x[place])
    of_all = _simultaneous(covariance, root, risk, seed)
    if len(x) > FEW and of_all <= z_of(
        (1 - risk) ** (1 / FEW)
    ):  # Decided by the covariance alone, not by who won.
        return float(x[place]) - of_all * sd, float(x[place]) + of_all * sd
    spent = SURE_OF_ALL * risk
    reach = _simultaneous(covariance, root, spent, seed) * sd
    shared = covariance[:, place] / sd**2
    rest = x - shared * x[place]
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = rest / (1 - shared)
    near = 1e-9
    low = float(bounds[shared < 1 - near].max(initial=-math.inf))
    high = float(bounds[shared > 1 + near].min(initial=math.inf))
    tail = (risk - spent) / (1 - spent) / 2
    ends = [_where(float(x[place]), sd, low, high, reach, wanted) for wanted in (1 - tail, tail)]
    return ends[0], ends[1]


def _where(y: float, sd: float, low: float, high: float, reach: float, wanted: float) -> float:
    """The mean of a normal, cut to [low, high] and to `reach` about itself, that leaves `wanted` of its mass below y."""
    least, most = y - reach, y + reach
    for _ in range(60):
        mean = (least + most) / 2
        a, b = max(low, mean - reach), min(high, mean + reach)
        if _below((y - mean) / sd, (a - mean) / sd, (b - mean) / sd) > wanted:
            least = mean
        else:
            most = mean
    return (least + most) / 2


def _below(y: float, a: float, b: float) -> float:
    """The mass below y of a standard normal cut to [a, b]; in logarithms, for the ends may be far out."""
    if y <= a or y >= b:
        return 0.0 if y <= a else 1.0
    if a > 0:  # Mirrored: there the logarithms keep their digits.
        return 1 - _below(-y, -b, -a)
    start, here, end = (log_below(z) for z in (a, y, b))
    return float(math.exp(here - end) * -math.expm1(start - here) / -math.expm1(start - end))


def _simultaneous(covariance: Floats, root: Floats, risk: float, seed: int) -> float:
    """So many standard errors from the estimate of no option is its true value, but with this risk."""
    sd = np.sqrt(np.diag(covariance))
    known = sd > 0
    k = int(known.sum())
    independent = z_of((1 - risk) ** (1 / k))  # Sidak (1967): exact for a diagonal, enough for any other.
    if k * DRAWS > 2**25 or not (covariance - np.diag(sd**2)).any():
        return independent
    farthest = np.empty(DRAWS)
    step = max(2, 2 * (2**22 // k // 2))
    for start in range(0, DRAWS, step):
        drawn = _normals(root[known] / sd[known, None], min(step, DRAWS - start), seed + 1 + start)
        farthest[start : start + len(drawn)] = np.abs(drawn).max(axis=1)
    return min(independent, float(np.quantile(farthest, 1 - risk)))
