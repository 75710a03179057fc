"""The baselines that stand beside every run."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.learn import baselines as module
from drivetrain.learn.baselines import baselines
from drivetrain.types import Array, Batch

PICTURES = Signature({"image": Image(size=8, channels=1)}, {"label": Category(classes=("a", "b", "c"))})


def pictures(n: int, seed: int = 0, shape: tuple[int, ...] = (8, 8, 1)) -> dict[str, Array]:
    """Pictures whose brightness depends on the class, half of them of class b."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, size=n, p=[0.25, 0.5, 0.25])
    noise = generator.integers(0, 60, (n, *shape))
    return {"image": (noise + 70 * labels.reshape(-1, 1, 1, 1)).astype(np.uint8), "label": labels}


def test_digits() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 255 / 16).round().astype(np.uint8)[..., None]
    signature = Signature(
        {"image": Image(size=8, channels=1)}, {"label": Category(classes=tuple("0123456789"))}
    )
    rows = np.random.default_rng(0).permutation(len(images))

    def part(chosen: Array) -> Batch:
        return {"image": images[chosen], "label": digits.target[chosen]}

    start = time.process_time()
    found = baselines(signature, part(rows[:1437]), part(rows[1437:]))
    assert time.process_time() - start < 5  # It takes some 0.2 s; this is to notice a solver gone wrong.
    assert list(found) == ["majority class", "logistic regression"]
    assert list(found["majority class"]) == ["accuracy", "error_rate", "log_loss", "auc", "calibration_error"]
    assert found["majority class"]["accuracy"].value < 0.15
    assert found["logistic regression"]["accuracy"].value > 0.94
    assert found["logistic regression"]["log_loss"].value < 0.3
    assert baselines(signature, part(rows[:1437]), part(rows[1437:])) == found


def test_majority_class_says_the_training_frequencies() -> None:
    train, valid = pictures(400), pictures(200, seed=1)
    found = baselines(PICTURES, train, valid)["majority class"]
    shares = np.bincount(train["label"]) / 400
    assert found["accuracy"].value == np.mean(valid["label"] == shares.argmax())
    assert found["log_loss"].value == pytest.approx(-np.log(shares[valid["label"]]).mean())


def test_logistic_regression_sees_the_pictures() -> None:
    found = baselines(PICTURES, pictures(400), pictures(200, seed=1))
    assert found["logistic regression"]["accuracy"].value > 0.98


def test_classes_missing_in_training_or_of_one_kind() -> None:
    train, valid = pictures(100), pictures(60, seed=1)
    two = {name: column[train["label"] != 1] for name, column in train.items()}
    found = baselines(PICTURES, two, valid)
    assert found["logistic regression"]["accuracy"].value == pytest.approx(
        np.mean(valid["label"] != 1), abs=0.05
    )
    assert np.isfinite(found["logistic regression"]["log_loss"].value)
    one = {name: column[train["label"] == 2] for name, column in train.items()}
    assert list(baselines(PICTURES, one, valid)) == ["majority class"]


def test_empty_parts_have_no_baseline() -> None:
    train, valid = pictures(50), pictures(20)
    nothing = {name: column[:0] for name, column in train.items()}
    assert baselines(PICTURES, nothing, valid) == {}
    assert baselines(PICTURES, train, nothing) == {}
    assert baselines(PICTURES, {"image": train["image"]} | {"label": nothing["label"]}, valid) == {}


def test_large_pictures_of_several_channels_and_sizes() -> None:
    """Training pictures may be stored larger than the model's size; both are brought to the same 16 x 16."""
    signature = Signature({"image": Image(size=(70, 90), channels=3)}, PICTURES.targets)
    train, valid = pictures(60, shape=(90, 130, 3)), pictures(40, seed=1, shape=(70, 90, 3))
    assert baselines(signature, train, valid)["logistic regression"]["accuracy"].value > 0.95


def test_area_mean() -> None:
    np.testing.assert_allclose(module._area_mean(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(module._area_mean(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    np.testing.assert_allclose(module._area_mean(5, 5), np.eye(5))
    np.testing.assert_allclose(module._area_mean(113, 16).sum(axis=1), 1, rtol=1e-6)


def test_many_rows_are_sampled_and_the_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 300)
    found = baselines(PICTURES, pictures(1000), pictures(100, seed=1))
    assert list(found) == ["majority class", "logistic regression on 300 rows"]
    again = baselines(PICTURES, pictures(1000), pictures(100, seed=1), seed=1)
    assert again["logistic regression on 300 rows"] != found["logistic regression on 300 rows"]
    assert found["logistic regression on 300 rows"]["accuracy"].value > 0.95


def test_no_warning_when_it_stops_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WORK", 1.0)
    generator = np.random.default_rng(0)
    train = {
        "image": generator.integers(0, 256, (300, 8, 8, 1), dtype=np.uint8),
        "label": generator.integers(0, 3, 300),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = baselines(PICTURES, train, pictures(50))
    assert "logistic regression" in found


def table(n: int, seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    size = generator.normal(1000, 200, n).astype(np.float32)
    kind = generator.integers(0, 3, n)
    price = 3 * size + np.array([0.0, 500.0, -500.0])[kind] + generator.normal(0, 10, n)
    return {
        "size": size,
        "kind": kind,
        "price": price.astype(np.float32),
        "dear": (price > 3000).astype(np.int64),
    }


def test_numbers_and_categories_and_several_targets() -> None:
    inputs = {"size": Number(), "kind": Category(classes=("x", "y", "z"))}
    found = baselines(Signature(inputs, {"price": Number()}), table(500), table(200, seed=1))
    assert list(found) == ["mean", "linear regression"]
    assert found["mean"]["r2"].value == pytest.approx(0, abs=0.05)
    assert found["linear regression"]["r2"].value > 0.99
    assert found["linear regression"]["mean_absolute_error"].value < 15
    targets = {"price": Number(), "dear": Category(classes=("no", "yes"))}
    both = baselines(Signature(inputs, targets), table(500), table(200, seed=1))
    assert list(both) == [
        "mean of price", "linear regression of price", "majority class of dear", "logistic regression of dear",
    ]  # fmt: skip
    assert both["logistic regression of dear"]["accuracy"].value > 0.95


def test_constant_columns_do_no_harm() -> None:
    signature = Signature({"size": Number()}, {"price": Number()})
    constant = {"size": np.full(30, 7, np.float32), "price": np.full(30, 5, np.float32)}
    found = baselines(signature, constant, constant)
    assert found["linear regression"]["mean_absolute_error"].value == pytest.approx(0, abs=1e-6)


def test_inputs_of_an_unknown_kind_leave_the_simplest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEATURES", {})
    assert list(baselines(PICTURES, pictures(50), pictures(20))) == ["majority class"]


def test_pictures_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = baselines(PICTURES, pictures(200), pictures(50, seed=1))
    monkeypatch.setattr(module, "CHUNK_BYTES", 700)
    assert baselines(PICTURES, pictures(200), pictures(50, seed=1)) == whole
