"""Learning to go on with a text: each token from those before it. The loss, with the smoothing of labels that the settings
say, and nats without it are found in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from drivetrain.learn.objectives.base import NETWORK, Objective, Update
from drivetrain.learn.training import Training
from drivetrain.models.heads.tokens import row_means


def step(training: Training, nets: Any, batch: Mapping[str, Tensor]) -> Iterator[Update]:
    """The mean loss of all tokens alike, and the sum over rows of nats a token."""
    ((name, head),) = nets.network.heads.items()
    losses, nats = head.costs(training.forward(nets.network, batch)[name], batch[name])
    loss, error, share = losses.mean(), row_means(nats, batch[name]).sum(), training.share
    if share is not None:
        loss = training.learner.processes.part_of_mean(loss.expand(max(1, len(share))), share)
        error = error * 0 if share.idle else error
    yield Update(NETWORK, loss, error)


def valid(training: Training, nets: Any, batch: Mapping[str, Tensor]) -> tuple[float, float]:
    """The sums over rows of loss and nats a token."""
    ((name, head),) = nets.network.heads.items()
    losses, nats = head.costs(training.forward(nets.network, batch)[name], batch[name])
    return row_means(losses, batch[name]).sum().item(), row_means(nats, batch[name]).sum().item()


OBJECTIVE = Objective(step, valid=valid, name="writing")
