"""`drivetrain records`, and `predict --records`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from drivetrain.cli.main import main
from drivetrain.records import Record, open_store

BUNDLE = str(Path(__file__).parent / "bundles" / "format-2-houses.bundle")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Of a job that answered three rows, one of which could not be."""
    (tmp_path / "houses.csv").write_text("area,town,case\n100,Ulm,a-1\n55,Bonn,b-2\nmany,Ulm,=c+3\n")
    path = str(tmp_path / "records.sqlite")
    command = ["predict", BUNDLE, str(tmp_path / "houses.csv"), "--trusted", "--records", f"sqlite:///{path}"]
    assert main([*command, "--record-key", "case", "--redact", "town", "--json"]) == 3
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert main(["records", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_job_records_what_it_answers(store: str) -> None:
    with open_store(store) as found:
        third, second, first = found.find()
    assert (first.model, first.version, first.source, first.key) == ("format-2-houses", 1, "batch", "a-1")
    assert (first.inputs, [*first.answer], second.key) == ({"area": 100.0}, ["value"], "b-2")
    assert third.answer == {"error": "not answered"}


def test_a_job_goes_on_redacting_what_is_redacted_in_the_store(store: str, tmp_path: Path) -> None:
    assert (
        main(["predict", BUNDLE, str(tmp_path / "houses.csv"), "--trusted", "--records", store, "--json"])
        == 3
    )
    with open_store(store) as found:
        assert {frozenset(each.inputs or {}) for each in found.find()} == {frozenset({"area"})}
    assert b"Bonn" not in Path(store).read_bytes()


def test_a_version_in_a_repository_is_recorded_as_the_server_calls_it(tmp_path: Path) -> None:
    place = tmp_path / "models" / "houses" / "7"
    place.mkdir(parents=True)
    (place / "model.bundle").write_bytes(Path(BUNDLE).read_bytes())
    (tmp_path / "houses.csv").write_text("area,town\n100,Ulm\n")
    command = ["predict", str(place / "model.bundle"), str(tmp_path / "houses.csv"), "--trusted", "--records"]
    assert main([*command, str(tmp_path / "r.sqlite"), "--json"]) == 0
    with open_store(str(tmp_path / "r.sqlite")) as found:
        assert [(each.model, each.version) for each in found.find()] == [("houses", 7)]


def test_records_are_listed_and_counted(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, store, "--limit", "2")
    assert [each["key"] for each in found["records"]] == ["=c+3", "b-2"]  # type: ignore[index,union-attr]
    assert found["counts"][0]["records"] == 3  # type: ignore[index]
    assert told(capsys, store, "--since", "1h", "--until", "2030-01-01", "--model", "nobody") == {
        "counts": [],
        "records": [],
    }
    assert main(["records", store]) == 0
    shown = capsys.readouterr().out
    assert "format-2-houses" in shown
    (line,) = (line for line in shown.splitlines() if "a-1" in line)
    with open_store(store) as opened:
        assert line.endswith(f"a-1   {opened.find(key='a-1')[0].id}"), (
            "a line each, whole, however narrow the terminal is"
        )


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_records_are_exported(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / f"out.{form}"
    with open_store(store) as found:
        found.add_many(
            [
                Record(
                    "other",
                    2,
                    "ab",
                    {"tags": ["x"], "area": "large"},
                    {"label": "yes", "parts": {"a": 1}},
                    outcome=1,
                )
            ]
        )
    assert told(capsys, store, "--out", str(out))["records"] == 4
    if form == "csv":
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert [row["key"] for row in rows] == ["a-1", "b-2", "'=c+3", ""]  # No formula for a spreadsheet.
        assert [row["inputs.area"] for row in rows] == ["100.0", "55.0", "many", "large"]
        assert (rows[3]["inputs.tags"], rows[3]["answer.parts"]) == ('["x"]', '{"a":1}')
        assert "inputs.town" not in rows[0]
    elif form == "jsonl":
        assert [json.loads(line)["model"] for line in out.read_text().splitlines()] == [
            "format-2-houses"
        ] * 3 + ["other"]
    else:
        frame = pytest.importorskip("polars").read_parquet(out)
        assert frame["answer.value"].dtype.is_float()
        assert frame["time"].dtype.is_temporal()
        assert frame["answer.label"].to_list() == [None, None, None, "yes"]
    assert main(["records", store, "--out", str(out)]) == 2 or form  # It exists.
    assert "exists already" in capsys.readouterr().err


def test_one_person_is_forgotten_by_key_or_input(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, store, "--forget", "a-1") == {
        "forgotten": {"rows": 1, "in_journals": 0, "journals_left": 0}
    }
    assert told(capsys, store, "--forget-input", "area=55") == {
        "forgotten": {"rows": 1, "in_journals": 0, "journals_left": 0}
    }
    assert told(capsys, store)["counts"][0]["records"] == 1  # type: ignore[index]
    assert told(capsys, store, "--retain", "0.0") == {"expired": 1}
    Path(f"{store}.journals", "1.damaged").touch()
    assert told(capsys, store, "--forget", "b-2")["set_aside"] == [f"{store}.journals/1.damaged"]


def test_a_name_that_no_record_has_is_told_when_nothing_was_forgotten(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, note in (
        (["--forget-input", "aera=55"], "none of the newest records has an input 'aera'. Did you mean area?"),
        (
            ["--forget", "a-1", "--model", "houses"],
            "there is no record of a model 'houses'. Did you mean format-2-houses?",
        ),
        (["--forget", "nobody"], None),
        (["--forget-input", "area=7"], None),
    ):
        assert told(capsys, store, *options).get("note") == note
    assert main(["records", store, "--forget-input", "aera=55"]) == 0
    assert "Did you mean area?" in capsys.readouterr().out


def test_the_truth_comes_as_a_table(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("key,value\na-1,2500\nb-2,007\nnobody,1\n")
    found = told(capsys, store, "--model", "format-2-houses", "--outcomes", str(table), code=3)
    assert found == {"stored": 2, "replaced": 0, "unchanged": 0, "unknown": ["nobody"]}
    with open_store(store) as opened:
        assert [each.outcome for each in opened.find()] == [None, "007", 2500]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--forget", "a", "--retain"], "two things at once"),
        (["--forget-input", "area"], "names no input and value"),
        (["--retain", "soon"], "no number of days"),
        (["--since", "soon"], "no moment"),
        (["--out", "a.txt"], "can't be written as .txt"),
        (["--outcomes", "a.csv"], "whose outcomes"),
    ],
)
def test_what_can_not_be_meant_is_told(
    store: str, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["records", store, *options]) == 2
    assert words in capsys.readouterr().err


def test_nothing_to_redact_where_nothing_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", BUNDLE, "x.csv", "--redact", "town"]) == 2
    assert "Say where to, with --records" in capsys.readouterr().err
