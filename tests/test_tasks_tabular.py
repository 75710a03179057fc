"""Tables from file to answer: kinds, targets, splits, costs, intervals, several inputs; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import incomes, rentals, write_csv

import drivetrain as dt
from drivetrain.data.recipe import from_recipe
from drivetrain.errors import DataError, DrivetrainError, UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def adult(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return incomes(tmp_path_factory.mktemp("tables") / "adult.csv", rows=400)


@pytest.fixture(scope="module")
def bundle(adult: Path) -> Path:
    data = dt.tabular.from_csv(adult, "income", ignore=["id"])
    learner = data.learner("mlp", out=adult.parent / "run", quiet=True)
    learner.fit(3)
    return learner.export(adult.parent / "adult.bundle")


def test_a_table_trains_exports_and_answers_as_the_learner(adult: Path, bundle: Path) -> None:
    data = dt.tabular.from_csv(adult, "income", ignore=["id"])
    assert set(data.signature.inputs) == {"age", "workclass", "education", "capital-gain", "hours-per-week"}
    assert data.classes == ["<=50K", ">50K"]
    learner = data.learner("mlp", out=adult.parent / "again", quiet=True)
    learner.fit(3)
    row = {name: data.table[name][0] for name in data.signature.inputs}
    here, there = learner.predict(row), dt.Predictor(bundle).predict(row)
    assert there.probability == pytest.approx(here.probability, abs=1e-5)


def test_text_cells_and_typed_cells_get_the_same_answer(bundle: Path) -> None:
    predictor = dt.Predictor(bundle)
    typed = {
        "age": 38,
        "workclass": None,
        "education": "Masters",
        "capital-gain": 1234,
        "hours-per-week": 50.0,
    }
    written = {
        "age": " 38",
        "workclass": "?",
        "education": "Masters",
        "capital-gain": "1234",
        "hours-per-week": "50",
    }
    assert predictor.predict(typed).probabilities == predictor.predict(written).probabilities


def test_a_level_that_training_has_not_seen_and_a_gap_are_answered(bundle: Path) -> None:
    row = {"age": None, "workclass": "Astronaut", "education": "", "capital-gain": 0, "hours-per-week": 40}
    assert dt.Predictor(bundle).predict(row).label in ("<=50K", ">50K")


def test_a_cell_that_cannot_be_read_names_its_column_and_leaves_the_others_alone(bundle: Path) -> None:
    good = {
        "age": 38,
        "workclass": "Private",
        "education": "Masters",
        "capital-gain": 0,
        "hours-per-week": 50,
    }
    answers = dt.Predictor(bundle).predict_many([good, {**good, "age": "forty"}, good])
    assert isinstance(answers[1], dt.Failure)
    assert "'age'" in answers[1].error.error
    assert answers[0] == answers[2]
    assert isinstance(answers[0], dt.Answer)


def test_one_by_one_and_in_a_batch_the_answers_are_the_same(adult: Path, bundle: Path) -> None:
    data = dt.tabular.from_csv(adult, "income", ignore=["id"])
    rows = [{name: data.table[name][row] for name in data.signature.inputs} for row in range(20)]
    predictor = dt.Predictor(bundle)
    many = [answer.probability for answer in predictor.predict_many(rows)]
    assert many == pytest.approx([predictor.predict(row).probability for row in rows], abs=1e-6)


def test_the_recipe_makes_the_same_dataset_again(adult: Path) -> None:
    data = dt.tabular.from_csv(adult, "income", 0.3, 5, test=0.1, columns={"age": "category"}, ignore=["id"])
    again = from_recipe(json.loads(json.dumps(data.recipe)))
    assert again.signature == data.signature
    assert all((again.rows(part) == data.rows(part)).all() for part in ("train", "valid", "test"))


def test_costs_move_the_answer_and_not_the_probabilities(adult: Path, tmp_path: Path) -> None:
    plain = dt.tabular.from_csv(adult, "income", ignore=["id"])
    dear = dt.tabular.from_csv(adult, "income", ignore=["id"], costs={(">50K", "<=50K"): 50.0})
    learners = [
        data.learner("mlp", out=tmp_path / str(n), quiet=True) for n, data in enumerate((plain, dear))
    ]
    for learner in learners:
        learner.fit(4)
    rows = [{name: plain.table[name][row] for name in plain.signature.inputs} for row in range(30)]
    answers = [[learner.predict(row) for row in rows] for learner in learners]
    assert [a.probabilities for a in answers[0]] == [a.probabilities for a in answers[1]]
    rich = [sum(answer.label == ">50K" for answer in found) for found in answers]
    assert rich[1] > rich[0]
    assert "mean_cost" in learners[1].result["metrics"]["valid"]


def test_a_number_has_an_interval_that_holds_about_as_often_as_asked(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=3000)
    columns = {"x": x.tolist(), "y": (2 * x + draw.normal(size=3000)).tolist()}
    data = dt.tabular.from_frame(columns, "y", 0.3, interval=0.8)
    learner = data.learner("mlp", out=tmp_path / "run", quiet=True)
    learner.fit(3)
    fresh = draw.normal(size=800)
    truth = 2 * fresh + draw.normal(size=800)
    answers = [learner.predict({"x": value}).targets["y"] for value in fresh[:300]]
    held = np.mean([a["low"] <= y <= a["high"] for a, y in zip(answers, truth)])
    assert 0.72 < held < 0.88
    assert learner.result["metrics"]["valid"]["interval_coverage"]["value"] == pytest.approx(0.8, abs=0.06)


def test_a_log_target_is_answered_in_its_own_units(tmp_path: Path) -> None:
    data = dt.tabular.from_csv(rentals(tmp_path / "rentals.csv"), "rented", log_target=True)
    learner = data.learner("mlp", out=tmp_path / "run", quiet=True)
    learner.fit(5)
    answer = learner.predict({"day": "2024-06-01", "temperature": 20, "weather": "clear"})
    assert 50 < answer.value < 1000
    assert answer.targets["rented"]["low"] > 0


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "gaps.csv", {"x": [row % 7 for row in range(60)], "y": ["a", "b", None] * 20})
    data = dt.tabular.from_csv(path, "y")
    assert len(data) == 40
    assert any("20 rows without y are left out" in note and "gaps.csv, row 4" in note for note in data.notes)


def test_several_targets_and_kinds_of_input_at_once(tmp_path: Path) -> None:
    images = [np.full((16, 16), 40 * (row % 5), np.uint8) for row in range(60)]
    columns = {
        "picture": images, "words": [f"shade number {row % 5}" for row in range(60)],
        "width (cm)": [float(row) for row in range(60)], "level": [str(row % 5) for row in range(60)],
        "height": [3.0 * row for row in range(60)],
    }  # fmt: skip
    block = dt.DataBlock(
        inputs={"picture": dt.Image(size=16), "words": dt.Text(), "width (cm)": dt.Number()},
        targets={"level": dt.Category(), "height": dt.Number()},
    )
    learner = block.from_columns(columns).learner("cnn", out=tmp_path / "run", quiet=True)
    learner.fit(2)
    predictor = dt.Predictor(learner.export(tmp_path / "both.bundle"))
    sample = {name: columns[name][7] for name in block.inputs}
    here, there = learner.predict(sample), predictor.predict(sample)
    assert there.targets["height"]["value"] == pytest.approx(here.targets["height"]["value"], rel=1e-3)
    assert there.targets["level"]["label"] == here.targets["level"]["label"]


@pytest.mark.parametrize(
    ("target", "error", "told"),
    [("wage", UsageError, "'wage'"), ("one", DataError, "one"), ("nothing", DrivetrainError, "nothing")],
)
def test_a_target_that_cannot_be_learned_is_refused_by_name(
    tmp_path: Path, target: str, error: type[DrivetrainError], told: str
) -> None:
    path = write_csv(tmp_path / "t.csv", {"x": list(range(30)), "one": ["a"] * 30, "nothing": [None] * 30})
    with pytest.raises(error, match=told):
        dt.tabular.from_csv(path, target)


def test_a_table_of_one_row_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"x": [1], "y": ["a"]})
    with pytest.raises(DrivetrainError):
        dt.tabular.from_csv(path, "y")


def test_class_weights_make_the_rare_class_count(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rare = draw.random(1500) < 0.05
    columns = {
        "x": (draw.normal(size=1500) + 1.5 * rare).tolist(),
        "y": np.where(rare, "rare", "usual").tolist(),
    }
    shares = []
    for weights in ("none", "balanced"):
        data = dt.tabular.from_frame(columns, "y")
        learner = data.learner("mlp", out=tmp_path / weights, quiet=True, class_weights=weights)
        learner.fit(4)
        outputs, _ = learner.outputs("valid")
        shares.append(outputs["y"][:, 0].mean())
    assert shares[1] > 3 * shares[0]


def test_a_row_that_is_left_out_decides_nothing(tmp_path):
    """A total below the rows, whose target is empty: not the kind of a column, nor its scale, nor its statistics."""
    draw = np.random.default_rng(0)
    rows = 200
    columns = {
        "units": draw.integers(1, 100, rows).tolist(),
        "shop": draw.integers(1, 4, rows).tolist(),
        "y": draw.normal(size=rows).round(3).tolist(),
    }
    plain = dt.tabular.from_csv(write_csv(tmp_path / "plain.csv", columns), "y")
    total = {"units": [10**9], "shop": ["Total"], "y": [None]}
    path = write_csv(tmp_path / "total.csv", {name: values + total[name] for name, values in columns.items()})
    data = dt.tabular.from_csv(path, "y")
    assert data.signature == plain.signature
    assert {name: (kind.kind, kind.reason) for name, kind in data.kinds.items() if name != "y"} == {
        name: (kind.kind, kind.reason) for name, kind in plain.kinds.items() if name != "y"
    }
    assert not data.kinds["shop"].faults
    assert any("1 row without y is left out: total.csv, row 202" in note for note in data.table.notes)
    assert [fault.kind for fault in data.kinds["y"].faults] == ["target gaps"]


@pytest.mark.parametrize("split", [dt.split.by_group("kind"), dt.split.by_column("kind")])
def test_a_split_by_the_target_is_refused(split: Any) -> None:
    table = {"x": [*range(40)], "kind": ["a", "b", "c", "d"] * 10}
    with pytest.raises(UsageError, match="'kind' is the target"):
        dt.tabular.from_frame(table, "kind", split=split)
