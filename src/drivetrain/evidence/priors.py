"""What was thought before, what the data say, and what to think after; and how much the first of them matters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.arguments import public
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.normal import STANDARD
from drivetrain.evidence.words import with_interval
from drivetrain.extras import require
from drivetrain.figures import percent, rough


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """A share between 0 and 1 that is known as Beta(a, b)."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def sd(self) -> float:
        total = self.a + self.b
        return math.sqrt(self.a * self.b / (total * total * (total + 1)))

    def above(self, threshold: float) -> float:
        """The chance that the share is above a threshold. Raises NotInstalled."""
        require("scipy", "a beta distribution", "decide")
        from scipy.special import betainc  # pyright: ignore[reportMissingTypeStubs]

        return float(betainc(self.b, self.a, 1 - min(1.0, max(0.0, threshold))))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The central interval that holds it with this chance. Raises NotInstalled."""
        require("scipy", "a beta distribution", "decide")
        from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs]

        low, high = (
            float(betaincinv(self.a, self.b, x)) for x in ((1 - confidence) / 2, (1 + confidence) / 2)
        )
        return low, high

    @property
    def words(self) -> str:
        return f"{with_interval(self.mean, *self.interval())}, Beta({rough(self.a)}, {rough(self.b)})"

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval()
        return {
            "a": self.a,
            "b": self.b,
            "mean": self.mean,
            "sd": self.sd,
            "low": low,
            "high": high,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class NormalPosterior:
    """A number that is known as Normal(mean, sd^2)."""

    mean: float
    sd: float

    def above(self, threshold: float) -> float:
        """The chance that it is above a threshold."""
        return STANDARD.cdf((self.mean - threshold) / self.sd)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The central interval that holds it with this chance."""
        half = STANDARD.inv_cdf((1 + confidence) / 2) * self.sd
        return self.mean - half, self.mean + half

    @property
    def words(self) -> str:
        return with_interval(self.mean, *self.interval())

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval()
        return {"mean": self.mean, "sd": self.sd, "low": low, "high": high, "words": self.words}


@public
def beta_binomial(successes: int, n: int, prior: tuple[float, float] = (1, 1)) -> BetaPosterior:
    """A share after `successes` of `n`, where Beta(*prior) was thought before: (1, 1) that all shares are as likely. Raises
    DataError."""
    if not 0 <= successes <= n:
        raise DataError(f"{successes:,} successes of {n:,} can't be.")
    if min(prior) <= 0:
        raise UsageError(f"Beta{tuple(prior)} is no prior.", fix="Both of its numbers are above 0.")
    return BetaPosterior(prior[0] + successes, prior[1] + n - successes)


@public
def normal_normal(value: float, se: float, prior: tuple[float, float]) -> NormalPosterior:
    """A number after an estimate with a standard error, where Normal(mean, sd^2) was thought before: the two are averaged, each
    by one over its variance. An infinite sd is no opinion: the posterior is then the estimate. Raises UsageError."""
    mean, sd = prior
    if not math.isfinite(value + mean):
        raise UsageError(f"an estimate of {value} and a prior about {mean} are no numbers.")
    if not (sd > 0 and se > 0):
        raise UsageError(f"standard deviations of {sd} and {se} are not above 0.")
    weight = 1 / (1 + (se / sd) ** 2)
    return NormalPosterior(mean + weight * (value - mean), se * math.sqrt(weight))


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The posterior under each prior, and the chance above `threshold`. `sceptic` is the sd of the prior about the threshold that
    would leave this chance (or its opposite) just below `sure`: whoever thought effects smaller than that beforehand isn't
    convinced. None: the data alone don't convince, whatever was thought."""

    posteriors: Mapping[str, NormalPosterior]
    threshold: float
    above: Mapping[str, float]
    sceptic: float | None
    sure: float

    @property
    def words(self) -> str:
        chances = f"{percent(min(self.above.values()))} to {percent(max(self.above.values()))}"
        told = f"above {rough(self.threshold)} with a chance of {chances}, by what was thought before"
        sure = percent(self.sure, 0)
        if self.sceptic is None:
            return f"{told}; the data alone don't make it {sure}"
        away = "nothing" if self.threshold == 0 else rough(self.threshold)
        reach = rough(STANDARD.inv_cdf(0.975) * self.sceptic)
        return f"{told}; who expected it within {reach} of {away} beforehand (95 %) is not yet {sure} sure"

    def to_json(self) -> dict[str, Any]:
        return {
            "posteriors": {name: {**each.to_json(), "above": self.above[name]} for name, each in self.posteriors.items()},
            "threshold": self.threshold, "sceptic": self.sceptic, "sure": self.sure, "words": self.words,
        }  # fmt: skip


@public
def prior_sensitivity(
    value: float,
    se: float,
    priors: Mapping[str, tuple[float, float]],
    *,
    threshold: float = 0.0,
    sure: float = 0.95,
) -> Sensitivity:
    """The posterior under each of {name: (mean, sd)}, and how sceptical one must have been not to be convinced.

    The last is the analysis of credibility of Matthews (2001), Journal of Statistical Planning and Inference 94:43-58.
    """
    if not priors:
        raise UsageError("there is no prior to try.", fix="Give {name: (mean, sd)}.")
    found = {name: normal_normal(value, se, prior) for name, prior in priors.items()}
    z, wanted = abs(value - threshold) / se, STANDARD.inv_cdf(sure)
    # With a prior sd s about the threshold the posterior is z sqrt(w) standard deviations from it, w = s^2 / (s^2 + se^2).
    weight = (wanted / z) ** 2 if z else math.inf
    sceptic = se * math.sqrt(weight / (1 - weight)) if weight < 1 else None
    return Sensitivity(
        found, threshold, {name: each.above(threshold) for name, each in found.items()}, sceptic, sure
    )
