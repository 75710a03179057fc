"""Whom to treat, at a gain and a cost, and what that is worth beside treating all, none, or as many by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.uplift.learners import Judged
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import number, percent, rough
from drivetrain.metrics.estimate import Estimate, Statistic
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]
Verdict = Literal["treat these", "treat all", "treat none", "test first"]


@dataclass(frozen=True, slots=True, eq=False)
class Whom:
    """`treat` (m,) says which of the rows asked about to treat, as the `verdict` has it: those whose `effect` (m,) is worth more
    than its cost, as far as the budget reaches; all; or none (nor any before a test, where that is the verdict).

    `least` is the smallest effect of the first, NaN where there are none, and `share` how many these are. `value` is what
    treating them is worth a row of all, in units of gain less cost, against treating nobody; `beside` holds by how much it is
    better than treating "all", as many "by chance", and as many of those "most likely anyway" (with the highest outcome without
    treatment). All are measured on rows that were judged by what was learned from others before; intervals are 95 %.
    """

    treat: npt.NDArray[np.bool_]
    effect: Floats
    least: float
    share: float
    value: Estimate
    beside: dict[str, Estimate]
    verdict: Verdict
    words: str

    def to_json(self) -> dict[str, Any]:
        return {
            "least": None if np.isnan(self.least) else self.least, "share": self.share,
            "treated": int(self.treat.sum()), "rows": len(self.treat),
            "value": self.value.to_json(), "beside": {name: each.to_json() for name, each in self.beside.items()},
            "verdict": self.verdict, "words": self.words,
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{self.verdict}: {self.words}",
            f"to treat: {int(self.treat.sum()):,} of {len(self.treat):,} rows",
            f"treating the {percent(self.share, 0)} that pay, a row of all: {told(self.value)}",
            *(f"  more than {_NAMES[name]}: {told(each)}" for name, each in self.beside.items()),
        ]
        return "\n".join(lines)


_NAMES = {
    "all": "treating all",
    "by chance": "treating as many by chance",
    "most likely anyway": "treating as many with the highest outcome anyway",
}


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """For each row (m,) what one more of the outcome is worth, and what a treatment costs."""

    gain: Floats
    cost: Floats

    @classmethod
    def of(cls, rows: Columns, gain: float | str, cost: float | str) -> Prices:
        """A number for all rows, or the column that holds it. Raises UsageError and DataError for what can't be meant."""
        found = cls(_price(rows, gain, "gain"), _price(rows, cost, "cost"))
        if (found.gain < 0).any() or not found.gain.any():
            raise UsageError(
                "a gain below 0 or of nothing can't be weighed against a cost.",
                fix="Where the outcome is bad, turn it round (1 - outcome), so that more of it is better.",
            )
        return found

    def take(self, rows: npt.NDArray[np.int64]) -> Prices:
        return Prices(self.gain[rows], self.cost[rows])

    def worth(self, effect: Floats) -> Floats:
        """(m,) what treating is worth, at such effects."""
        return self.gain * effect - self.cost

    def chosen(self, effect: Floats, budget: float | None) -> tuple[npt.NDArray[np.bool_], bool]:
        """(m,) whom to treat, and whether the budget leaves somebody out who would be worth it. It goes first to those who bring
        most for their cost."""
        pays = self.worth(effect) > 0
        if budget is None:
            return pays, False
        if not (self.cost > 0).all() or not budget >= 0:
            raise UsageError(
                f"a budget of {budget} and costs from {self.cost.min():g} on say nothing about how many to treat.",
                fix="Give costs above 0 and a budget of at least 0, in the same units.",
            )
        order = np.argsort(-self.gain * effect / self.cost, kind="stable")
        order = order[pays[order]]
        found = np.zeros(len(pays), bool)
        found[order[np.cumsum(self.cost[order]) <= budget * (1 + 1e-12)]] = True
        return found, bool(found.sum() < pays.sum())


def _price(rows: Columns, given: float | str, what: str) -> Floats:
    value = rows.of(given) if isinstance(given, str) else np.full(rows.rows, float(given))
    if isinstance(given, str) and given in rows.levels:
        raise DataError(f"{what}: {given!r} holds texts.", where=rows.source or "data")
    if not np.isfinite(value).all():
        row = int(np.argmin(np.isfinite(value)))
        raise DataError(f"a {what} of {value[row]:g} can't be weighed.", where=f"row {row + 1}")
    return value


def weigh(
    effect: Floats,
    prices: Prices,
    budget: float | None,
    judged: Judged,
    judged_prices: Prices,
    cluster: npt.NDArray[Any] | None,
    *,
    seed: int = 0,
) -> Whom:
    """`effect` and `prices` (m,) are of the rows asked about; `judged` are rows that tell what treating such is worth, with
    prices and `cluster` of their own."""
    picked, limited = prices.chosen(effect, budget)
    if limited:
        # What was learned from fewer rows predicts effects that differ more: of a budget it is the share that carries over.
        chosen = judged.rank(judged_prices.gain * judged.effect / judged_prices.cost) > 1 - picked.mean()
    else:
        chosen, _ = judged_prices.chosen(judged.effect, None)
    worth = judged_prices.worth(judged.scores)
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
    treat = picked if verdict == "treat these" else np.full(len(picked), verdict == "treat all")
    least = float(effect[picked].min()) if picked.any() else float("nan")
    return Whom(treat, effect, least, float(picked.mean()), value, beside, verdict, words)


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
