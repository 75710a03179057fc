"""What it is worth to know more before deciding: the truth (perfect information), or a sample of so many (sample information).

Raiffa and Schlaifer (1961), Applied Statistical Decision Theory. All values are in the unit of what is decided about, for one
decision; times how many it is made for.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.given import Column, array
from drivetrain.evidence.normal import excess
from drivetrain.extras import require
from drivetrain.figures import rough

Floats = npt.NDArray[np.float64]

DEGREE = 3
TERMS = 60
POINTS = 60


@public
def evpi_normal(mean: float, sd: float, threshold: float = 0.0) -> float:
    """What it is worth to know an effect that is thought of as Normal(mean, sd^2), where one acts if it is above `threshold`
    and gains what it is above."""
    return excess(mean, sd, threshold) - max(mean - threshold, 0.0)


@public
def evsi_normal(mean: float, sd: float, noise: float, n: float, threshold: float = 0.0) -> float:
    """The same of n observations of the effect, each off by Normal(0, noise^2).

    Beforehand the posterior's mean is Normal(mean, s^2) with s = sd^2 / sqrt(sd^2 + noise^2 / n).
    """
    if sd < 0 or noise < 0 or n < 0:
        raise UsageError(f"standard deviations of {sd} and {noise} and {n} observations can't be below 0.")
    if n == 0 or sd == 0:
        return 0.0
    return evpi_normal(mean, sd**2 / math.sqrt(sd**2 + noise**2 / n), threshold)


@public
def evsi_binomial(prior: tuple[float, float], n: int, intercept: float, slope: float) -> float:
    """What n trials are worth that tell of a share thought of as Beta(*prior), where acting is worth intercept + slope * share and
    not acting nothing. Exact: a sum over all outcomes. Raises NotInstalled."""
    if min(prior) <= 0 or n < 0:
        raise UsageError(f"Beta{tuple(prior)} and {n} trials can't be.")
    require("scipy", "a beta distribution", "decide")
    from scipy.special import betaln, gammaln  # pyright: ignore[reportMissingTypeStubs]

    a, b = prior
    k = np.arange(n + 1)
    chosen = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    chances: Floats = np.exp(chosen + betaln(a + k, b + n - k) - betaln(a, b))
    after = np.maximum(0.0, intercept + slope * (a + k) / (a + b + n))
    return float(chances @ after) - max(0.0, intercept + slope * a / (a + b))


@public
def evpi(draws: Column) -> float:
    """What it is worth to know which of D worlds this is, from what each of A options is worth in each: (D, A)."""
    worth = _worth(draws)
    return float(worth.max(axis=1).mean() - worth.mean(axis=0).max())


@public
def evsi(draws: Column, summaries: Column) -> float:
    """What it is worth to see `summaries` (D,) or (D, k) before choosing: of each world, what the data of an experiment in it
    would be summed up to (then it is that of the sample), or some of its parameters (then of knowing these, EVPPI).

    By regression of each option's worth on a cubic of the summaries (Strong, Oakley, Brennan and Breeze, 2015, Medical
    Decision Making 35:570-583): no simulation within the simulation. Ten worlds for each term at least, or DataError.
    """
    worth, z = _worth(draws), array(summaries, "the summaries")
    z = z[:, None] if z.ndim == 1 else z
    if z.shape[:1] != worth.shape[:1] or z.ndim != 2 or not np.isfinite(z).all():
        raise DataError(f"summaries of shape {z.shape} don't fit {len(worth):,} worlds, or hold NaN.")
    spread = z.std(axis=0)
    z = (z[:, spread > 0] - z[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    powers = [
        chosen for degree in range(DEGREE + 1)
        for chosen in itertools.combinations_with_replacement(range(z.shape[1]), degree)
    ]  # fmt: skip
    if len(powers) > min(TERMS, len(worth) // 10):
        raise DataError(
            f"{z.shape[1]} summaries make {len(powers)} terms, too many for {len(worth):,} worlds.",
            fix="Sum the data up in fewer numbers, or draw more worlds.",
        )
    terms = np.stack([z[:, list(chosen)].prod(axis=1) for chosen in powers], axis=1)
    fitted = terms @ np.linalg.lstsq(terms, worth - worth[:, :1], rcond=None)[0]
    return max(0.0, float(fitted.max(axis=1).mean() - fitted.mean(axis=0).max()))


def _worth(draws: Column) -> Floats:
    worth = array(draws, "the draws")
    if worth.ndim != 2 or worth.shape[1] < 2 or not np.isfinite(worth).all():
        raise DataError(
            f"draws of shape {worth.shape} are not (worlds, options) without NaN, two options at least."
        )
    return worth


@dataclass(frozen=True, slots=True)
class Worth:
    """Whether another experiment is worth its cost: the best size `n` (0: none), what it tells is worth (`sample`), what it
    costs, and `net`, the difference. `perfect`: what knowing the truth would be worth; no experiment is worth more.
    `curve`: sizes, and what each is worth and nets."""

    n: int
    sample: float
    cost: float
    net: float
    perfect: float
    act_now: bool
    curve: dict[str, list[float]]
    unit: str = ""

    @property
    def worth_it(self) -> bool:
        return self.n > 0

    @property
    def words(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        today = "to act" if self.act_now else "not to act"
        now = f"Today's choice is {today}; to know the truth would be worth {rough(self.perfect)}{unit}."
        if not self.worth_it:
            return f"No: no experiment is worth its cost. {now}"
        return (
            f"Yes: with n = {self.n:,} it tells what is worth {rough(self.sample)}{unit} and costs {rough(self.cost)}{unit}, "
            f"which leaves {rough(self.net)}{unit}. {now}"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "worth_it": self.worth_it, "n": self.n, "sample": self.sample, "cost": self.cost, "net": self.net,
            "perfect": self.perfect, "act_now": self.act_now, "curve": self.curve, "unit": self.unit, "words": self.words,
        }  # fmt: skip


@public
def worth_it(
    mean: float,
    sd: float,
    noise: float,
    *,
    scale: float,
    cost: float = 0.0,
    cost_each: float = 0.0,
    threshold: float = 0.0,
    share: float | None = None,
    most: int = 1_000_000,
    unit: str = "",
) -> Worth:
    """Is another experiment worth its cost, and of what size?

    The effect of acting once is thought of as Normal(mean, sd^2); acting pays where it is above `threshold`, and is done
    `scale` times. An experiment of n costs cost + cost_each * n, and tells the effect give or take noise / sqrt(n): of a test
    with half treated, `noise` is twice the standard deviation of the outcome. Up to `most` observations.

    With `share` the experiment is made on n of those `scale` themselves, of which that share is acted on: they get what they
    get meanwhile, and only the rest gets what was learned (the test and roll of Feit and Berman, 2019, Journal of Marketing
    Research 56:1038-1058). Without, it is made apart from them. Raises UsageError.
    """
    if not (scale > 0 and sd >= 0 and noise > 0 and cost >= 0 and cost_each >= 0 and most >= 1):
        raise UsageError("scale and noise are above 0, sd and the costs 0 at least, and most is 1 at least.")
    if share is not None and not 0 < share < 1:
        raise UsageError(
            f"a share of {share} is acted on: there is nothing to compare.", fix="Give one between 0 and 1."
        )
    most = most if share is None else max(1, min(most, int(scale)))
    ahead = mean - threshold
    meanwhile = 0.0 if share is None else max(ahead, 0.0) - share * ahead

    def told(n: float) -> tuple[float, float]:
        left = scale if share is None else scale - n
        sample = left * evsi_normal(mean, sd, noise, n, threshold)
        return sample, sample - cost - (cost_each + meanwhile) * n

    sizes = np.unique(np.geomspace(1, most, POINTS).round().astype(int))
    found = [told(n) for n in sizes.tolist()]
    place = int(np.argmax([net for _, net in found]))
    low, high = (int(sizes[min(len(sizes) - 1, max(0, place + step))]) for step in (-1, 1))
    while high - low > 2:  # Thirds: about its best size the net worth rises, then falls.
        one, two = low + (high - low) // 3, high - (high - low) // 3
        low, high = (low, two) if told(one)[1] >= told(two)[1] else (one, high)
    n = max(range(low, high + 1), key=lambda size: told(size)[1])
    sample, net = told(n)
    curve = {
        "n": [float(size) for size in sizes], "sample": [each[0] for each in found], "net": [each[1] for each in found]
    }  # fmt: skip
    perfect = scale * evpi_normal(mean, sd, threshold)
    if net <= 0:
        n, sample, net = 0, 0.0, 0.0
    return Worth(n, sample, sample - net, net, perfect, mean > threshold, curve, unit)
