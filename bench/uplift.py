"""Whom to treat: our learners beside those of causalml and econml, on the same rows in one run; and whether intervals hold.

Claim: on simulated data with known effects the best of our learners orders rows as well as the best of theirs (within .01),
and econml's causal forest has the least error where effects have corners; our linear ones take hundredths of a second;
intervals hold the truth in about 95 of 100 cases, also where effects are alike, where cross-fitted ones hold it in about 80.
Method: three kinds of data (straight effects of an experiment; effects with corners of an experiment; corners, where x moved
the treatment too), 4,000 rows to learn and 10,000 to judge, seeds from 10 on (0 and 1 have chosen the size of our trees).
"error" is the root mean squared error of effects on the rows to judge over the spread of the true ones (1 is a constant),
"order" the area above chance of the true effects in the order predicted, over that in the true order. Theirs with LightGBM (100
trees of 15 leaves) where they take a model, else as they come. The public experiment is Thornton's (2008): money offered by a
draw, for fetching a test's result; 5 folds, the same for all, by village; the area above chance is that of `qini`, with its
interval. Cover: 2,000 rows a seed, linear DR-learner.
Machine, n and date: in results/uplift.json.
Run: python bench/uplift.py PYTHON_WITH_CAUSALML_AND_ECONML [SEEDS COVER]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result

from drivetrain.effects.folds import fold_of
from drivetrain.effects.uplift.curve import curve_of, effect_scores, qini
from drivetrain.effects.uplift.learners import _STAGES, Study, _cross_fitted, _predicted, learn

RIVALS = Path(__file__).parent / "rivals" / "uplift_learners.py"
OURS = [(learner, base) for base in ("linear", "trees") for learner in ("s", "t", "x", "dr")]


def rows(kind: str, n: int, seed: int) -> dict[str, np.ndarray]:
    made = np.random.default_rng(seed)
    x = made.normal(size=(n, 8))
    if kind == "straight":
        effect = 0.5 + 0.5 * x[:, 1] - 0.25 * x[:, 2]
    else:
        effect = np.where(x[:, 1] > 0, 1.0, 0.0) + 0.5 * ((x[:, 2] > 0) & (x[:, 3] > 0))
    chance = 1 / (1 + np.exp(-x[:, 0])) if kind == "moved by x" else np.full(n, 0.5)
    w = (made.random(n) < chance) * 1.0
    y = 2 * x[:, 0] + np.sin(2 * x[:, 4]) + w * effect + made.normal(size=n)
    return {"x": x, "w": w, "y": y, "e": chance, "effect": effect}


def rivals(
    python: str, asked: list[dict[str, np.ndarray]]
) -> list[tuple[dict[str, np.ndarray], dict[str, float]]]:
    """For each of the data their effects on its test rows, and CPU seconds; one process for all, which has imported before."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for number, data in enumerate(asked):
            np.savez(place / f"given-{number:03d}.npz", **data)
        done = subprocess.run([python, str(RIVALS), folder], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        seconds = json.loads(done.stdout.splitlines()[-1])
        return [
            (dict(np.load(place / f"found-{number:03d}.npz")), seconds[f"given-{number:03d}.npz"])
            for number in range(len(asked))
        ]


def ours(study: Study, test: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """All of `learn`: the effects, and how good they are judged."""
    found, seconds = {}, {}
    for learner, base in OURS:
        started = time.process_time()
        found[name := f"ours {learner}, {base}"] = learn(study, learner, base).effect(test)  # type: ignore[arg-type]
        seconds[name] = time.process_time() - started
    return found, seconds


def simulated(python: str, seeds: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind in ("straight", "corners", "moved by x"):
        trains = [rows(kind, 4000, seed) for seed in range(10, 10 + seeds)]
        tests = [rows(kind, 10_000, 1000 + seed) for seed in range(10, 10 + seeds)]
        known = kind != "moved by x"
        asked = [_given(train, test, known) for train, test in zip(trains, tests)]
        measured: dict[str, list[tuple[float, float, float]]] = {}
        for train, test, their in zip(trains, tests, rivals(python, asked)):
            our = ours(Study(train["x"], train["w"], train["y"], train["e"] if known else None), test["x"])
            true = test["effect"]
            best = curve_of(true, true).coefficient.value
            for found, seconds in (our, their):
                for name, effect in found.items():
                    error = float(np.sqrt(np.mean((effect - true) ** 2)) / true.std())
                    order = curve_of(effect, true).coefficient.value / best
                    measured.setdefault(name, []).append((error, order, seconds[name]))
        told[kind] = {
            name: dict(zip(("error", "order", "cpu_seconds"), np.round(np.mean(each, axis=0), 4).tolist()))
            for name, each in measured.items()
        }
    return told


def _given(train: dict[str, np.ndarray], test: dict[str, np.ndarray], known: bool) -> dict[str, np.ndarray]:
    own = {"e": train["e"], "test_e": test["e"]} if known else {}
    return {"x": train["x"], "w": train["w"], "y": train["y"], "test_x": test["x"], **own}


def public(python: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "thornton.npz"
        subprocess.run([python, str(RIVALS), "thornton", str(out)], check=True)
        d = dict(np.load(out))
    x, w, y, cluster = (d[name] for name in ("x", "w", "y", "cluster"))
    d["e"] = np.full(len(y), w.mean())
    fold = fold_of(len(y), 5, 0, cluster=cluster)
    parts = [
        ({k: v[fold != each] for k, v in d.items()}, {k: v[fold == each] for k, v in d.items()})
        for each in range(5)
    ]
    effects: dict[str, np.ndarray] = {}
    theirs = rivals(python, [_given(rest, held, True) for rest, held in parts])
    for each, ((rest, held), their) in enumerate(zip(parts, theirs)):
        study = Study(rest["x"], rest["w"], rest["y"], rest["e"], rest["cluster"], share=True)
        for found, _ in (ours(study, held["x"]), their):
            for name, effect in found.items():
                # The rank within the fold: what was learned for one fold doesn't compare with what was learned for another.
                effects.setdefault(name, np.empty(len(y)))[fold == each] = effect.argsort().argsort() / len(
                    effect
                )
    told = {
        name: qini(effect, w, y, cluster=cluster).coefficient.to_json() for name, effect in effects.items()
    }
    return {
        "rows": len(y),
        "everyone": qini(x[:, 0], w, y, cluster=cluster).everyone.to_json(),
        "area above chance": told,
    }


def cross_fitted(study: Study, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rank within the fold and scores of all rows, each fold judged by all others: as is usual."""
    fold = study.folds(5, seed)
    rank, scores = np.empty(len(fold)), np.empty(len(fold))
    for each in range(5):
        held, rest = study.take(fold == each), study.take(fold != each)
        inner, models = _cross_fitted(rest, "linear", 2, seed + 1 + each)
        effect = _STAGES["dr"](rest, inner, "linear", seed)(held.x)
        rank[fold == each] = effect.argsort().argsort() / len(effect)
        without, treated, chance = np.mean([_predicted(model, held) for model in models], axis=0)
        scores[fold == each] = effect_scores(held.treated, held.outcome, chance, (without, treated))
    return rank, scores


def cover(seeds: int) -> dict[str, Any]:
    """How often the interval of the area above chance holds the true one of that order, and a null is taken for something."""
    told: dict[str, Any] = {}
    for kind, differs in (("effects differ", 0.5), ("effects are alike", 0.0)):
        counts = {"part after part": [0, 0], "cross-fitted": [0, 0]}
        for seed in range(seeds):
            made = np.random.default_rng([5, seed])
            x = made.normal(size=(2000, 4))
            w = (made.random(2000) < 0.5) * 1.0
            effect = 0.3 + differs * x[:, 0]
            y = x[:, 1] + w * effect + 2 * made.normal(size=2000)
            study = Study(x, w, y, np.full(2000, 0.5))
            judged = learn(study, "dr", "linear", seed).judged
            rank, scores = cross_fitted(study, seed)
            for name, (order, values, true) in {
                "part after part": (judged.rank(), judged.scores, effect[judged.rows]),
                "cross-fitted": (rank, scores, effect),
            }.items():
                found = curve_of(order, values, seed=seed).coefficient
                right = curve_of(order, true).coefficient.value
                counts[name][0] += found.low <= right <= found.high
                counts[name][1] += found.low > 0 or found.high < 0
        told[kind] = {
            name: {"interval holds the truth": held / seeds, "taken for something": something / seeds}
            for name, (held, something) in counts.items()
        }
    return told


def main() -> None:
    python = sys.argv[1]
    seeds, many = (int(each) for each in sys.argv[2:4]) if len(sys.argv) > 3 else (3, 200)
    figures = {
        "seeds": {"simulated": seeds, "cover": many},
        "simulated": simulated(python, seeds),
        "thornton": public(python),
        "cover": cover(many),
    }
    claim = "the best of our uplift learners orders rows as well as the best of causalml's and econml's; intervals hold"
    write_result("uplift", claim, figures)


if __name__ == "__main__":
    main()
