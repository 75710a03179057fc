"""How many labels are wrong at most: planted wrong labels of 0, 5 and 20 % in data of three kinds.

Claim: what `drivetrain labels` says of the share of wrong labels holds (or it says that nothing can be told), where the
model is good (digits), where chance decides as well (Adult) and where it decides much (Titanic).
Method: `label_faults` with its defaults on scikit-learn's digits as 64 numbers, 4,000 rows of Adult and Titanic without
names; labels are changed to another class at random; three seeds. "said" is the bound, null where it says that nothing
can be told; "contradicted" is the share of labels that the model's answers contradict, "doubted" that of those listed:
from these the share of wrong labels was estimated before.
Machine, n and date: in results/label_noise.json.  Run: python bench/label_noise.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from common import data_folder, write_result
from sklearn.datasets import load_digits

import drivetrain as dt

NOISE, SEEDS = (0.0, 0.05, 0.2), (0, 1, 2)
Columns = tuple[dict[str, list[Any]], list[str]]


def digits(seed: int) -> Columns:
    found = load_digits()
    return {f"p{place}": column.tolist() for place, column in enumerate(found.data.T)}, [
        f"digit {code}" for code in found.target
    ]


def adult(seed: int) -> Columns:
    frame = pl.read_csv(data_folder("adult_census") / "train.csv", infer_schema=False)
    frame = frame[np.random.default_rng(seed).permutation(len(frame))[:4000]]
    columns = {name: frame[name].to_list() for name in frame.columns}
    return columns, columns.pop("income")


def titanic(seed: int) -> Columns:
    frame = pl.read_csv(data_folder("titanic") / "titanic.csv")
    columns = {
        name: frame[name].to_list() for name in ("Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked")
    }
    return columns, ["survived" if value else "died" for value in frame["Survived"]]


SETS: dict[str, Callable[[int], Columns]] = {"digits": digits, "adult": adult, "titanic": titanic}


def measured(make: Callable[[int], Columns], noise: float, seed: int) -> dict[str, Any]:
    columns, labels = make(seed)
    generator, names = np.random.default_rng(seed), sorted(set(labels))
    for row in generator.permutation(len(labels))[: round(noise * len(labels))].tolist():
        labels[row] = str(generator.choice([name for name in names if name != labels[row]]))
    data = dt.tabular.from_frame({**columns, "label": labels}, "label", seed=seed)
    found = data.label_faults(seed=seed, quiet=True)
    share = found.to_json()["share"]
    return {
        "said": None if share is None else round(share["high"], 4),
        "holds": share is None or share["low"] <= noise <= share["high"],
        "contradicted": round(found.contradicted or 0.0, 4),
        "doubted": round(len(found) / len(found.rows), 4),
    }


def main() -> None:
    figures = {
        f"{name}, {noise:.0%} wrong": [measured(make, noise, seed) for seed in SEEDS]
        for name, make in SETS.items()
        for noise in NOISE
    }
    held = [run["holds"] for runs in figures.values() for run in runs]
    claim = "what is said of the share of wrong labels holds, whatever the model and the data"
    write_result("label_noise", claim, {"held": f"{sum(held)} of {len(held)}", **figures})


if __name__ == "__main__":
    main()
