"""Models by name that have a learner of their own, and what is trained where nobody named one. Imports no learner."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from drivetrain.data.dataset import Dataset
from drivetrain.errors import UsageError
from drivetrain.learn.distributed import processes
from drivetrain.learn.settings import NETWORKS_ONLY, Record, Settings
from drivetrain.models.registry import LEARNERS, fitting, takes_of

TREES, NGRAMS, REGRESSION, MINIROCKET = "trees", "ngrams", "regression", "minirocket"
EASE, FACTORS, BEST = "ease", "factors", "best"
NETWORK = "mlp"
"""The network of a table."""
OF_NETWORKS = {*NETWORKS_ONLY, "epochs", "lr", "frozen_epochs"} - {"seed", "class_weights", "loss"}
"""Options that only a network has."""


def is_network(model: Any) -> bool:
    """Whether a model is trained by epochs: a network, by its name or a module. The learners of others have `fit()`, which
    takes none."""
    return not isinstance(model, str) or model not in LEARNERS


def is_several(model: Any) -> bool:
    """Whether a model is looked for among several."""
    return not is_network(model) and LEARNERS[model].several


def own_learner(model: Any) -> Any:
    """The learner of a model without epochs; None for a network's."""
    if is_network(model):
        return None
    if processes.count() > 1:
        raise UsageError("this model is fitted in one process.", where="torchrun", fix="Leave torchrun out.")
    return _learner(model)


def settings_of(model: Any) -> type[Record]:
    """The class of a model's settings."""
    return Settings if is_network(model) else _learner(model).kind


def _learner(model: str) -> Any:
    module, _, name = LEARNERS[model].learner.partition(":")
    return getattr(importlib.import_module(f"drivetrain.learn.{module}"), name)


def default_model(data: Dataset, given: Iterable[str] = ()) -> str:
    """What is trained where nobody named a model: what the dataset says; but a network where an option is `given` that is
    for one, such as epochs, and among several processes."""
    if processes.count() > 1 or OF_NETWORKS.intersection(given):
        return network_of(data)
    return network_of(data) if is_network(data.default_model) else data.default_model


def network_of(data: Dataset) -> str:
    """The dataset's default model; its network where that is none, and the first that fits where inputs need another."""
    default, signature = data.default_model, data.signature
    name = default if is_network(default) else data.task.network or LEARNERS[default].network or default
    if not is_network(name) or takes_of(name).fits(signature):
        return name
    return next(filter(is_network, fitting(signature)), name)


def one_model(data: Dataset) -> str:
    """What is trained many times over where nobody named a model: the best is itself many."""
    default = data.default_model
    return network_of(data) if is_network(default) or is_several(default) else default


def quick_model(data: Dataset) -> str:
    """The same where it needn't be a network: of texts alone their n-grams, which mostly win, in seconds."""
    texts = all(codec.holds_texts for codec in data.signature.inputs.values())
    if texts and is_several(data.default_model) and takes_of(NGRAMS).fits(data.signature):
        return NGRAMS
    return one_model(data)
