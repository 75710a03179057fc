"""Learning to write, to go on with a text or to make one of another: each token from those before it, which are the true ones
while it learns (teacher forcing). The loss, with the smoothing of labels that the settings say, and nats without it are found
in one go: the only head is a `drivetrain.models.heads.CostsHead`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from drivetrain.learn.objectives.base import NETWORK, Objective, Update
from drivetrain.learn.training import Training


def step(training: Training, nets: Any, batch: Mapping[str, Tensor]) -> Iterator[Update]:
    """The mean loss of all tokens alike, and the sum over rows of nats a token."""
    ((name, head),) = nets.network.heads.items()
    losses, nats = head.costs(training.forward(nets.network, batch)[name], batch[name])
    loss, error, share = losses.mean(), head.row_means(nats, batch[name]).sum(), training.share
    if share is not None:
        loss = training.learner.processes.part_of_mean(loss.expand(max(1, len(share))), share)
        error = error * 0 if share.idle else error
    yield Update(NETWORK, loss, error)


def valid(training: Training, nets: Any, batch: Mapping[str, Tensor]) -> tuple[float, float]:
    """The sums over rows of loss and nats a token."""
    ((name, head),) = nets.network.heads.items()
    losses, nats = head.costs(training.forward(nets.network, batch)[name], batch[name])
    return head.row_means(losses, batch[name]).sum().item(), head.row_means(nats, batch[name]).sum().item()


OBJECTIVE = Objective(step, valid=valid, name="writing")
