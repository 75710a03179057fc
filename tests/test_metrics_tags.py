"""Tag metrics against scikit-learn's, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.codecs.tags import Tags
from drivetrain.errors import DataError
from drivetrain.files import to_json
from drivetrain.metrics import losses, measure, paired
from drivetrain.types import Array

CODEC = Tags(tags=("a", "b", "c"))


def answers(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Probabilities float32 (n, 3) and tags drawn by them."""
    generator = np.random.default_rng(seed)
    shares = generator.beta(0.5, 0.8, (n, 3)).astype(np.float32)
    return shares, (generator.random((n, 3)) < shares).astype(np.uint8)


@pytest.mark.parametrize("thresholds", [(), (0.2, 0.5, 0.9)])
@pytest.mark.parametrize("n", [80, 2500])
def test_values_are_scikit_learns(n: int, thresholds: tuple[float, ...]) -> None:
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    codec = Tags(tags=CODEC.tags, thresholds=thresholds)
    shares, true = answers(n)
    said = shares.astype(np.float64) >= np.array(thresholds or [0.5])
    found = measure(codec, shares, true)
    assert list(found) == ["exact_match", "log_loss", "micro_f1", "macro_f1"]
    assert found["exact_match"].value == pytest.approx(accuracy_score(true, said))
    assert found["exact_match"].method == "Wilson score, 95 %"
    for name in ("micro", "macro"):
        assert found[f"{name}_f1"].value == pytest.approx(f1_score(true, said, average=name))
    clipped = np.clip(shares.astype(np.float64), 2.0**-23, 1 - 2.0**-23)
    expected = np.mean([log_loss(true[:, tag], clipped[:, tag]) for tag in range(3)])
    assert found["log_loss"].value == pytest.approx(expected, rel=1e-5)
    assert losses(codec, shares, true).mean() == pytest.approx(found["log_loss"].value)
    for estimate in found.values():
        assert estimate.low < estimate.value < estimate.high
        assert estimate.n == n


def test_a_tag_that_is_nowhere_does_not_count() -> None:
    true = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]])
    outputs = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.9]])
    found = measure(CODEC, outputs, true)
    assert found["macro_f1"].value == pytest.approx((2 / 3 + 1) / 2)
    assert found["micro_f1"].value == pytest.approx(4 / 5)
    assert found["exact_match"].value == pytest.approx(2 / 3)


def test_edges() -> None:
    none = measure(CODEC, np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    assert {name: found.to_json()["value"] for name, found in none.items()} == dict.fromkeys(none)
    right = measure(CODEC, np.eye(3), np.eye(3, dtype=np.uint8))
    assert [found.value for found in right.values()] == [1, 0, 1, 1]
    assert right["exact_match"].low < 0.5
    nothing = measure(CODEC, np.zeros((4, 3)), np.zeros((4, 3)))
    assert np.isnan(nothing["micro_f1"].value)
    assert np.isnan(nothing["macro_f1"].value)
    assert nothing["exact_match"].value == 1
    to_json([found.to_json() for found in (*none.values(), *right.values(), *nothing.values())])


def test_two_models_are_compared() -> None:
    shares, true = answers(500)
    worse = np.clip(shares + np.random.default_rng(1).normal(0, 0.4, shares.shape), 0, 1)
    found = paired(CODEC, shares, worse, true)
    assert found["log_loss"].high < 0
    assert all(found[name].low > 0 for name in ("exact_match", "micro_f1", "macro_f1"))


@pytest.mark.parametrize(
    ("outputs", "true", "message"),
    [
        (np.zeros((2, 4)), np.zeros((2, 3)), "don't fit"),
        (np.zeros((2, 4)), np.zeros((2, 4)), "don't fit"),
        (np.zeros(3), np.zeros(3), "don't fit"),
        (np.full((1, 3), np.inf), np.zeros((1, 3)), "NaN or infinity"),
        (np.zeros((1, 3)), np.full((1, 3), 2), "neither 0 nor 1"),
    ],
)
def test_what_does_not_fit_is_said(outputs: Array, true: Array, message: str) -> None:
    for function in (measure, losses):
        with pytest.raises(DataError, match=message):
            function(CODEC, outputs, true)
