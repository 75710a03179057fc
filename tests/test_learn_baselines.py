"""The baselines that stand beside every run."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import MISSING, Date
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.findings.result import baseline_metrics
from drivetrain.learn.baselines import supervised as module
from drivetrain.learn.baselines.missing import missing_baselines
from drivetrain.learn.baselines.supervised import fit_baselines
from drivetrain.learn.features.image import area_mean
from drivetrain.metrics import Estimate
from drivetrain.types import Array, Batch


@pytest.fixture(autouse=True)
def _without_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same baselines wherever the tests run."""
    monkeypatch.setattr("drivetrain.learn.trees.lightgbm.installed", lambda: False)


def baselines(
    signature: Signature, train: Batch, valid: Batch, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Name -> metric -> estimate."""
    return baseline_metrics(signature, fit_baselines(signature, train, valid, seed), valid, seed)


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
    np.testing.assert_allclose(area_mean(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_allclose(area_mean(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    np.testing.assert_allclose(area_mean(5, 5), np.eye(5))
    np.testing.assert_allclose(area_mean(113, 16).sum(axis=1), 1, rtol=1e-6)


def test_many_rows_are_sampled_and_the_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 300)
    found = baselines(PICTURES, pictures(1000), pictures(100, seed=1))
    assert list(found) == ["majority class", "logistic regression on 300 rows"]
    again = baselines(PICTURES, pictures(1000), pictures(100, seed=1), seed=1)
    assert again["logistic regression on 300 rows"] != found["logistic regression on 300 rows"]
    assert found["logistic regression on 300 rows"]["accuracy"].value > 0.95


def test_no_warning_when_it_stops_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.learn.closed_form.linear.MOST_WORK", 1.0)
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
    assert list(found) == ["mean", "linear regression", "gradient-boosted trees"]
    assert found["mean"]["r2"].value == pytest.approx(0, abs=0.05)
    assert found["linear regression"]["r2"].value > 0.99
    assert found["linear regression"]["mean_absolute_error"].value < 15
    targets = {"price": Number(), "dear": Category(classes=("no", "yes"))}
    both = baselines(Signature(inputs, targets), table(500), table(200, seed=1))
    assert list(both) == [
        "mean of price", "linear regression of price", "gradient-boosted trees of price",
        "majority class of dear", "logistic regression of dear", "gradient-boosted trees of dear",
    ]  # fmt: skip
    assert both["logistic regression of dear"]["accuracy"].value > 0.95


def test_constant_columns_do_no_harm() -> None:
    signature = Signature({"size": Number()}, {"price": Number()})
    constant = {"size": np.full(30, 7, np.float32), "price": np.full(30, 5, np.float32)}
    found = baselines(signature, constant, constant)
    assert found["linear regression"]["mean_absolute_error"].value == pytest.approx(0, abs=1e-6)


@dataclass(frozen=True)
class Signal(Image):
    """A kind that this house knows nothing of."""

    op: ClassVar[str] = "signal@1"


def test_inputs_of_an_unknown_kind_leave_the_simplest_only_and_it_is_told() -> None:
    signature = Signature({"image": Signal(size=8, channels=1)}, PICTURES.targets)
    assert list(baselines(signature, pictures(50), pictures(20))) == ["majority class"]
    assert missing_baselines(signature) == [
        "no simple method sees anything of 'image' (signal): what ignores all inputs is all that stands beside the model"
    ]
    beside = Signature({**signature.inputs, "size": Number()}, PICTURES.targets)
    assert missing_baselines(beside) == ["no simple method sees anything of 'image' (signal)"]
    assert missing_baselines(PICTURES) == []


def test_a_target_that_no_simple_method_answers_with_is_told() -> None:
    signature = Signature({"size": Number()}, {"size of it": Number(), "kinds": Tags(tags=("a", "b"))})
    assert missing_baselines(signature) == [
        "there is no baseline for 'kinds': no simple method answers with tags"
    ]


@dataclass(frozen=True)
class Duration(Number):
    """Like a number, in all rooms."""

    op: ClassVar[str] = "duration@1"
    like: ClassVar[str] = "number"


def test_a_kind_that_is_like_a_number_has_all_that_a_number_has() -> None:
    train, valid = table(200), table(100, seed=1)
    numbers = Signature({"size": Number()}, {"price": Number()})
    durations = Signature({"size": Duration()}, {"price": Duration()})
    assert missing_baselines(durations) == []
    found = fit_baselines(durations, train, valid)
    for one, other in zip(found, fit_baselines(numbers, train, valid), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.outputs, other.outputs)


def test_texts_alone_are_held_against_their_words() -> None:
    text = Text(grams=10).fit(["a red thing", "a blue thing"] * 20)
    label = Category(classes=("blue", "red"))
    rows = ["a red thing", "a blue thing"] * 20
    part = {"text": text.encode_column(np.array(rows, object))[0], "label": np.tile([1, 0], 20)}
    signature = Signature({"text": text}, {"label": label})
    found = baselines(signature, part, part)
    assert list(found) == ["majority class", "TF-IDF and logistic regression"]
    assert found["TF-IDF and logistic regression"]["accuracy"].value == 1
    assert missing_baselines(signature) == []


def test_pictures_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = baselines(PICTURES, pictures(200), pictures(50, seed=1))
    monkeypatch.setattr(module, "CHUNK_BYTES", 700)
    assert baselines(PICTURES, pictures(200), pictures(50, seed=1)) == whole


def odd_table(n: int, seed: int = 0) -> dict[str, Array]:
    """A number with gaps, an open category, a date and tags; what counts is the gap, the month and the first tag."""
    generator = np.random.default_rng(seed)
    size = generator.normal(0, 1, n).astype(np.float32)
    size[generator.random(n) < 0.3] = np.nan
    kind = generator.integers(0, 5, n)  # Of 3 classes: 3 is another one, 4 is missing.
    month = generator.integers(1, 13, n)
    when = np.stack([generator.integers(0, 10**9, n), month], axis=1)
    when[generator.random(n) < 0.1] = [MISSING, -1]
    tags = generator.integers(0, 2, (n, 3)).astype(np.uint8)
    z = 2.0 * np.isnan(size) + (kind == 3) + np.where(when[:, 1] == 7, 2.0, 0.0) + tags[:, 0]
    price = np.expm1(z + generator.normal(0, 0.1, n))
    return {"size": size, "kind": kind, "when": when, "tags": tags, "price": price.astype(np.float32)}


ODD = {
    "size": Number(missing=True),
    "kind": Category(classes=("x", "y", "z"), open=True),
    "when": Date(parts=("month",), missing=True, center=5e8, spread=3e8),
    "tags": Tags(tags=("a", "b", "c")),
}


def test_gaps_open_categories_dates_and_tags_count_and_the_line_is_on_the_log_scale() -> None:
    train, valid = odd_table(2000), odd_table(500, seed=1)
    (fitted,) = [
        found for found in fit_baselines(Signature(ODD, {"price": Number(log=True)}), train, valid)
        if found.name == "linear regression"
    ]  # fmt: skip
    apart = np.log1p(fitted.outputs) - np.log1p(valid["price"])
    assert np.sqrt(np.mean(apart**2)) < 0.15
    for left_out in ODD:
        rest = {name: codec for name, codec in ODD.items() if name != left_out}
        found = fit_baselines(Signature(rest, {"price": Number(log=True)}), train, valid)
        worse = np.log1p(found[1].outputs) - np.log1p(valid["price"])
        assert np.sqrt(np.mean(worse**2)) > 0.3, f"{left_out} says something"


def test_a_line_on_the_log_scale_stays_within_what_was_seen() -> None:
    train = {"x": np.linspace(0, 1, 50, dtype=np.float32), "y": np.linspace(0, 100, 50, dtype=np.float32)}
    far = {"x": np.float32([1000, -1000]), "y": np.float32([0, 0])}
    found = fit_baselines(Signature({"x": Number()}, {"y": Number(log=True)}), train, far)
    np.testing.assert_allclose(found[1].outputs, [100, 0], atol=1e-4)


def test_trees_beat_a_line_where_there_is_a_step_and_rows_are_sampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, valid = odd_table(2000), odd_table(500, seed=1)
    signature = Signature({"size": Number(missing=True)}, {"step": Category(classes=("out", "in"))})
    for part in (train, valid):
        part["step"] = (np.abs(part["size"]) < 0.5).astype(np.int64)
    found = baselines(signature, train, valid)
    assert found["logistic regression"]["accuracy"].value < 0.8
    assert found["gradient-boosted trees"]["accuracy"].value > 0.99
    monkeypatch.setattr(module, "MOST_TREE_ROWS", 300)
    sampled = baselines(signature, train, valid)
    assert sampled["gradient-boosted trees on 300 rows"]["accuracy"].value > 0.95
    assert "gradient-boosted trees" not in {
        b.name for b in fit_baselines(signature, train, valid, trees=False)
    }


def test_balanced_classes_are_balanced_in_the_baselines_too() -> None:
    generator = np.random.default_rng(0)
    rare = (generator.random(3000) < 0.1).astype(np.int64)
    size = (rare + generator.normal(0, 1, 3000)).astype(np.float32)
    rows = {"size": size, "rare": rare}
    signature = Signature({"size": Number()}, {"rare": Category(classes=("no", "yes"))})
    plain, balanced = (
        {
            b.name: (b.outputs[:, 1] > 0.5).mean()
            for b in fit_baselines(signature, rows, rows, class_weights=weights)
        }
        for weights in ("none", "balanced")
    )
    for name in ("logistic regression", "gradient-boosted trees"):
        assert plain[name] < 0.1
        assert balanced[name] > 0.2


def test_a_model_intervals_are_not_the_baselines() -> None:
    signature = Signature({"size": Number()}, {"price": Number(interval=2.0, center=0.0, spread=1.0)})
    found = baselines(signature, table(300), table(100, seed=1))
    assert all("interval_coverage" not in metrics for metrics in found.values())
