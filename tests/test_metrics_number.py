"""Number metrics against scikit-learn's, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.codecs.number import Number
from drivetrain.errors import DataError
from drivetrain.files import to_json
from drivetrain.metrics import losses, measure
from drivetrain.types import Array


def test_values_are_scikit_learns() -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    generator = np.random.default_rng(0)
    true = generator.normal(1e4, 3, 500).astype(np.float32)
    predicted = (true + generator.normal(0.3, 1, 500)).astype(np.float32)
    found = measure(Number(), predicted, true)
    exact, guessed = true.astype(np.float64), predicted.astype(np.float64)
    assert found["mean_absolute_error"].value == pytest.approx(mean_absolute_error(exact, guessed))
    assert found["root_mean_squared_error"].value == pytest.approx(root_mean_squared_error(exact, guessed))
    assert found["r2"].value == pytest.approx(r2_score(exact, guessed), rel=1e-9)
    for estimate in found.values():
        assert estimate.low < estimate.value < estimate.high
        assert estimate.n == 500
    assert measure(Number(), predicted[:, None], true[:, None]) == found


def test_on_the_log_scale() -> None:
    from sklearn.metrics import root_mean_squared_log_error

    generator = np.random.default_rng(0)
    true = generator.lognormal(3, 1, 400)
    predicted = true * generator.lognormal(0.1, 0.3, 400)
    found = measure(Number(log=True), predicted, true)["root_mean_squared_log_error"]
    assert found.value == pytest.approx(root_mean_squared_log_error(true, predicted))
    assert found.low < found.value < found.high
    below = measure(Number(log=True), -predicted, -true)["root_mean_squared_log_error"]
    assert below.value == pytest.approx(found.value)
    assert list(measure(Number(), true, true)) == ["mean_absolute_error", "root_mean_squared_error", "r2"]


def test_how_many_true_values_lie_in_the_range() -> None:
    codec = Number(center=0.0, spread=2.0, interval=0.5)
    found = measure(codec, np.array([0.0, 0, 0, 0]), np.array([-1.0, 1, 1.25, 9]))["interval_coverage"]
    assert (found.value, found.n, found.method) == (0.5, 4, "Wilson score, 95 %")
    logged = Number(log=True, interval=1.0)
    assert measure(logged, np.array([0.0]), np.array([np.e - 1.01]))["interval_coverage"].value == 1
    assert measure(logged, np.array([0.0]), np.array([np.e - 0.99]))["interval_coverage"].value == 0


def test_losses_are_absolute_errors() -> None:
    found = losses(Number(), np.array([1.0, 5.0]), np.array([2.0, 2.0]))
    assert found.tolist() == [1, 3]


def test_edges() -> None:
    one, none = np.ones(1, np.float32), np.ones(0, np.float32)
    found = {name: estimate.to_json() for name, estimate in measure(Number(), none, none).items()}
    assert all(
        (row["value"], row["low"], row["high"], row["n"]) == (None, None, None, 0) for row in found.values()
    )
    found = {name: estimate.to_json() for name, estimate in measure(Number(), one, one + 1).items()}
    assert (found["mean_absolute_error"]["value"], found["mean_absolute_error"]["low"]) == (1, None)
    assert found["r2"]["value"] is None
    exact = measure(Number(), np.arange(9.0), np.arange(9.0))
    assert (exact["r2"].value, exact["r2"].low, exact["root_mean_squared_error"].value) == (1, 1, 0)
    to_json(found)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
def test_r2_of_constant_true_values_is_undefined(value: float) -> None:
    found = measure(Number(), np.arange(7.0), np.full(7, value))
    assert found["r2"].to_json()["value"] is None
    assert found["r2"].to_json()["low"] is None
    assert found["mean_absolute_error"].low < found["mean_absolute_error"].high


def test_resamples_without_variance_do_not_count() -> None:
    """Of three items every ninth resample draws one of them thrice: r2 has no meaning there."""
    true = np.array([0.1, 0.2, 0.7])
    found = measure(Number(), true + np.array([0.01, -0.02, 0.03]), true)["r2"]
    assert 0.5 < found.low <= found.value <= found.high < 1


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (np.zeros(3), np.zeros(4), "don't fit"),
        (np.zeros((3, 2)), np.zeros(3), "don't fit"),
        (np.array([np.nan]), np.zeros(1), "NaN"),
        (np.zeros(1), np.array([np.inf]), "NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_said(predicted: Array, true: Array, message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure(Number(), predicted, true)
    with pytest.raises(DataError, match=message):
        losses(Number(), predicted, true)
