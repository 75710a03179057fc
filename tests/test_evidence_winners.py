"""The best of several estimates, after what being chosen adds."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.errors import DataError
from drivetrain.evidence import best_of, best_of_draws


def many(theta: np.ndarray, covariance: np.ndarray, runs: int, seed: int = 0) -> np.ndarray:
    """(runs, 4): the error of the naive value, that of the corrected one, whether the interval holds the truth, its width."""
    drawn = np.random.default_rng(seed).multivariate_normal(theta, covariance, runs)
    found = [best_of(x, covariance, seed=run) for run, x in enumerate(drawn)]
    truth = [theta[each.place] for each in found]
    return np.array([
        (each.naive - t, each.value - t, each.low <= t <= each.high, each.high - each.low)
        for each, t in zip(found, truth)
    ])  # fmt: skip


@pytest.mark.parametrize(("k", "naive"), [(5, 1.163), (20, 1.868), (50, 2.249)])
def test_the_best_of_equals_is_no_better_than_they(k: int, naive: float) -> None:
    found = many(np.zeros(k), np.eye(k), 100).mean(axis=0)
    assert found[0] == pytest.approx(naive, abs=0.15)
    assert abs(found[1]) < 0.3  # Of 100; of the 4,000 of bench/evidence.py within 0.05.
    assert found[2] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("k", [5, 20, 50])
def test_the_correction_averages_nothing_over_many_runs(k: int) -> None:
    found = many(np.zeros(k), np.eye(k), 2_500, seed=k).mean(axis=0)
    assert abs(found[1]) < 0.05
    assert found[2] == pytest.approx(0.9, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("theta", [[0, 0, 0, 0, 5.0], [0, 0, 0, 0, 2.0], [0, 0.5, 1, 1.5, 2]], ids=str)
def test_a_real_effect_keeps_most_of_itself(theta: list[float]) -> None:
    found = many(np.array(theta), np.eye(5), 800).mean(axis=0)
    assert -0.3 < found[1] < 0.1
    assert found[2] == pytest.approx(0.9, abs=0.035)


def test_options_that_share_their_error_are_corrected_less() -> None:
    x = np.array([1.0, 1.1, 1.05])
    shared = 0.98 + 0.02 * np.eye(3)
    assert best_of(x, shared).value > 0.85
    assert best_of(x, np.ones(3)).value < 0.6


def test_options_much_alike_have_the_interval_that_holds_for_all() -> None:
    """Forty prices of one curve: conditioning on which of them won would throw away most of what is known."""
    x = np.linspace(-1, 1, 41)
    design = np.stack([x, x**2], axis=1)
    covariance = 0.05 * design @ design.T
    found = best_of(-1.5 * (x - 0.5) ** 2, covariance)
    sd = float(np.sqrt(covariance[found.place, found.place]))
    assert found.high - found.naive == pytest.approx(found.naive - found.low)
    assert 1.1 < (found.high - found.low) / (2 * 1.645 * sd) < 1.35


def test_one_option_was_not_chosen() -> None:
    found = best_of([2.0], [1.0])
    assert (found.naive, found.value) == (2, 2)
    assert found.high == pytest.approx(2 + 1.6448536)


def test_the_winner_far_ahead_is_taken_at_its_word() -> None:
    found = best_of([0, 0, 20.0], [1, 1, 1.0])
    assert found.value == pytest.approx(20, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((20 - 1.645, 20 + 1.645), abs=0.1)


def test_what_is_known_exactly_wins_exactly() -> None:
    found = best_of([0, -9.0], [0, 1.0])
    assert (found.value, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_the_least_is_the_best_turned_over() -> None:
    up, down = best_of([1, 2, 3.0], [1, 1, 1.0]), best_of([-1, -2, -3.0], [1, 1, 1.0], higher=False)
    assert (down.value, down.low, down.high) == pytest.approx((-up.value, -up.high, -up.low))


def test_draws_give_the_same_as_their_mean_and_covariance() -> None:
    draws = np.random.default_rng(0).normal([0, 0.5, 1], 1, (4_000, 3))
    found = best_of_draws(draws)
    assert found.place == 2
    assert found.value < found.naive
    assert "the best of 3" in found.words


def test_the_same_seed_gives_the_same_bits() -> None:
    assert best_of([1, 2, 3.0], [1, 1, 1.0], seed=3) == best_of([1, 2, 3.0], [1, 1, 1.0], seed=3)


@pytest.mark.parametrize(
    ("values", "errors", "told"),
    [
        ([1, 2.0], [1.0], "don't fit 2 estimates"),
        ([1, np.nan], [1, 1.0], "NaN"),
        ([1, 2.0], [1, -1.0], "below 0"),
        ([1, 2.0], [[1, 2.0], [2, 1]], "no covariance"),
        ([], [], "not a list"),
    ],
)
def test_what_can_not_be_meant_is_refused(values: list[float], errors: list[float], told: str) -> None:
    with pytest.raises(DataError, match=told):
        best_of(values, errors)
