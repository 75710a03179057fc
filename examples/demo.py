"""The whole road in a minute: real handwritten digits -> model -> verified bundle -> answers without torch.

`make demo` runs it. Everything it makes is in demo/.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.cli.common import metrics_table
from drivetrain.cli.verbs import verify
from drivetrain.evaluate import evaluate
from drivetrain.findings.result import baseline_metrics
from drivetrain.learn.baselines.supervised import fit_baselines

HERE = Path("demo")
TEST_SHARE = 0.2
WITHOUT_TORCH = """
import json, sys, time
started = time.perf_counter()
from drivetrain import Predictor
answers = [answer.to_json() for answer in Predictor(sys.argv[1]).predict_many(sys.argv[2:])]
assert "torch" not in sys.modules
print(json.dumps({"seconds": time.perf_counter() - started, "answers": answers}))
"""


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def write_pictures(folder: Path) -> None:
    """1,797 scans of handwritten digits, 8 x 8 pixels, as class folders of PNG files; a fifth is for the test."""
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    test = np.random.default_rng(0).random(len(pixels)) < TEST_SHARE
    for number, (picture, label) in enumerate(zip(pixels, labels)):
        path = folder / ("test" if test[number] else "train") / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)


def main() -> None:
    started = time.perf_counter()
    pictures, run, bundle = HERE / "digits", HERE / "run", HERE / "digits.bundle"

    say("1  Data: 1,797 real handwritten digits, as folders of pictures")
    if not pictures.is_dir():
        write_pictures(pictures)
    data = dt.image_classification.from_folder(pictures, valid=0.2, seed=0)
    print(data)
    data.check().print()
    data.show(30).save(HERE / "batch.png")

    say("2  Train a small convolutional network")
    learner = data.learner("cnn", out=run, force=True)
    learner.fit(12)

    say(
        "3  Measure it on the test pictures, which nothing has touched, beside what a sober person would try first"
    )
    learner.export(bundle, force=True)
    measured = evaluate(bundle, pictures)
    train, test = data.part("train").batch(), data.part("test").batch()
    simple = baseline_metrics(data.signature, fit_baselines(data.signature, train, test, seed=0), test)
    columns = {"this model": measured["metrics"]}
    columns |= {name: {key: e.to_json() for key, e in values.items()} for name, values in simple.items()}
    from rich.console import Console

    console = Console(highlight=False)
    console.print(metrics_table(columns, f"test, n = {measured['n']}, with 95 % intervals", console))
    learner.interpret().top_losses(16).save(HERE / "mistakes.png")

    say("4  The bundle, verified: what was tested is what runs")
    from drivetrain.bundle import verify as verify_bundle
    from drivetrain.runtime import OnnxSession

    opened = open_bundle(bundle)
    verify.show(verify_bundle(opened, OnnxSession(opened.graph, opened.tensors)).to_json())

    say("5  Answers from a fresh process without torch")
    chosen = [str(path) for path in sorted(pictures.glob("test/*/*.png"))[:: measured["n"] // 5]]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(bundle), *chosen],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    for answer in told["answers"]:
        print(f"{answer['input']}  ->  {answer['label']}  ({answer['probability']:.3f})")
    print(f"imported, opened, verified and answered in {told['seconds']:.2f} s")

    say(f"Done in {time.perf_counter() - started:.0f} s. Look at")
    print(f"  {run / 'report.html'}   the page of this run")
    print(f"  {HERE / 'batch.png'}         a batch as the model sees it")
    print(f"  {HERE / 'mistakes.png'}      where it goes wrong")
    say("Try next")
    print(f"  .venv/bin/drivetrain predict {bundle} {chosen[0]}")
    print("  .venv/bin/drivetrain train YOUR_FOLDER_OF_CLASS_FOLDERS --export yours.bundle")


if __name__ == "__main__":
    main()
