"""A pretrained model of texts on AG News: its frozen features and a head, beside n-grams on the same rows; and of few labels.

Claim: the head alone on frozen all-MiniLM-L6-v2 is as good as n-grams with logistic regression on 6,080 rows (within their
intervals), and better with 8 labels a class and with 32.
Method: ag_news_7600, title and description as one text, 80/20, seed 0, all settings as they are (4 epochs of the head alone).
Few labels: 5 draws of so many rows of each class from the training rows; the heads that are trained on them answer for the
same 1,520 valid rows. N-grams: the house's own baseline, TF-IDF and logistic regression, on the same rows.
Machine and date: in results/text_backbone.json.  Run: python bench/text_backbone.py FOLDER, that of the model (config.json,
model.safetensors, tokenizer.json), which is no part of this package.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import torch
from common import data_folder, spread, write_result

import drivetrain as dt
from drivetrain.data.refit import with_train
from drivetrain.learn.baselines.supervised import fit_baselines
from drivetrain.learn.settings import FROZEN_EPOCHS, HEADS_FASTER, Phase
from drivetrain.learn.training import FrozenTraining

LABELS, DRAWS = (8, 32), 5
PHASE = Phase(FROZEN_EPOCHS, 1e-4 * HEADS_FASTER, frozen=True)


def articles() -> Any:
    frame = pl.read_csv(data_folder("ag_news_7600") / "ag_news.csv")
    texts = [f"{title} {more}" for title, more in zip(frame["title"], frame["description"])]
    return dt.tabular.from_frame(
        {"text": texts, "label": frame["label"].to_list()}, "label", columns={"text": "text"}
    )


def ngrams(data: Any, truth: np.ndarray) -> float:
    found = fit_baselines(data.signature, data.part("train").batch(), data.part("valid").batch())
    outputs = next(each.outputs for each in found if each.name.startswith("TF-IDF"))
    return float((outputs.argmax(1) == truth).mean())


def few(data: Any, codes: np.ndarray, each: int, seed: int) -> Any:
    """The dataset with so many training rows of each class."""
    draw = np.random.default_rng(seed)
    chosen = [draw.choice(np.flatnonzero(codes == code), each, replace=False) for code in np.unique(codes)]
    return with_train(data, np.sort(data.part("train").rows[np.concatenate(chosen)]))


def main() -> None:
    folder, data = sys.argv[1], articles()
    truth = np.asarray(data.part("valid").column("label"))
    started = time.process_time()
    learner = data.learner(folder, quiet=True, bare=True)
    training = FrozenTraining(learner, PHASE)
    features = training.valid.arrays["features"]
    learner.train([PHASE])
    seconds = time.process_time() - started

    def accuracy(trained: Any) -> float:
        with torch.no_grad():
            return float((trained.network.from_features(features)["label"].argmax(1).numpy() == truth).mean())

    figures: dict[str, Any] = {
        "rows": {part: len(data.part(part)) for part in ("train", "valid")},
        "accuracy": {"frozen features and a head": accuracy(learner), "n-grams": ngrams(data, truth)},
        "cpu_seconds": seconds,
    }
    codes = np.asarray(data.part("train").column("label"))
    for each in LABELS:
        scores: dict[str, list[float]] = {"frozen features and a head": [], "n-grams": []}
        for seed in range(DRAWS):
            rows = few(data, codes, each, seed)
            scores["n-grams"].append(ngrams(rows, truth))
            # Its features of valid rows are known: it is trained on its few rows alone.
            own = rows.part("train").rows
            table = {name: data.table[name][own] for name in ("text", "label")}
            alone = dt.tabular.from_frame(table, "label", valid=0.0, columns={"text": "text"})
            assert Counter(table["label"]).most_common()[-1][1] == each
            trained = alone.learner(folder, quiet=True, bare=True)
            trained.train([PHASE])
            scores["frozen features and a head"].append(accuracy(trained))
        figures[f"{each} labels a class"] = {name: spread(values) for name, values in scores.items()}
    write_result(
        "text_backbone", "as good as n-grams on 6,080 rows, better with 8 and 32 labels a class", figures
    )


if __name__ == "__main__":
    main()
