"""Transfer learning on real photographs: ants and bees with a pretrained MobileNetV2.

Claim: at least 0.93 on the 153 validation pictures; in the frozen stage an epoch after the first is at least 5 times
faster than an epoch that runs the backbone.
Method: `fine_tune(4)` with the defaults for the accuracy, seeds 0 to 2. For the speed, in one process and in turn: an
epoch of the frozen stage with its features kept, and one whose features are computed anew.
Machine, n and date: in results/ants_bees.json.  Run: python bench/ants_bees.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from common import data_folder, spread, write_result

import drivetrain as dt
from drivetrain.learn import loop
from drivetrain.learn.interrupt import InterruptGuard
from drivetrain.learn.learner import Learner
from drivetrain.learn.settings import Phase
from drivetrain.learn.training import FrozenTraining

PASSES = 5


def frozen_epoch(learner: Learner, training: FrozenTraining) -> float:
    learner.position = loop.Position()
    with InterruptGuard() as guard, learner.generators.for_torch(), learner.epoch_table() as table:
        started = time.perf_counter()
        loop.train_epoch(learner, training, guard, table)
        return time.perf_counter() - started


def main() -> None:
    weights = str(data_folder("weights") / "mobilenet_v2_1.0.safetensors")
    folder = data_folder("hymenoptera_ants_bees")
    accuracies = []
    for seed in range(3):
        with tempfile.TemporaryDirectory() as place:
            data = dt.image_classification.from_folder(folder, seed=seed)
            learner = data.learner(weights, seed=seed, out=Path(place) / "run")
            result = learner.fine_tune(4)
            accuracies.append(result["metrics"]["valid"]["accuracy"])
    learner = data.learner(weights, quiet=True)
    phase = Phase(2, 1e-3, frozen=True)
    learner.plan = [phase]
    training = FrozenTraining(learner, phase)
    kept, anew = [], []
    for _ in range(PASSES):
        training._views.clear()
        anew.append(frozen_epoch(learner, training))
        kept.append(frozen_epoch(learner, training))
    figures = {
        "valid_accuracy_by_seed": accuracies,
        "seconds": {"backbone run": spread(anew), "features kept": spread(kept)},
        "ratios": {"backbone run / features kept": spread([a / b for a, b in zip(anew, kept)])},
    }
    write_result("ants_bees", "accuracy >= 0.93; later frozen epochs >= 5 x faster", figures)


if __name__ == "__main__":
    main()
