"""Whom to treat, at a gain and a cost, and what that is worth beside treating all, none, or as many by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.uplift.learners import Judged
from drivetrain.errors import UsageError
from drivetrain.figures import number, percent, rough
from drivetrain.metrics.estimate import Estimate, Statistic

Floats = npt.NDArray[np.float64]
Verdict = Literal["treat these", "treat all", "treat none", "test first"]


@dataclass(frozen=True, slots=True, eq=False)
class Whom:
    """`treat` (m,) says which of the rows asked about to treat, as the `verdict` has it: those with an `effect` (m,) above
    `threshold`, all, or none (nor any before a test, where that is the verdict).

    `value` is what the rule of the threshold, by which `share` of those rows would be treated, is worth a row of all, in units
    of gain less cost, against treating nobody; `beside` holds by how much it is better than treating "all", as many "by chance",
    and as many of those "most likely anyway" (with the highest outcome without treatment). All are measured on rows that were
    judged by what was learned from others before; intervals are 95 %.
    """

    treat: npt.NDArray[np.bool_]
    effect: Floats
    threshold: float
    share: float
    value: Estimate
    beside: dict[str, Estimate]
    verdict: Verdict
    words: str

    def to_json(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold, "share": self.share, "treated": int(self.treat.sum()), "rows": len(self.treat),
            "value": self.value.to_json(), "beside": {name: each.to_json() for name, each in self.beside.items()},
            "verdict": self.verdict, "words": self.words,
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{self.verdict}: {self.words}",
            f"to treat: {int(self.treat.sum()):,} of {len(self.treat):,} rows",
            f"the rule (an effect from {rough(self.threshold)} on: {percent(self.share, 0)}), a row of all: {told(self.value)}",
            *(f"  more than {_NAMES[name]}: {told(each)}" for name, each in self.beside.items()),
        ]
        return "\n".join(lines)


_NAMES = {
    "all": "treating all",
    "by chance": "treating as many by chance",
    "most likely anyway": "treating as many with the highest outcome anyway",
}


def least_effect(gain: float, cost: float) -> float:
    """The effect above which a treatment pays. Raises UsageError for a gain or a cost that can't be meant."""
    if not (np.isfinite([gain, cost]).all() and gain != 0):
        raise UsageError(
            f"a gain of {gain} for each unit of the outcome can't be weighed against a cost of {cost}."
        )
    if gain < 0:
        raise UsageError(
            "the gain is below 0: the outcome is bad.",
            fix="Turn the outcome round (1 - outcome), so that more of it is better.",
        )
    return cost / gain


def affordable(budget: float | None, cost: float, rows: int) -> int:
    """How many of so many rows a budget pays for."""
    if budget is None:
        return rows
    if not (cost > 0 and budget >= 0):
        raise UsageError(
            f"a budget of {budget} at a cost of {cost} a row says nothing about how many to treat.",
            fix="Give a cost above 0 and a budget of at least 0, in the same units.",
        )
    return min(rows, int(min(budget / cost * (1 + 1e-12), 1e18)))


def weigh(
    effect: Floats,
    gain: float,
    cost: float,
    budget: float | None,
    judged: Judged,
    cluster: npt.NDArray[Any] | None,
    *,
    seed: int = 0,
) -> Whom:
    """`effect` (m,) is of the rows asked about; `judged` are rows that tell what treating such is worth, with their `cluster`."""
    least = least_effect(gain, cost)
    most = affordable(budget, cost, len(effect))
    above = effect > least
    limited = bool(above.sum() > most)
    if limited:
        first = np.argsort(-effect, kind="stable")[:most]
        above = np.zeros(len(effect), bool)
        above[first] = True
    # What was learned from fewer rows predicts effects that differ more: of a budget it is the share that carries over.
    chosen = judged.rank > 1 - above.mean() if limited else judged.effect > least
    threshold = float(effect[above].min()) if limited and above.any() else least
    worth = gain * judged.scores - cost
    share = float(chosen.mean())
    likely = np.zeros(len(chosen), bool)
    likely[np.argsort(-judged.expected.without, kind="stable")[: int(chosen.sum())]] = True

    def mean(each: Floats) -> Estimate:
        return Statistic.mean_of(each).drawn_by(cluster).estimate(seed)

    value, everyone = mean(chosen * worth), mean(worth)
    by_chance = mean(share * worth)
    beside = {
        **({} if limited else {"all": mean((chosen - 1.0) * worth)}),
        "by chance": mean((chosen - share) * worth),
        "most likely anyway": mean((1.0 * chosen - likely) * worth),
    }
    instead = beside["by chance"] if limited else beside["all"]
    verdict, words = _judged(value, instead, by_chance if limited else everyone, share, limited)
    treat = above if verdict == "treat these" else np.full(len(above), verdict == "treat all")
    return Whom(treat, effect, threshold, float(above.mean()), value, beside, verdict, words)


def _judged(
    value: Estimate, better: Estimate, plain: Estimate, share: float, limited: bool
) -> tuple[Verdict, str]:
    """`plain` is what treating without looking is worth, all or as many; `better` by how much the rule beats that."""
    blind = "treating as many by chance" if limited else "treating all"
    if value.low > 0 and better.low > 0:
        return "treat these", (
            f"treating {percent(share, 0)} by their effect is worth {told(value)} a row of all, {told(better)} more than {blind}."
        )
    if plain.low > 0:
        much = f"{blind} is worth {told(plain)} a row"
        if limited:
            return (
                "treat these",
                f"{much}; that the effects choose better than chance isn't shown ({told(better)}).",
            )
        return "treat all", f"{much}; that leaving some out is better isn't shown ({told(better)})."
    if value.low > 0:
        return "treat these", (
            f"treating {percent(share, 0)} by their effect is worth {told(value)} a row of all; "
            f"whether it beats {blind} isn't shown ({told(better)})."
        )
    if plain.high < 0 and value.value <= 0:
        return "treat none", (
            f"{blind} loses {told(Estimate(-plain.value, -plain.high, -plain.low, plain.method, plain.n))} a row, "
            f"and that anybody is worth treating isn't shown ({told(value)})."
        )
    return (
        "test first",
        f"neither treating these ({told(value)} a row) nor {blind} ({told(plain)}) is shown to pay.",
    )


def told(estimate: Estimate) -> str:
    """A value with its interval."""
    if np.isnan(estimate.low):
        return f"{number(estimate.value)} (how sure is not known)"
    return f"{rough(estimate.value)} ({rough(estimate.low)} to {rough(estimate.high)})"
