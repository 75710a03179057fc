"""Finding a learning rate: raise it step by step, watch the loss (Smith 2015, arXiv:1506.01186).

One sweep of a small table is mostly noise: by where its loss fell fastest, six seeds gave rates from 1.6e-6 to 3.3e-3.
So the losses of several sweeps are averaged, and what is looked for is where half of the fall is over, which noise at
either end moves little. The training takes all its steps at the rate that a sweep has left after a few: it is a decade
above: 1e-3 to 1e-2 train as well as any on four tables of 700 to 1,500 rows, where this gives 4e-4 to 4e-3. It is no
higher than where the loss was at its lowest.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn import loop
from drivetrain.learn.settings import Phase
from drivetrain.learn.training import start_phase

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.learner import Learner

DIVERGED = 4.0
"""A sweep ends where its loss is so many times its lowest."""
SMOOTHING = 0.9
"""Of the loss that tells so: single batches are not believed."""
SWEEPS, SWEEPS_OF_LARGE = 5, 2
BLUR = 0.3
"""The mean loss is blurred by a bell with this standard deviation, in decades."""
ABOVE = 10.0
"""The suggestion is so many times the rate by which half of the fall is over."""
OF_DEFAULT = 0.2
"""It is at least this share of the default, below which a training falls behind one with the default, unless the loss is
at its lowest before."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearningRates:
    """The rates tried, the smoothed mean loss of the sweeps at each, and the rate to train with."""

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
    learner: Learner,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    frozen: bool = False,
    sweeps: int | None = None,
) -> LearningRates:
    """Train for `steps` batches with a rate that rises from `lowest` to `highest`, several times from the same weights,
    and put everything back.

    `sweeps` is how many times: by default 5, with pictures and the like 2. Raises UsageError when there is nothing to try,
    TrainingError when the loss is never a number.
    """
    if steps < 3 or not 0 < lowest < highest:
        raise UsageError(
            f"no {steps} rates rise from {lowest} to {highest}.", fix="Give 0 < lowest < highest, steps >= 3."
        )
    if sweeps is None:
        sweeps = SWEEPS_OF_LARGE if learner.data.large else SWEEPS
    if sweeps < 1:
        raise UsageError(f"{sweeps} sweeps try nothing.", fix="Give sweeps >= 1.")
    if learner.beside:
        raise UsageError(
            "it looks where one loss falls, and networks that train against or beside one another have several.",
            where="find_lr", fix="Try rates: fit(epochs, lr=...).",
        )  # fmt: skip
    rates = np.geomspace(lowest, highest, steps)
    network = copy.deepcopy(learner.network.state_dict())
    position = learner.position
    states = learner.generators.states(in_epoch=position.batch > 0)
    average = learner.average
    learner.average = None
    curves: list[list[float]] = []
    try:
        with (
            learner.generators.for_torch(),
            learner.progress("Trying learning rates", sweeps * steps) as advance,
        ):
            for _ in range(sweeps):
                learner.network.load_state_dict(network)
                learner.position = loop.Position()
                curves.append(_sweep(learner, rates, frozen))
                advance(steps)
    finally:
        learner.network.load_state_dict(network)
        learner.network.zero_grad(set_to_none=True)
        learner.average = average
        learner.position = position
        learner.generators.restore(states)
    tried = min(map(len, curves))
    if tried < 3:
        raise TrainingError(
            "the loss is not a number at the lowest rate already.", fix="Look at the data and the model."
        )
    losses = _blurred(np.mean([curve[:tried] for curve in curves], axis=0), np.log10(rates[:tried]))
    least = learner.default_rate() * OF_DEFAULT
    return LearningRates(rates[:tried].tolist(), losses.tolist(), _suggested(rates[:tried], losses, least))


def _sweep(learner: Learner, rates: Floats, frozen: bool) -> list[float]:
    """The loss of a batch before its step with each rate, up to where it diverges."""
    training = start_phase(learner, Phase(1, 1.0, frozen=frozen))
    training.train_mode()
    losses: list[float] = []
    smooth: list[float] = []
    for rate, (batch, share) in zip(rates.tolist(), _batches(learner, training)):
        for name, loss, error in training.updates(batch, share):
            value, _ = learner.processes.totals(loss, error)
            if not math.isfinite(value):
                return losses
            losses.append(value)
            smooth.append(value if not smooth else SMOOTHING * smooth[-1] + (1 - SMOOTHING) * value)
            if smooth[-1] > DIVERGED * min(smooth):
                return losses
            loss.backward()
            loop.update(learner, training, name, rate)
    return losses


def _blurred(losses: Floats, decades: Floats) -> Floats:
    weights = np.exp(-0.5 * np.square((decades[:, None] - decades) / BLUR))
    return weights @ losses / weights.sum(axis=1)


def _suggested(rates: Floats, losses: Floats, least: float = 0.0) -> float:
    """`ABOVE` times the rate by which half of the fall is over, or `least`; at most that of the lowest loss."""
    bottom = int(np.argmin(losses))
    half = (losses[: bottom + 1].max() + losses[bottom]) / 2
    reached = int(np.flatnonzero(losses[: bottom + 1] <= half)[0])
    return float(min(max(ABOVE * rates[reached], least), rates[bottom]))


def _batches(learner: Learner, training: Any) -> Any:
    while True:
        tensors = training.train_tensors(0)
        for positions in learner.epoch_batches(tensors):
            yield training.batch(tensors, positions)
