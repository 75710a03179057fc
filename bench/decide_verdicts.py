"""Claim: the verdict of a whole decision, from rows to words, is right as often as it says.

On simulated rows of which the truth is known, 200 runs each, seeds 0 to 199. CPU seconds, one thread.

- logit: 20,000 randomised prices of the logit case (best at 40, profit 10), now 30: how often the proposed price is within 5 %,
  the regret at most 1 %, the true profit in the 90 % interval, and the true gain in the 95 % interval of the corrected one.
- null: 1,000 rows of a lever that does nothing, a number, a choice of five, or a number for each of 200 rows by five columns: how
  often it says "do not act", and what the gain and the corrected gain are off by.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from common import write_result

from drivetrain import decide
from drivetrain.metrics.estimate import wilson

RUNS = 200
WORDS = decide.Claim("definition")


def share(held: list[bool]) -> dict[str, float]:
    found = wilson(sum(held), len(held))
    return {"share": found.value, "low": found.low, "high": found.high}


def profit(price: float) -> float:
    return (price - 20) / (1 + np.exp(-(4 - 0.1 * price)))


def sales(seed: int) -> decide.Decision:
    random = np.random.default_rng(seed)
    price = random.uniform(20, 60, 20_000)
    buys = (random.random(len(price)) < 1 / (1 + np.exp(-(4 - 0.1 * price)))).astype(float)
    rows = {"price": price, "buys": buys}
    models = {
        "buys": decide.learned(rows, outcome="buys", lever="price", claim="randomised", family="logit"),
        "profit": decide.formula("(price - 20) * buys", claim=WORDS),
    }
    lever = decide.Lever(low=20, high=60, now=30.0, observed=price)
    return decide.decide(decide.Plan("profit", {"price": lever}, models, draws=300, seed=seed))


def nothing(seed: int, *, choices: bool) -> decide.Decision:
    random = np.random.default_rng(10_000 + seed)
    if choices:
        tried: Any = [f"offer {place}" for place in random.integers(0, 5, 1000)]
        lever = decide.Lever(kind="choice", choices=tuple(sorted(set(tried))), now="offer 0")
    else:
        tried = random.uniform(20, 60, 1000)
        lever = decide.Lever(low=20, high=60, now=40.0, observed=tried)
    node = decide.learned(
        {"lever": tried, "y": random.normal(100, 30, 1000)}, outcome="y", lever="lever", claim="randomised"
    )
    return decide.decide(decide.Plan("y", {"lever": lever}, {"y": node}, draws=300, seed=seed))


def nothing_by_row(seed: int) -> decide.Decision:
    random = np.random.default_rng(20_000 + seed)
    of = {f"column {place}": random.normal(size=1000) for place in range(5)}
    rows = {"lever": random.uniform(20, 60, 1000), "y": random.normal(100, 30, 1000), **of}
    node = decide.learned(
        rows, outcome="y", lever="lever", claim="randomised", adjust=[*of], varies_with=[*of]
    )
    lever = decide.Lever(low=20, high=60, now=40.0, each=True)
    data = {name: column[:200] for name, column in of.items()}
    return decide.decide(decide.Plan("y", {"lever": lever}, {"y": node}, data=data, draws=300, seed=seed))


def logit() -> dict[str, Any]:
    started, told = time.process_time(), list[tuple[float, decide.Decision]]()
    for seed in range(RUNS):
        made = sales(seed)
        told.append((float(str(made.levers[0].proposed)), made))
    seconds = time.process_time() - started
    gains = [(each.result.corrected, profit(price) - profit(30)) for price, each in told]
    return {
        "price within 5 %": share([abs(price / 40 - 1) <= 0.05 for price, _ in told]),
        "regret at most 1 %": share([profit(price) >= 9.9 for price, _ in told]),
        "90 % interval of the profit": share([
            each.result.proposed.low <= profit(price) <= each.result.proposed.high for price, each in told
        ]),
        "95 % interval of the corrected gain": share([made is not None and made.low <= true <= made.high for made, true in gains]),
        "verdicts": dict(Counter(each.verdict.word for _, each in told)),
        "seconds_each": seconds / RUNS,
    }  # fmt: skip


def null(nothing: Callable[[int], decide.Decision]) -> dict[str, Any]:
    started = time.process_time()
    told = [nothing(seed) for seed in range(RUNS)]
    gains = [each.result.gain.value for each in told if each.result.gain is not None]
    corrected = [each.result.corrected.value for each in told if each.result.corrected is not None]
    return {
        "do not act": share([each.verdict.word == "do not act" for each in told]),
        "verdicts": dict(Counter(each.verdict.word for each in told)),
        "gain_off": float(np.mean(gains)),
        "corrected_off": float(np.mean(corrected)),
        "corrected_off_error": float(np.std(corrected) / RUNS**0.5),
        "seconds_each": (time.process_time() - started) / RUNS,
    }


def main() -> None:
    figures = {
        "logit": logit(),
        "null, a number": null(partial(nothing, choices=False)),
        "null, a choice of five": null(partial(nothing, choices=True)),
        "null, a number for each row": null(nothing_by_row),
    }
    write_result("decide_verdicts", "The verdict of a whole decision is right as often as it says.", figures)


if __name__ == "__main__":
    main()
