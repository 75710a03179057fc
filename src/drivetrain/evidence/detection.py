"""What these data could have shown: power, the smallest effect that would have been seen, and the opposite claim."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from drivetrain.arguments import public
from drivetrain.errors import UsageError
from drivetrain.evidence.normal import STANDARD, two_sided
from drivetrain.figures import percent, rough

Answer = Literal["there is something", "the opposite is refuted", "neither is refuted", "both are refuted"]


@public
def power(effect: float, se: float, alpha: float = 0.05) -> float:
    """How often an estimate with this standard error, of a true effect so large, has p below `alpha` (two-sided)."""
    if not se > 0:
        raise UsageError(f"a standard error of {se} leaves nothing to chance.", fix="Give one above 0.")
    z = STANDARD.inv_cdf(1 - alpha / 2)
    return STANDARD.cdf(effect / se - z) + STANDARD.cdf(-effect / se - z)


@public
def smallest_effect(se: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The true effect that would have been seen (p below `alpha`) so often. Smaller ones were likely to be missed."""
    return (STANDARD.inv_cdf(1 - alpha / 2) + STANDARD.inv_cdf(power)) * se


@public
def size_for(
    effect: float, spread: float, power: float = 0.8, alpha: float = 0.05, share: float | None = 0.5
) -> int:
    """How many rows, of all groups together, see a true effect so often: a difference of two means with this standard deviation
    of the outcome, where a `share` is treated; None: the mean of one group. Of shares near p, spread is sqrt(p (1 - p))."""
    if not effect or not spread > 0:
        raise UsageError(f"no size sees an effect of {effect} in an outcome that varies by {spread}.")
    if share is not None and not 0 < share < 1:
        raise UsageError(f"a share of {share} is treated: there is nobody to compare with.")
    apart = 1.0 if share is None else share * (1 - share)
    return math.ceil((smallest_effect(1.0, power, alpha) * spread / effect) ** 2 / apart)


@dataclass(frozen=True, slots=True)
class Opposite:
    """Two claims held against the same estimate: that there is nothing, and that the effect is `opposite`.

    `p_nothing` and `p_opposite`: how often each claim gives an estimate as far from it. `power`: how often these data show
    (p < 0.05) an effect of `opposite`. `smallest`: what they would have shown in 80 %. `ratio`: how many times likelier the
    estimate is under `opposite` than under nothing.
    """

    value: float
    se: float
    opposite: float
    p_nothing: float
    p_opposite: float
    power: float
    smallest: float
    ratio: float
    alpha: float

    @property
    def answer(self) -> Answer:
        nothing, opposite = self.p_nothing < self.alpha, self.p_opposite < self.alpha
        if nothing and opposite:
            return "both are refuted"
        if nothing:
            return "there is something"
        return "the opposite is refuted" if opposite else "neither is refuted"

    @property
    def words(self) -> str:
        opposite = rough(self.opposite)
        said = {
            "there is something": f"The data refute that there is nothing, and agree with {opposite}",
            "the opposite is refuted": f"The data refute {opposite}, and agree with there being nothing",
            "both are refuted": f"The data refute both nothing and {opposite}",
            "neither is refuted": f"The data agree with nothing and with {opposite}: they can't tell them apart",
        }[self.answer]
        against = f"against nothing p {self.p_nothing:.2g}, against {opposite} p {self.p_opposite:.2g}"
        seen = f"Of an effect of {opposite} they would show p < {self.alpha:g} in {percent(self.power, 0)}"
        missed = f"below {rough(self.smallest)} they would often miss it"
        return f"{said} ({rough(self.value)}; {against}). {seen}; {missed}."

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value, "se": self.se, "opposite": self.opposite, "p_nothing": self.p_nothing,
            "p_opposite": self.p_opposite, "power": self.power, "smallest": self.smallest,
            "ratio": None if math.isinf(self.ratio) else self.ratio, "alpha": self.alpha, "answer": self.answer,
            "words": self.words,
        }  # fmt: skip


@public
def could_have_shown(value: float, se: float, opposite: float, alpha: float = 0.05) -> Opposite:
    """Could these data have shown the opposite? `opposite` is the effect that somebody claims, or the smallest that matters."""
    chances = power(opposite, se, alpha)
    log_ratio = (value**2 - (value - opposite) ** 2) / (2 * se**2)
    return Opposite(
        value, se, opposite, float(two_sided(value / se)), float(two_sided((value - opposite) / se)), chances,
        smallest_effect(se, alpha=alpha), math.exp(log_ratio) if log_ratio < 700 else math.inf, alpha,
    )  # fmt: skip
