"""Metrics of forecasts by their formulas; gaps that count for nothing; intervals of windows that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivetrain.codecs.series import DECILES, Series
from drivetrain.errors import DataError
from drivetrain.metrics import difference, metrics_of
from drivetrain.metrics.estimate import Statistic
from drivetrain.metrics.series import DECIDES, METRICS, losses, measure, scaled, statistics

CODEC = Series(("y",), 2, DECILES)


def forecasts(point: Any, wide: float = 1.0) -> Any:
    point = np.asarray(point, float)[:, :, None]
    return np.concatenate([point, point + wide * np.linspace(-1, 1, 9)], axis=2)


def test_each_is_its_formula_and_a_gap_counts_for_nothing() -> None:
    outputs = forecasts([[1, 2], [3, 5]])
    truth = np.array([[2.0, np.nan], [3.0, 1.0]])[:, :, None]
    found = {name: each.value for name, each in measure(CODEC, outputs, truth).items()}
    assert found["mae"] == pytest.approx((1 + (0 + 4) / 2) / 2)
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 16 / 2) / 2))
    assert found["smape"] == pytest.approx((1 / 1.5 + (0 + 4 / 3) / 2) / 2)
    assert found["band_coverage"] == pytest.approx((1 + 0.5) / 2)
    lost = [
        np.mean([2 * max(q * (y - f), (q - 1) * (y - f)) for q, f in zip(DECILES, row)])
        for y, row in ((2.0, outputs[0, 0, 1:]), (3.0, outputs[1, 0, 1:]), (1.0, outputs[1, 1, 1:]))
    ]
    assert found["wql"] == pytest.approx((lost[0] + (lost[1] + lost[2]) / 2) / (2 + (3 + 1) / 2))
    assert losses(CODEC, outputs, truth).tolist() == [1, 2]
    assert scaled(CODEC, outputs, truth, np.array([2.0, 4.0])).replicates()[0] == pytest.approx(0.5)
    assert metrics_of(CODEC).DECIDES == DECIDES


def test_what_is_measured_is_what_is_answered() -> None:
    outputs, truth = forecasts([[-3, 2]]), np.array([[[0.0], [2.0]]])
    counts = CODEC.limited(np.arange(30.0))
    assert losses(CODEC, outputs, truth).tolist() == [1.5]
    assert losses(counts, outputs, truth).tolist() == [0]
    assert measure(CODEC, outputs, truth)["band_coverage"].value == 0.5
    assert measure(counts, outputs, truth)["band_coverage"].value == 1


def test_directions_are_right() -> None:
    higher = {each.key: each.higher for each in METRICS}
    assert higher.pop("band_coverage")
    assert not any(higher.values())
    assert not next(each for each in METRICS if each.key == "band_coverage").ranks


def test_zeros_and_a_perfect_forecast() -> None:
    zeros = np.zeros((3, 2, 1))
    found = {name: each.value for name, each in measure(CODEC, forecasts(zeros[:, :, 0]), zeros).items()}
    assert (found["mae"], found["smape"], found["band_coverage"]) == (0, 0, 1)
    assert np.isnan(found["wql"])


def test_what_is_no_forecast_is_refused() -> None:
    with pytest.raises(DataError, match="don't fit"):
        measure(CODEC, np.zeros((3, 2, 2)), np.zeros((3, 2, 1)))
    with pytest.raises(DataError, match="NaN or infinity"):
        measure(CODEC, np.full((3, 2, 10), np.nan), np.zeros((3, 2, 1)))


def _overlapping(seed: int, n: int = 400, block: int = 20) -> Any:
    """Means of `block` independent numbers of mean 0, each shared by its neighbours."""
    return np.convolve(
        np.random.default_rng(seed).normal(size=n + block - 1), np.ones(block) / block, "valid"
    )


def test_runs_hold_the_truth_where_windows_overlap_and_single_rows_do_not() -> None:
    held = {1: 0, 20: 0}
    for seed in range(60):
        for block in held:
            found = Statistic.mean_of(_overlapping(seed), block).estimate(seed)
            held[block] += found.low <= 0 <= found.high
    assert held[1] < 30
    assert held[20] >= 50


def test_a_difference_is_paired_by_runs_and_nothing_is_said_of_less_than_two() -> None:
    base = _overlapping(0)
    found = difference(Statistic.mean_of(base + 0.1, 20), Statistic.mean_of(base, 20))
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert "runs of 20" in found.method
    few = difference(Statistic.mean_of(base[:39], 20), Statistic.mean_of(base[:39] * 2, 20))
    assert np.isnan(few.low)
    assert np.isnan(few.p)
    assert not np.isnan(few.value)


def test_statistics_of_batches_are_those_of_all() -> None:
    random = np.random.default_rng(0)
    outputs, truth = forecasts(random.normal(size=(50, 2))), random.normal(size=(50, 2, 1))
    whole = statistics(CODEC, outputs, truth)
    for name, each in whole.items():
        parts = [
            statistics(CODEC, outputs[rows], truth[rows])[name] for rows in (slice(0, 20), slice(20, 50))
        ]
        assert Statistic.joined(parts).estimate() == each.estimate()
