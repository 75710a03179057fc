"""Matrix factorisation with biases, in which how far each number may go from the usual is learned with it.

A rating is the mean, plus a bias of who, plus one of what, plus the product of their vectors; variational Bayes instead of the
best fit: each user's and each item's numbers are normal around what is usual among all, and come with how sure they are.
So who has rated little stays near the usual, and who is not known is the usual; there is no penalty to choose. Lim and Teh
(2007), Variational Bayesian Approach to Movie Rating Prediction, KDD Cup; the biases are one more number on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.types import Array

Floats = npt.NDArray[np.float64]

WIDTH = 10
STARTS = 4
"""So many factorisations, each from other random vectors, are averaged: together they are one of as many vectors side by side."""
SWEEPS = 15
NOISE = 0.3
"""Of the vectors that a factorisation starts from, in standard deviations of the ratings."""
FIRST_NOISE, FIRST_SPREAD = 1.5, 5.0
"""The precisions of a rating and of a number before anything is known, in the same units."""
LEAST = 0.1
"""What is added to the squares by which numbers go from the usual: of what hardly varies the precision stays finite."""


@dataclass
class Side:
    """The users or the items: `mean` (n, 1 + width) is the bias and the vector of each, `second` (n, 1 + width, 1 + width)
    the expectation of its products. What is usual among them is `usual`, with `precision` (1 + width,)."""

    mean: Floats
    second: Floats
    usual: Floats
    precision: Floats

    @classmethod
    def of(cls, mean: Floats) -> Side:
        width = mean.shape[1]
        second = mean[:, :, None] * mean[:, None, :]
        return cls(mean, second, np.zeros(width), np.full(width, FIRST_SPREAD))


@dataclass(frozen=True)
class Factors:
    """A rating is the sum of `left[user] * right[item]`: float32 (users, n) and (items, n)."""

    left: npt.NDArray[np.float32]
    right: npt.NDArray[np.float32]

    def __call__(self, users: Array, items: Array) -> npt.NDArray[np.float32]:
        return (self.left[users] * self.right[items]).sum(axis=1)


def factorise(
    users: Array,
    items: Array,
    ratings: Array,
    shape: tuple[int, int],
    seed: int = 0,
    sweeps: int = SWEEPS,
    advance: Callable[[int], Any] = lambda _: None,
) -> Factors:
    """The mean of `STARTS` factorisations of ratings (n,) by codes of users and items, of which there are `shape`.

    A code that has no rating gets what is usual. `advance` is told of each sweep.
    """
    from scipy import sparse

    centre, spread = float(ratings.mean(dtype=np.float64)), float(ratings.std(dtype=np.float64)) or 1.0
    scaled = (ratings.astype(np.float64) - centre) / spread
    counts = sparse.csr_array((np.ones(len(scaled)), (users, items)), shape)
    sums = sparse.csr_array((scaled, (users, items)), shape)
    of_users, of_items = (counts, sums), (counts.T.tocsr(), sums.T.tocsr())
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(STARTS):
        left = Side.of(np.zeros((shape[0], 1 + WIDTH)))
        right = Side.of(generator.normal(0.0, NOISE, (shape[1], 1 + WIDTH)))
        noise = FIRST_NOISE
        for _ in range(sweeps):
            noise = _fit(left, right, *of_users, noise, scaled)
            noise = _fit(right, left, *of_items, noise, scaled)
            advance(1)
        found.append((left.mean, right.mean))
    return _joined(found, centre, spread)


def _fit(own: Side, other: Side, counts: Any, sums: Any, noise: float, ratings: Floats) -> float:
    """Fit one side to the other. `counts` and `sums` are sparse (own, other): how often each rated each, and the sum of its
    ratings. Takes and gives the precision of a rating.

    To the one side a rating is a regression on (1, vector of the other side), less the other side's bias.
    """
    inputs, products = other.mean.copy(), other.second.copy()
    inputs[:, 0] = 1.0
    products[:, 0, :] = products[:, :, 0] = inputs
    biases, squares = other.mean[:, 0], other.second[:, 0, 0]
    with_bias = other.second[:, 0, :].copy()  # The expectation of bias times (1, vector).
    with_bias[:, 0] = biases
    width = inputs.shape[1]
    gram = (counts @ products.reshape(len(products), -1)).reshape(-1, width, width)
    moment = sums @ inputs - counts @ with_bias
    covariance = np.linalg.inv(noise * gram + np.diag(own.precision))
    own.mean = (covariance @ (noise * moment + own.precision * own.usual)[:, :, None])[:, :, 0]
    own.second = covariance + own.mean[:, :, None] * own.mean[:, None, :]
    known = np.diff(counts.indptr) > 0
    of_known = own.mean[known]
    own.usual = of_known.mean(axis=0)
    apart = np.einsum("njj->j", own.second[known]) - len(of_known) * own.usual**2
    own.precision = (len(of_known) + 1) / (apart + LEAST)
    left_over = ratings @ ratings - 2 * (sums @ biases).sum() + (counts @ squares).sum()
    return float(len(ratings) / (left_over - 2 * (own.mean * moment).sum() + (gram * own.second).sum()))


def _joined(found: list[tuple[Floats, Floats]], centre: float, spread: float) -> Factors:
    """The mean of several factorisations, in the units of the ratings, as one product: the vectors side by side, and of
    biases one and the other side's."""
    lefts, rights = ([pair[side] for pair in found] for side in (0, 1))
    of_left, of_right = (
        spread * np.mean([mean[:, 0] for mean in means], axis=0) for means in (lefts, rights)
    )
    left = [mean[:, 1:] * (spread / len(found)) for mean in lefts]
    right = [mean[:, 1:] for mean in rights]
    left += [(centre + of_left)[:, None], np.ones((len(of_left), 1))]
    right += [np.ones((len(of_right), 1)), of_right[:, None]]
    return Factors(np.hstack(left).astype(np.float32), np.hstack(right).astype(np.float32))
