"""Run as a program by torchrun, and in the test's own process: `several.py FOLDER CASE...` trains each case into FOLDER/CASE.

What goes wrong in a case is written to FOLDER/CASE-RANK.txt, and the next one follows.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from resuming import StopAfter
from stepping.codecs.steps import Steps
from torch import nn

import drivetrain as dt
from drivetrain import extensions
from drivetrain.learn.distributed import processes
from drivetrain.learn.learner import Learner

ROWS = 95
"""Training pictures; in batches of 19 two processes get 9 and 10, and in batches of 47 the last one is of one row."""


def columns(rows: int = 331) -> dt.Dataset:
    """A number and a category in; a rare class out."""
    generator = np.random.default_rng(0)
    numbers, codes = generator.normal(size=rows), generator.integers(0, 3, rows)
    label = ["yes" if number + (code == 0) > 1.3 else "no" for number, code in zip(numbers, codes)]
    block = dt.DataBlock(
        inputs={"number": dt.Number(), "letter": dt.Category(open=True)},
        targets={"label": dt.Category()},
        split=dt.split.random(0.25, seed=1),
    )
    return block.from_columns({"number": numbers, "letter": ["abc"[code] for code in codes], "label": label})


def amounts() -> dt.Dataset:
    """A number out, with an interval."""
    data = columns()
    table = {"number": data.table["number"], "letter": data.table["letter"]}
    table["amount"] = table["number"] * 3 + 1
    block = dt.DataBlock(
        inputs={"number": dt.Number(), "letter": dt.Category(open=True)},
        targets={"amount": dt.Number()},
        split=dt.split.random(0.25, seed=1),
    )
    made = block.from_columns(table)
    made.interval = 0.9
    return made


def pictures() -> dt.Dataset:
    generator = np.random.default_rng(5)
    labels = np.arange(ROWS + 25) % 3
    images = (generator.integers(0, 120, (len(labels), 8, 8)) + labels[:, None, None] * 60).astype(np.uint8)
    parts = ["train"] * ROWS + ["valid"] * 25
    block = dt.DataBlock(
        inputs={"image": dt.Image(size=8, channels=1)},
        targets={"label": dt.Category()},
        split=dt.split.by_column("split"),
    )
    return block.from_columns(
        {"image": list(images), "label": [str(label) for label in labels], "split": parts}
    )


def walks(**options: Any) -> Learner:
    """Rows of different lengths in: each process pads its share of a batch for itself."""
    generator = np.random.default_rng(2)
    codes = generator.integers(0, 2, 120)
    rows = [
        generator.integers(4 * code, 5 + 4 * code, length).tolist()
        for code, length in zip(codes, generator.integers(0, 30, 120))
    ]
    extensions.register("stepping")
    try:
        block = dt.DataBlock(
            inputs={"walk": Steps()}, targets={"label": dt.Category()}, split=dt.split.random(0.25, seed=1)
        )
        data = block.from_columns({"walk": rows, "label": ["ab"[code] for code in codes]})
        return Learner(data, "mlp", batch_size=13, **options)
    finally:
        extensions.forget()


class Normed(nn.Module):
    """A module of one's own with batch norm, without anything that its result does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


def judged(training: Any, nets: Any, batch: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """A second network with batch norm learns what the error of the first one is."""

    def error() -> torch.Tensor:
        return nets.network.heads["amount"].losses(nets.network(batch)["amount"], batch["amount"])

    column = batch["number"].reshape(-1, 1)
    yield "judge", (nets.judge(column).squeeze(1) - error().detach()).square().mean()
    yield "network", (error() * (1 + nets.judge(column).squeeze(1).sigmoid())).mean()


def beside() -> dt.Objective:
    torch.manual_seed(3)
    judge = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return dt.Objective(judged, networks={"judge": judge})


class Fails(dt.Hook):
    """Something goes wrong in the second process alone, in the third batch."""

    def __init__(self, act: Callable[[dict[str, Any]], None]) -> None:
        self.act, self.left = act, 3

    def on_batch_start(self, learner: Learner, batch: dict[str, Any]) -> None:
        self.left -= 1
        if self.left == 0 and processes.rank() == processes.count() - 1:
            self.act(batch)


def spoil(batch: dict[str, Any]) -> None:
    batch["number"][0] = float("nan")


def fail(batch: dict[str, Any]) -> None:
    raise OSError(28, "No space left on device", "/somewhere")


def hang(batch: dict[str, Any]) -> None:
    threading.Event().wait()


def learner(case: str, out: Path) -> tuple[Learner, int]:
    """The learner of a case, and how many epochs it trains."""
    options: dict[str, Any] = {"out": out, "seed": 1, "quiet": True}
    makers: dict[str, Callable[[], Learner]] = {
        "columns": lambda: Learner(columns(), "mlp", batch_size=33, clip=1.0, **options),
        "weighted": lambda: Learner(
            columns(), "mlp", batch_size=33, class_weights="balanced", label_smoothing=0.1, accumulate=2, **options
        ),
        "amounts": lambda: Learner(amounts(), "mlp", batch_size=64, ema=0.9, **options),
        "pictures": lambda: Learner(pictures(), "cnn", augment="digits", batch_size=19, **options),
        "last": lambda: Learner(pictures(), "cnn", augment="digits", batch_size=47, **options),
        "mixed": lambda: Learner(
            pictures(), "cnn", augment=dt.Augment(mixup=0.3, erase=0.3), batch_size=19, **options
        ),
        "normed": lambda: Learner(pictures(), Normed(), augment="digits", batch_size=19, **options),
        "shards": lambda: Learner(
            pictures(), "cnn", augment="digits", batch_size=19, clip=1.0, early_stopping=1, shard=True, **options
        ),
        "resumed": lambda: Learner(
            pictures(), "cnn", augment="digits", batch_size=19, shard=True, **options
        ),
        "beside": lambda: Learner(amounts(), "mlp", batch_size=33, objective=beside(), ema=0.9, **options),
        "walks": lambda: walks(**options),
        "spoilt": lambda: Learner(columns(), "mlp", batch_size=33, hooks=[Fails(spoil)], **options),
        "failing": lambda: Learner(columns(), "mlp", batch_size=33, hooks=[Fails(fail)], **options),
        "hanging": lambda: Learner(columns(), "mlp", batch_size=33, hooks=[Fails(hang)], **options),
    }  # fmt: skip
    return makers[case](), 2


def main(folder: Path, cases: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for case in cases:
        made, epochs = learner(case, folder / case)
        if case == "resumed":
            made.hooks = [StopAfter(6)]
        try:
            result = made.fit(epochs, lr=3e-3)
            if case == "resumed":
                assert result == {}
                made = Learner.resume(folder / case, pictures(), quiet=True)
                result = made.go_on()
            text = repr((sorted(result["metrics"]["valid"]), made.run is not None, made.quiet))
        except (dt.DrivetrainError, OSError) as fault:
            text = f"{type(fault).__name__}: {fault}"
            if case != "spoilt":
                (folder / f"{case}-{processes.rank()}.txt").write_text(text)
                raise
        (folder / f"{case}-{processes.rank()}.txt").write_text(text)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]), sys.argv[2:])
