"""What a recommender has to beat: for ratings the mean and biases, for rankings what is popular and what is alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Signature
from drivetrain.learn.baselines.supervised import Baseline
from drivetrain.learn.recommend.items import Items, choose, together, without
from drivetrain.types import Array, Batch

Floats = npt.NDArray[np.float64]

POPULARITY, NEIGHBOURS = "popularity", "item-kNN"
GLOBAL_MEAN, BIASES = "global mean", "user and item bias"
SIZES = (10, 20, 50, 100, 200, 500)
"""Numbers of neighbours that are tried."""
ROUNDS = 10
PRIOR = 5.0
"""As many ratings of the mean are added to each user's and each item's own: Koren (2010), ACM TKDD 4:1, section 2.1. His 10
and 25 are for a set of 100 million; on MovieLens 100k they cost 0.011 of the error."""


def rating_baselines(signature: Signature, train: Batch, valid: Batch, seed: int = 0) -> list[Baseline]:
    """The mean of all ratings, and the mean with a bias for each user and each item."""
    del seed
    (target,) = signature.targets
    ratings = np.asarray(train[target], np.float64)
    if not len(ratings) or not len(valid[target]):
        return []
    mean = ratings.mean()
    pairs = [(np.asarray(train[name]), np.asarray(valid[name])) for name in signature.inputs]
    (users, their), (items, these) = pairs
    of_users, of_items = biases(users, items, ratings - mean)

    def known(values: Floats, codes: Array) -> Floats:
        return np.append(values, np.zeros(max(0, int(codes.max()) + 1 - len(values))))[codes]

    biased = mean + known(of_users, their) + known(of_items, these)
    return [
        Baseline(GLOBAL_MEAN, target, np.full(len(their), mean)),
        Baseline(BIASES, target, biased),
    ]


def biases(users: Array, items: Array, residuals: Floats) -> tuple[Floats, Floats]:
    """What each user and each item adds to the mean, by turns until they agree; 0 for what has no rating."""
    of_users, of_items = np.zeros(int(users.max()) + 1), np.zeros(int(items.max()) + 1)
    user_counts = np.bincount(users, minlength=len(of_users)) + PRIOR
    item_counts = np.bincount(items, minlength=len(of_items)) + PRIOR
    for _ in range(ROUNDS):
        of_items = np.bincount(items, residuals - of_users[users], len(of_items)) / item_counts
        of_users = np.bincount(users, residuals - of_items[items], len(of_users)) / user_counts
    return of_users, of_items


def ranking_baselines(signature: Signature, train: Batch, valid: Batch, seed: int = 0) -> list[Baseline]:
    """What most people have, and what is most like what somebody has: cosines of the best number of neighbours."""
    (target,) = signature.targets
    history, seen = np.asarray(train["history"]), train.get("seen")
    if not len(history) or not len(valid["history"]):
        return []
    had = (np.asarray(valid["history"]), valid.get("seen"))
    shares = Items(history).shares.astype(np.float32)
    popular = np.broadcast_to(shares, had[0].shape)
    size = choose(SIZES, neighbours, history, seen, seed)
    alike = neighbours(together(history), size)(had[0])
    alike = np.where(had[0].any(axis=1, keepdims=True), alike, shares)
    return [
        Baseline(name, target, without(scores.astype(np.float32), *had))
        for name, scores in ((POPULARITY, popular), (NEIGHBOURS, alike))
    ]


def neighbours(counts: Floats, size: int) -> Callable[[Array], Array]:
    """What gives scores (n, items) for histories: for each item the cosines with those among its `size` nearest that
    somebody has had, added up. Of `counts` see `together`. Sarwar, Karypis, Konstan and Riedl (2001), WWW, 285-295."""
    norms = np.sqrt(np.maximum(np.diag(counts), 1.0))
    cosines = counts / np.outer(norms, norms)
    np.fill_diagonal(cosines, 0.0)
    if size < len(cosines):
        least = np.partition(cosines, -size, axis=0)[-size]
        cosines[cosines < least] = 0.0
    weights = cosines.astype(np.float32)
    return lambda some: some.astype(np.float32) @ weights
