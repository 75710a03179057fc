"""Finding a learning rate: raise it step by step, watch the loss (Smith 2015, arXiv:1506.01186)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.errors import TrainingError
from drivetrain.learn import loop
from drivetrain.learn.settings import Phase
from drivetrain.learn.training import start_phase

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.learner import Learner

SMOOTHING = 0.9
DIVERGED = 4.0


@dataclass(frozen=True)
class LearningRates:
    """The rates tried, the smoothed loss at each, and the rate where the loss fell fastest."""

    rates: list[float]
    losses: list[float]
    suggestion: float

    @property
    def chart(self) -> Chart:
        from drivetrain.charts import learning_rate

        return learning_rate(self.rates, self.losses, self.suggestion)

    def _repr_html_(self) -> str:
        return self.chart._repr_html_()


def find_learning_rate(
    learner: Learner, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100, frozen: bool = False
) -> LearningRates:
    """Train for `steps` batches with a rate that rises from `lowest` to `highest`, and put everything back.

    The suggestion is where the smoothed loss falls fastest per decade. Raises TrainingError when the loss is
    never a number.
    """
    network = copy.deepcopy(learner.network.state_dict())
    position = learner.position
    states = learner.generators.states(in_epoch=position.batch > 0)
    rates: list[float] = []
    losses: list[float] = []
    average = learner.average
    learner.average = None
    learner.position = loop.Position()
    try:
        with learner.generators.for_torch(), learner.progress("Trying learning rates", steps) as advance:
            training = start_phase(learner, Phase(1, 1.0, frozen=frozen))
            training.train_mode()
            for rate, (batch, share) in zip(
                np.geomspace(lowest, highest, steps), _batches(learner, training)
            ):
                loss, error = loop.forward(learner, training, batch, share)
                value, _ = learner.processes.totals(loss, error)
                if not math.isfinite(value):
                    break
                loss.backward()
                loop.update(learner, training, float(rate))
                smooth = value if not losses else SMOOTHING * losses[-1] + (1 - SMOOTHING) * value
                rates.append(float(rate))
                losses.append(smooth)
                advance(1)
                if smooth > DIVERGED * min(losses):
                    break
    finally:
        learner.network.load_state_dict(network)
        learner.network.zero_grad(set_to_none=True)
        learner.average = average
        learner.position = position
        learner.generators.restore(states)
    if len(losses) < 3:
        raise TrainingError(
            "the loss is not a number at the lowest rate already.", fix="Look at the data and the model."
        )
    bottom = int(np.argmin(losses)) + 1
    slope = np.gradient(np.array(losses[: max(3, bottom)]), np.log(rates[: max(3, bottom)]))
    return LearningRates(rates, losses, rates[int(np.argmin(slope))])


def _batches(learner: Learner, training: Any) -> Any:
    while True:
        tensors = training.train_tensors(0)
        for positions in learner.epoch_batches(len(tensors)):
            yield training.batch(tensors, positions)
