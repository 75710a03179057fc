"""Training for its answers alone: no run, no result, no report. For learning curves and cross-validation."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from drivetrain.data.dataset import Dataset
from drivetrain.learn.by_name import make_learner
from drivetrain.learn.epochs import usual_epochs
from drivetrain.learn.names import is_network

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

MOST = 4
"""A part of the rows is trained on for at most so many times as many epochs."""


def train_bare(
    data: Dataset, model: Any = None, epochs: int | None = None, steps: int | None = None, **options: Any
) -> BaseLearner:
    """A model trained on the training rows. With `steps` (batches in an epoch of all the rows) a part of them gets more
    epochs, at most four times as many, so that it is not told apart by having been trained less.
    A module and an objective of one's own begin each training with the weights that they came with.
    Raises what the model's learner raises."""
    model = copy.deepcopy(model)
    if "objective" in options:
        options["objective"] = copy.deepcopy(options["objective"])
    learner: Any = make_learner(data, model, bare=True, **options)
    if not is_network(learner.model_name):
        learner.fit()
        return learner
    longer = min(MOST, (steps or learner.steps) / learner.steps)
    learner.fine_tune(max(1, round((epochs or usual_epochs(data)) * longer)))
    return learner
