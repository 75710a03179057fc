"""A training epoch of Fashion-MNIST against the best bare torch loop.

Claim: our epoch takes at most 1.02 times that of a bare torch loop on in-memory float tensors with the same model
(conv32-pool-conv64-pool-dense128-10) and the best settings known: channels-last, fused Adam, pooling before ReLU,
batch 128. Also when the pictures came from PNG files on disk.
Method: one process; the three kinds take turns, in rotating order, each with an epoch of 5,120 pictures (40 batches;
turns are short because the machine is noisy and its speed drifts); the ratio is that of
each epoch to the bare one beside it, and its median is the claim.
Validation is in neither.
Machine, n and date: in results/fashion_epoch.json.  Run: python bench/fashion_epoch.py [PASSES]
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common import fashion, fashion_folder, our_epoch, spread, write_result
from torch import nn

import drivetrain as dt
from drivetrain.learn.learner import Learner
from drivetrain.memory import kept_memory
from drivetrain.models.registry import build_body

BATCH = 128
ROWS = 5_120


def bare_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor
) -> float:
    started = time.perf_counter()
    network.train()
    order = torch.randperm(len(x))
    total = 0.0
    for chosen in order.split(BATCH):
        loss = nn.functional.cross_entropy(network(x[chosen]), y[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
    return time.perf_counter() - started


def bare() -> tuple[nn.Module, torch.optim.Optimizer, torch.Tensor, torch.Tensor]:
    images, labels = (rows[:ROWS] for rows in fashion("train"))
    x = torch.from_numpy(images.copy()).float().div_(255).sub_(0.286).div_(0.353).unsqueeze(1)
    network = nn.Sequential(build_body("cnn", (1, 28, 28)), nn.Linear(128, 10)).to(
        memory_format=torch.channels_last
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    return (
        network,
        optimizer,
        x.to(memory_format=torch.channels_last),
        torch.from_numpy(labels.astype("int64")),
    )


def main() -> None:
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    images, labels = (rows[:ROWS] for rows in fashion("train"))
    memory = dt.image_classification.from_table(
        dt.image_classification.table_from_columns({"image": list(images), "label": [str(label) for label in labels]}),
        split=dt.split.none(), image_size=28,
    )  # fmt: skip
    folder = fashion_folder(Path(tempfile.gettempdir()) / "drivetrain-bench-fashion")
    whole = dt.image_classification.from_folder(folder / "train", split=dt.split.none())
    some = whole.table.take(np.arange(0, 60_000, 60_000 / ROWS).astype(int))
    files = dt.image_classification.from_table(some, split=dt.split.none(), image_size=28)
    options = {"augment": None, "optimizer": "adam", "weight_decay": 0.0, "batch_size": BATCH, "quiet": True}
    ours = {"memory": Learner(memory, "cnn", **options), "png": Learner(files, "cnn", **options)}
    network, optimizer, x, y = bare()
    times: dict[str, list[float]] = {"bare": [], "memory": [], "png": []}
    bare_epoch(network, optimizer, x, y)
    for learner in ours.values():
        our_epoch(learner)
    kinds = [("bare", lambda: bare_epoch(network, optimizer, x, y))]
    kinds += [(name, partial(our_epoch, learner)) for name, learner in ours.items()]
    for turn in range(passes):
        for place in range(len(kinds)):
            name, epoch = kinds[(turn + place) % len(kinds)]
            times[name].append(epoch())
    ratios = {
        f"ours from {name} / bare": spread([mine / plain for mine, plain in zip(times[name], times["bare"])])
        for name in ("memory", "png")
    }
    figures = {"seconds": {name: spread(values) for name, values in times.items()}, "ratios": ratios}
    write_result("fashion_epoch", "an epoch <= 1.02 x the best bare torch loop", figures)


if __name__ == "__main__":
    with kept_memory():  # For the bare loop too: it is one process.
        main()
