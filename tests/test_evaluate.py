"""What evaluate measures, of bundles that are made by hand."""

from __future__ import annotations

from pathlib import Path

import bundle_examples as examples
import pytest

from drivetrain.bundle import bundle_bytes
from drivetrain.evaluate import evaluate


@pytest.fixture
def houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Answers 1000 (Ulm) or 3000 (Bonn) + 12.5 x area."""
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    (tmp_path / "houses.bundle").write_bytes(examples.house_bundle())
    return tmp_path / "houses.bundle"


def test_an_error_smaller_than_float32s_step_is_measured(houses: Path, tmp_path: Path) -> None:
    """In float32 the step at 16,777,217 is 2: the truth would be rounded to what is answered."""
    area = (2**24 - 1000) / 12.5
    rows = "".join(f"{area},Ulm,{2**24 + 1}\n" for _ in range(3))
    (tmp_path / "large.csv").write_text(f"area,town,price\n{rows}")
    found = evaluate(houses, tmp_path / "large.csv", quiet=True)
    assert found["metrics"]["mean_absolute_error"]["value"] == pytest.approx(1)


def test_rows_of_a_class_that_the_model_lacks_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    (tmp_path / "animals.bundle").write_bytes(examples.image_bundle())
    rows = []
    for number, (raw, label) in enumerate(
        zip(examples.pictures(6), ("cat", "dog", "fox", "fox", "cow", ""), strict=True)
    ):
        (tmp_path / f"{number}.png").write_bytes(raw)
        rows.append(f"{number}.png,{label}\n")
    (tmp_path / "asked.csv").write_text(f"image,label\n{''.join(rows)}")
    found = evaluate(tmp_path / "animals.bundle", tmp_path / "asked.csv", quiet=True)
    assert found["n"] == 2
    assert found["unknown"] == [{"target": "label", "rows": 3, "values": {"fox": 2, "cow": 1}}]
    assert len(found["failed"]) == 1
    unknown, failed = found["notes"]
    assert (
        unknown
        == "3 rows count in no metric, for the model has no such class of 'label': 'fox' (2), 'cow' (1)"
    )
    assert failed.startswith("1 item counts in no metric, for it can't be used, the first: asked.csv, row 7")


def test_what_training_had_nothing_like_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    quantiles = {"0.0": 20, "0.05": 30, "0.95": 90, "1.0": 100}
    made = examples.arguments(
        name="houses", task="tabular", signature=examples.HOUSES, graph=examples.house_graph(),
        cases=examples.house_cases(), profile={"area": {"n": 9, "quantiles": quantiles}},
    )  # fmt: skip
    (tmp_path / "houses.bundle").write_bytes(bundle_bytes(**made))
    (tmp_path / "rows.csv").write_text("area,town,price\n50,Ulm,1\n5000,Bonn,1\n")
    found = evaluate(tmp_path / "houses.bundle", tmp_path / "rows.csv", quiet=True)
    reason = "far above the training range of 20 to 100"
    assert found["notes"] == [f"'area': 1 of 2 values was {reason}, such as '5000'"]
    assert found["unusual"][0]["examples"] == ["'5000'"]
