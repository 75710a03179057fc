"""Records: in the journal at once, in the store a moment later, and nothing of what is redacted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.model_names import place_of
from drivetrain.records import Kept, Outcome, Record, Recorder, keep, open_store
from drivetrain.serve.source import source_of
from drivetrain.types import Answer

INPUTS = {"age": Number(center=40.0, spread=10.0), "job": Category(classes=("baker", "smith"))}


def record(**more: Any) -> Record:
    return Record(**{"model": "income", "version": 1, "bundle": "ab12", "inputs": {"age": 40.0, "job": "baker"},
                     "answer": {"label": "high", "probability": 0.75}, "probability": 0.75, **more})  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.sqlite'}"


@pytest.fixture
def recorder(url: str) -> Iterator[Recorder]:
    with Recorder(url, {"income": Kept()}) as made:
        yield made


def test_an_answer_is_kept_and_found_again(recorder: Recorder, url: str) -> None:
    given = keep(
        Kept(), INPUTS, {"age": "40", "job": "baker"}, Answer("a row", {"income": {"label": "high", "probability": 0.75}}),
        model="income", version=3, bundle="ab12", latency_ms=1.5, request="r-1", key="case 7",
    )  # fmt: skip
    found_id = recorder.add(given)
    assert recorder.flush()
    with open_store(url) as store:
        (found,) = store.find(model="income")
    assert found.id == found_id
    assert found == given
    assert (found.inputs, found.answer) == (
        {"age": 40.0, "job": "baker"},
        {"label": "high", "probability": 0.75},
    )


def test_the_truth_comes_later_by_id_or_by_key(recorder: Recorder) -> None:
    first, *_ = recorder.add_many([record(), record(key="case 7"), record(key="case 7")])
    assert first is not None
    told = recorder.outcomes(
        "income", [Outcome("low", id=first), Outcome("high", key="case 7"), Outcome("x", key="8")]
    )
    assert told.to_json() == {"stored": 3, "replaced": 0, "unchanged": 0, "unknown": ["8"]}
    again = recorder.outcomes("income", [Outcome("high", id=first), Outcome("high", key="case 7")])
    assert again.to_json() == {"stored": 0, "replaced": 1, "unchanged": 2, "unknown": []}
    assert recorder.outcomes("other", [Outcome("low", id=first)]).unknown == [first]


@pytest.mark.parametrize(
    ("below", "served", "name"),
    [
        ("a model (2).bundle", "a model (2).bundle", "a_model_2_"),
        ("models/incomes/3/any.bundle", "models", "incomes"),
        ("models/incomes/3.bundle", "models", "incomes"),
        ("models/incomes/3.bundle", "models/incomes/3.bundle", "incomes"),
        ("007/houses.bundle", "007/houses.bundle", "houses"),
        ("2 b/3/houses.bundle", "2 b/3/houses.bundle", "houses"),
    ],
)
def test_a_job_calls_a_bundle_as_a_server_does(tmp_path: Path, below: str, served: str, name: str) -> None:
    path = tmp_path / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"bundle")
    found = source_of(str(tmp_path / served)).listing().found
    assert {name: {place_of(str(path))[1]}} == {model: {*versions} for model, versions in found.items()}
    assert place_of(str(path))[0] == name
