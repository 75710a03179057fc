"""Adding up the gradients of two processes: ours against torch's DistributedDataParallel and against one flat buffer.

Claim: a step with buckets that travel after the backward pass, ours, takes at most 1.05 times that of DistributedDataParallel,
which sends them during it, for a small dense network and for a ResNet-18.
Method: two processes on one machine, gloo, one thread each; the ways take turns, each with a whole training step
without the optimiser (forward, loss, backward, sum); ratios are those of the steps beside each other. On GPUs, where
sending overlaps with computing, this was not measured.
Machine, n and date: in results/gradients.json.  Run: torchrun --nproc-per-node 2 bench/gradients.py [STEPS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
from common import spread, write_result
from torch import Tensor, nn

from drivetrain.learn.distributed import processes
from drivetrain.models.registry import build_body

Sum = Callable[[Iterable[Tensor]], None]


def small() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(300, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    return dense, torch.randn(512, 300)


def medium() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    body = build_body("resnet18", (3, 64, 64), pretrained=False)
    return nn.Sequential(body, nn.Linear(body.features, 10)), torch.randn(8, 3, 64, 64)


def flat(parameters: Iterable[Tensor]) -> None:
    gradients = [parameter.grad for parameter in parameters]
    whole = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(whole)
    parts = whole.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view(to.shape) for part, to in zip(parts, gradients)])


def nothing(parameters: Iterable[Tensor]) -> None:
    del parameters


def step(network: nn.Module, inputs: Tensor, labels: Tensor, add_up: Sum) -> float:
    dist.barrier()
    started = time.perf_counter()
    nn.functional.cross_entropy(network(inputs), labels).backward()
    add_up(network.parameters())
    seconds = time.perf_counter() - started
    network.zero_grad(set_to_none=True)
    return seconds


def measure(make: Callable[[], tuple[nn.Module, Tensor]], steps: int) -> dict[str, object]:
    group = processes.start()
    bare, inputs = make()
    labels = torch.randint(0, 10, (len(inputs),))
    ddp = nn.parallel.DistributedDataParallel(make()[0])
    ways: dict[str, tuple[nn.Module, Sum]] = {
        "not at all": (bare, nothing), "DistributedDataParallel": (ddp, nothing), "one flat buffer": (bare, flat),
        "buckets (ours)": (bare, group.sum_gradients),
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(steps + 2):
        for name, (network, add_up) in ways.items():
            took = step(network, inputs, labels, add_up)
            if turn >= 2:
                seconds[name].append(took)
    base = seconds["DistributedDataParallel"]
    return {
        "weights": sum(parameter.numel() for parameter in bare.parameters()),
        "seconds": {name: spread(found) for name, found in seconds.items()},
        "ratio to DistributedDataParallel": {
            name: spread([a / b for a, b in zip(found, base)]) for name, found in seconds.items()
        },
    }


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    torch.set_num_threads(1)
    group = processes.start()
    found = {"small": measure(small, 4 * steps), "ResNet-18": measure(medium, steps)}
    if group.first:
        write_result(
            "gradients",
            "a step with our buckets takes at most 1.05 times that of DistributedDataParallel",
            found,
        )


if __name__ == "__main__":
    main()
