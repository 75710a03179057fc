"""Which token comes next: numbers drawn from a seed, and the likeliest of many, alike in every runtime (OPS.md)."""

from __future__ import annotations

import numpy as np

from drivetrain.bundle.strategies import Sampling
from drivetrain.types import Array

_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BITS = 2**64 - 1


def draw(seed: int, place: int) -> float:
    """The number of a place, from 0, in those that SplitMix64 makes of a seed: from 0, below 1, of 53 bits."""
    word = seed + (place + 1) * _STEP & _BITS
    word = (word ^ word >> 30) * _FIRST & _BITS
    word = (word ^ word >> 27) * _SECOND & _BITS
    return ((word ^ word >> 31) >> 11) * 2.0**-53


def largest(values: Array, count: int) -> Array:
    """The places of the `count` largest (all, where there are fewer), the largest first, of equals the first."""
    places = np.arange(len(values))
    if count < len(values):
        places = np.flatnonzero(values >= np.partition(values, -count)[-count])
    return places[np.argsort(-values[places], kind="stable")][:count]


def sampled(logits: Array, strategy: Sampling, number: float) -> int:
    """The token of float32 logits (vocabulary,) that a number from 0, below 1, falls on; none whose logit is -inf."""
    kept = largest(logits, strategy.top_k or len(logits))
    kept = kept[logits[kept] > -np.inf]
    scores: Array = logits[kept].astype(np.float64) / strategy.temperature
    sums: Array = np.cumsum(np.exp(scores - scores[0]))
    sums = sums[: 1 + np.count_nonzero(sums < strategy.top_p * sums[-1])]
    place = np.count_nonzero(sums <= number * sums[-1])
    return int(kept[min(place, len(sums) - 1)])


def likeliest(logits: Array, count: int) -> tuple[Array, Array]:
    """float32 logits (rows, vocabulary) -> the `count` likeliest tokens of each row (all, where there are fewer), the likeliest
    first, of equals the least, int64 (rows, k), and their log-probabilities, float64."""
    count = min(count, logits.shape[1])
    edges = np.partition(logits, -count, axis=1)[:, -count]
    rows, tokens = np.nonzero(logits >= edges[:, None])
    if len(rows) == len(logits) * count:
        tokens = tokens.reshape(-1, count)
    else:  # Some row has equals at its edge.
        tokens = np.array([np.sort(largest(row, count)) for row in logits])
    order = np.argsort(-np.take_along_axis(logits, tokens, 1), axis=1, kind="stable")
    tokens = np.take_along_axis(tokens, order, 1)
    scores = logits.astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(scores, tokens, 1)
    return tokens, chosen - np.log(np.exp(scores, out=scores).sum(axis=1, keepdims=True))
