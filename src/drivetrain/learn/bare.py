"""Training for its outputs alone: no run, no result, no report. For learning curves and cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from drivetrain.data.dataset import Dataset
from drivetrain.errors import TrainingError
from drivetrain.learn import loop
from drivetrain.learn.fitted import Fitted
from drivetrain.learn.learner import Learner
from drivetrain.learn.settings import Phase

EPOCHS, EPOCHS_OF_COLUMNS = 5, 10
"""Where nobody says how many."""
MOST = 4
"""A part of the rows is trained on for at most so many times as many epochs."""


class Bare(Learner):
    """A learner that leaves nothing behind."""

    def train(self, phases: Sequence[Phase]) -> dict[str, Any]:
        self.plan += phases
        self._outputs.clear()
        if not loop.run_plan(self):
            raise TrainingError("a hook stopped the training.", where=self.data.table.name)
        return {}

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.data.part("train")) / self.settings.batch_size)


def train_bare(
    data: Dataset, model: Any = None, epochs: int | None = None, steps: int | None = None, **options: Any
) -> Fitted:
    """A model trained on the training rows. With `steps` (batches in an epoch of all the rows) a part of them gets more
    epochs, at most four times as many, so that it is not told apart by having been trained less.
    Raises what the model's learner raises."""
    learner = Bare(data, model, quiet=True, **options)
    epochs = epochs or (EPOCHS if data.pictures else EPOCHS_OF_COLUMNS)
    longer = min(MOST, (steps or learner.steps) / learner.steps)
    learner.fine_tune(max(1, round(epochs * longer)))
    return learner
