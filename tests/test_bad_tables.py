"""Tables as people have them: each fault gives one line that names file, row and column, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import Done, drivetrain
from tables import incomes, write_csv

GOOD = "x,y\n" + "".join(f"{row % 7},{'ab'[row % 2]}\n" for row in range(40))


def refused(folder: Path, text: str | bytes, *options: str, code: int = 1) -> Any:
    """`train` on a file with this text fails with this code and one JSON object, and makes no run."""
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = drivetrain("train", path, "--target", "y", "--out", folder / "run", "--json", *options)
    assert done.code == code, done
    assert done.json.keys() == {"error", "where", "fix"}
    assert not (folder / "run").exists()
    return done.json


def told(answer: Any) -> str:
    return f"{answer['where']} {answer['error']} {answer['fix']}"


def test_an_unknown_target_names_the_nearest_column(tmp_path: Path) -> None:
    answer = refused(tmp_path, GOOD.replace("x,y", "x,yes"), code=2)
    assert "'y'" in answer["error"]
    assert "table.csv" in answer["where"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y\n" + "1,a\n" * 30, ("'a'", "y")),
        ("x,y\n" + "1,\n2,\n" * 15, ("y",)),
        ("", ("table.csv", "empty")),
        ("x,y\n", ("table.csv", "row")),
        ("x,y\n1,a\n", ("table.csv",)),
        ("x,x,y\n" + "1,2,a\n2,3,b\n" * 20, ("table.csv", "'x'")),
        (GOOD + "1,2,3\n", ("table.csv", "42", "3", "2")),
        (GOOD + "1\n", ("table.csv", "42")),
    ],
    ids=[
        "one value",
        "all gaps",
        "empty",
        "header only",
        "one row",
        "twice the same column",
        "long row",
        "short row",
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    said = told(refused(tmp_path, text))
    for word in words:
        assert word in said, said


def test_utf_16_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(GOOD.encode(encoding))
        done = drivetrain("show", path, "--target", "y", "--json")
        assert done.code == 0, done
        assert done.json["classes"] == ["a", "b"]


def test_an_override_that_does_not_fit_names_row_and_value(tmp_path: Path) -> None:
    said = told(refused(tmp_path, GOOD.replace("\n3,", "\nthree,"), "--column", "x=number"))
    assert "'three'" in said
    assert "row" in said


@pytest.mark.slow
def test_ten_thousand_categories_are_taken_as_an_input(tmp_path: Path) -> None:
    columns = {
        "shop": [f"shop {row}" for row in range(10_000)] * 2,
        "y": [row % 3 % 2 for row in range(20_000)],
    }
    path = write_csv(tmp_path / "shops.csv", columns)
    done = drivetrain(
        "train", path, "--target", "y", "--epochs", 1, "--no-check", "--out", tmp_path / "run", "--json"
    )
    assert done.code == 0, done


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    done = drivetrain(
        "train", incomes(folder / "adult.csv", rows=300), "--target", "income", "--ignore", "id", "--epochs", 1,
        "--no-check", "--out", folder / "run", "--export", folder / "adult.bundle", "--json",
    )  # fmt: skip
    assert done.code == 0, done
    return folder / "adult.bundle"


@pytest.mark.slow
class TestPrediction:
    def predict(self, bundle: Path, path: Path, columns: dict[str, list[Any]], *options: str) -> Done:
        return drivetrain("predict", bundle, write_csv(path, columns), *options)

    def columns(self) -> dict[str, list[Any]]:
        return {
            "age": [30, 40], "workclass": ["Private", None], "education": ["Masters", "HS-grad"], "capital-gain": [0, 10],
            "hours-per-week": [40, 50],
        }  # fmt: skip

    def test_a_column_that_is_absent_is_named_once(self, bundle: Path, tmp_path: Path) -> None:
        columns = self.columns()
        columns["hours"] = columns.pop("hours-per-week")
        done = self.predict(bundle, tmp_path / "rows.csv", columns, "--json")
        assert done.code == 1
        assert "'hours-per-week'" in done.json["error"]
        assert "rows.csv" in done.json["where"]
        assert "Did you mean hours?" in done.json["fix"]

    def test_a_column_too_many_is_ignored_with_a_note(self, bundle: Path, tmp_path: Path) -> None:
        done = self.predict(bundle, tmp_path / "rows.csv", {**self.columns(), "shoe": [44, 45]})
        assert done.code == 0
        assert "shoe" in done.err

    def test_text_where_a_number_was_fails_for_its_row_alone(self, bundle: Path, tmp_path: Path) -> None:
        columns = {**self.columns(), "age": ["old", 40]}
        answers = self.predict(bundle, tmp_path / "rows.csv", columns, "--json").json["answers"]
        assert "'age'" in answers[0]["error"]
        assert "rows.csv, row 2" in answers[0]["input"]
        assert answers[1]["label"] in ("<=50K", ">50K")
