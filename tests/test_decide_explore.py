"""A share of decisions is kept to chance, with propensities that are true: what is estimated from them is unbiased."""

from __future__ import annotations

import json

import numpy as np
import pytest

from drivetrain.decide.follow.drawn import Thompson, epsilon_greedy
from drivetrain.effects.policy import policy_value
from drivetrain.errors import DataError, DrivetrainError, UsageError

LEVELS = (10, 12, 15)


def test_the_proposal_is_followed_but_for_the_share() -> None:
    proposed = np.where(np.arange(30_000) % 3 == 0, 10, 15)
    drawn = epsilon_greedy(proposed, LEVELS, 0.3, seed=4)
    assert (drawn.values == proposed).mean() == pytest.approx(0.8, abs=0.01)
    assert np.unique(drawn.propensity).tolist() == pytest.approx([0.1, 0.8])
    assert drawn.propensities.sum(axis=1) == pytest.approx(np.ones(30_000))
    assert drawn.columns("price").keys() == {"price", "price_propensity"}
    again = epsilon_greedy(proposed, LEVELS, 0.3, seed=4)
    assert (again.level == drawn.level).all()


def test_what_epsilon_logged_estimates_without_bias() -> None:
    """500 runs; who gets which price depends on x, and so does what comes of it: the plain mean is wrong."""
    errors, naive = [], []
    for run in range(500):
        made = np.random.default_rng([9, run])
        x = made.normal(size=400)
        drawn = epsilon_greedy(np.where(x > 0, 15, 10), LEVELS, 0.2, seed=run)
        earned = np.asarray([0.1, 0.13, 0.2])[drawn.level] + 0.5 * x + made.normal(size=400)
        weight = (drawn.level == 0) / drawn.propensity
        errors.append((weight * earned).mean() - 0.1)
        naive.append(earned[drawn.level == 0].mean() - 0.1)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(500)
    assert np.mean(naive) < -0.2


def test_what_thompson_logged_estimates_without_bias() -> None:
    """500 runs of 4 rounds: what is drawn next depends on what came before, so that plain means are too low."""
    true = np.asarray([0.1, 0.13, 0.2])
    errors, naive = [], []
    for run in range(500):
        made, known = np.random.default_rng([7, run]), Thompson(LEVELS, share=0.15)
        kept = []
        for round_ in range(4):
            drawn = known.draw(100, seed=1000 * run + round_)
            bought = (made.random(100) < true[drawn.level]) * 1.0
            known = known.observe(drawn.values, bought)
            kept.append((drawn.level, drawn.propensity, bought))
        level, propensity, bought = (np.concatenate(part) for part in zip(*kept))
        errors.append(((level == 0) / propensity * bought).mean() - 0.1)
        naive.append(bought[level == 0].mean() - 0.1)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(500)
    assert np.mean(naive) < -3 * np.std(naive) / np.sqrt(500)


def test_the_log_is_what_a_policy_is_valued_by() -> None:
    made = np.random.default_rng(11)
    x = made.normal(size=6000)
    drawn = epsilon_greedy(np.where(x > 0, 15, 10), LEVELS, 0.2, seed=2)
    earned = np.asarray([0.1, 0.13, 0.2])[drawn.level] + made.normal(size=6000)
    told = policy_value(
        np.full(6000, 12), drawn.values, earned, drawn.propensities, actions=LEVELS, features=x[:, None]
    )
    assert told.value.low < 0.13 < told.value.high


@pytest.mark.parametrize("reward", ["share", "mean"])
def test_thompson_finds_the_best_and_keeps_on_trying(reward: str) -> None:
    made, known = np.random.default_rng(3), Thompson(("a", "b", "c"), share=0.06, reward=reward)  # type: ignore[arg-type]
    for round_ in range(10):
        drawn = known.draw(300, seed=round_)
        known = known.observe(
            drawn.values, (made.random(300) < np.asarray([0.1, 0.15, 0.4])[drawn.level]) * 1.0
        )
    chances = known.chances()
    assert chances[2] == pytest.approx(0.96)
    assert chances[:2] == pytest.approx([0.02, 0.02])
    again = Thompson.from_json(json.loads(json.dumps(known.to_json())))
    assert (again.chances() == chances).all()


def test_rewards_of_any_size_need_two_of_each_level() -> None:
    known = Thompson((0, 1), share=0.1, reward="mean").observe([0, 0, 1], [5.0, 7.0, -900.0])
    assert known.chances()[1] == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: epsilon_greedy([10], LEVELS, 0.0), "kept to chance"),
        (lambda: epsilon_greedy([10], LEVELS, 1.5), "kept to chance"),
        (lambda: epsilon_greedy([10, 11], LEVELS), "row 2"),
        (lambda: epsilon_greedy([[10]], LEVELS), "shape"),
        (lambda: epsilon_greedy([10], (10, 10)), "named once"),
        (lambda: Thompson((1,)), "fewer than two"),
        (lambda: Thompson((1, 2), reward="joy"), "share or a mean"),  # type: ignore[arg-type]
        (lambda: Thompson((1, 2)).observe([1], [2.0]), "between 0 and 1"),
        (lambda: Thompson((1, 2)).observe([1], [np.nan]), "finite"),
        (lambda: Thompson((1, 2)).observe([1, 2], [1.0]), "finite"),
    ],
)
def test_what_cannot_be_meant_is_told(wrong: object, says: str) -> None:
    with pytest.raises(DrivetrainError) as caught:
        wrong()  # type: ignore[operator]
    assert says in str(caught.value)
    assert isinstance(caught.value, DataError | UsageError)
