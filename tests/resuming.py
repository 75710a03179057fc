"""Run as a program: `python resuming.py MODE FOLDER [STOP_AFTER] [--skip GENERATOR]`; prints a hash of the end state.

MODE `stop` trains until STOP_AFTER batches and leaves a run; `resume` goes on with it in this (fresh) process;
`whole` trains without a stop. The network has dropout and the pictures are augmented, so that all three
generators matter, and its convolution has several input channels, so that the layout of its memory does too.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import drivetrain as dt
from drivetrain.learn.generators import Generators
from drivetrain.learn.learner import Learner
from drivetrain.learn.settings import Phase

EPOCHS, ROWS, BATCH = 2, 96, 24
BATCHES = EPOCHS * ROWS // BATCH


class StopAfter(dt.Hook):
    """Stop the learner after a number of batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_batch_end(self, learner: Learner, step: int, loss: float) -> None:
        self.left -= 1
        if self.left == 0:
            learner.stop()


def dataset(wrong: int = 0) -> dt.Dataset:
    """Three classes of pictures; every so many-th has the label of another class."""
    generator = np.random.default_rng(5)
    labels = np.arange(ROWS + 24) % 3
    pixels = generator.integers(0, 120, (len(labels), 8, 8, 3)) + labels[:, None, None, None] * 60
    if wrong:
        labels[::wrong] = (labels[::wrong] + 1) % 3
    columns = {
        "image": list(pixels.astype(np.uint8)),
        "label": [str(label) for label in labels],
        "split": ["train"] * ROWS + ["valid"] * 24,
    }
    block = dt.DataBlock(
        inputs={"image": dt.Image(size=8, channels=3)},
        targets={"label": dt.Category()},
        split=dt.split.by_column("split"),
    )
    return block.from_columns(columns)


def module() -> nn.Module:
    import torch

    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(288, 3)
    )


def options(folder: Path) -> dict[str, Any]:
    return {"out": folder, "batch_size": BATCH, "seed": 7, "ema": 0.9, "quiet": True}


def state_hash(learner: Learner) -> str:
    """Of weights, running statistics, averages, the optimiser's state and all generators."""
    from drivetrain.learn.runs import checkpoints

    assert learner.run is not None
    found = checkpoints.load(learner.run / "checkpoints")
    assert found is not None
    digest = hashlib.sha256()
    for name in sorted(found.tensors):
        digest.update(name.encode() + found.tensors[name].numpy().tobytes())
    losses = [[row["train_loss"], row["valid_loss"], row["train_error"]] for row in found.progress["history"]]
    digest.update(repr((losses, found.progress["position"] | {"seconds": 0})).encode())
    return digest.hexdigest()


def start(folder: Path, stop_after: int | None) -> Learner:
    hooks = [] if stop_after is None else [StopAfter(stop_after)]
    learner = dt.Learner(dataset(), module(), augment="digits", hooks=hooks, **options(folder))
    learner.train([Phase(EPOCHS, 1e-2)])
    return learner


def resume(folder: Path, skip: str = "") -> Learner:
    if skip:
        whole = Generators.restore

        def leave_one_out(self: Generators, states: Any) -> None:
            whole(self, {**states, skip: self.states(in_epoch=False)[skip]})

        Generators.restore = leave_one_out  # type: ignore[method-assign]
    learner = Learner.resume(folder, dataset(), module(), quiet=True)
    learner.go_on()
    return learner


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    skip = sys.argv[sys.argv.index("--skip") + 1] if "--skip" in sys.argv else ""
    if mode == "whole":
        print(state_hash(start(folder, None)))
    elif mode == "stop":
        for batches in range(1, BATCHES + 1):
            start(folder / str(batches), batches)
    elif mode == "resume":
        for batches in range(1, BATCHES + 1):
            print(state_hash(resume(folder / str(batches), skip)))


if __name__ == "__main__":
    main()
