"""Whether a number is better learned on a log scale: whether what trees leave unexplained there is nearer to one normal
distribution, and answers in natural units lose nothing by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drivetrain.codecs import Quantity, Signature
from drivetrain.data.dataset import Dataset
from drivetrain.data.refit import in_time, origins
from drivetrain.errors import DataError
from drivetrain.learn.features.base import for_trees
from drivetrain.learn.trees.growth import Floats
from drivetrain.learn.trees.model import fit_trees
from drivetrain.types import Array, Batch

Fold = tuple[Signature, Batch, Batch]
"""Codecs, and the encoded rows that are learned from and that are asked about."""
MOST_ROWS, FEWEST_ROWS = 5_000, 200
FOLDS, ROUNDS = 3, 400
CLEARLY = 0.05
"""Of log-likelihood for each row; and it must be three times its standard error."""
MOST_WORSE = 1.03
"""The root mean squared error in natural units may be so many times as large: a log scale answers with about the median,
which is below the mean."""


def log_fits(data: Dataset, target: str, seed: int = 0) -> bool:
    """Whether `target`, a number without values below 0, is better learned as log(1 + y), by the training rows alone.

    Each scale is given trees of its own, and what they say of rows that they have not seen. The profile log-likelihood
    of the residuals tells which scale makes them alike (Box and Cox 1964, Journal of the Royal Statistical Society B
    26:211-252). False where that can't be told: too few rows, nothing that trees see; where the scale has ends, or is a
    log scale already.
    """
    codec = data.signature.targets[target]
    if not isinstance(codec, Quantity) or codec.log or codec.scale is not None:
        return False
    inputs = {name: known for name, known in data.signature.inputs.items() if for_trees(known)}
    part = data.part("train")
    true = _numbers(part.column(target))
    if not inputs or len(true) < FEWEST_ROWS or true.min() < 0 or true.std() == 0:
        return False
    drawn = np.random.default_rng(seed).permutation(len(true))[:MOST_ROWS]
    try:
        parts = _in_time(data, target, part.rows[np.sort(drawn)]) if in_time(data) else _dealt(data, drawn)
    except DataError:  # An origin with too few rows before it, or after.
        return False
    true = np.concatenate([_numbers(asked[target]) for _, _, asked in parts])
    natural, logged = (_unseen(parts, [*inputs], target, log, seed) for log in (False, True))
    gained = _log_density(np.log1p(true) - np.log1p(np.maximum(logged, 0))) - np.log1p(true)
    gained -= _log_density(true - natural)
    least = max(CLEARLY, 3 * gained.std() / np.sqrt(len(gained)))
    worse = np.square(true - logged).mean() > MOST_WORSE**2 * np.square(true - natural).mean()
    return bool(gained.mean() > least and not worse)


def _in_time(data: Dataset, target: str, rows: Array) -> list[Fold]:
    """What is asked about comes later: a scale that answers well between the rows may answer badly beyond them."""
    some = {name: codec for name, codec in data.signature.inputs.items() if for_trees(codec)}
    seen = replace(data, signature=Signature(some, {target: data.signature.targets[target]}))
    found = origins(seen, rows, FOLDS, 1 / (FOLDS + 1))
    return [(each.signature, each.part("train").batch(), each.part("valid").batch()) for each in found]


def _dealt(data: Dataset, drawn: Array) -> list[Fold]:
    part = data.part("train")
    fold = np.arange(len(drawn)) % FOLDS
    return [
        (data.signature, part.batch(drawn[fold != number]), part.batch(drawn[fold == number]))
        for number in range(FOLDS)
    ]


def _unseen(parts: Sequence[Fold], inputs: Sequence[str], target: str, log: bool, seed: int) -> Floats:
    """What trees say, on one scale, of rows that they were not grown on, fold by fold, in natural units."""
    answers: list[Array] = []
    for signature, known, asked in parts:
        codec = signature.targets[target]
        assert isinstance(codec, Quantity)
        some = Signature(
            {name: signature.inputs[name] for name in inputs}, {target: codec.with_fields(log=log)}
        )
        model = fit_trees(some, known, target, seed=seed, rounds=ROUNDS)
        answers.append(model.predict(asked).astype(np.float64))
    return np.concatenate(answers)


def _numbers(encoded: Array) -> Floats:
    return np.asarray(encoded, np.float64).reshape(-1)


def _log_density(residuals: Floats) -> Floats:
    """(n,) under the normal distribution of their own spread, but for a constant."""
    variance = np.square(residuals).mean()
    return -0.5 * (np.log(variance) + np.square(residuals) / variance)
