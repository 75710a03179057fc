"""Ratings and recommendations on MovieLens 100k: error of ratings, quality of rankings, and what each choice bought.

Claim: with the defaults the root mean squared error of ratings is below that of a tuned SVD (svd.py) on the official split
(u1.base, u1.test; at most 0.92), on each user's latest ratings and at random, and by date not above it by more than chance.
What was fitted again with the valid rows is better on the test rows than what was measured. What is recommended beats
popularity and item-kNN in NDCG@10, by more than chance, on the official split and on each user's latest ratings. After one
date for all, where two users in three are new and get what is popular, it need not: there the users that have a history
are also compared by themselves.
Method: settings were chosen on a tenth of u1.base (`choices`, one seed each; rerun them with --choose), and those of `factors`
with the other splits in view; the SVD's are the best on that tenth, and its best by the test rows themselves is told too.
Five seeds. EASE has none; its penalty, and the neighbours of item-kNN, are chosen on a fifth of the training rows. Rankings
leave out what a user had in training; of users with something right in the test part. A film that training lacks counts as
missed. Differences are paired by user, with 95 % intervals. The SVD's predictions are cut off at 1 and 5, ours are not.
Machine, n and date: in results/movielens.json.  Run: python bench/movielens.py [--choose]
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from common import RESULTS, data_folder, spread, write_result
from svd import DEFAULTS, GRID, svd

import drivetrain as dt
from drivetrain.data.dataset import Dataset
from drivetrain.files import from_json
from drivetrain.findings.ranking_beside import by_rating
from drivetrain.learn.bare import train_bare
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.baselines.recommend import ranking_baselines, rating_baselines
from drivetrain.learn.recommend import factorise
from drivetrain.learn.recommend.ease import EaseLearner
from drivetrain.learn.recommend.factorise import STARTS, WIDTH
from drivetrain.metrics import difference, measure, statistics

NAMES = ("user", "film", "rating", "when")
SEEDS = 5
CHOICES: dict[str, dict[str, Any]] = {
    "factors, as it is": {},
    "1 start": {"starts": 1},
    "1 start, 60 sweeps": {"starts": 1, "sweeps": 60},
    "5 sweeps": {"sweeps": 5},
    "30 sweeps": {"sweeps": 30},
    "width 5": {"width": 5},
    "width 20": {"width": 20},
    "dot": {"model": "dot"},
    "dot, weight decay 0.01, that of other networks": {"model": "dot", "weight_decay": 0.01},
    "dot, weight decay 0.3": {"model": "dot", "weight_decay": 0.3},
    "dot, weight decay 3": {"model": "dot", "weight_decay": 3.0},
    "dot, 20 epochs": {"model": "dot", "epochs": 20},
    "neural": {"model": "neural"},
    "mlp": {"model": "mlp"},
    "trees": {"model": "trees"},
}


def official() -> dict[str, np.ndarray]:
    """All ratings with their part: u1.base trains, u1.test validates."""
    folder = data_folder("movielens_100k")
    parts = [np.loadtxt(folder / f"u1.{part}", dtype=np.int64) for part in ("base", "test")]
    columns = dict(zip(NAMES, np.concatenate(parts).T))
    return {**columns, "split": np.array(["train"] * len(parts[0]) + ["valid"] * len(parts[1]), object)}


def ratings_of(columns: dict[str, np.ndarray], split: Any, rated: bool = True) -> Dataset:
    chosen = {name: values for name, values in columns.items() if rated or name != "rating"}
    return dt.recommendation.from_frame(
        chosen, "user", "film", "rating" if rated else None, "when", split=split
    )


def error(
    data: Dataset, model: str | None = None, starts: int = STARTS, width: int = WIDTH, **options: Any
) -> float:
    """Root mean squared error on the valid part after training with the defaults, but for what is given."""
    factorise.STARTS, factorise.WIDTH = starts, width
    return squared(train_bare(data, model, **options), "valid")


def squared(fitted: BaseLearner, part: str) -> float:
    outputs, encoded = fitted.outputs(part)
    return float(np.sqrt(np.mean((outputs["rating"] - encoded["rating"].astype(np.float64)) ** 2)))


def rival(data: Dataset, settings: dict[str, Any]) -> float:
    """The error of the rival on the valid part."""
    train, valid = data.part("train").batch(), data.part("valid").batch()
    codecs: list[Any] = list(data.signature.inputs.values())
    shape = (len(codecs[0].classes), len(codecs[1].classes))
    predict = svd(train["user"], train["film"], train["rating"].astype(np.float64), shape, **settings)
    return float(np.sqrt(np.mean((predict(valid["user"], valid["film"]) - valid["rating"]) ** 2)))


def ratings_on(data: Dataset, tuned: dict[str, Any]) -> dict[str, Any]:
    """The errors of the default, of others and of the rival on a split."""
    train, valid = data.part("train").batch(), data.part("valid").batch()
    found: dict[str, Any] = {"train": len(train["rating"]), "test": len(valid["rating"])}
    for baseline in rating_baselines(data.signature, train, valid):
        found[baseline.name] = round(float(np.sqrt(np.mean((baseline.outputs - valid["rating"]) ** 2))), 4)
    started = process_time()
    found["factors"] = spread([round(error(data, seed=seed), 4) for seed in range(SEEDS)])
    found["factors, CPU seconds"] = round((process_time() - started) / SEEDS, 2)
    found["dot"] = spread([round(error(data, "dot", seed=seed), 4) for seed in range(SEEDS)])
    found["SVD, Surprise's defaults"] = round(rival(data, DEFAULTS), 4)
    found["SVD, tuned"] = round(rival(data, tuned), 4)
    found["SVD, best of all by these test rows"] = round(min(rival(data, settings) for settings in GRID), 4)
    return found


def fitted_again(columns: dict[str, np.ndarray], split: Any) -> dict[str, float]:
    """Errors on the test rows before and after the valid rows are learned from too."""
    with TemporaryDirectory() as folder:
        learner = ratings_of(columns, split).learner(out=Path(folder) / "run", quiet=True)
        learner.fit()
        return {
            "measured on valid": round(squared(learner, "valid"), 4),
            "test, as measured": round(squared(learner, "test"), 4),
            "test, fitted again": round(squared(learner.shipped, "test"), 4),
        }


def tenth_of_base() -> Dataset:
    """u1.base, of which a tenth validates: what is chosen by."""
    columns = official()
    base = {name: values[columns["split"] == "train"] for name, values in columns.items()}
    return ratings_of(base, dt.split.random(0.1, seed=0))


def choose() -> dict[str, float]:
    """The error of each choice."""
    data = tenth_of_base()
    return {name: round(error(data, **options), 4) for name, options in CHOICES.items()}


def rankings(data: Dataset, model: Any = None) -> dict[str, Any]:
    """NDCG@10 and the rest of EASE and of what it has to beat, and the paired differences in NDCG@10."""
    ranking = getattr(data.task, "ranking", data)
    learner = EaseLearner(ranking, bare=True)
    learner.fit()
    outputs, encoded = learner.outputs("valid")
    codec, true, more = ranking.signature.targets["next"], encoded["next"], ranking.task.metrics
    found = {"EASE": outputs["next"]}
    train, valid = ranking.part("train").batch(), ranking.part("valid").batch()
    found |= {each.name: each.outputs for each in ranking_baselines(ranking.signature, train, valid)}
    if model is not None:
        baseline, rows = by_rating(model, learner, "valid")
        assert len(rows) == len(true)
        found[baseline.name] = baseline.outputs
    figures = {
        name: {
            key: round(each.value, 4)
            for key, each in {**measure(codec, scores, true), **more(scores)}.items()
        }
        for name, scores in found.items()
    }
    ours = statistics(codec, found["EASE"], true)["ndcg_at_10"]
    told = {
        "users": len(ours.terms[0]),
        "penalty": learner.ridge,
        "metrics": figures,
        "EASE less": apart(codec, found, true),
    }
    known = valid["history"].any(axis=1)
    if not known.all():
        told["users with a history"] = int(known.sum())
        told["of them, EASE less"] = apart(
            codec, {name: scores[known] for name, scores in found.items()}, true[known]
        )
    return told


def apart(codec: Any, found: dict[str, np.ndarray], true: np.ndarray) -> dict[str, Any]:
    """The paired differences in NDCG@10 of EASE and each other method."""
    ndcg = {name: statistics(codec, scores, true)["ndcg_at_10"] for name, scores in found.items()}
    told = {}
    for name in list(ndcg)[1:]:
        by = difference(ndcg["EASE"], ndcg[name])
        told[name] = {key: round(getattr(by, key), 4) for key in ("value", "low", "high", "p")}
    return told


def main() -> None:
    path = RESULTS / "movielens.json"
    before = from_json(path.read_bytes()).get("choices", {}) if path.is_file() else {}
    choices = choose() if "--choose" in sys.argv or not before else before
    columns, tenth = official(), tenth_of_base()
    tuned = min(GRID, key=lambda settings: rival(tenth, settings))
    splits = {
        "u1": dt.split.by_column("split"),
        "latest of each user": dt.split.by_time("when", 0.2, within="user"),
        "after one date": dt.split.by_time("when", 0.2),
    }
    more = {
        "last 2 % by date": dt.split.by_time("when", 0.02),
        "random": dt.split.random(0.2, seed=0),
    }
    figures: dict[str, Any] = {
        "choices": choices,
        "SVD, tuned": tuned,
        "ratings": {
            name: ratings_on(ratings_of(columns, split), tuned) for name, split in {**splits, **more}.items()
        },
    }
    figures["fitted again"] = {
        "by date": fitted_again(columns, dt.split.by_time("when", 0.2, 0.2)),
        "random": fitted_again(columns, dt.split.random(0.2, seed=0, test=0.2)),
    }
    figures["rankings of liked films"], figures["rankings of films seen"] = {}, {}
    for name, split in splits.items():
        rated = ratings_of(columns, split)
        figures["rankings of liked films"][name] = rankings(rated, train_bare(rated))
        figures["rankings of films seen"][name] = rankings(ratings_of(columns, split, rated=False))
    write_result(
        "movielens",
        "RMSE not above a tuned SVD's by more than chance, by date too, and u1.test <= 0.92; NDCG@10 above popularity and item-kNN",
        figures,
    )


if __name__ == "__main__":
    main()
