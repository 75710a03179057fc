"""Tables: `drivetrain train` by default beside what users would pick instead, on rows that none of them has seen.

Claims: on every set within noise of the best rival (the 95 % interval of the paired difference over test rows reaches
to 0 or below), and mean rank first; Adult log loss <= 0.272; CPU seconds of the whole `drivetrain train` call <= 25 for
the table of 1,000 rows and <= 90 for Adult.
Method: each program gets the same train.csv, in a fresh process with its defaults (bench/rivals/on_tables.py), and
answers for test.csv; our bundle does so without torch. Rivals: LightGBM's 100 rounds, LightGBM with early stopping on
20 % of the rows, CatBoost's 1,000 rounds, each for a number also on a log scale; of texts TF-IDF of words and
characters with logistic regression. The best rival of a set is chosen on the test rows, to its advantage. Five seeds;
CatBoost has two on sets where it takes minutes. An interval is over test rows: a row that several seeds drew is one.
What has been measured is kept in a folder (--keep) and not measured again; --again does so for our own.
Machine, n and date: in results/tables.json.
Run: python bench/tables.py PYTHON_WITH_LIGHTGBM_CATBOOST_SCIKIT-LEARN_PANDAS [--sets a,b] [--seeds 5] [--models best]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import write_result
from table_sets import SETS, Table

BOOSTED = ["LightGBM", "LightGBM, early stopping", "CatBoost"]
LARGE = ("acs", "adult", "credit", "electricity")  # CatBoost has two seeds here.


def rivals(table: Table) -> list[str]:
    if table.texts:
        return ["TF-IDF"]
    logs = [] if table.metric == "log loss" else [f"{name} on the log" for name in BOOSTED]
    return BOOSTED + logs


def run(command: list[str], place: Path, log: str = "log.txt") -> float:
    """CPU seconds of a process and of all that it waited for; what it says is kept in a file."""
    environment = {**os.environ, "DRIVETRAIN_CACHE": str(place / "cache")}
    with open(place / log, "w") as said:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{' '.join(command)}\n{(place / log).read_text()[-3000:]}")
    return used.ru_utime + used.ru_stime


def ours(model: str, table: Table, folder: Path, seed: int, place: Path) -> tuple[np.ndarray, float]:
    """Answers for the test rows, (n,) numbers or (n, classes) probabilities, and CPU seconds of the training."""
    drivetrain = [sys.executable, "-m", "drivetrain"]
    train = [*drivetrain, "train", str(folder / "train.csv"), "--target", table.target, *table.options]
    train += ["--model", model, "--seed", str(seed), "--out", "run", "--export", "a.bundle"]
    seconds = run(train, place)
    run(
        [*drivetrain, "predict", "a.bundle", str(folder / "test.csv"), "--out", "answers.csv"],
        place,
        "predict.txt",
    )
    answers = pl.read_csv(place / "answers.csv", infer_schema_length=None)
    if table.metric != "log loss":
        return answers["value"].cast(pl.Float64).to_numpy(), seconds
    start = "probability of "
    columns = sorted(name for name in answers.columns if name.startswith(start))
    return answers.select(columns).to_numpy(), seconds


def theirs(python: str, method: str, folder: Path, seed: int, place: Path) -> tuple[np.ndarray, float]:
    script = Path(__file__).parent / "rivals" / "on_tables.py"
    seconds = run([python, str(script), str(folder), method, str(seed)], place)
    with np.load(place / "answers.npz") as file:
        return file["answers"], seconds


def losses(table: Table, answers: np.ndarray, true: pl.Series, least: float) -> np.ndarray:
    """(n,) what each test row adds to the metric: -log of its probability, or a squared difference."""
    if table.metric == "log loss":
        codes = np.unique(true.to_numpy().astype(str), return_inverse=True)[1]
        return -np.log(np.clip(answers[np.arange(len(codes)), codes].astype(np.float64), 1e-15, 1))
    true_numbers = true.cast(pl.Float64).to_numpy()
    if table.metric == "RMSE":
        return (answers - true_numbers) ** 2
    # Trees on the plain scale may answer below 0: nobody answers below the least of the training.
    return (np.log(np.maximum(answers, least)) - np.log(true_numbers)) ** 2


def value(metric: str, items: np.ndarray) -> float:
    return float(items.mean() if metric == "log loss" else np.sqrt(items.mean()))


def difference(metric: str, a: np.ndarray, b: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Of a to b, below 0 where a is better, with its 95 % interval by the delta method; rows: (n,) who each item is."""
    found = value(metric, a) - value(metric, b)
    if metric == "log loss":
        pulls = (a - a.mean()) - (b - b.mean())
    else:  # The derivative of the root of a mean.
        pulls = (a / a.mean() - 1) * value(metric, a) / 2 - (b / b.mean() - 1) * value(metric, b) / 2
    of_rows = np.bincount(np.unique(rows, return_inverse=True)[1], weights=pulls)
    half = 1.96 * float(np.sqrt((of_rows**2).sum())) / len(pulls)
    return {"value": found, "low": found - half, "high": found + half}


def ranks(values: dict[str, float]) -> dict[str, float]:
    """1 for the least."""
    return {name: 1.0 + sum(other < mine for other in values.values()) for name, mine in values.items()}


class Bench:
    """The measurements that are kept in a folder: SET/SEED/METHOD.npz holds the loss of each test row and the CPU."""

    def __init__(self, python: str, keep: Path, models: list[str], again: bool) -> None:
        self.python, self.keep, self.again = python, keep, again
        self.models = models

    def measure(self, name: str, method: str, seed: int) -> tuple[np.ndarray, float] | None:
        """The loss of each test row, and CPU seconds; None where the method isn't measured with this seed."""
        if method.startswith("CatBoost") and name in LARGE and seed > 1:
            return None
        table, folder = SETS[name], self.keep / name / str(seed)
        path = folder / f"{method}.npz"
        own = method in self.models
        if not path.exists() or (own and self.again):
            if not (folder / "set.json").exists():
                table.write(folder, seed)
            place = folder / method
            subprocess.run(["rm", "-rf", str(place)], check=True)
            place.mkdir()
            answers, seconds = (
                ours(method, table, folder, seed, place)
                if own
                else theirs(self.python, method, folder, seed, place)
            )
            train, test = (
                pl.read_csv(folder / f"{part}.csv", columns=[table.target], infer_schema=False)[table.target]
                for part in ("train", "test")
            )
            least = 0.0 if table.metric == "log loss" else float(train.cast(pl.Float64).min())  # type: ignore[arg-type]
            np.savez(path, losses=losses(table, answers, test, least), seconds=seconds)
        with np.load(path) as file:
            found = file["losses"], float(file["seconds"])
        print(
            f"{name:14} {seed} {method:34} {value(table.metric, found[0]):9.4f} {found[1]:7.1f} CPU s",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        return found

    def figures(self, name: str, seeds: int) -> dict[str, Any]:
        """Every method on one set: its metric over the seeds, its rank, and ours beside the best rival."""
        metric = SETS[name].metric
        found = {
            method: {seed: got for seed in range(seeds) if (got := self.measure(name, method, seed))}
            for method in self.models + rivals(SETS[name])
        }
        values = {
            method: {seed: value(metric, items) for seed, (items, _) in by_seed.items()}
            for method, by_seed in found.items()
        }
        of_seeds = [ranks({m: v[seed] for m, v in values.items() if seed in v}) for seed in range(seeds)]
        methods = {
            method: {
                metric: float(np.mean(list(values[method].values()))),
                "rank": float(np.mean([rank[method] for rank in of_seeds if method in rank])),
                "CPU seconds": float(np.mean([seconds for _, seconds in found[method].values()])),
                "seeds": len(found[method]),
            }
            for method in found
        }
        return {"metric": metric, "methods": methods, "against": self.against(name, found, values)}

    def against(self, name: str, found: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """For each model of ours the rival that is best on the seeds that both have, and the paired difference to it."""
        told: dict[str, Any] = {}
        for model in self.models:
            gains = {
                rival: np.mean([values[rival][seed] - values[model][seed] for seed in values[rival]])
                for rival in rivals(SETS[name])
            }
            best = min(gains, key=lambda rival: gains[rival])
            seeds = list(found[best])
            rows = np.concatenate([self.rows(name, seed) for seed in seeds])
            a, b = (np.concatenate([found[method][seed][0] for seed in seeds]) for method in (model, best))
            told[model] = {"best rival": best, **difference(SETS[name].metric, a, b, rows)}
        return told

    def rows(self, name: str, seed: int) -> np.ndarray:
        """(n,) a number for each test row that is the same with every seed."""
        frame = pl.read_csv(self.keep / name / str(seed) / "test.csv", infer_schema=False)
        return frame.hash_rows(seed=0).to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description="See the head of the file.")
    parser.add_argument("python", help="that has the rivals")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", default="best")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "drivetrain-bench-tables")
    parser.add_argument("--again", action="store_true", help="measure ours again")
    given = parser.parse_args()
    bench = Bench(given.python, given.keep.absolute(), given.models.split(","), given.again)
    figures = {name: bench.figures(name, given.seeds) for name in given.sets.split(",")}
    methods = {method for figure in figures.values() for method in figure["methods"]}
    mean_ranks = {
        method: float(
            np.mean([f["methods"][method]["rank"] for f in figures.values() if method in f["methods"]])
        )
        for method in methods
    }
    claim = (
        "within noise of the best rival on every set, mean rank first; Adult <= 0.272; CPU s <= 25 and <= 90"
    )
    write_result(
        "tables",
        claim,
        {"mean rank": dict(sorted(mean_ranks.items(), key=lambda kv: kv[1])), "sets": figures},
    )


if __name__ == "__main__":
    main()
