"""Whom to treat: our learners beside those of causalml and econml, on the same rows in one run; and whether intervals hold.

Claim: on simulated data with known effects our learners order rows about as well as the best of theirs, in a part of the CPU
time; intervals hold the truth in about 95 of 100 cases, also where effects don't differ, where cross-fitted ones don't.
Method: three kinds of data (straight effects of an experiment; effects with corners of an experiment; corners, where x moved
the treatment too), 4,000 rows to learn and 10,000 to judge, seeds 0 to 2. "error" is the root mean squared error of effects on the rows
to judge over the spread of the true ones (1 is a constant), "order" the area above chance of the true effects in the order predicted, over
that in the true order. Theirs with LightGBM (100 trees of 15 leaves) where they take a model, else as they come. The public
experiment is Thornton's (2008): money offered by a draw, for fetching a test's result; 5 folds, the same for all, by village; the area
above chance is that of `qini`, with its interval. Cover: 200 seeds of 2,000 rows each, linear DR-learner.
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
    python: str, data: dict[str, np.ndarray], place: Path
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    given, out = place / "given.npz", place / "found.npz"
    np.savez(given, **data)
    done = subprocess.run(
        [python, str(RIVALS), str(given), str(out)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return dict(np.load(out)), json.loads(done.stdout.splitlines()[-1])


def ours(study: Study, test: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """All of `learn`: the effects, and how good they are judged."""
    found, seconds = {}, {}
    for learner, base in OURS:
        started = time.process_time()
        found[name := f"ours {learner}, {base}"] = learn(study, learner, base).effect(test)  # type: ignore[arg-type]
        seconds[name] = time.process_time() - started
    return found, seconds


def simulated(python: str, place: Path, seeds: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind in ("straight", "corners", "moved by x"):
        measured: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(seeds):
            train, test = rows(kind, 4000, seed), rows(kind, 10_000, 1000 + seed)
            known = None if kind == "moved by x" else train["e"]
            given = {"x": train["x"], "w": train["w"], "y": train["y"], "test_x": test["x"]}
            their = rivals(
                python, given if known is None else given | {"e": known, "test_e": test["e"]}, place
            )
            our = ours(Study(train["x"], train["w"], train["y"], known), test["x"])
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


def public(python: str, place: Path) -> dict[str, Any]:
    out = place / "thornton.npz"
    subprocess.run([python, str(RIVALS), "thornton", str(out)], check=True)
    d = dict(np.load(out))
    x, w, y, cluster = (d[name] for name in ("x", "w", "y", "cluster"))
    fold = fold_of(len(y), 5, 0, cluster=cluster)
    effects: dict[str, np.ndarray] = {}
    for each in range(5):
        held, rest = fold == each, fold != each
        chance = np.full(rest.sum(), w[rest].mean())
        study = Study(x[rest], w[rest], y[rest], chance, cluster[rest], share=True)
        given = {
            "x": x[rest],
            "w": w[rest],
            "y": y[rest],
            "test_x": x[held],
            "e": chance,
            "test_e": np.full(held.sum(), w[rest].mean()),
        }
        for found, _ in (ours(study, x[held]), rivals(python, given, place)):
            for name, effect in found.items():
                # The rank within the fold: what was learned for one fold doesn't compare with what was learned for another.
                effects.setdefault(name, np.empty(len(y)))[held] = effect.argsort().argsort() / held.sum()
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
                "part after part": (judged.rank, judged.scores, effect[judged.rows]),
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
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        figures = {
            "seeds": {"simulated": seeds, "cover": many},
            "simulated": simulated(python, place, seeds),
            "thornton": public(python, place),
            "cover": cover(many),
        }
    claim = "our uplift learners order rows about as well as the best of causalml's and econml's; their intervals hold"
    write_result("uplift", claim, figures)


if __name__ == "__main__":
    main()
