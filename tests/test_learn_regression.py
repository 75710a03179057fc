"""Penalised regression as a model: what it sees, what it answers, and that its graph says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.errors import TrainingError, UsageError
from drivetrain.runtime import OnnxSession, Predictor


def columns(n: int = 300) -> dict[str, list[Any]]:
    draw = np.random.default_rng(0)
    a, b = draw.normal(50, 10, n), np.exp(draw.normal(3, 2, n))
    town = draw.choice(["Ulm", "Bonn", "Jena"], n)
    month = draw.integers(1, 13, n)
    y = 2 * a + 5 * np.log1p(b) + 30 * (town == "Bonn") + 10 * (month == 6) + draw.normal(0, 1, n)
    return {
        "a": [None if row % 9 == 0 else float(value) for row, value in enumerate(a)], "b": b.tolist(),
        "town": town.tolist(), "day": [f"2020-{value:02}-05" if value > 1 else None for value in month],
        "y": y.tolist(), "dear": np.where(y > np.quantile(y, 0.7), "yes", "no").tolist(),
    }  # fmt: skip


def learner(target: str | list[str], table: dict[str, list[Any]] | None = None, **options: Any) -> Any:
    table = table or columns()
    left_out = [name for name in ("y", "dear") if name not in target and name in table]
    made = dt.tabular.from_frame(table, target, ignore=left_out).learner("regression", bare=True, **options)
    made.fit()
    return made


@pytest.mark.parametrize("target", ["y", "dear"])
def test_the_graph_says_what_the_regression_says(target: str) -> None:
    made = learner(target)
    graph = made.graph()
    check_graph(graph, made.data.signature)
    session = OnnxSession(graph, made_names(made.data.signature))
    for part in ("train", "valid"):
        batch = made.data.part(part).batch()
        answered = session.run({name: batch[name] for name in made.data.signature.inputs})[target]
        np.testing.assert_allclose(answered, made.predict_part(part)[target], rtol=2e-6, atol=1e-5)
    nobody = {name: batch[name][:0] for name in made.data.signature.inputs}
    assert len(session.run(nobody)[target]) == 0


def test_a_straight_line_is_found_and_followed_beyond_what_was_seen() -> None:
    a = np.random.default_rng(3).uniform(0, 60, 60).round(2)
    made = learner("y", {"a": a.tolist(), "y": (a + 1).tolist()}, penalty=1e-6)
    for value in (30.0, 75.0):
        assert made.predict({"a": value}).targets["y"]["value"] == pytest.approx(value + 1, abs=0.01)
    assert made.predict({"a": 1e9}).targets["y"]["value"] < 200  # It stays near what is known.


def test_the_penalty_is_found_unless_it_is_given() -> None:
    draw = np.random.default_rng(1)
    noise = {f"x{place}": draw.normal(0, 1, 60).tolist() for place in range(40)}
    table = {**noise, "y": draw.normal(0, 1, 60).tolist()}
    assert learner("y", table).chosen_settings()["penalty"] >= 10
    assert learner("y", table, penalty=3.0).chosen_settings()["penalty"] == 3.0
    assert learner("dear").chosen_settings()["penalty"] in (0.1, 1.0, 10.0)


def test_rare_classes_count_as_much_where_they_are_balanced() -> None:
    plain, balanced = (
        learner("dear", class_weights=weights).outputs("valid")[0]["dear"][:, 1].mean()
        for weights in ("none", "balanced")
    )
    assert balanced > plain


def test_of_one_class_alone_the_training_rows_lack_the_others_and_answers_are_certain() -> None:
    table = {
        "a": np.random.default_rng(0).normal(0, 1, 40).tolist(),
        "part": ["train"] * 30 + ["valid"] * 10,
        "y": ["u", "v"] * 15 + ["u"] * 10,
    }
    made = dt.tabular.from_frame(table, "y", split=dt.split.by_column("part")).learner(
        "regression", bare=True
    )
    made.fit()
    assert made.outputs("valid")[0]["y"].shape == (10, 2)


def test_what_it_cannot_have_is_refused() -> None:
    texts = [f"word{row} and another {row % 7} with more of it" for row in range(80)]
    data = dt.DataBlock({"t": dt.Text()}, {"y": dt.Number()}, split=dt.split.random(0.2, seed=0))
    with pytest.raises(TrainingError, match="there is none of them"):
        data.from_columns({"t": texts, "y": list(range(80))}).learner("regression")
    with pytest.raises(UsageError, match="penalty must be a number above 0"):
        learner("y", penalty=0.0)
    with pytest.raises(UsageError, match="regression has no dropout"):
        learner("y", dropout=0.5)


@pytest.mark.slow
def test_it_is_measured_then_fitted_again_and_goes_into_a_bundle(tmp_path: Path) -> None:
    made = dt.tabular.from_frame(columns(), "y", ignore=["dear"]).learner(
        "regression", out=tmp_path / "run", quiet=True
    )
    result = made.fit()
    assert result["metrics"]["valid"]["r2"]["value"] > 0.95
    assert len(made.shipped.data.part("train")) == 300
    bundle = made.export(tmp_path / "line.bundle")
    row = {"a": 55.0, "b": 20.0, "town": "Bonn", "day": "2020-06-05"}
    answered, own = Predictor(bundle).predict(row).targets["y"], made.predict(row).targets["y"]
    assert answered == pytest.approx(own, rel=1e-6)
