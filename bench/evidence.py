"""Claim: what dt.evidence says of a claim holds as often as it says, on simulated data of which the truth is known.

- winners: the best of K estimates of standard error 1: what it is off by, taken at its word and corrected, and how often the 90 %
  interval holds the truth of the one that won, beside the plain one and the one that holds for all K at once (4,000 runs
  of equals, 1,000 of others). `noise`: why the noise of data fission is what it is.
- at any time: how often a 95 % interval leaves the truth out at any of n looks, ours and the usual one (1,000 runs; betting 200).
- experiment: how often its rule stops where there is nothing, and where the effect is as planned (1,000 runs).
- clusters and shares: how often 95 % intervals of few clusters, and of small shares, hold the truth (1,000 runs).
CPU seconds, one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import write_result

from drivetrain import evidence
from drivetrain.evidence import winners
from drivetrain.metrics.estimate import wilson

Z = 1.6448536269514722


def share(held: list[bool] | np.ndarray) -> dict[str, float]:
    found = wilson(int(np.count_nonzero(held)), len(held))
    return {"share": found.value, "low": found.low, "high": found.high}


def won(theta: np.ndarray, covariance: np.ndarray, runs: int, seed: int) -> dict[str, Any]:
    drawn = np.random.default_rng(seed).multivariate_normal(theta, covariance, runs, method="eigh")
    started = time.process_time()
    found = [evidence.best_of(x, covariance, seed=run) for run, x in enumerate(drawn)]
    seconds = time.process_time() - started
    truth = np.array([theta[each.place] for each in found])
    sd = np.array([math.sqrt(covariance[each.place, each.place]) for each in found])
    naive, value = (np.array([getattr(each, key) for each in found]) for key in ("naive", "value"))
    ends = np.array([(each.low, each.high) for each in found])
    reach = winners._simultaneous(covariance, winners._covariance(theta, covariance)[1], 0.1, 0) * sd
    return {
        "naive_off": float((naive - truth).mean()),
        "corrected_off": float((value - truth).mean()),
        "corrected_off_error": float((value - truth).std() / math.sqrt(runs)),
        "corrected_spread": float((value - truth).std()),
        "held": share((ends[:, 0] <= truth) & (truth <= ends[:, 1])),
        "held_plain": share(np.abs(naive - truth) <= Z * sd),
        "held_of_all": share(np.abs(naive - truth) <= reach),
        "width_of_plain": float(((ends[:, 1] - ends[:, 0]) / (2 * Z * sd)).mean()),
        "width_of_all_of_plain": float((reach / (Z * sd)).mean()),
        "milliseconds": 1000 * seconds / runs,
        "runs": runs,
    }


def all_winners() -> dict[str, Any]:
    found = {f"equal, K = {k}": won(np.zeros(k), np.eye(k), 4_000, k) for k in (5, 20, 50)}
    one = np.zeros(20)
    one[0] = 2
    found["one of 20 better by 2"] = won(one, np.eye(20), 1_000, 1)
    found["one of 20 better by 5"] = won(2.5 * one, np.eye(20), 1_000, 2)
    found["20 in steps of 0.3"] = won(0.3 * np.arange(20.0), np.eye(20), 1_000, 3)
    x = np.linspace(-1, 1, 41)
    curve = np.stack([x, x**2], axis=1)
    found["41 prices of one curve"] = won(-1.5 * (x - 0.5) ** 2, 0.05 * curve @ curve.T, 1_000, 4)
    noise, usual = {}, winners.NOISE
    for size in (0.3, 0.5, 0.7, 1.0):
        winners.NOISE = size
        equal, better = won(np.zeros(20), np.eye(20), 600, 5), won(one, np.eye(20), 600, 6)
        noise[str(size)] = {
            "spread_of_equals": equal["corrected_spread"], "off_of_one_better_by_2": better["corrected_off"]
        }  # fmt: skip
    winners.NOISE = usual
    return {"winners": found, "noise": noise}


def at_any_time() -> dict[str, Any]:
    made: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], float]] = {
        "normal": (lambda generator: generator.normal(size=5_000), 0.0),
        "exponential": (lambda generator: generator.exponential(size=5_000), 1.0),
        "one in twenty": (lambda generator: (generator.random(5_000) < 0.05).astype(float), 0.05),
    }
    found: dict[str, Any] = {}
    n = np.arange(1, 5_001)
    for name, (draw, truth) in made.items():
        left, usual = [], []
        for seed in range(1_000):
            x = draw(np.random.default_rng(seed))
            left.append(evidence.running_mean(x, tightest=1_000).stopped(truth) is not None)
            mean = x.cumsum() / n
            sd = np.sqrt(np.maximum(1e-12, (x**2).cumsum() / n - mean**2))
            usual.append(bool((np.abs(mean - truth) > 1.96 * sd / np.sqrt(n))[29:].any()))
        found[name] = {"left_out": share(left), "usual_left_out": share(usual), "looks": 5_000}
    for name, (draw, truth) in {
        "betting, one in twenty": (lambda generator: (generator.random(1_000) < 0.05).astype(float), 0.05),
        "betting, beta(2, 5)": (lambda generator: generator.beta(2, 5, 1_000), 2 / 7),
    }.items():
        started = time.process_time()
        left = [
            evidence.betting(draw(np.random.default_rng(seed))).stopped(truth) is not None
            for seed in range(200)
        ]
        seconds = (time.process_time() - started) / 200
        found[name] = {"left_out": share(left), "looks": 1_000, "seconds": seconds}
    return found


def an_experiment() -> dict[str, Any]:
    plan = evidence.experiment(0.3, 1.0)
    stops: dict[float, list[int | None]] = {0.0: [], 0.3: []}
    for effect, found in stops.items():
        for seed in range(1_000):
            generator = np.random.default_rng(seed)
            z = generator.random(plan.most) < 0.5
            y = generator.normal(2 + effect * z, 1)
            found.append(evidence.running_difference(y, z, tightest=plan.n).stopped())
    rows = [plan.most if stop is None else stop for stop in stops[0.3]]
    return {
        "n": plan.n, "most": plan.most, "expected": plan.expected, "rows_on_average": float(np.mean(rows)),
        "stopped_where_there_is_nothing": share([stop is not None for stop in stops[0.0]]),
        "stopped_where_it_is_there": share([stop is not None for stop in stops[0.3]]),
    }  # fmt: skip


def clusters_and_shares() -> dict[str, Any]:
    of_clusters: dict[str, list[bool]] = {
        "bootstrap of clusters": [],
        "bootstrap of rows": [],
        "regression": [],
    }
    labels = np.arange(120) // 8
    for seed in range(1_000):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=15)[labels]
        y = 0.5 * x + generator.normal(size=15)[labels] + generator.normal(size=120)
        for name, clusters in (("bootstrap of clusters", labels), ("bootstrap of rows", None)):
            told = evidence.bootstrap(np.mean, y - 0.5 * x, clusters=clusters, times=300, seed=seed)
            of_clusters[name].append(told.low <= 0 <= told.high)
        slope = evidence.together(y, {"x": x}, clusters=labels).together["x"]
        of_clusters["regression"].append(slope.low <= 0.5 <= slope.high)
    shares: dict[str, list[bool]] = {"score interval": [], "plain interval": []}
    for seed in range(1_000):
        generator = np.random.default_rng(seed)
        a, b = generator.random(40) < 0.08, generator.random(40) < 0.03
        told = evidence.difference(a, b)
        shares["score interval"].append(told.low <= 0.05 <= told.high)
        shares["plain interval"].append(abs(told.value - 0.05) <= 1.96 * told.se)
    return {
        "15 clusters of 8": {name: share(held) for name, held in of_clusters.items()},
        "shares of 0.08 and 0.03 of 40": {name: share(held) for name, held in shares.items()},
    }


def main() -> None:
    started = time.process_time()
    found = {
        **all_winners(),
        "at any time": at_any_time(),
        "experiment": an_experiment(),
        "intervals": clusters_and_shares(),
    }
    claim = "What is said of a claim holds as often as is said: the best of several, looks at any time, clusters, shares"
    write_result("evidence", claim, {**found, "cpu_seconds": time.process_time() - started})


if __name__ == "__main__":
    main()
