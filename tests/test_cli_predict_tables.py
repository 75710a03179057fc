"""`drivetrain predict ... --out`: a table of answers, whole or absent, that no spreadsheet runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tables import incomes, rentals, write_csv

import drivetrain as dt
from drivetrain.cli.main import main
from drivetrain.data.answer_files import write_answers
from drivetrain.errors import FileError
from drivetrain.runtime.answers import answer_columns

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    for path, target, log in (
        (incomes(folder / "adult.csv", 200), "income", False),
        (rentals(folder / "bikes.csv", 120), "rented", True),
    ):
        data = dt.tabular.from_csv(path, target, log_target=log)
        learner = data.learner("linear", out=folder / path.stem, quiet=True)
        learner.fit(1)
        learner.export(folder / f"{path.stem}.bundle")
    return folder


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.reader(handle))


def test_a_row_for_each_row_with_its_place_answer_and_probability(home: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "answers.csv"
    assert (
        main(["predict", str(home / "adult.bundle"), str(home / "adult.csv"), "--out", str(out), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["out"] == str(out)
    head, *rows = table(out)
    shares = ["probability of <=50K", "probability of >50K"]
    assert head == ["origin", "answer", "probability", *shares, "unusual", "error"]
    assert len(rows) == len(told["answers"]) == 200
    for row, answer in zip(rows, told["answers"]):
        assert row[:2] == [answer["input"], answer["label"]]
        assert np.float32(row[2]) == np.float32(answer["probability"])
        assert [np.float32(cell) for cell in row[3:5]] == [
            np.float32(share) for share in answer["probabilities"].values()
        ]
        assert row[5:] == ["", ""]
    assert rows[0][0] == "adult.csv, row 2"


def test_a_number_has_its_range(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    assert (
        main(["predict", str(home / "bikes.bundle"), str(home / "bikes.csv"), "--out", str(out), "--json"])
        == 0
    )
    head, *rows = table(out)
    assert head == ["origin", "value", "low", "high", "unusual", "error"]
    values = np.array([[float(cell) for cell in row[1:4]] for row in rows])
    assert (values[:, 1] < values[:, 0]).all()
    assert (values[:, 0] < values[:, 2]).all()


def test_an_input_far_from_the_training_data_gives_a_number_and_not_infinity(home: Path) -> None:
    answer = dt.Predictor(home / "bikes.bundle").predict(
        {"day": "9999-12-31", "temperature": 1e30, "weather": "rain"}
    )
    assert all(np.isfinite([answer.value, answer.targets["rented"]["low"], answer.targets["rented"]["high"]]))


def test_a_row_that_cannot_be_answered_says_why_and_keeps_its_place(
    home: Path, tmp_path: Path, capsys
) -> None:  # type: ignore[no-untyped-def]
    head, *rows = table(home / "adult.csv")
    rows = rows[:3]
    rows[1][head.index("age")] = "=forty"
    path, out = tmp_path / "rows.csv", tmp_path / "answers.csv"
    write_csv(path, {name: [row[place] for row in rows] for place, name in enumerate(head)})
    assert main(["predict", str(home / "adult.bundle"), str(path), "--out", str(out)]) == 3
    printed = capsys.readouterr().out
    assert "answers of 3 inputs" in printed
    assert "1 of them could not be answered" in printed
    found = table(out)
    assert found[2][:3] == ["rows.csv, row 3", "", ""]
    assert "'=forty' is not a number" in found[2][-1]
    assert found[1][1] in ("<=50K", ">50K")


def test_an_existing_table_is_refused_before_the_work_and_replaced_when_asked(
    home: Path, tmp_path: Path, capsys
) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "answers.csv"
    out.write_text("mine")
    arguments = ["predict", str(home / "adult.bundle"), str(home / "adult.csv"), "--out", str(out)]
    assert main([*arguments, "--json"]) == 1
    assert "exists already" in json.loads(capsys.readouterr().out)["error"]
    assert out.read_text() == "mine"
    assert main([*arguments, "--force", "--json"]) == 0
    assert len(table(out)) == 201
    # Whole or absent: a folder that can't be written to leaves nothing.
    assert (
        main(
            ["predict", str(home / "adult.bundle"), str(home / "adult.csv"), "--out", str(out / "below.csv")]
        )
        == 1
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv"]


def test_classes_origins_and_errors_that_look_like_formulas_are_text(tmp_path: Path) -> None:
    signature = dt.Signature(
        {"x": dt.Number()}, {"=a": dt.Category(classes=("=cmd()", "-1")), "b": dt.Tags(tags=("@x", "y"))}
    )
    shares = {"=cmd()": 0.75, "-1": 0.25}
    tags = {"@x": 0.75, "y": 0.5}
    one, two = (
        {"label": label, "probability": probability, "probabilities": shares}
        for label, probability in (("=cmd()", 0.75), ("-1", -0.5))
    )
    answers = [
        dt.Answer("", {"=a": one, "b": {"tags": ["@x", "y"], "probabilities": tags}}),
        dt.Answer("", {"=a": two, "b": {"tags": [], "probabilities": tags}}),
        dt.Failure("", FileError("=bad.", fix="Mend it.")),
    ]
    columns = {"origin": ["=x.csv, row 2", "b", "c"], **answer_columns(signature, answers)}
    write_answers(tmp_path / "a.csv", columns, [])
    shares = ["'=a probability of =cmd()", "'=a probability of -1"]
    tags = ["b probability of @x", "b probability of y"]
    assert table(tmp_path / "a.csv") == [
        ["origin", "'=a answer", "'=a probability", *shares, "b tags", *tags, "unusual", "error"],
        ["'=x.csv, row 2", "'=cmd()", "0.75", "0.75", "0.25", "'@x; y", "0.75", "0.5", "", ""],
        ["b", "-1", "-0.5", "0.75", "0.25", "", "0.75", "0.5", "", ""],
        ["c", *[""] * 8, "'=bad. Mend it."],
    ]


def test_without_out_the_answers_are_printed_as_before(home: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["predict", str(home / "adult.bundle"), str(home / "adult.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"answers"}
