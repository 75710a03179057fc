"""Claim: learned from rows, a price is right and its promise holds as often as it says; where nothing is to gain, nothing is done.

200 runs of each (seeds 0 to 199), on simulated rows of which the truth is known:
- prices: 20,000 rows of a price drawn from 20 to 80 and whether they bought, with the chance sigmoid(4 - 0.1 price). The plan
  buys * (price - 20) is best at 40 with 10 a row. The price that the solver finds, its regret, and the 90 % interval.
- null: 2,000 rows of an outcome that the lever doesn't move. The verdict of `decide.decide`, now = 50.
- confounded: 1,000 rows, price = 10 + 2 U + e, demand = 100 - 3 price + 12 U + e. Without a claim, and called randomised, it must
  not be an effect; adjusted for U its 95 % interval must hold -3.
- intervals: how often the 95 % interval of an effect holds it, of a switch and of a number, randomised and adjusted.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from common import spread, write_result

from drivetrain import decide, effects
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of
from drivetrain.metrics.estimate import wilson

RUNS = 200


def chance(price: Any) -> Any:
    return 1 / (1 + np.exp(-(4 - 0.1 * price)))


def true_profit(price: float) -> float:
    return float((price - 20) * chance(price))


def learned(seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    price = rng.uniform(20, 80, 20_000)
    rows = {"price": price, "buys": (rng.random(20_000) < chance(price)) * 1.0}
    node = decide.learned(rows, outcome="buys", lever="price", claim="randomised")
    plan = decide.Plan(
        "buys * (price - 20)", {"price": decide.Lever("price", low=20, high=80)}, {"buys": node}, seed=seed
    )
    simulator = decide.Simulator(plan)
    found = float(solve(problem_of(simulator), seed=seed).levers["price"])
    low, high = np.quantile(simulator.simulate({"price": found}).objective[0], [0.05, 0.95])
    truth = true_profit(found)
    return {
        "price": found,
        "regret": 1 - truth / 10,
        "held": float(low <= truth <= high),
        "bends": node.response.bends,
    }


def null(seed: int) -> str:
    rng = np.random.default_rng(seed)
    rows = {"offer": rng.uniform(20, 80, 2000), "spent": rng.normal(10, 3, 2000)}
    node = decide.learned(rows, outcome="spent", lever="offer", claim="randomised")
    lever = decide.Lever("offer", low=20, high=80, now=50)
    return decide.decide(decide.Plan("spent", {"offer": lever}, {"spent": node}, seed=seed)).verdict.word


def confounded(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    u, e, f = rng.normal(size=(3, 1000))
    price = 10 + 2 * u + e
    rows = {"price": price, "demand": 100 - 3 * price + 12 * u + f, "season": u}

    def asked(claim: Any) -> effects.Effect:
        return effects.effect(rows, lever="price", outcome="demand", claim=claim, tries=0)

    plain, called, held = asked(None), asked("randomised"), asked({"adjusted": ["season"]})
    one = held.contrasts[0]
    return {
        "plain": plain.value, "adjusted": one.value, "plain_refused": not plain.is_effect,
        "called_randomised_refused": not called.is_effect, "adjusted_holds": one.low <= -3 <= one.high,
    }  # fmt: skip


def intervals(seed: int) -> dict[str, bool]:
    rng = np.random.default_rng(seed)
    n = 400
    age = rng.normal(size=n)
    drawn, chosen = rng.integers(0, 2, n) * 1.0, (rng.random(n) < 1 / (1 + np.exp(-age))) * 1.0
    dose, habit = rng.normal(size=n), age + rng.normal(size=n)

    def holds(lever: Any, claim: Any) -> bool:
        spent = 2 * lever + 3 * age + rng.normal(size=n) * (1 + 0.5 * abs(age))
        rows = {"lever": lever, "spent": spent, "age": age}
        one = effects.effect(rows, lever="lever", outcome="spent", claim=claim, tries=0).contrasts[0]
        return one.low <= 2 <= one.high

    adjusted = {"adjusted": ["age"]}
    return {
        "switch, randomised": holds(drawn, "randomised"), "number, randomised": holds(dose, "randomised"),
        "switch, adjusted": holds(chosen, adjusted), "number, adjusted": holds(habit, adjusted),
    }  # fmt: skip


def share(found: list[Any]) -> dict[str, Any]:
    return wilson(int(np.count_nonzero(found)), len(found)).to_json()


def main() -> None:
    seconds = dict[str, float]()

    def runs(of: Any) -> list[Any]:
        started = time.process_time()
        found = [of(seed) for seed in range(RUNS)]
        seconds[of.__name__] = round(time.process_time() - started, 1)
        return found

    prices, words, wrong, inside = runs(learned), runs(null), runs(confounded), runs(intervals)
    write_result(
        "effects_coverage", __doc__.splitlines()[0].removeprefix("Claim: "),
        {
            "runs": RUNS,
            "prices": {
                "price": spread([each["price"] for each in prices]),
                "within_5_percent": share([abs(each["price"] / 40 - 1) <= 0.05 for each in prices]),
                "regret": spread([each["regret"] for each in prices]),
                "regret_at_most_1_percent": share([each["regret"] <= 0.01 for each in prices]),
                "interval_90_holds_the_true_profit": share([each["held"] for each in prices]),
                "curves_with_bends": share([each["bends"] > 0 for each in prices]),
            },
            "null": {word: words.count(word) for word in sorted(set(words))},
            "null_do_not_act": share([word == "do not act" for word in words]),
            "confounded": {
                "naive_slope": spread([each["plain"] for each in wrong]),
                "adjusted_slope": spread([each["adjusted"] for each in wrong]),
                **{
                    name: share([each[name] for each in wrong])
                    for name in ("plain_refused", "called_randomised_refused", "adjusted_holds")
                },
            },
            "interval_95_holds_the_effect": {name: share([each[name] for each in inside]) for name in inside[0]},
            "cpu_seconds": seconds,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
