"""Ten spoken digits, by speakers that training has heard and by one that it never has.

Claims: on a random split the default answers .97 or more rightly (.98 stretch); leaving one speaker out its mean is .90 (stretch;
no published figure exists), the worst speaker is shown, and the gap between the two is on one line.
Method: spoken_digits (Free Spoken Digit Dataset, 600 recordings of 6 speakers at 8 kHz). Every training has the defaults of
`drivetrain train recordings/ --name-pattern ...`: 60 epochs of the network `hearing` from chance weights, sounds changed at random.
(1) random: a fifth of each digit held out, by three seeds. (2) the project's own test: takes 0 to 4 (here 0 to 3, 240
recordings). (3) each speaker held out in turn. The logistic regression on cepstra that stands beside every run is fitted
to the same recordings. Published: ResNet-18 on mel .969 and others .97 to .99 on random or take splits.
Intervals: Wilson, of one held-out part. CPU seconds are of training alone. One thread.
Machine, n and date: in results/spoken_digits.json.  Run: python bench/spoken_digits.py
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from common import data_folder, write_result

import drivetrain as dt
from drivetrain.data.table import Table
from drivetrain.learn.baselines.supervised import fit_baselines
from drivetrain.tasks.sounds import from_table, read_source

PATTERN = "(?P<label>[0-9])_(?P<speaker>[a-z]+)_(?P<take>[0-9]+)"
SEEDS = (0, 1, 2)
OFFICIAL = 4
"""Takes below 5 are the project's test; here those from 0 to 3 are there."""


def measured(table: Table, held_out: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """What a training on the rest answers rightly of the rows that are held out, bool (n,)."""
    parts = np.where(held_out, "valid", "train").astype(object)
    data = from_table(
        Table({**table.columns, "split": parts}, table.origins, table.name, table.source),
        split=dt.split.by_column("split"),
    )
    learner = data.learner(bare=True, quiet=True, seed=seed)
    start = time.process_time()
    learner.fit(data.task.epochs)
    seconds = time.process_time() - start
    outputs, encoded = learner.outputs("valid")
    right = outputs["label"].argmax(1) == encoded["label"]
    simple = fit_baselines(data.signature, data.part("train").batch(), data.part("valid").batch())
    beside = {
        each.name: float(np.mean(each.outputs.argmax(1) == data.part("valid").column("label")))
        for each in simple
    }
    low, high = wilson(int(right.sum()), len(right))
    return {
        "accuracy": round(float(right.mean()), 4), "low": low, "high": high, "n": len(right),
        "logistic_regression": round(beside["logistic regression"], 4), "cpu_seconds": round(seconds, 1),
    }  # fmt: skip


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    share, width = right / n, z * z / n
    middle = (share + width / 2) / (1 + width)
    spread = z / (1 + width) * (share * (1 - share) / n + width / (4 * n)) ** 0.5
    return round(middle - spread, 4), round(middle + spread, 4)


def random_part(labels: np.ndarray, seed: int) -> np.ndarray:
    """bool (n,): a fifth of each class."""
    generator, found = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        found[places[: len(places) // 5]] = True
    return found


def main() -> None:
    table = read_source(data_folder("spoken_digits") / "recordings", name_pattern=PATTERN)
    labels, speakers = table["label"].astype(str), table["speaker"].astype(str)
    chance = {str(seed): measured(table, random_part(labels, seed), seed) for seed in SEEDS}
    official = measured(table, table["take"].astype(int) <= OFFICIAL)
    left_out = {speaker: measured(table, speakers == speaker) for speaker in np.unique(speakers).tolist()}
    random_mean = float(np.mean([each["accuracy"] for each in chance.values()]))
    mean = float(np.mean([each["accuracy"] for each in left_out.values()]))
    worst = min(left_out, key=lambda name: left_out[name]["accuracy"])
    gap = f"a speaker it knows {random_mean:.3f}, one it never heard {mean:.3f} (worst {worst} {left_out[worst]['accuracy']:.2f})"
    write_result(
        "spoken_digits",
        "random split >= .97 (stretch .98); leave one speaker out measured (stretch .90), the gap on one line",
        {
            "gap": gap,
            "random": {"mean": round(random_mean, 4), "logistic_regression": _mean(chance), "seeds": chance},
            "official_takes": official,
            "leave_one_speaker_out": {
                "mean": round(mean, 4), "worst": left_out[worst]["accuracy"], "worst_speaker": worst,
                "logistic_regression": _mean(left_out), "speakers": left_out,
            },
            "published": {"resnet18_mel_random": 0.969, "others_random_or_takes": [0.97, 0.99], "leave_one_speaker_out": None},
        },
    )  # fmt: skip


def _mean(parts: dict[str, dict[str, Any]]) -> float:
    return round(float(np.mean([each["logistic_regression"] for each in parts.values()])), 4)


if __name__ == "__main__":
    main()
