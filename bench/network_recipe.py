"""The network's recipe for tables: its shape, and how long it learns, by the loss on test rows and by CPU seconds.

Claims: the shape of `drivetrain.models.registry.table_shape`, at the length of `drivetrain.learn.epochs.lengths` with the
least loss on valid rows, has a lower loss on test rows than one member of 256 and 128 units with 64 pieces and ten epochs.
By time (bikes) two origins do not tell them apart. What was tried on thirteen tables: docs/decisions/tables.md.
Method: the sets of bench/table_sets.py, a fifth of their training rows for validation (the last of them where order in
time matters); two seeds. CPU seconds are those of the training alone, in one thread. Nothing is chosen on the test rows.
Machine, n and date: in results/network_recipe.json.  Run: python bench/network_recipe.py [SET ...]
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import polars as pl
from common import spread, write_result
from table_sets import SETS, Table

import drivetrain as dt
from drivetrain.data.dataset import Dataset
from drivetrain.learn.epochs import lengths
from drivetrain.models import registry

SEEDS = (0, 1)
USED = ("titanic", "thousand", "ames", "taxis", "bikes", "credit", "electricity", "adult")
PLAIN, LENGTH = registry.TableShape(), 10


def dataset(table: Table, seed: int) -> Dataset:
    train, test = table.read(seed)
    last = np.arange(len(train)) if table.by_time else np.random.default_rng(seed).permutation(len(train))
    parts = np.where(last < 0.8 * len(train), "train", "valid")
    frame = pl.concat([
        train.with_columns(pl.Series("part", parts)), test.with_columns(pl.lit("test").alias("part"))
    ])  # fmt: skip
    return dt.tabular.from_frame(
        frame, table.target, seed=seed, split=dt.split.by_column("part"),
        columns=dict.fromkeys(table.texts, "text"), log_target=table.metric == "log RMSE",
    )  # fmt: skip


def loss(data: Dataset, metric: str, learner: Any, part: str) -> float:
    outputs, true = ({**found}.popitem()[1] for found in learner.outputs(part))
    if metric == "log loss":
        return float(-np.log(np.clip(outputs[np.arange(len(true)), true], 1e-15, 1)).mean())
    if metric == "log RMSE":
        outputs, true = np.log1p(np.maximum(outputs, 0)), np.log1p(true)
    return float(np.sqrt(np.square(outputs - true).mean()))


def measure(name: str, seed: int, shape: registry.TableShape | None, epochs: int) -> dict[str, float]:
    usual = registry.table_shape
    if shape is not None:
        registry.table_shape = lambda rows, numbers: shape
    try:
        data = dataset(SETS[name], seed)
        learner = data.learner("mlp", seed=seed, bare=True, quiet=True)
        started = time.process_time()
        learner.fit(epochs)
        seconds = time.process_time() - started
    finally:
        registry.table_shape = usual
    found = {part: loss(data, SETS[name].metric, learner, part) for part in ("valid", "test")}
    return {**found, "cpu_seconds": seconds}


def main() -> None:
    figures: dict[str, Any] = {}
    for name in sys.argv[1:] or USED:
        runs: dict[str, Any] = {f"one member, {LENGTH} epochs": (PLAIN, LENGTH)}
        runs |= {f"{epochs} epochs": (None, epochs) for epochs in lengths(dataset(SETS[name], 0))}
        figures[name] = {}
        for what, (shape, epochs) in runs.items():
            found = [measure(name, seed, shape, epochs) for seed in SEEDS]
            figures[name][what] = {key: spread([each[key] for each in found]) for key in found[0]}
            print(name, what, json.dumps(found), file=sys.stderr)
    write_result("network_recipe", "A lower loss than one member, ten epochs", figures)


if __name__ == "__main__":
    main()
