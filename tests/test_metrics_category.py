"""Category metrics against scikit-learn's, at the edges, and for what their intervals promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.files import to_json
from drivetrain.metrics import (
    confusion_matrix,
    losses,
    measure,
    paired_difference,
    per_class,
    reliability,
    top_k_accuracy,
)
from drivetrain.types import Array

CODEC = Category(classes=("ant", "bee", "cat", "dog"))


def answers(n: int, classes: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Probabilities float32 (n, classes) and true codes drawn by them: a calibrated model."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.5), size=n).astype(np.float32)
    codes = (probabilities.cumsum(axis=1) > generator.random((n, 1))).argmax(axis=1)
    return probabilities, codes


def one_hot(codes: list[int], classes: int = 4) -> Array:
    return np.eye(classes, dtype=np.float32)[codes]


@pytest.mark.parametrize("n", [50, 2500])
def test_values_are_scikit_learns(n: int) -> None:
    from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score
    from sklearn.metrics import confusion_matrix as confusion

    probabilities, codes = answers(n)
    found = measure(CODEC, probabilities, codes)
    assert list(found) == ["accuracy", "error_rate", "log_loss", "auc", "calibration_error"]
    predicted = probabilities.argmax(axis=1)
    assert found["accuracy"].value == pytest.approx(accuracy_score(codes, predicted))
    assert found["error_rate"].value == pytest.approx(1 - found["accuracy"].value)
    assert found["error_rate"].low == pytest.approx(1 - found["accuracy"].high)
    own = np.clip(probabilities[np.arange(n), codes].astype(np.float64), 2.0**-23, 1)
    assert found["log_loss"].value == pytest.approx(-np.log(own).mean())
    normalised = probabilities.astype(np.float64) / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    if own.min() > 1e-6:
        assert found["log_loss"].value == pytest.approx(
            log_loss(codes, normalised, labels=range(4)), rel=1e-5
        )
    np.testing.assert_array_equal(
        confusion_matrix(CODEC, probabilities, codes), confusion(codes, predicted, labels=range(4))
    )
    for k in (1, 2, 4):
        expected = top_k_accuracy_score(codes, probabilities, k=k, labels=range(4)) if k < 4 else 1.0
        assert top_k_accuracy(CODEC, probabilities, codes, k).value == pytest.approx(expected)


def test_the_area_under_the_roc_curve_is_scikit_learns_ties_included() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    codes = generator.integers(0, 2, 400)
    scores = (codes + generator.normal(0, 1, 400)).round(1)  # rounded: many ties
    outputs = np.stack([-scores, scores], axis=1)
    codec = Category(classes=("no", "yes"))
    found = measure(codec, outputs, codes)["auc"]
    assert found.value == pytest.approx(roc_auc_score(codes, scores))
    assert 0.05 < found.high - found.low < 0.12
    assert math.isnan(measure(codec, outputs, np.zeros(400, np.int64))["auc"].value)


def test_with_costs_the_answer_is_the_cheapest_one_and_its_cost_is_measured() -> None:
    """To answer "no" where "yes" is true costs 9: "yes" is answered from a probability of a tenth on."""
    codec = Category(classes=("no", "yes"), costs=((0, 1), (9, 0)))
    outputs, codes = np.array([[0.8, 0.2], [0.95, 0.05], [0.8, 0.2], [0.95, 0.05]]), np.array([1, 1, 0, 0])
    found = measure(codec, outputs, codes)
    assert found["accuracy"].value == 0.5
    assert found["mean_cost"].value == pytest.approx((0 + 9 + 1 + 0) / 4)
    assert confusion_matrix(codec, outputs, codes).tolist() == [[1, 1], [1, 1]]
    assert "mean_cost" not in measure(Category(classes=("no", "yes")), outputs, codes)


def test_every_interval_holds_its_value_and_says_its_method() -> None:
    for estimate in measure(CODEC, *answers(300)).values():
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.n == 300
        assert "95 %" in estimate.method
    assert measure(CODEC, *answers(300)) == measure(CODEC, *answers(300))
    other = measure(CODEC, *answers(300), seed=1)
    assert other["log_loss"].low != measure(CODEC, *answers(300))["log_loss"].low
    assert other["accuracy"] == measure(CODEC, *answers(300))["accuracy"]


def test_losses_average_to_the_log_loss_and_compare_models() -> None:
    probabilities, codes = answers(400)
    found = losses(CODEC, probabilities, codes)
    assert found.shape == (400,)
    assert found.mean() == pytest.approx(measure(CODEC, probabilities, codes)["log_loss"].value)
    worse = losses(CODEC, np.full((400, 4), 0.25, np.float32), codes)
    assert paired_difference(found, worse, seed=0).high < 0


def test_a_probability_of_zero_costs_a_known_amount() -> None:
    found = losses(CODEC, one_hot([0, 1]), np.array([0, 0]))
    assert found.tolist() == [0.0, -math.log(2.0**-23)]


def test_all_right_and_all_wrong() -> None:
    right = measure(CODEC, one_hot([0, 1, 2, 3, 0]), np.array([0, 1, 2, 3, 0]))
    assert (right["accuracy"].value, right["error_rate"].value, right["log_loss"].value) == (1, 0, 0)
    assert 0.5 < right["accuracy"].low < right["accuracy"].high == 1
    assert right["calibration_error"].value == 0
    wrong = measure(CODEC, one_hot([1, 2, 3, 0, 1]), np.array([0, 1, 2, 3, 0]))
    assert (wrong["accuracy"].value, wrong["accuracy"].low) == (0, 0)
    assert (wrong["calibration_error"].value, wrong["calibration_error"].high) == (1, 1)
    to_json([estimate.to_json() for estimate in (*right.values(), *wrong.values())])


def test_no_item_and_one_item() -> None:
    none = measure(CODEC, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert {name: estimate.to_json()["value"] for name, estimate in none.items()} == dict.fromkeys(none)
    assert all(estimate.n == 0 for estimate in none.values())
    one = measure(CODEC, one_hot([2]), np.array([2]))
    assert one["accuracy"].low == pytest.approx(0.2065, abs=1e-4)
    for name in ("log_loss", "calibration_error"):
        found = one[name].to_json()
        assert (found["value"], found["low"], found["high"]) == (0, None, None)
    assert losses(CODEC, np.zeros((0, 4)), np.zeros(0, np.int64)).shape == (0,)
    assert confusion_matrix(CODEC, np.zeros((0, 4)), np.zeros(0, np.int64)).sum() == 0
    assert reliability(CODEC, np.zeros((0, 4)), np.zeros(0, np.int64)) == []
    assert math.isnan(top_k_accuracy(CODEC, np.zeros((0, 4)), np.zeros(0, np.int64)).value)


def test_a_single_class() -> None:
    codec = Category(classes=("only",))
    found = measure(codec, np.ones((6, 1), np.float32), np.zeros(6, np.int64))
    assert (found["accuracy"].value, found["log_loss"].value, found["calibration_error"].value) == (1, 0, 0)
    assert per_class(codec, np.ones((6, 1)), np.zeros(6, np.int64))["only"]["f1"].value == 1


def test_per_class_is_scikit_learns() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    probabilities, codes = answers(200, seed=3)
    expected = precision_recall_fscore_support(codes, probabilities.argmax(axis=1), labels=range(4))
    found = per_class(CODEC, probabilities, codes)
    assert list(found) == list(CODEC.classes)
    for column, metrics in enumerate(found.values()):
        values = (metrics["precision"].value, metrics["recall"].value, metrics["f1"].value)
        assert values == pytest.approx([expected[row][column] for row in range(3)])
        assert metrics["recall"].n == expected[3][column]
        for estimate in metrics.values():
            assert estimate.low < estimate.value < estimate.high


def test_per_class_where_there_is_nothing_to_divide_by() -> None:
    found = per_class(CODEC, one_hot([0, 0, 1]), np.array([0, 1, 1]))
    cat = {name: estimate.to_json() for name, estimate in found["cat"].items()}
    assert [cat[name]["value"] for name in ("precision", "recall", "f1")] == [None, None, None]
    bee = found["bee"]
    assert (bee["precision"].value, bee["recall"].value, bee["f1"].value) == (1, 0.5, pytest.approx(2 / 3))
    assert bee["f1"].low > 0
    assert bee["f1"].high < 1


@pytest.mark.slow
def test_f1_intervals_hold_the_truth() -> None:
    """A class of share 0.2 found with recall 0.8 and false alarms 0.05: F1 = 2 x 0.16 / (0.2 + 0.2)."""
    generator = np.random.default_rng(0)
    codec, held = Category(classes=("no", "yes")), []
    for _ in range(400):
        codes = (generator.random(150) < 0.2).astype(np.int64)
        said = np.where(codes == 1, generator.random(150) < 0.8, generator.random(150) < 0.05)
        f1 = per_class(codec, one_hot(said.astype(int).tolist(), 2), codes)["yes"]["f1"]
        held.append(f1.low <= 0.8 <= f1.high)
    assert 0.92 <= np.mean(held) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("overconfidence", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("n", [300, 3000])
def test_calibration_intervals_hold_the_truth(overconfidence: float, n: int) -> None:
    """Plain percentiles hold the truth in none of these trials where the model is calibrated."""
    generator = np.random.default_rng(0)
    codec, held = Category(classes=("no", "yes")), []
    for trial in range(150):
        confidence = generator.uniform(0.7, 1, n)
        right = generator.random(n) < confidence - overconfidence
        outputs = np.stack([1 - confidence, confidence], axis=1)
        found = measure(codec, outputs, right.astype(np.int64), seed=trial % 2)["calibration_error"]
        held.append(found.low <= overconfidence <= found.high)
    assert np.mean(held) >= 0.92


def test_calibration_error_by_hand() -> None:
    """Two confidences, so two bins: |0.6 - 0.5| x 4/8 + |0.9 - 0.75| x 4/8."""
    outputs = np.array([[0.6, 0.4]] * 4 + [[0.9, 0.1]] * 4)
    codes = np.array([0, 0, 1, 1, 0, 0, 0, 1])
    codec = Category(classes=("a", "b"))
    assert measure(codec, outputs, codes)["calibration_error"].value == pytest.approx(0.125)
    shuffled = np.random.default_rng(0).permutation(8)
    assert measure(codec, outputs[shuffled], codes[shuffled])["calibration_error"].value == pytest.approx(
        0.125
    )
    curve = reliability(codec, outputs, codes)
    assert [(r.confidence, r.accuracy.value, r.accuracy.n) for r in curve] == [
        (pytest.approx(0.6), 0.5, 4),
        (pytest.approx(0.9), 0.75, 4),
    ]


def test_reliability_bins_are_of_equal_mass() -> None:
    curve = reliability(CODEC, *answers(3000))
    assert len(curve) == 15
    assert {r.accuracy.n for r in curve} == {200}
    assert [r.confidence for r in curve] == sorted(r.confidence for r in curve)
    off = [r for r in curve if not r.accuracy.low <= r.confidence <= r.accuracy.high]
    assert len(off) <= 3
    to_json([r.to_json() for r in curve])


def test_ties_go_to_the_first_class_as_the_codec_decodes() -> None:
    outputs = np.full((4, 4), 0.25, np.float32)
    codes = np.arange(4)
    assert confusion_matrix(CODEC, outputs, codes)[:, 0].tolist() == [1, 1, 1, 1]
    assert [top_k_accuracy(CODEC, outputs, codes, k).value for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1]
    assert CODEC.decode(outputs[0])["label"] == "ant"


@pytest.mark.parametrize(
    ("outputs", "codes", "message"),
    [
        (np.zeros((3, 5)), np.zeros(3, np.int64), "don't fit"),
        (np.zeros((3, 4)), np.zeros(2, np.int64), "don't fit"),
        (np.zeros(4), np.zeros(4, np.int64), "don't fit"),
        (np.zeros((3, 4)), np.zeros((3, 1), np.int64), "don't fit"),
        (np.full((3, 4), np.nan), np.zeros(3, np.int64), "NaN or infinity"),
        (np.zeros((3, 4)), np.array([0, 1, 4]), "not from 0 to 3"),
        (np.zeros((3, 4)), np.array([0, 1, -1]), "not from 0 to 3"),
    ],
)
def test_what_does_not_fit_is_said(outputs: Array, codes: Array, message: str) -> None:
    for function in (measure, losses, confusion_matrix, per_class, reliability, top_k_accuracy):
        call: Any = function
        with pytest.raises(DataError, match=message):
            call(CODEC, outputs, codes)


def test_an_input_only_codec_is_not_measured() -> None:
    with pytest.raises(DrivetrainError, match="image@1"):
        measure(Image(size=8), np.zeros((1, 3)), np.zeros(1))
