"""Finding a learning rate: raise it step by step, watch the loss (Smith 2015, arXiv:1506.01186)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from drivetrain.arguments import public
from drivetrain.errors import TrainingError, UsageError
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
    """The rates tried, the smoothed loss at each, and the rate at the middle of the decade where it fell fastest."""

    rates: list[float]
    losses: list[float]
    suggestion: float

    @property
    def chart(self) -> Chart:
        from drivetrain.charts import learning_rate

        return learning_rate(self.rates, self.losses, self.suggestion)

    def _repr_html_(self) -> str:
        return self.chart._repr_html_()


@public
def find_learning_rate(
    learner: Learner, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100, frozen: bool = False
) -> LearningRates:
    """Train for `steps` batches with a rate that rises from `lowest` to `highest`, and put everything back.

    The suggestion is the middle of the decade over which the smoothed loss falls fastest. Raises UsageError when
    there is nothing to try, TrainingError when the loss is never a number.
    """
    if steps < 3 or not 0 < lowest < highest:
        raise UsageError(
            f"no {steps} rates rise from {lowest} to {highest}.", fix="Give 0 < lowest < highest, steps >= 3."
        )
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
    return LearningRates(
        rates, losses, _steepest(rates, losses, round((steps - 1) / math.log10(highest / lowest)))
    )


def _steepest(rates: list[float], losses: list[float], decade: int) -> float:
    """The middle of the `decade` many rates over which the loss, up to its lowest, falls fastest by least squares.

    Over fewer the noise of single batches decides, which is greatest near the lowest loss: a rate that is too high.
    """
    bottom = max(3, int(np.argmin(losses)) + 1)
    width = min(max(decade, 3), bottom)
    steps = sliding_window_view(np.log(rates[:bottom]), width)
    falls = sliding_window_view(np.array(losses[:bottom]), width)
    steps = steps - steps.mean(axis=1, keepdims=True)
    slopes = (steps * falls).sum(axis=1) / np.square(steps).sum(axis=1)
    return rates[int(np.argmin(slopes)) + width // 2]


def _batches(learner: Learner, training: Any) -> Any:
    while True:
        tensors = training.train_tensors(0)
        for positions in learner.epoch_batches(len(tensors)):
            yield training.batch(tensors, positions)
