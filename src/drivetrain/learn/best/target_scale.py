"""Whether a number is better learned on a log scale: whether what trees leave unexplained there is nearer to one normal
distribution, and answers in natural units lose nothing by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivetrain.codecs import Codec, Quantity, Signature
from drivetrain.data.dataset import Dataset
from drivetrain.data.split import ByPosition, ByTime
from drivetrain.learn.features.base import for_trees
from drivetrain.learn.trees.growth import Floats
from drivetrain.learn.trees.model import fit_trees
from drivetrain.types import Array, Batch

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
    batch = data.part("train").batch()
    true = np.asarray(batch[target], np.float64).reshape(-1)
    if not inputs or len(true) < FEWEST_ROWS or true.min() < 0 or true.std() == 0:
        return False
    drawn = np.random.default_rng(seed).permutation(len(true))[:MOST_ROWS]
    in_time = isinstance(data.splitter, ByTime | ByPosition)
    if in_time:
        drawn = np.sort(drawn)
    rows = {name: np.asarray(batch[name])[drawn] for name in (*inputs, target)}
    folds = _folds(len(drawn), in_time)
    true = np.concatenate([true[drawn][asked] for _, asked in folds])
    natural = _unseen(inputs, rows, target, codec.with_fields(log=False), folds, seed)
    logged = _unseen(inputs, rows, target, codec.with_fields(log=True), folds, seed)
    gained = _log_density(np.log1p(true) - np.log1p(np.maximum(logged, 0))) - np.log1p(true)
    gained -= _log_density(true - natural)
    least = max(CLEARLY, 3 * gained.std() / np.sqrt(len(gained)))
    worse = np.square(true - logged).mean() > MOST_WORSE**2 * np.square(true - natural).mean()
    return bool(gained.mean() > least and not worse)


def _folds(count: int, in_time: bool) -> list[tuple[Array, Array]]:
    """Which rows are learned from, and which are asked about. In time what is asked about comes later: a scale that answers
    well between the rows may answer badly beyond them."""
    if in_time:
        block = np.arange(count) * (FOLDS + 1) // max(1, count)
        return [(block < number, block == number) for number in range(1, FOLDS + 1)]
    fold = np.arange(count) % FOLDS
    return [(fold != number, fold == number) for number in range(FOLDS)]


def _unseen(
    inputs: dict[str, Codec],
    rows: Batch,
    target: str,
    codec: Quantity,
    folds: Sequence[tuple[Array, Array]],
    seed: int,
) -> Floats:
    """What trees say, on one scale, of rows that they were not grown on, fold by fold, in natural units."""
    signature = Signature(inputs, {target: codec})
    answers: list[Array] = []
    for known, asked in folds:
        parts = [{name: array[where] for name, array in rows.items()} for where in (known, asked)]
        model = fit_trees(signature, parts[0], target, seed=seed, rounds=ROUNDS)
        answers.append(model.predict(parts[1]).astype(np.float64))
    return np.concatenate(answers)


def _log_density(residuals: Floats) -> Floats:
    """(n,) under the normal distribution of their own spread, but for a constant."""
    variance = np.square(residuals).mean()
    return -0.5 * (np.log(variance) + np.square(residuals) / variance)
