"""Will the walker change rooms? Radio signals of four anchors, by five folds, and with an environment never seen.

Claims: the interval of the default's gain over the majority excludes 0, and it isn't below the MiniRocket kind: the interval of
that difference reaches 0.
Method: indoor_movement_rss, 314 sequences of 19 to 129 moments. Five folds, stratified by label, by one seed; each model is
trained on four of them with its defaults (what it needs to choose by it takes from those), exported, and its bundle answers the
fifth. Then trained on environments 1 and 2, and asked for 3. `aeon` is its MiniRocketClassifier on the same folds, sequences
brought to one length by repeating their last moment, where it is installed; majority is the commoner label of the training
sequences; "length alone" looks at nothing but how many moments a sequence has (one threshold, the best of the training
sequences): what the data give away by how they were recorded. Intervals: Wilson for an accuracy, bootstrap over sequences for
a difference. CPU seconds are of training alone. One thread.
Machine, n and date: in results/indoor_movement.json.  Run: python bench/indoor_movement.py [MODEL ...]
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from common import data_folder, write_result
from series_sets import rounded

import drivetrain as dt
from drivetrain.learn.epochs import usual_epochs
from drivetrain.learn.names import is_network

FOLDS, SEED, DRAWS = 5, 0, 5_000
LENGTH = "length alone"
MODELS = ("best", "minirocket", "conv1d", "lstm")
Sequences = dict[str, list[list[float]]]


def read() -> tuple[Sequences, list[dict[str, str]]]:
    folder = data_folder("indoor_movement_rss")
    sequences: Sequences = {}
    with open(folder / "sequences.csv", newline="") as file:
        for row in csv.DictReader(file):
            sequences.setdefault(row["sequence_id"], []).append(
                [float(row[f"anchor{k}"]) for k in (1, 2, 3, 4)]
            )
    with open(folder / "labels.csv", newline="") as file:
        return sequences, list(csv.DictReader(file))


def folds(labels: list[dict[str, str]]) -> list[list[int]]:
    """Places of each fold, as many of each label in each."""
    generator, found = np.random.default_rng(SEED), [[] for _ in range(FOLDS)]
    for label in sorted({row["label"] for row in labels}):
        places = generator.permutation([k for k, row in enumerate(labels) if row["label"] == label])
        for fold, part in enumerate(np.array_split(places, FOLDS)):
            found[fold if label > "0" else FOLDS - 1 - fold] += part.tolist()
    return found


def write(folder: Path, sequences: Sequences, labels: list[dict[str, str]]) -> None:
    folder.mkdir()
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence_id", "label"])
        writer.writerows([row["sequence_id"], row["label"]] for row in labels)
    with open(folder / "sequences.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence_id", "step", "anchor1", "anchor2", "anchor3", "anchor4"])
        for row in labels:
            for step, values in enumerate(sequences[row["sequence_id"]]):
                writer.writerow([row["sequence_id"], step, *values])


def ours(model: str, folder: Path, train: Any, test: list[Any]) -> tuple[list[str], float]:
    """Answers of the bundle for the sequences of `test`, and CPU seconds of the training."""
    write(folder, *train)
    data = dt.sequence_classification.from_csv(
        folder / "sequences.csv", sequence="sequence_id", target="label", labels=folder / "labels.csv", order="step"
    )  # fmt: skip
    started = time.process_time()
    learner = data.learner(model, out=folder / "run", quiet=True)
    learner.fit(*([usual_epochs(data)] if is_network(model) else []))
    seconds = time.process_time() - started
    answers = dt.Predictor(learner.export(folder / "a.bundle")).predict_many(test)
    return [answer.label for answer in answers], seconds


def aeons(train: Any, test: list[Any]) -> tuple[list[str], float]:
    from aeon.classification.convolution_based import MiniRocketClassifier

    sequences, labels = train
    longest = max(max(map(len, sequences.values())), max(map(len, test)))

    def even(given: list[Any]) -> np.ndarray:
        return np.stack(
            [np.pad(np.asarray(each).T, ((0, 0), (0, longest - len(each))), mode="edge") for each in given]
        )

    known = even([sequences[row["sequence_id"]] for row in labels])
    started = time.process_time()
    model = MiniRocketClassifier(random_state=SEED, n_jobs=1).fit(
        known, np.array([row["label"] for row in labels])
    )
    return model.predict(even(test)).tolist(), time.process_time() - started


def answers(method: str, folder: Path, train: Any, test: list[Any]) -> tuple[list[str], float]:
    if method == LENGTH:
        return by_length(*train, test), 0.0
    if method == "majority":
        given = [row["label"] for row in train[1]]
        return [max(sorted(set(given)), key=given.count)] * len(test), 0.0
    return aeons(train, test) if method == "aeon's MiniRocket" else ours(method, folder, train, test)


def by_length(sequences: Sequences, labels: list[dict[str, str]], test: list[Any]) -> list[str]:
    """By the threshold, and the label beyond it, that are right of most training sequences."""
    known = np.array([row["label"] for row in labels])
    sizes = np.array([len(sequences[row["sequence_id"]]) for row in labels])
    names = sorted(set(known.tolist()))
    rules = [(edge, long, short) for edge in np.unique(sizes) for long in names for short in names]
    edge, long, short = max(
        rules, key=lambda rule: int((np.where(sizes > rule[0], *rule[1:]) == known).sum())
    )
    return [long if len(each) > edge else short for each in test]


def wilson(right: np.ndarray) -> dict[str, float]:
    n, share, z = len(right), float(right.mean()), 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {"value": share, "low": middle - half, "high": middle + half, "n": n}


def gain(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    difference = ours.astype(float) - theirs
    drawn = difference[
        np.random.default_rng(SEED).integers(0, len(difference), (DRAWS, len(difference)))
    ].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": float(difference.mean()), "low": float(low), "high": float(high)}


def main() -> None:
    models = sys.argv[1:] or list(MODELS)
    sequences, labels = read()
    methods = [*models, LENGTH, "majority"]
    try:
        import aeon  # noqa: F401

        methods.insert(len(models), "aeon's MiniRocket")
    except ImportError:
        pass
    environments = np.array([row["environment"] for row in labels])
    splits = {f"fold {k + 1}": fold for k, fold in enumerate(folds(labels))}
    splits["environment 3"] = np.flatnonzero(environments == "3").tolist()
    right = {method: {name: np.zeros(0) for name in splits} for method in methods}
    seconds = dict.fromkeys(methods, 0.0)
    with tempfile.TemporaryDirectory() as place:
        for name, asked in splits.items():
            train = [row for k, row in enumerate(labels) if k not in set(asked)]
            test = [sequences[labels[k]["sequence_id"]] for k in asked]
            for method in methods:
                made, spent = answers(method, Path(place) / f"{method} {name}", (sequences, train), test)
                right[method][name] = np.array(
                    [answer == labels[k]["label"] for k, answer in zip(asked, made)]
                )
                seconds[method] += spent if name.startswith("fold") else 0.0
                print(
                    f"{name}, {method}: {right[method][name].mean():.3f}, {spent:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    pooled = {
        method: np.concatenate([one for name, one in found.items() if name.startswith("fold")])
        for method, found in right.items()
    }
    first = models[0]
    figures: dict[str, Any] = {
        "five folds": {method: wilson(found) for method, found in pooled.items()},
        "environment 3": {method: wilson(found["environment 3"]) for method, found in right.items()},
        f"gain of {first} over": {
            other: gain(pooled[first], pooled[other]) for other in methods if other != first
        },
        "cpu seconds of five trainings": seconds,
    }
    against = figures[f"gain of {first} over"]
    rockets = [other for other in against if "rocket" in other.lower()]
    figures["holds"] = against["majority"]["low"] > 0 and all(
        against[other]["high"] >= 0 for other in rockets
    )
    write_result(
        "indoor_movement",
        "by five folds the default's gain over the majority excludes 0, and it isn't below MiniRocket",
        rounded(figures),
    )


if __name__ == "__main__":
    main()
