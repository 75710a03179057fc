"""Test accuracy on Fashion-MNIST with the defaults.

Claim: the small CNN reaches at least 0.905 on the 10,000 test pictures after 5 epochs, the residual net at least 0.92
in 10.
Method: train on 90 % of the 60,000 training pictures, batch 128, default settings, seed 0; the test pictures are
measured once, through the exported bundle. The interval is Wilson's.
Machine, n and date: in results/fashion_accuracy.json.  Run: python bench/fashion_accuracy.py [cnn residual]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import fashion_folder, write_result

import drivetrain as dt
from drivetrain.evaluate import evaluate

EPOCHS = {"cnn": 5, "residual": 10}


def main() -> None:
    names = sys.argv[1:] or list(EPOCHS)
    folder = fashion_folder(Path(tempfile.gettempdir()) / "drivetrain-bench-fashion")
    figures = {}
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            data = dt.image_classification.from_folder(folder, valid=0.1, seed=0)
            learner = data.learner(name, out=Path(place) / "run")
            result = learner.fit(EPOCHS[name])
            bundle = learner.export(Path(place) / "fashion.bundle")
            test = evaluate(bundle, folder)
        figures[name] = {
            "epochs": EPOCHS[name], "test_accuracy": test["metrics"]["accuracy"], "n": test["n"],
            "valid_accuracy": result["metrics"]["valid"]["accuracy"]["value"],
            "baselines": {key: values["accuracy"]["value"] for key, values in result["baselines"].items()},
            "training_seconds": result["seconds"],
        }  # fmt: skip
    write_result("fashion_accuracy", "cnn >= 0.905 in 5 epochs, residual >= 0.92 in 10", figures)


if __name__ == "__main__":
    main()
