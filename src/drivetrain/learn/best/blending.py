"""How much each of several models has to say in a blend of them, told by rows that none of them has seen.

Answers are held fold by fold: what a model says of the rows of each fold, which it has not seen there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from drivetrain.codecs import Codec, Quantity
from drivetrain.metrics import losses
from drivetrain.types import Array

VOTES = 20
"""A weight is a number of votes of so many."""
LEAST = 0.1
"""A model with less to say than this is left out: it would cost more than it brings."""

Weights = dict[str, float]


def learned_losses(codec: Codec, outputs: Array, true: Array, loss: str = "squared") -> Array:
    """(n,) how wrong each answer is by what was learned: log loss, or of a number `loss`, in the units in which it is
    learned (the logarithm's where the codec has one, over the spread)."""
    if not isinstance(codec, Quantity):
        return losses(codec, outputs, true)
    numbers = (np.asarray(values, np.float64).reshape(-1) for values in (outputs, true))
    predicted, wanted = map(codec.scaled, numbers)
    apart = np.abs(predicted - wanted)
    return np.square(apart) if loss == "squared" else apart


def blended(outputs: Mapping[str, Array], weights: Weights) -> Array:
    """float32 (n, ...): the weighted mean of outputs (n, ...) by name."""
    return np.asarray(
        np.sum([weight * outputs[name] for name, weight in weights.items()], axis=0, dtype=np.float32)
    )


def blend_weights(codec: Codec, outputs: Mapping[str, Array], true: Array, loss: str = "squared") -> Weights:
    """Weights that sum up to 1, of the models that have any, chosen for the least mean loss on these rows.

    By forward selection with replacement: vote after vote goes to the model that the blend is best with (Caruana,
    Niculescu-Mizil, Crew and Ksikes 2004, Ensemble Selection from Libraries of Models, ICML). Of all the steps the best
    one counts, so the blend is never worse on these rows than the best model alone.
    """
    names = list(outputs)
    votes, total = np.zeros(len(names), np.int64), np.zeros(outputs[names[0]].shape, np.float64)
    best, chosen = np.inf, votes
    for number in range(1, VOTES + 1):
        tried = [
            float(learned_losses(codec, (total + outputs[name]) / number, true, loss).mean())
            for name in names
        ]
        place = int(np.argmin(tried))
        total = total + outputs[names[place]]
        votes[place] += 1
        if tried[place] < best:
            best, chosen = tried[place], votes.copy()
    shares = chosen / chosen.sum()
    shares[shares < LEAST] = 0.0
    return {name: float(share) for name, share in zip(names, shares / shares.sum()) if share}


def joined_weights(
    codec: Codec, answers: Mapping[str, Sequence[Array]], truths: Sequence[Array], loss: str
) -> Weights:
    """The weights by the rows of several folds: answers name -> (n, ...) of each fold, truths (n, ...) of each."""
    every = {name: np.concatenate(found) for name, found in answers.items()}
    return blend_weights(codec, every, np.concatenate(truths), loss)


def unseen_blend(
    codec: Codec,
    answers: Mapping[str, Sequence[Array]],
    truths: Sequence[Array],
    loss: str,
    seed: int,
    in_order: bool = False,
) -> list[Array]:
    """What the blend says of each fold, with weights that come of the other folds: rows that have chosen the weights would
    flatter them. Of a single fold each half has those of the other: rows drawn at random, or with `in_order` the earlier and
    the later ones."""
    if len(truths) == 1:
        order = np.arange(len(truths[0]))
        if not in_order:
            order = np.random.default_rng(seed).permutation(order)
        halves = np.array_split(order, 2)
        cut = {name: [found[0][half] for half in halves] for name, found in answers.items()}
        made = unseen_blend(codec, cut, [truths[0][half] for half in halves], loss, seed)
        found = np.empty((len(order), *made[0].shape[1:]), np.float32)
        found[order] = np.concatenate(made)
        return [found]
    blends: list[Array] = []
    for number in range(len(truths)):
        others = [fold for fold in range(len(truths)) if fold != number]
        told = {name: [found[fold] for fold in others] for name, found in answers.items()}
        weights = joined_weights(codec, told, [truths[fold] for fold in others], loss)
        blends.append(blended({name: found[number] for name, found in answers.items()}, weights))
    return blends
