"""Training for its outputs alone: no run, no result, no report. For learning curves and cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from drivetrain.data.dataset import Dataset
from drivetrain.errors import TrainingError
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.make import TREES, usual_epochs
from drivetrain.learn.settings import Phase, settings_without_epochs, telling
from drivetrain.learn.tree_model import MOST_ROUNDS, fit_trees
from drivetrain.learn.trees import TreeSettings
from drivetrain.types import Array

MOST = 4
"""A part of the rows is trained on for at most so many times as many epochs."""


class Trained(Protocol):
    """A model that answers for a part: (outputs as the exported graph would give them, encoded targets)."""

    steps: int
    """Batches in an epoch; 0 for a model without epochs."""

    def outputs(self, part: str = "valid") -> tuple[dict[str, Array], dict[str, Array]]: ...


class BareTrees:
    """Gradient-boosted trees for each target."""

    steps = 0

    def __init__(self, data: Dataset, seed: int = 0, most_rounds: int = MOST_ROUNDS, **options: Any) -> None:
        self.data = data
        train = data.part("train").batch()
        settings = settings_without_epochs(TreeSettings, {"seed": seed, **options}, TREES)
        refuse_pointless(data, TREES, telling(options))
        self.models = {
            name: fit_trees(data.signature, train, name, most_rounds=most_rounds, **settings.to_json())
            for name in data.signature.targets
        }

    def outputs(self, part: str = "valid") -> tuple[dict[str, Array], dict[str, Array]]:
        batch = self.data.part(part).batch()
        return (
            {name: model.predict(batch) for name, model in self.models.items()},
            {name: np.asarray(batch[name]) for name in self.models},
        )


def bare_learner(data: Dataset, model: Any = None, **options: Any) -> Any:
    """A `Learner` that leaves nothing behind when it trains."""
    from drivetrain.learn import loop
    from drivetrain.learn.learner import Learner

    class BareLearner(Learner):
        def train(self, phases: Sequence[Phase]) -> dict[str, Any]:
            self.plan += phases
            self._outputs.clear()
            if not loop.run_plan(self):
                raise TrainingError("a hook stopped the training.", where=self.data.table.name)
            return {}

        @property
        def steps(self) -> int:
            return math.ceil(len(self.data.part("train")) / self.settings.batch_size)

    return BareLearner(data, model, quiet=True, **options)


def train_bare(
    data: Dataset, model: Any = None, epochs: int | None = None, steps: int | None = None, **options: Any
) -> Trained:
    """A model trained on the training rows. With `steps` (batches in an epoch of all the rows) a part of them gets more
    epochs, at most four times as many, so that it is not told apart by having been trained less.
    Raises what the model's learner raises."""
    if (data.default_model if model is None else model) == TREES:
        return BareTrees(data, **options)
    learner = bare_learner(data, model, **options)
    epochs = epochs or usual_epochs(data)
    longer = min(MOST, (steps or learner.steps) / learner.steps)
    learner.fine_tune(max(1, round(epochs * longer)))
    return learner
