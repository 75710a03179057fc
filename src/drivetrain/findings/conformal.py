"""Prediction intervals for numbers, by split conformal prediction on the validation rows.

The half width is a quantile of the absolute residuals there, in the scaled units that the model was trained in, each
divided by how large they usually are where the model answers so: large answers are mostly further off than small ones.
For rows drawn like them the interval holds the true number in the wanted share of cases, whatever the model is: Lei,
G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-Free Predictive Inference for Regression, Journal of the
American Statistical Association 113:1094-1111; section 5.2 has the local weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.codecs import Quantity, Signature
from drivetrain.codecs.number import Floats, limits_of
from drivetrain.metrics import Estimate, wilson
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

FEWEST = 20
"""Fewer validation rows than this say too little about a quantile of 90 %."""
AT_A_PLACE, MOST_PLACES = 50, 8
"""The usual error is told for at most so many places among the answers, each of at least so many rows."""
SMALLEST = 1e-3
"""No place has a smaller share of the usual error than this."""
FOLDS = 5


def fit_intervals(learner: BaseLearner) -> dict[str, Estimate]:
    """Give each number target of the learner's signature its interval; target -> how often it held.

    The rows that the width comes from can't tell how often it holds. So that is measured by halves: the width of
    one half on the rows of the other, both ways.
    """
    data, part = learner.data, learner.data.measured_part
    share = data.interval
    numbers = {name: codec for name, codec in data.signature.targets.items() if isinstance(codec, Quantity)}
    if learner.unmeasured or share is None or part != "valid" or not numbers:
        return {}
    outputs, encoded = learner.outputs(part)
    changed, found = {}, {}
    for name, codec in numbers.items():
        predicted, true = (np.asarray(values[name], np.float64).reshape(-1) for values in (outputs, encoded))
        if len(true) >= FEWEST:
            known = np.concatenate([true, np.asarray(data.truths("train")[name], np.float64).reshape(-1)])
            codec, seed = limited(codec, known), learner.settings.seed
            changed[name] = with_interval(codec, predicted, true, share, seed)
            found[name] = held_by_halves(codec, predicted, true, share, seed)
    data.signature = Signature(data.signature.inputs, {**data.signature.targets, **changed})
    return found


def limited(codec: Quantity, known: Floats) -> Quantity:
    """The codec with the limits that the known numbers speak for."""
    lowest, highest = limits_of(known)
    return codec.without_interval().with_fields(lowest=lowest, highest=highest)


def with_interval(codec: Quantity, predicted: Floats, true: Floats, share: float, seed: int) -> Quantity:
    """The codec with the interval that holds a share of the true numbers (n,).

    The usual error that a row's residual is divided by is that of the other rows (in five folds): by that of all rows
    each would look a little more usual than it is."""
    places = codec.scaled(predicted)
    residuals = np.abs(places - codec.scaled(true))
    fold = np.random.default_rng(seed).permutation(len(residuals)) % FOLDS
    scores = np.empty(len(residuals))
    for number in range(FOLDS):
        own = fold == number
        others = codec.with_fields(local=usual(places[~own], residuals[~own]))
        scores[own] = residuals[own] / others.factors(places[own])
    local = usual(places, residuals)
    return codec.with_fields(local=local, interval=quantile(scores, share), coverage=share)


def usual(places: Floats, residuals: Floats) -> tuple[tuple[float, float], ...]:
    """How many times the mean residual it is around some places; () where the rows are too few to tell."""
    bins = min(MOST_PLACES, len(places) // AT_A_PLACE)
    mean = float(residuals.mean())
    if bins < 2 or not mean > 0:
        return ()
    members = np.array_split(np.argsort(places, kind="stable"), bins)
    middles = [float(np.median(places[rows])) for rows in members]
    factors = [max(SMALLEST, float(residuals[rows].mean()) / mean) for rows in members]
    # Answers that are all the same share one place.
    return tuple(sorted(dict(zip(middles, factors)).items()))


def quantile(scores: Array, share: float) -> float:
    """The ceil((n + 1) share)-th smallest, or the largest where there are too few."""
    rank = min(len(scores), math.ceil((len(scores) + 1) * share))
    return float(np.partition(scores, rank - 1)[rank - 1])


def held_by_halves(codec: Quantity, predicted: Floats, true: Floats, share: float, seed: int) -> Estimate:
    order = np.random.default_rng(seed).permutation(len(true))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    held = 0
    for half, other in (halves, halves[::-1]):
        made = with_interval(codec, predicted[half], true[half], share, seed)
        low, high = made.bounds(predicted[other])
        held += int(np.count_nonzero((low <= true[other]) & (true[other] <= high)))
    return wilson(held, len(true))
