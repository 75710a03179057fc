"""The learner that a model's name stands for: a network, or one of its own. Torch is imported for networks alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivetrain.data.dataset import Dataset
from drivetrain.errors import UsageError
from drivetrain.learn.names import default_model, is_network, network_of, own_learner
from drivetrain.learn.runs.folder import Run
from drivetrain.learn.settings import telling


def make_learner(data: Dataset, model: Any = None, **options: Any) -> Any:
    """A learner of a dataset. `model` is a name of `drivetrain.models.registry`, a torch module, or None
    for the dataset's default; the options are those of `Learner`, of which the others take a few."""
    model = default_model(data, telling(options)) if model is None else model
    if (learner := own_learner(model)) is not None:
        return learner(data, **options)
    if not is_network(network_of(data)):
        told, fix = data.task.no_network
        raise UsageError(told, where="model", fix=fix)
    from drivetrain.learn.learner import Learner

    return Learner(data, model, **options)


def resume(run: str | Path, data: Dataset | None = None, model: Any = None, **options: Any) -> Any:
    """The learner of a run, as far as it had come (see `Learner.resume`)."""
    if (learner := own_learner(Run.open(run).read_config()["model"]["name"])) is not None:
        return learner.resume(run, data, **options)
    from drivetrain.learn.learner import Learner

    return Learner.resume(run, data, model, **options)
