"""Ranges of number answers: how often they hold the truth, overall and for small, middling and large answers.

Claim: nominal 90 % holds within about 1.5 points overall and for each third of the answers, with ranges that are on average
about as wide as one width for all that holds overall.
Method: trees and the network (10 epochs) with their defaults, three seeds. Two fifths of the rows are held out; of those
a random half gives the interval and the other half is measured, 20 times. Thirds are by the prediction. Widths are mean
widths in standard deviations of the target. "one width" is what was answered before.
Machine, n and date: in results/intervals.json.  Run: python bench/intervals.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import data_folder, write_result

import drivetrain as dt
from drivetrain.findings.conformal import limited, with_interval
from drivetrain.learn.bare import train_bare

SETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bike sharing": ("bike_sharing/hour.csv", "cnt", {"ignore": ["casual", "registered"]}),
    "ames": ("ames_house_prices/house.csv", "SalePrice", {}),
    "taxi fares": ("nyc_taxis/taxis.csv", "fare", {"ignore": ["total", "tip"]}),
}
SEEDS, HALVES, SHARE = (0, 1, 2), 20, 0.9
MODELS: dict[str, int | None] = {"trees": None, "mlp": 10}


def measured(name: str, model: str, seed: int) -> dict[str, list[list[float]]]:
    """Way -> for each pair of halves [coverage, of the three thirds, width]."""
    source, target, options = SETS[name]
    folder, _, file = source.partition("/")
    data = dt.tabular.from_csv(data_folder(folder) / file, target, seed=seed, valid=0.4, **options)
    outputs, encoded = train_bare(data, model, MODELS[model], seed=seed).outputs()
    predicted, true = (np.asarray(made[target], np.float64).reshape(-1) for made in (outputs, encoded))
    bare: Any = data.signature.targets[target]
    found: dict[str, list[list[float]]] = {"one width": [], "following": []}
    for half in range(HALVES):
        order = np.random.default_rng(half).permutation(len(true))
        fitted, rest = order[: len(order) // 2], order[len(order) // 2 :]
        follows = with_interval(limited(bare, true[fitted]), predicted[fitted], true[fitted], SHARE, seed)
        residuals = np.sort(np.abs(bare.scaled(predicted[fitted]) - bare.scaled(true[fitted])))
        rank = int(np.ceil((len(residuals) + 1) * SHARE)) - 1
        one = type(bare)(
            log=bare.log, center=bare.center, spread=bare.spread, interval=float(residuals[rank])
        )
        third = np.searchsorted(np.quantile(predicted[rest], (1 / 3, 2 / 3)), predicted[rest], side="right")
        for way, codec in (("one width", one), ("following", follows)):
            low, high = codec.bounds(predicted[rest])
            held = (low <= true[rest]) & (true[rest] <= high)
            found[way].append(
                [held.mean(), *(held[third == k].mean() for k in range(3)), (high - low).mean() / true.std()]
            )
    return found


def main() -> None:
    figures: dict[str, Any] = {}
    for name in SETS:
        for model in MODELS:
            runs = [measured(name, model, seed) for seed in SEEDS]
            for way in ("one width", "following"):
                mean = np.mean([row for run in runs for row in run[way]], axis=0)
                names = ("coverage", "small", "middling", "large", "width")
                figures[f"{name}, {model}, {way}"] = {
                    key: round(float(value), 4) for key, value in zip(names, mean)
                }
    write_result("intervals", "90 % within 1.5 points, overall and by thirds of the answers", figures)


if __name__ == "__main__":
    main()
