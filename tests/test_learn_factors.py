"""Matrix factorisation: what it finds, what it says of the unknown, and its graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

import drivetrain as dt
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import UsageError
from drivetrain.learn.recommend import factorise as of_factors
from drivetrain.learn.recommend.factorise import factorise
from drivetrain.learn.recommend.factors_graph import export_factors

USERS, ITEMS = 60, 40


def made(n: int, seed: int = 0, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and ratings by two numbers for each, biases and noise; no pair comes twice."""
    draw = np.random.default_rng(seed)
    left, right = draw.normal(0, 0.7, (USERS, 2)), draw.normal(0, 0.7, (ITEMS, 2))
    of_users, of_items = draw.normal(0, 0.5, USERS), draw.normal(0, 0.5, ITEMS)
    users, items = np.divmod(draw.permutation(USERS * ITEMS)[:n], ITEMS)
    ratings = (
        3 + of_users[users] + of_items[items] + (left[users] * right[items]).sum(1) + draw.normal(0, noise, n)
    )
    return users, items, ratings.astype(np.float32)


def test_it_finds_what_made_the_ratings() -> None:
    users, items, ratings = made(2000)
    train, rest = slice(1500), slice(1500, None)
    found = factorise(users[train], items[train], ratings[train], (USERS, ITEMS))
    error = found(users[rest], items[rest]) - ratings[rest]
    assert np.sqrt(np.mean(error**2)) < 0.36  # of which 0.3 is noise; the ratings vary by 1.1
    assert found.left.dtype == found.right.dtype == np.float32
    again = factorise(users[train], items[train], ratings[train], (USERS, ITEMS))
    np.testing.assert_array_equal(found.left, again.left)
    other = factorise(users[train], items[train], ratings[train], (USERS, ITEMS), seed=1)
    assert np.abs(found.left - other.left).max() > 0.1


def test_an_unknown_user_is_the_usual_one_and_not_the_one_who_rates_most() -> None:
    """Ten users rate all items and rate low, ninety rate few and two stars higher: a new one is like the ninety."""
    draw = np.random.default_rng(0)
    users = np.concatenate([np.repeat(np.arange(10), 40), np.repeat(np.arange(10, 100), 4)])
    items = np.concatenate([np.tile(np.arange(40), 10), draw.integers(0, 40, 360)])
    ratings = (2.0 + 2.0 * (users >= 10) + draw.normal(0, 0.3, len(users))).astype(np.float32)
    found = factorise(users, items, ratings, (101, 41))
    unknown = float(found(np.array([100]), np.array([40]))[0])
    assert unknown == pytest.approx(3.8, abs=0.15)  # The mean of all ratings is 2.9.


def test_who_has_rated_once_stays_near_the_usual() -> None:
    users, items, ratings = made(1500, noise=1.0)
    users, items = np.append(users, USERS), np.append(items, 0)
    found = factorise(users, items, np.append(ratings, np.float32(9.0)), (USERS + 2, ITEMS))
    once, unknown = found(np.array([USERS, USERS + 1]), np.array([0, 0]))
    assert 0.2 < once - unknown < 3.5  # and not the six stars that the one rating lies above the mean


def test_the_expected_squares_are_those_of_drawn_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The noise that `_fit` gives is the mean square of what numbers drawn from its own normals leave over."""
    monkeypatch.setattr(of_factors, "WIDTH", 2)
    users, items, ratings = made(800)
    scaled = (ratings - ratings.mean()).astype(np.float64)
    from scipy import sparse

    counts, sums = (sparse.csr_array((v, (users, items)), (USERS, ITEMS)) for v in (np.ones(800), scaled))
    draw = np.random.default_rng(1)
    own, other = (of_factors.Side.of(draw.normal(0, 0.3, (n, 3))) for n in (USERS, ITEMS))
    spread = draw.normal(0, 0.2, (ITEMS, 3, 3))
    spread = spread @ spread.transpose(0, 2, 1)
    other.second = other.second + spread
    noise = of_factors._fit(own, other, counts, sums, 1.5, scaled)
    covariance = own.second - own.mean[:, :, None] * own.mean[:, None, :]
    squares = []
    for _ in range(400):
        left = own.mean + (np.linalg.cholesky(covariance) @ draw.normal(size=(USERS, 3, 1)))[..., 0]
        right = other.mean + (np.linalg.cholesky(spread) @ draw.normal(size=(ITEMS, 3, 1)))[..., 0]
        made_of = left[users, 0] + right[items, 0] + (left[users, 1:] * right[items, 1:]).sum(1)
        squares.append(np.mean((scaled - made_of) ** 2))
    assert 1 / noise == pytest.approx(np.mean(squares), rel=0.02)


def test_the_graph_says_the_same() -> None:
    users, items, ratings = made(500)
    found = factorise(users, items, ratings, (USERS + 2, ITEMS + 2))
    signature = Signature(
        {
            "who": Category(classes=tuple(map(str, range(USERS))), open=True),
            "what": Category(classes=tuple(map(str, range(ITEMS))), open=True),
        },
        {"stars": Number()},
    )
    session = onnxruntime.InferenceSession(export_factors(found, signature))
    feeds = {"input_0": np.array([0, 5, USERS, USERS + 1]), "input_1": np.array([1, ITEMS + 1, 3, ITEMS])}
    (answer,) = session.run(None, feeds)
    assert answer == pytest.approx(found(*feeds.values()), abs=1e-5)


def test_two_categories_and_a_number_are_what_it_takes() -> None:
    table: dict[str, Any] = {"who": list("abab"), "what": list("xxyy"), "stars": [1.0, 2.0, 3.0, 5.0]}
    block = dt.DataBlock(
        {"who": dt.Category(), "what": dt.Category()}, {"stars": dt.Number()}, split=dt.split.none()
    )
    learner = block.from_columns(table).learner("factors", bare=True)
    learner.fit()
    outputs, _ = learner.outputs("train")
    assert np.argsort(outputs["stars"]).tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="sweeps must be"):
        block.from_columns(table).learner("factors", bare=True, sweeps=0)
