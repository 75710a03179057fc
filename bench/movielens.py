"""Ratings and recommendations on MovieLens 100k: error of ratings, quality of rankings, and what each choice bought.

Claim: with the defaults the root mean squared error on the official split (u1.base, u1.test) is at most 0.93; and what
is recommended beats popularity and item-kNN in NDCG@10, by more than chance, on that split and on each user's latest
ratings. After one date for all, where two users in three are new and get what is popular, it need not: there the
users that have a history are also compared by themselves.
Method: settings were chosen on a tenth of u1.base (`choices`, one seed each; rerun them with --choose) and u1.test was
looked at afterwards, with five seeds of the weights. EASE has none; its penalty, and the neighbours of item-kNN, are
chosen on a fifth of the training rows. Rankings leave out what a user had in training; of users with something right in
the test part. A film that training lacks counts as missed. Differences are paired by user, with 95 % intervals.
Machine, n and date: in results/movielens.json.  Run: python bench/movielens.py [--choose]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import RESULTS, data_folder, spread, write_result

import drivetrain as dt
from drivetrain.data.dataset import Dataset
from drivetrain.files import from_json
from drivetrain.learn.bare import train_bare
from drivetrain.learn.ease import EaseLearner
from drivetrain.learn.recommending import by_rating
from drivetrain.learn.simple_recommenders import ranking_baselines, rating_baselines
from drivetrain.metrics import difference, measure, statistics
from drivetrain.models import registry

NAMES = ("user", "film", "rating", "when")
SEEDS = 5
CHOICES: dict[str, dict[str, Any]] = {
    "dot, as it is": {},
    "weight decay 0.01, that of other networks": {"weight_decay": 0.01},
    "weight decay 0.3": {"weight_decay": 0.3},
    "weight decay 3": {"weight_decay": 3.0},
    "width 16": {"width": 16},
    "width 200": {"width": 200},
    "dropout 0.3": {"dropout": 0.3},
    "learning rate 0.003": {"lr": 0.003},
    "20 epochs": {"epochs": 20},
    "neural": {"model": "neural"},
    "neural, dropout 0.3": {"model": "neural", "dropout": 0.3},
    "mlp": {"model": "mlp"},
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
    data: Dataset, model: str | None = None, width: int = 64, lr: float | None = None, **options: Any
) -> float:
    """Root mean squared error on the valid part after training with the defaults, but for what is given."""
    registry.PAIR_WIDTH = width
    epochs = options.pop("epochs", 10)
    if lr is not None:
        options["weight_decay"] = options.get("weight_decay", 1.2)
        found = _at(data, lr, epochs, **options)
    else:
        found = train_bare(data, model, epochs, **options)
    outputs, encoded = found.outputs("valid")
    return measure(data.signature.targets["rating"], outputs["rating"], encoded["rating"])[
        "root_mean_squared_error"
    ].value


def _at(data: Dataset, lr: float, epochs: int, **options: Any) -> Any:
    learner = data.learner(None, bare=True, **options)
    learner.fit(epochs, lr)
    return learner


def choose() -> dict[str, float]:
    """The error of each choice on a tenth of u1.base."""
    columns = official()
    base = {name: values[columns["split"] == "train"] for name, values in columns.items()}
    data = ratings_of(base, dt.split.random(0.1, seed=0))
    return {name: round(error(data, **options), 4) for name, options in CHOICES.items()}


def rankings(data: Dataset, model: Any = None) -> dict[str, Any]:
    """NDCG@10 and the rest of EASE and of what it has to beat, and the paired differences in NDCG@10."""
    ranking = data.extras.recommends or data
    learner = EaseLearner(ranking, quiet=True)
    learner.solve()
    outputs, encoded = learner.outputs("valid")
    codec, true, more = ranking.signature.targets["next"], encoded["next"], ranking.extras.metrics
    found = {"EASE": outputs["next"]}
    train, valid = ranking.part("train").batch(), ranking.part("valid").batch()
    found |= {each.name: each.outputs for each in ranking_baselines(ranking.signature, train, valid)}
    if model is not None:
        baseline, rows = by_rating(model, learner, "valid")
        assert len(rows) == len(true)
        found[baseline.name] = baseline.outputs
    assert more is not None
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
    registry.PAIR_WIDTH = 64
    columns = official()
    data = ratings_of(columns, dt.split.by_column("split"))
    train, valid = data.part("train").batch(), data.part("valid").batch()
    codec = data.signature.targets["rating"]
    figures: dict[str, Any] = {
        "choices": choices,
        "u1": {"train": len(train["rating"]), "test": len(valid["rating"])},
    }
    for each in rating_baselines(data.signature, train, valid):
        found = measure(codec, each.outputs, valid["rating"])
        figures["u1"][each.name] = round(found["root_mean_squared_error"].value, 4)
    for name in ("dot", "neural"):
        figures["u1"][name] = spread([error(data, name, seed=seed) for seed in range(SEEDS)])
    splits = {
        "u1": dt.split.by_column("split"),
        "latest of each user": dt.split.by_time("when", 0.2, within="user"),
        "after one date": dt.split.by_time("when", 0.2),
    }
    figures["rankings of liked films"], figures["rankings of films seen"] = {}, {}
    for name, split in splits.items():
        rated = ratings_of(columns, split)
        figures["rankings of liked films"][name] = rankings(rated, train_bare(rated, "dot", 10))
        figures["rankings of films seen"][name] = rankings(ratings_of(columns, split, rated=False))
    write_result(
        "movielens", "u1.test: RMSE <= 0.93 with the defaults; NDCG@10 above popularity and item-kNN", figures
    )


if __name__ == "__main__":
    main()
