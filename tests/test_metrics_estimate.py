"""Intervals: Wilson against scipy's, the bootstrap against a loop, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain.files import to_json
from drivetrain.metrics import Estimate, mean, paired_difference, wilson
from drivetrain.metrics.estimate import BLOCKS, RESAMPLES, block_of, block_sums, resample


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (5, 10), (1, 1000), (977, 1000), (1, 3)]
)
def test_wilson_is_scipys(successes: int, n: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    found = wilson(successes, n)
    assert (found.value, found.n) == (successes / n, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_wilson_touches_the_ends_exactly() -> None:
    for n in range(1, 200):
        assert wilson(0, n).low == 0.0
        assert wilson(n, n).high == 1.0


def test_of_nothing_is_null() -> None:
    for empty in (wilson(0, 0), mean(np.empty(0))):
        found = empty.to_json()
        assert (found["value"], found["low"], found["high"], found["n"]) == (None, None, None, 0)
        to_json(found)


def test_one_item_has_a_mean_and_no_interval() -> None:
    assert mean(np.array([3.0])).to_json() == {
        "value": 3.0, "low": None, "high": None, "method": "percentile bootstrap, 95 %, 1,000 resamples", "n": 1,
    }  # fmt: skip


def test_items_that_are_alike_have_a_point() -> None:
    found = mean(np.full(50, 2.5))
    assert (found.low, found.value, found.high) == (2.5, 2.5, 2.5)


def test_estimates_are_compared_by_value() -> None:
    assert wilson(3, 9) == wilson(3, 9) != wilson(4, 9)
    assert wilson(0, 0) == wilson(0, 0)
    with pytest.raises(AttributeError):
        wilson(3, 9).value = 1.0  # type: ignore[misc]


def test_the_bootstrap_is_the_loop_over_resamples() -> None:
    """Same seed: the interval of the plain loop, drawing item by item."""
    items = np.random.default_rng(5).exponential(size=300)
    drawn = np.random.default_rng(11).integers(0, 300, size=(RESAMPLES, 300))
    low, high = np.quantile([items[row].mean() for row in drawn], [0.025, 0.975])
    found = mean(items, seed=11)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.value == pytest.approx(items.mean())
    assert found == mean(items, seed=11) != mean(items, seed=12)


def test_many_items_are_drawn_in_blocks_whose_interval_is_as_wide() -> None:
    for n in (1500, 40_000):
        items = np.random.default_rng(n).exponential(size=n)
        found = mean(items)
        assert found.high - found.low == pytest.approx(2 * 1.96 * items.std() / math.sqrt(n), rel=0.15)
        assert found.n == n


def test_sorted_items_do_not_narrow_the_interval() -> None:
    """Data often come class by class; blocks of neighbours would then hide the spread or exaggerate it."""
    items = np.sort(np.random.default_rng(0).exponential(size=20_000))
    width = mean(items).high - mean(items).low
    assert width == pytest.approx(2 * 1.96 * items.std() / math.sqrt(20_000), rel=0.15)


def test_blocks_are_of_equal_size_and_bounded() -> None:
    assert block_of(700).tolist() == list(range(700))
    for n in (1001, 12_345, 1_000_000):
        sizes = np.bincount(block_of(n))
        assert len(sizes) == BLOCKS
        assert sizes.max() - sizes.min() <= 1
    sums = block_sums(block_of(12_345), np.ones(12_345), np.arange(12_345))
    assert sums.sum(axis=0).tolist() == [12_345, 12_345 * 12_344 / 2]
    assert resample(sums).shape == (RESAMPLES, 2)


def test_paired_difference() -> None:
    generator = np.random.default_rng(0)
    hard = generator.exponential(10, size=400)
    a, b = hard, hard + 0.1 + generator.normal(0, 0.2, 400)
    found = paired_difference(a, b, seed=1)
    assert found.value == pytest.approx((a - b).mean())
    assert (
        found.low < found.value < found.high < 0
    )  # Though the losses themselves vary a hundred times as much.
    assert found.high - found.low < 0.1
    same = paired_difference(a, a, seed=1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    swapped = paired_difference(b, a, seed=1)
    assert (-swapped.low, -swapped.high) == pytest.approx((found.high, found.low))


def test_paired_difference_needs_pairs() -> None:
    from drivetrain.errors import DataError

    with pytest.raises(DataError, match="not pairs"):
        paired_difference(np.zeros(3), np.zeros(4), seed=0)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    trials = 400

    def share(held: list[bool]) -> float:
        return float(np.mean(held))

    def holds(estimate: Estimate, truth: float) -> bool:
        return estimate.low <= truth <= estimate.high

    assert (
        0.92
        <= share([holds(wilson(int(generator.binomial(60, 0.9)), 60), 0.9) for _ in range(trials)])
        <= 0.99
    )
    for n in (100, 3000):
        held = [holds(mean(generator.exponential(size=n), seed=t % 2), 1.0) for t in range(trials)]
        assert 0.90 <= share(held) <= 0.985
