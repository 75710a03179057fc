"""A learner's state in checkpoints: all that it takes to go on as if it had not stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from drivetrain.errors import TrainingError
from drivetrain.learn import loop
from drivetrain.learn.distributed import sharding
from drivetrain.learn.objectives.base import NETWORK
from drivetrain.learn.runs import checkpoints
from drivetrain.learn.training import Training

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner


def save(learner: Learner, training: Training, folder: Path | None) -> None:
    """Weights, averages, generators, optimiser, position and history; with early stopping also the best weights.

    Without a folder this process only gives its shards to the one that has it.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in _modules(learner).items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    states = learner.generators.states(in_epoch=learner.position.batch > 0)
    tensors |= {f"generator.{key}": value for key, value in states.items()}
    for name, optimizer in training.optimizers.items():
        for index, values in optimizer.state_dict()["state"].items():
            of = f"optimizer.{name}.{index}"
            tensors |= {f"{of}.{key}": value for key, value in values.items() if isinstance(value, Tensor)}
    if learner.settings.shard:
        tensors = sharding.whole(tensors, keep=folder is not None)
    if folder is None:
        return
    progress = {"position": dataclasses.asdict(learner.position), "history": learner.history}
    number = len(learner.history) * 1_000_000 + learner.position.batch
    checkpoints.save(folder, number, tensors, progress)
    if learner.settings.early_stopping is not None and learner.position.batch == 0 and _is_best(learner):
        kept = {
            key: value for key, value in tensors.items() if not key.startswith(("optimizer.", "generator."))
        }
        checkpoints.save(folder, number, kept, {}, name="best")


def restore(learner: Learner, folder: Path) -> None:
    """Take up a run's newest whole checkpoint, if it has one. Raises TrainingError where it doesn't fit the learner."""
    found = checkpoints.load(folder)
    if found is None:
        return
    learner.notes += [
        f"the checkpoint {name} is damaged; going on from the one before" for name in found.skipped
    ]
    _load_networks(learner, found.tensors)
    with _fitting(learner):
        learner.position = loop.Position.from_json(found.progress["position"])
        learner.history = [dict(row) for row in found.progress["history"]]
        learner.generators.restore(_under(found.tensors, "generator."))
    if learner.position.step:
        learner.optimizer_state = _under(found.tensors, "optimizer.")
    if learner.settings.early_stopping is not None and learner.phase_is_over():
        restore_best(learner, folder)  # The newest weights are not the ones that were measured.


def restore_best(learner: Learner, folder: Path | None) -> None:
    """The weights of the epoch with the lowest valid loss, where early stopping has kept them.

    Without a folder this process has them from the one that has it.
    """
    best = None if folder is None else checkpoints.load(folder, "best")
    (there,) = learner.processes.any(best is not None)
    if there:
        _load_networks(learner, None if best is None else best.tensors)
        learner.processes.same_weights(*_modules(learner).values())


def restore_optimizers(training: Training, tensors: Mapping[str, Tensor]) -> None:
    """`tensors` are "NETWORK.INDEX.NAME" -> state, of runs of version 0.1.0 without the network. Raises TrainingError
    where they are not of these weights."""
    states: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in training.optimizers}
    with _fitting(training.learner):
        for key, value in tensors.items():
            network, index, name = (f"{NETWORK}.{key}" if key[0].isdigit() else key).split(".")
            states[network].setdefault(int(index), {})[name] = value
        for network, state in states.items():
            optimizer, parameters = training.optimizers[network], list(training.parameters(network))
            for index, values in sorted(state.items()):  # A file's order is any; all processes need the same.
                for name, value in sorted(values.items()):
                    values[name] = sharding.like(value, parameters[index])
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})


@contextmanager
def _fitting(learner: Learner) -> Iterator[None]:
    """What a whole checkpoint of something else makes go wrong, as an error with a way out."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as fault:
        why = str(fault).split("\n")[0]
        raise TrainingError(
            f"the checkpoint can't be taken up ({type(fault).__name__}: {why}).",
            where=learner.run,
            fix="Train again with --force.",
        ) from fault


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _modules(learner: Learner) -> dict[str, nn.Module]:
    """What has weights to keep, by the first part of their names in a checkpoint."""
    found = {NETWORK if name == NETWORK else f"beside.{name}": net for name, net in learner.networks.items()}
    return found if learner.average is None else {**found, "average": learner.average}


def _load_networks(learner: Learner, tensors: Mapping[str, Tensor] | None) -> None:
    """None: another process has them, and gives this one its shards."""
    try:
        if learner.settings.shard:
            sharding.load(learner.network, None if tensors is None else _under(tensors, f"{NETWORK}."))
        elif tensors is not None:
            for name, module in _modules(learner).items():
                module.load_state_dict(_under(tensors, f"{name}."))
    except RuntimeError as fault:
        raise TrainingError(
            f"the checkpoint is of another model: {str(fault).splitlines()[0]}", where=learner.run,
            fix="Resume with the model that the run was started with.",
        ) from fault  # fmt: skip


def _is_best(learner: Learner) -> bool:
    losses = [row["valid_loss"] for row in learner.history if row["phase"] == learner.position.phase + 1]
    return bool(losses) and losses[-1] is not None and losses[-1] == min(losses)
