"""Folds of train and valid: each row of them is asked about by a model that has not seen it, where rows may be dealt out."""

from __future__ import annotations

import numpy as np

from drivetrain.data.dataset import Dataset
from drivetrain.data.refit import fold, in_time, origins, pool, spread_order, strata
from drivetrain.data.split import ByGroup, Random, codes_of
from drivetrain.types import Array

HELD_OUT = 0.2
"""Of the training rows, where there is no valid part and they can't be dealt out."""


def folds(data: Dataset, more: int, seed: int) -> list[Dataset]:
    """Datasets with other rows of train and valid each to be asked about: the first is `data` itself, where it has valid
    rows, then come `more` that ask about the training rows, a piece of them each.

    Rows are dealt out as they were split: at random, or in whole groups; the codecs stay those of the training rows. Where
    they were split otherwise (by time, by a column) an earlier row may tell of a later one, and the first is the only one;
    in time without valid rows, the one that asks about the latest rows, its codecs fitted to those before.
    """
    own = [data] if len(data.rows("valid")) and len(data.part("valid")) else []
    if not own and in_time(data):
        return origins(data, data.part("train").rows, 1, HELD_OUT)
    pieces = _pieces(data, more if own else max(1, more), seed, alone=not own)
    if not pieces:
        return own
    pooled = pool(data)
    every = np.concatenate([data.split.train, data.split.valid])
    return own + [fold(pooled, np.setdiff1d(every, piece), piece) for piece in pieces]


def _pieces(data: Dataset, count: int, seed: int, alone: bool) -> list[Array]:
    """The training rows in so many pieces; one of a fifth of them where `alone` and there is no other way."""
    splitter = data.splitter
    rows, classes = strata(data)
    generator = np.random.default_rng(seed)
    if isinstance(splitter, ByGroup):
        groups = codes_of(data.table, splitter.column)[0][rows]
        order = generator.permutation(np.unique(groups))
        count = min(count, len(order) // 2)
        return [rows[np.isin(groups, order[start::count])] for start in range(count)]
    if isinstance(splitter, Random) or alone:
        order = spread_order(classes, seed)
        if count == 1:
            return [np.sort(rows[order[: max(1, round(HELD_OUT * len(rows)))]])]
        count = min(count, len(rows) // 2)
        return [np.sort(rows[order[start::count]]) for start in range(count)]
    return []
