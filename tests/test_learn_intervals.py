"""Ranges of number answers: they hold the truth as often as they say, for small answers and for large ones alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from given import Given, dataset

import drivetrain as dt
from drivetrain.codecs.number import Number
from drivetrain.findings.conformal import fit_intervals, held_by_halves, limited, with_interval

PLAIN = Number(center=50.0, spread=25.0)


def noisy(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(predicted, true) that is off by a third of its size, and never below 0."""
    draw = np.random.default_rng(seed)
    predicted = draw.uniform(1, 100, rows)
    return predicted, np.maximum(0, predicted * (1 + draw.normal(0, 0.33, rows)))


def coverage(codec: Number, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    low, high = codec.bounds(predicted)
    return (low <= true) & (true <= high)


@pytest.mark.parametrize("log", [False, True])
def test_small_and_large_answers_are_held_as_often(log: bool) -> None:
    codec = Number(log=True, center=3.5, spread=1.0) if log else PLAIN
    found = with_interval(codec, *noisy(2000, 0), 0.9, 0)
    predicted, true = noisy(30_000, 1)
    held = coverage(found, predicted, true)
    assert held.mean() == pytest.approx(0.9, abs=0.015)
    for low, high in ((1, 34), (34, 67), (67, 100)):
        assert held[(low < predicted) & (predicted < high)].mean() == pytest.approx(0.9, abs=0.025)
    if not log:  # What one width for all does.
        plain = Number(center=50.0, spread=25.0, interval=found.interval)
        held = coverage(plain, predicted, true)
        assert held[predicted < 34].mean() > 0.99
        assert held[predicted > 67].mean() < 0.87


def test_few_rows_are_held_as_often_as_is_said_too() -> None:
    """By 60 rows some intervals are too wide and some too narrow; on average they hold what they say."""
    shares = []
    for seed in range(60):
        found = with_interval(PLAIN, *noisy(60, seed), 0.8, seed)
        assert not found.local
        shares.append(coverage(found, *noisy(500, 1000 + seed)).mean())
    assert np.mean(shares) == pytest.approx(0.8, abs=0.03)
    shares = [
        coverage(with_interval(PLAIN, *noisy(160, s), 0.9, s), *noisy(500, 1000 + s)).mean()
        for s in range(60)
    ]
    assert np.mean(shares) == pytest.approx(0.9, abs=0.02)


def test_how_often_it_holds_is_measured_on_rows_that_it_does_not_come_from() -> None:
    found = held_by_halves(PLAIN, *noisy(3000, 0), 0.9, 0)
    assert found.low < 0.9 < found.high
    assert found.n == 3000


def test_a_range_stays_where_numbers_can_be() -> None:
    draw = np.random.default_rng(0)
    prices = draw.uniform(0.5, 90, 500)
    assert (limited(PLAIN, prices).lowest, limited(PLAIN, prices).highest) == (0, None)
    assert (limited(PLAIN, -prices).lowest, limited(PLAIN, -prices).highest) == (None, 0)
    assert (limited(PLAIN, prices - 45).lowest, limited(PLAIN, prices - 45).highest) == (None, None)
    stars = draw.integers(1, 6, 500).astype(float)
    assert (limited(PLAIN, stars).lowest, limited(PLAIN, stars).highest) == (1, 5)
    # One largest number of many is no limit.
    assert limited(PLAIN, np.arange(500.0)).highest is None


def test_answers_that_are_all_the_same_or_all_right_have_a_range_too() -> None:
    true = np.random.default_rng(0).normal(50, 5, 400)
    found = with_interval(PLAIN, np.full(400, 50.0), true, 0.9, 0)
    assert coverage(found, np.full(400, 50.0), true).mean() == pytest.approx(0.9, abs=0.02)
    exact = with_interval(PLAIN, true, true, 0.9, 0)
    assert (exact.interval, coverage(exact, true, true).all()) == (0, True)


def test_the_signature_gets_it_and_loses_it() -> None:
    draw = np.random.default_rng(0)
    size = draw.uniform(1, 100, 1200)
    price = size * np.exp(draw.normal(0, 0.3, 1200))
    data = dataset({"size": size.tolist(), "price": price.tolist()}, "price", log_target=False)
    learner = Given(data, lambda batch: {"price": batch["size"]})
    held = fit_intervals(learner)["price"]
    codec = data.signature.targets["price"]
    assert isinstance(codec, Number)
    assert held.low < 0.9 < held.high
    assert codec.lowest == 0
    small, large = (np.diff(codec.bounds(np.array([at])), axis=0)[0, 0] for at in (10.0, 90.0))
    assert large > 3 * small
    again = codec
    fit_intervals(learner)
    assert data.signature.targets["price"] == again
    assert codec.without_interval() == Number(center=codec.center, spread=codec.spread)
    told = learner.interpret().interval_words()  # type: ignore[attr-defined]
    assert "for the smallest third of the answers" in told
    assert "No range goes below 0" in told


@pytest.mark.slow
def test_the_runtime_gives_the_ranges_of_a_bundle(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    size = draw.uniform(1, 100, 500)
    data = dataset(
        {"size": size.tolist(), "price": (size * np.exp(draw.normal(0, 0.3, 500))).tolist()}, "price"
    )
    learner = data.learner("trees", out=tmp_path / "run", quiet=True)
    learner.fit()
    predictor = dt.Predictor(learner.export(tmp_path / "a.bundle"))
    codec = data.signature.targets["price"]
    assert isinstance(codec, Number)
    assert codec.local
    for value in (2.0, 50.0, 99.0):
        answer = predictor.predict({"size": value}).targets["price"]
        low, high = codec.bounds(np.float32(answer["value"]))
        assert (answer["low"], answer["high"]) == (low, high)
        assert answer["low"] >= 0
