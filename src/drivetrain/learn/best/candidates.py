"""What `--model best` tries on a table: each a model that anybody could have asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.data.dataset import Dataset
from drivetrain.learn.by_name import make_learner
from drivetrain.learn.epochs import lengths, usual_epochs
from drivetrain.learn.features.base import for_kernels, for_ngrams, for_regression, for_trees
from drivetrain.learn.names import MINIROCKET, NETWORK, NGRAMS, REGRESSION, TREES, is_network, network_of
from drivetrain.models.registry import takes_of
from drivetrain.models.takes import is_plain

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

NAMES = {
    TREES: "gradient-boosted trees",
    NGRAMS: "linear model of n-grams",
    REGRESSION: "penalised regression",
    MINIROCKET: "kernels on series (minirocket)",
    NETWORK: "network",
}


@dataclass(frozen=True)
class Candidate:
    """A model by its name, of a network also how many epochs it is trained for."""

    model: str
    epochs: int | None = None

    @property
    def key(self) -> str:
        """What it is called in a run's files."""
        return self.model if self.epochs is None else f"{self.model}-{self.epochs}"

    @property
    def name(self) -> str:
        """What people read."""
        called = NAMES.get(self.model, f"network {self.model}" if self.is_network else self.model)
        return called + ("" if self.epochs is None else f", {self.epochs} epochs")

    @property
    def is_network(self) -> bool:
        return self.epochs is not None

    def fit(self, data: Dataset, options: Mapping[str, Any]) -> BaseLearner:
        """The model fitted to the training rows. Raises what its learner raises."""
        learner: Any = make_learner(data, self.model, bare=True, **options)
        if self.epochs is None:
            learner.fit()
        else:
            learner.fit(self.epochs)
        return learner


def candidates(data: Dataset) -> list[Candidate]:
    """Those that fit the data, the quickest first."""
    if data.task.tried:
        return [Candidate(name, usual_epochs(data) if is_network(name) else None) for name in data.task.tried]
    found: list[Candidate] = []
    if all(map(is_plain, data.signature.targets.values())):
        inputs = data.signature.inputs.values()
        simple = {
            REGRESSION: for_regression, TREES: for_trees, NGRAMS: for_ngrams, MINIROCKET: for_kernels,
        }  # fmt: skip
        found += [Candidate(model) for model, offered in simple.items() if any(map(offered, inputs))]
    network = network_of(data)
    if not takes_of(network).fits(data.signature):
        return found
    return [*found, *(Candidate(network, epochs) for epochs in lengths(data))]
