"""Labels that a model doubts which has not seen them: planted faults are found, and the test rows are left alone."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import docs
import drivetrain as dt
from drivetrain.errors import DataError, UsageError
from drivetrain.files import to_json
from drivetrain.findings.confident import find_doubts, most_wrong
from drivetrain.findings.label_faults import LabelFaults, label_faults
from drivetrain.types import Array

ITEM = {"row", "origin", "given", "suggested", "probability", "score"}


def flipped(labels: Any, share: float = 0.05, seed: int = 0) -> tuple[list[str], Array]:
    """The labels with so many changed to another class, and which."""
    generator = np.random.default_rng(seed)
    names, changed = sorted(set(labels)), [str(label) for label in labels]
    chosen = generator.permutation(len(changed))[: round(share * len(changed))]
    for row in chosen.tolist():
        changed[row] = str(generator.choice([name for name in names if name != changed[row]]))
    return changed, chosen


def precision(found: LabelFaults, planted: Array) -> float:
    """Of as many top-ranked rows as were planted, the share that was."""
    return float(np.isin(found.ranked[: len(planted)], planted).mean())


def two_clouds(rows: int = 400, test: float = 0.0) -> tuple[dt.Dataset, Array]:
    """Two classes far apart, 5 % of their labels flipped."""
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 2, rows)
    x = generator.normal(size=rows) + 5 * codes
    labels, planted = flipped(np.where(codes == 1, "right", "left"))
    block = dt.DataBlock(
        {"x": dt.Number()}, {"side": dt.Category()}, split=dt.split.random(0.2, seed=0, test=test)
    )
    return block.from_columns({"x": x, "side": labels}), planted


def test_planted_faults_of_a_table_are_found_with_where_they_are() -> None:
    data, planted = two_clouds()
    found = data.label_faults(quiet=True)
    assert precision(found, planted) >= 0.9
    assert np.isin(planted, found.ranked[: len(found)]).mean() >= 0.9
    assert len(found) <= 1.3 * len(planted)
    item = found.items(1)[0]
    assert item.keys() == ITEM
    assert item["origin"] == data.table.origin(item["row"])
    assert item["given"] == data.table["side"][item["row"]] != item["suggested"]
    assert item["probability"] > 0.9
    assert found.share is not None
    assert found.share.low <= 0.05 <= found.share.high
    margins = found.score[found.order[: len(found)]]
    assert (np.diff(margins) >= 0).all()
    assert "5-fold cross-validation of trees" in found.method


def test_rows_of_train_and_valid_are_looked_at_and_those_of_test_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, _ = two_clouds(test=0.3)
    encoded = dt.Dataset._encode

    def watched(self: dt.Dataset, rows: Array, name: str, enlarge: float) -> Any:
        assert not set(rows) & set(data.split.test)
        return encoded(self, rows, name, enlarge)

    monkeypatch.setattr(dt.Dataset, "_encode", watched)
    found = label_faults(data, quiet=True)
    assert set(found.rows) == {*data.split.train, *data.split.valid}


def test_no_row_is_answered_for_by_a_model_that_has_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.learn.trees import learner as trees

    data, _ = two_clouds(100)
    seen: list[int] = []

    class Spy(trees.TreesLearner):
        def outputs(self, part: str = "valid") -> tuple[dict[str, Array], dict[str, Array]]:
            train, valid = set(self.data.part("train").rows), set(self.data.part("valid").rows)
            assert not train & valid
            assert len(train | valid) == 100
            seen.extend(valid)
            return super().outputs(part)

    monkeypatch.setattr(trees, "TreesLearner", Spy)
    label_faults(data, quiet=True)
    assert sorted(seen) == list(range(100))


def test_numbers_far_from_what_is_expected_are_found() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 10, 400)
    y = 3 * x + generator.normal(0, 0.5, 400)
    planted = generator.permutation(400)[:12]
    y[planted] += generator.choice([-20, 20], 12)
    block = dt.DataBlock({"x": dt.Number()}, {"y": dt.Number()}, split=dt.split.random(0.2, seed=0))
    data = block.from_columns({"x": x, "y": y})
    found = label_faults(data, quiet=True)
    assert precision(found, planted) >= 0.9
    assert found.share is None
    item = found.items(1)[0]
    assert item["probability"] is None
    assert item["score"] > 3.5
    assert item["given"] == pytest.approx(y[item["row"]], rel=1e-5)
    assert "z-score" in str(found)
    assert len(str(item["given"])) <= 11, "a number of 32 bits has no more digits than these"
    with pytest.raises(UsageError, match="nothing to look at"):
        found.chart()


def test_a_class_too_rare_to_learn_is_not_judged() -> None:
    x = np.concatenate([np.zeros(50), np.ones(50), [0.0, 1.0]])
    labels = ["a"] * 50 + ["b"] * 50 + ["c"] * 2
    block = dt.DataBlock({"x": dt.Number()}, {"y": dt.Category()}, split=dt.split.none())
    found = label_faults(block.from_columns({"x": x, "y": labels}), quiet=True)
    assert len(found.rows) == 100
    assert "1 classes with fewer than 5 rows are not judged" in found.notes[0]
    assert len(found) == 0
    assert "0 of 100" in str(found)


def test_confident_learning_by_hand() -> None:
    """Rows labelled a have a mean probability of a of 0.7, those labelled b of b 0.65."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.75, 0.25], [0.2, 0.8]])
    codes = np.array([0, 0, 0, 1, 1, 1])
    found = find_doubts(probabilities, codes)
    assert found.suggested.tolist() == [0, 0, -1, 1, 0, 1]
    assert found.doubted.tolist() == [False, False, False, False, True, False]
    assert found.margins == pytest.approx([0.8, 0.6, -0.2, 0.8, -0.5, 0.6])
    assert found.order().tolist() == [4, 2, 1, 5, 0, 3]


def judged(rows: int, chance: float, noise: float, seed: int) -> tuple[Array, Array, float]:
    """(probabilities, codes, wrong): three classes that a model tells apart but for `chance`, by which the outcome is
    another one, more of it where the model is less sure; and labels of which a share `noise` is wrong."""
    generator = np.random.default_rng(seed)
    likely = generator.choice(3, rows, p=[0.6, 0.3, 0.1])
    unsure = generator.random(rows)
    true = np.where(generator.random(rows) < 2 * chance * unsure, (likely + 1) % 3, likely)
    wrong = generator.random(rows) < noise
    codes = np.where(wrong, (true + generator.integers(1, 3, rows)) % 3, true)
    outputs = np.full((rows, 3), 0.01)
    outputs[np.arange(rows), likely] = 0.98 - 0.4 * unsure
    outputs[np.arange(rows), (likely + 1) % 3] += 0.4 * unsure
    return outputs, codes, float(wrong.mean())


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_the_share_of_wrong_labels_is_at_most_what_is_said(chance: float, noise: float) -> None:
    """Confident learning's own estimate, by which an outcome of chance is a wrong label, was far off here."""
    held, highs = [], []
    for seed in range(20):
        outputs, codes, wrong = judged(1000, chance, noise, seed)
        found = most_wrong(outputs, codes)
        held.append(found.low <= wrong <= found.high)
        highs.append(found.high)
    assert np.mean(held) >= 0.9
    assert np.mean(highs) < noise + 0.05 + chance / 3


def test_of_a_judge_that_has_learned_little_nothing_is_said() -> None:
    """213 rows of two classes, 5 wrong labels, inputs that say next to nothing: 63.6 % were told to be wrong."""
    generator = np.random.default_rng(0)
    labels, _ = flipped(np.where(generator.random(213) < 0.5, "ant", "bee"), 5 / 213)
    block = dt.DataBlock({"x": dt.Number()}, {"y": dt.Category()}, split=dt.split.random(0.2, seed=0))
    found = label_faults(block.from_columns({"x": generator.normal(size=213), "y": labels}), quiet=True)
    assert "How many are wrong can't be told" in str(found)
    assert found.to_json()["share"] is None
    assert "% are wrong (95 %)" not in str(found)


def test_it_shows_itself_and_is_json(tmp_path: Path) -> None:
    data, _ = two_clouds()
    found = label_faults(data, quiet=True)
    answer = found.to_json()
    assert answer.keys() == {"target", "n", "count", "share", "contradicted", "method", "items", "notes"}
    assert answer["share"] | {"high": 0} == {
        "value": None, "low": 0, "high": 0, "n": 400, "method": "Wilson score of the surest answers, at most, 95 %",
    }  # fmt: skip
    assert len(answer["items"]) == answer["count"] == len(found)
    to_json(answer)
    text = str(found)
    assert text.startswith(f"{len(found)} of 400 labels of 'side' are doubtful. At most ")
    assert "look before you change one" in text
    assert found.items(1)[0]["origin"] in text
    assert "<table>" in found._repr_html_()
    assert to_json(label_faults(data, quiet=True).to_json()) == to_json(answer)


def test_what_cannot_be_looked_at_is_refused() -> None:
    data, _ = two_clouds(12)
    for folds in (1, 50):
        with pytest.raises(DataError, match="folds"):
            label_faults(data, folds=folds, quiet=True)
    with pytest.raises(UsageError, match="The targets are side"):
        label_faults(data, target="x")


@pytest.mark.slow
def test_planted_faults_of_pictures_are_found_with_the_small_cnn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_digits

    monkeypatch.chdir(tmp_path)
    digits = load_digits()
    labels, planted = flipped([str(digit) for digit in digits.target])
    data = dt.image_classification.from_arrays((digits.images * 15.9).astype(np.uint8), labels)
    found = data.label_faults(quiet=True)
    assert precision(found, planted) >= 0.85
    assert found.share is not None
    assert 0.05 <= found.share.high <= 0.09
    assert "cross-validation of cnn" in found.method
    chart = found.chart(9)
    assert "→" in chart.to_html()
    assert "Doubtful labels" in chart.title
    assert "<img" in found._repr_html_()
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_with_a_pretrained_body_its_features_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the weights are random; that they are used once, frozen, is what counts."""
    docs.prepare(tmp_path)
    data = dt.image_classification.from_folder(tmp_path / "flowers", image_size=64)
    data.default_model = str(tmp_path / "weights" / "mobilenet.safetensors")
    monkeypatch.setattr("drivetrain.learn.loop.run_plan", lambda learner: pytest.fail("trained"))
    found = label_faults(data, folds=3, quiet=True)
    assert "regression on the features of" in found.method
    assert Counter(found.given) == {"daisy": 20, "rose": 20, "tulip": 20}
    assert len(found) < 20


@pytest.mark.slow
def test_any_model_will_do() -> None:
    data, planted = two_clouds(200)
    found = label_faults(data, "mlp", folds=2, epochs=8, quiet=True, batch_size=16)
    assert precision(found, planted) >= 0.8


@pytest.mark.slow
def test_faults_planted_in_the_adult_census_are_found() -> None:
    """There chance decides much of the income: half of the top rows are ours, and the others are no mistakes."""
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    with open(Path(os.environ["DRIVETRAIN_DATA"]) / "adult_census" / "train.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["income"], planted = flipped(columns["income"])
    found = dt.tabular.from_frame(columns, target="income").label_faults(quiet=True)
    assert precision(found, planted) >= 0.5
    assert np.isin(planted, found.ranked[: len(found)]).mean() >= 0.6
