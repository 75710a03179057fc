"""Learning from targets: each head's loss on its own target, all of them added up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from drivetrain.learn.objectives.base import NETWORK, SUPERVISED, Objective, Update
from drivetrain.learn.training import Training


def step(training: Training, nets: Any, batch: Mapping[str, Tensor]) -> Iterator[Update]:
    """The mean loss of the rows, and the sum of what the first head counts as error.

    Of a share of a batch: what these rows add to the whole one's mean loss, and their errors.
    """
    share, processes = training.share, training.learner.processes
    mixed = training.mix(batch)
    if mixed is not None:
        batch = mixed.batch
    outputs = training.forward(nets.network, batch)
    losses: list[Tensor] = []
    for name, head in nets.network.heads.items():
        if mixed is None and share is None:
            losses.append(head.loss(outputs[name], batch[name]))
            continue
        each, weights = head.losses(outputs[name], batch[name]), None
        if mixed is not None:
            other = head.losses(outputs[name], mixed.partners[name])
            each = mixed.weight * each + (1 - mixed.weight) * other
        elif hasattr(head, "total_weight"):
            weights = head.total_weight(batch[name])
        losses.append(each.mean() if share is None else processes.part_of_mean(each, share, weights))
    name, head = next(iter(nets.network.heads.items()))
    error = head.error(outputs[name].detach(), batch[name])
    if share is not None and share.idle:
        error = torch.zeros_like(error)
    yield Update(NETWORK, losses[0] if len(losses) == 1 else torch.stack(losses).sum(), error)


def valid(training: Training, nets: Any, batch: Mapping[str, Tensor]) -> tuple[float, float]:
    """The sums of the losses, over all targets, and of the first head's errors."""
    outputs = training.forward(nets.network, batch)
    heads = nets.network.heads.items()
    loss = sum(head.losses(outputs[name], batch[name]).sum().item() for name, head in heads)
    name, head = next(iter(heads))
    return loss, head.error(outputs[name], batch[name]).item()


OBJECTIVE = Objective(step, valid=valid, name=SUPERVISED)
