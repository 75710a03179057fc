"""A training epoch of the Adult census table against a bare torch loop.

Claim: our epoch takes at most 1.05 times that of a bare torch loop on in-memory tensors with the same model, at batch
64 and at batch 1024; and our default, which chooses the batch size, is quicker than the bare loop at 64.
Method: one process; the kinds take turns in rotating order, each with the first 8,192 rows of an epoch (turns are short because
the machine is noisy and its speed drifts); the bare loop has the numbers (n, 6) and the codes (n, 8)
as two tensors, the same network written out, fused AdamW that spares
biases as ours does, and does nothing beside training but add up the loss. The
ratio is that of each epoch to the bare one beside it, and its median is the claim. Validation is in neither.
Machine, n and date: in results/tabular_epoch.json.  Run: python bench/tabular_epoch.py [PASSES]
"""

from __future__ import annotations

import sys
import time
from functools import partial

import torch
from common import data_folder, our_epoch, spread, write_result
from torch import Tensor, nn

import drivetrain as dt
from drivetrain.learn.learner import Learner
from drivetrain.memory import kept_memory

ROWS = 8_192


class Bare(nn.Module):
    """The same network on two matrices, with the constants that ours has learned."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        numbers, categories = learner.network.encoders["number"], learner.network.encoders["category"]
        self.center, self.scale, self.logged = numbers.center, numbers.scale, numbers.logged
        self.low, self.steepness = numbers.low, numbers.steepness
        self.offsets = categories.offsets
        self.table = nn.Embedding(*categories.table.weight.shape)
        (linear, _, second, _) = learner.network.combiner.layers
        self.layers = nn.Sequential(
            nn.Linear(linear.in_features, linear.out_features), nn.ReLU(),
            nn.Linear(second.in_features, second.out_features), nn.ReLU(), nn.Linear(second.out_features, 2),
        )  # fmt: skip

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        absent = values.isnan()
        values = torch.where(self.logged, values.sign() * values.abs().log1p(), values)
        scaled = ((values - self.center) * self.scale).masked_fill(absent, 0.0).clamp(-8, 8)
        pieces = ((scaled.unsqueeze(2) - self.low) * self.steepness).clamp(0, 1).flatten(1)
        vectors = self.table(codes + self.offsets).flatten(1)
        return self.layers(torch.cat([scaled, pieces, absent.float(), vectors], 1))


def bare_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, data: list[Tensor], size: int) -> float:
    started = time.perf_counter()
    network.train()
    values, codes, labels = data
    total = 0.0
    for chosen in torch.randperm(len(labels)).split(size)[: ROWS // size]:
        loss = nn.functional.cross_entropy(network(values[chosen], codes[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
    return time.perf_counter() - started


def main() -> None:
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    data = dt.tabular.from_csv(
        data_folder("adult_census") / "train.csv", "income", split=dt.split.none(), ignore=[]
    )
    learners = {size: Learner(data, quiet=True, batch_size=size) for size in (64, 1024)}
    learners[0] = Learner(data, quiet=True)
    encoders = learners[64].network.encoders
    part = data.part("train").batch()
    tensors = [
        torch.stack([torch.from_numpy(part[name]) for name in encoders[kind].names], 1)
        for kind in ("number", "category")
    ]
    tensors.append(torch.from_numpy(part["income"]))
    kinds = {}
    for size in (64, 1024):
        network = Bare(learners[64])
        groups = [
            {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
        kinds[f"bare, {size}"] = partial(bare_epoch, network, optimizer, tensors, size)
        kinds[f"ours, {size}"] = partial(our_epoch, learners[size], ROWS // size)
    kinds["ours, default"] = partial(our_epoch, learners[0], ROWS // learners[0].settings.batch_size)
    times: dict[str, list[float]] = {name: [] for name in kinds}
    order = list(kinds)
    for turn in range(passes + 1):
        for place in range(len(order)):
            name = order[(turn + place) % len(order)]
            seconds = kinds[name]()
            if turn:
                times[name].append(seconds)
    ratios = {
        f"{ours} / {bare}": spread([mine / plain for mine, plain in zip(times[ours], times[bare])])
        for ours, bare in (
            ("ours, 64", "bare, 64"), ("ours, 1024", "bare, 1024"), ("ours, default", "bare, 64"),
        )
    }  # fmt: skip
    figures = {
        "rows": len(data), "default batch": learners[0].settings.batch_size,
        "seconds": {name: spread(values) for name, values in times.items()}, "ratios": ratios,
    }  # fmt: skip
    write_result("tabular_epoch", "an epoch of Adult <= 1.05 x a bare torch loop", figures)


if __name__ == "__main__":
    with kept_memory():  # For the bare loop too: it is one process.
        main()
