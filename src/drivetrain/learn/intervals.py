"""Prediction intervals for numbers, by split conformal prediction on the validation rows.

The half width is a quantile of the absolute residuals there, in the scaled units that the model was trained in. For
rows drawn like them the interval holds the true number in the wanted share of cases, whatever the model is:
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-Free Predictive Inference for Regression,
Journal of the American Statistical Association 113:1094-1111.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.learn.outcome import measured_part
from drivetrain.metrics import Estimate, wilson
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.fitted import Fitted

FEWEST = 20
"""Fewer validation rows than this say too little about a quantile of 90 %."""


def fit_intervals(learner: Fitted) -> dict[str, Estimate]:
    """Give each number target of the learner's signature its interval; target -> how often it held.

    The rows that the width comes from can't tell how often it holds. So that is measured by halves: the width of
    one half on the rows of the other, both ways.
    """
    data, part = learner.data, measured_part(learner)
    share = data.interval
    numbers = {name: codec for name, codec in data.signature.targets.items() if isinstance(codec, Number)}
    if share is None or part != "valid" or not numbers:
        return {}
    outputs, encoded = learner.outputs(part)
    changed, found = {}, {}
    for name, codec in numbers.items():
        residuals = scaled_residuals(codec, outputs[name], encoded[name])
        if len(residuals) >= FEWEST:
            changed[name] = replace(codec, interval=width(residuals, share), coverage=share)
            found[name] = held_by_halves(residuals, share, learner.settings.seed)
    data.signature = Signature(data.signature.inputs, {**data.signature.targets, **changed})
    return found


def scaled_residuals(codec: Number, predicted: Array, true: Array) -> Array:
    """(n,) absolute residuals in the codec's scaled units."""
    z = [codec.transform(np.asarray(values, np.float64).reshape(-1)) for values in (predicted, true)]
    spread = codec.spread if codec.scaling != "none" else 1.0
    return np.abs(z[0] - z[1]) / (spread or 1.0)


def width(residuals: Array, share: float) -> float:
    """The ceil((n + 1) share)-th smallest residual, or the largest where there are too few."""
    rank = min(len(residuals), math.ceil((len(residuals) + 1) * share))
    return float(np.partition(residuals, rank - 1)[rank - 1])


def held_by_halves(residuals: Array, share: float, seed: int) -> Estimate:
    order = np.random.default_rng(seed).permutation(len(residuals))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    held = sum(
        int(np.count_nonzero(residuals[other] <= width(residuals[half], share)))
        for half, other in (halves, halves[::-1])
    )
    return wilson(held, len(residuals))
