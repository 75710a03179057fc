"""Rows in, answers out: from files and frames, what is kept, and a bad row among good ones."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import bundle_examples as examples
import numpy as np
import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.bundle import open_bundle_bytes
from drivetrain.cli.verbs import predict
from drivetrain.data.read.row_inputs import rows_for
from drivetrain.errors import DataError, UsageError
from drivetrain.runtime import Predictor
from drivetrain.types import Answer, Failure


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    """Answers 1000 (Ulm) or 3000 (Bonn) + 12.5 x area."""
    (tmp_path / "houses.bundle").write_bytes(examples.house_bundle())
    return tmp_path / "houses.bundle"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(open_bundle_bytes(examples.house_bundle()), batch_size=2)


ROWS = "id,area,town\n007,40,Ulm\n008,100,Bonn\n"
GOOD = [1500.0, 4250.0]


def values(done: Any) -> list[float | None]:
    return [answer.get("value") for answer in done.json["answers"]]


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.csv", "id,area,town\n1,40,Ulm\n1,2\n1,100,Bonn\n", "a.csv, row 3"),
        ("a.csv", 'id,area,town\n1,40,Ulm\n1,"4"0,Ulm\n1,100,Bonn\n', "a.csv, row 3"),
        ("a.csv", "id,area,town\n1,40,Ulm\n1,100,Bonn\n1,40,Ulm,7\n", "a.csv, row 4"),
        ("a.jsonl", '{"area":40,"town":"Ulm"}\n{"area":\n{"area":100,"town":"Bonn"}\n', "a.jsonl, row 2"),
        ("a.jsonl", '{"area":40,"town":"Ulm"}\n[1]\n{"area":100,"town":"Bonn"}\n', "a.jsonl, row 2"),
        ("a.jsonl", '{"area":40,"town":"Ulm"}\n{"area":{"a":1},"town":"Ulm"}\n{"area":100,"town":"Bonn"}\n',
         "a.jsonl, row 2"),
        ("a.jsonl", '{"area":40,"town":"Ulm"}\n{"area":1,"town":["Ulm"]}\n{"area":100,"town":"Bonn"}\n',
         "a.jsonl, row 2"),
    ],
)  # fmt: skip
def test_a_bad_row_fails_alone_and_is_named(
    houses: Path, tmp_path: Path, name: str, text: str, where: str
) -> None:
    (tmp_path / name).write_text(text)
    done = drivetrain("predict", houses, tmp_path / name, "--json")
    assert done.code == 3
    assert [value for value in values(done) if value is not None] == GOOD
    (bad,) = [answer for answer in done.json["answers"] if "error" in answer]
    assert bad["input"] == where
    assert where in bad["where"]


def test_a_cell_longer_than_a_book_fails_alone(houses: Path, tmp_path: Path) -> None:
    before = csv.field_size_limit(1000)
    try:
        (tmp_path / "a.csv").write_text(f"area,town\n40,Ulm\n1,{'x' * 2000}\n100,Bonn\n")
        done = drivetrain("predict", houses, tmp_path / "a.csv", "--json")
    finally:
        csv.field_size_limit(before)
    assert done.code == 3
    assert values(done) == [GOOD[0], None, GOOD[1]]
    assert "longer than 1,000 letters" in done.json["answers"][1]["error"]


def test_quotes_that_never_end_are_the_whole_files_fault(houses: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('area,town\n40,Ulm\n1,"Bonn\n100,Bonn\n')
    done = drivetrain("predict", houses, tmp_path / "a.csv", "--json")
    assert done.code == 1
    assert "quotes" in done.json["error"]


def test_exit_codes_say_whether_none_some_or_all_failed(houses: Path, tmp_path: Path) -> None:
    for text, code in (("40,Ulm", 0), ("40,Ulm\nx,Ulm", 3), ("x,Ulm\ny,Ulm", 1)):
        (tmp_path / "a.csv").write_text(f"area,town\n{text}\n")
        assert drivetrain("predict", houses, tmp_path / "a.csv").code == code


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_kept_columns_and_answers_in_their_order(houses: Path, tmp_path: Path, form: str) -> None:
    for name, rows in (("a.csv", ROWS), ("b.csv", "area,id,town\n100,009,Bonn\nx,010,Ulm\n")):
        (tmp_path / name).write_text(rows)
    out = tmp_path / f"out.{form}"
    done = drivetrain(
        "predict", houses, tmp_path / "a.csv", tmp_path / "b.csv", "--keep", "id", "--out", out, "--json"
    )
    assert done.code == 3
    ids = ["007", "008", "009", "010"]
    assert [answer["kept"] for answer in done.json["answers"]] == [{"id": one} for one in ids]
    if form == "jsonl":
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert lines == done.json["answers"]
        return
    if form == "csv":
        with out.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
    else:
        polars = pytest.importorskip("polars")
        rows = polars.read_parquet(out).to_dicts()
    assert [row["id"] for row in rows] == ids
    assert [float(row["value"]) for row in rows[:3]] == [*GOOD, GOOD[1]]
    assert list(rows[0]) == ["origin", "id", "value", "unusual", "error"]
    assert rows[3]["value"] in ("", None)
    assert "is not a number" in rows[3]["error"]


def test_keep_all_and_a_name_that_is_not_there(houses: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("value,area,town\n3,40,Ulm\n-4,100,Bonn\n")
    out = tmp_path / "out.csv"
    assert drivetrain("predict", houses, tmp_path / "a.csv", "--keep", "all", "--out", out).code == 0
    head, first, second = out.read_text().splitlines()
    assert head == '"origin","value","area","town","value (answered)","unusual","error"'
    assert first == '"a.csv, row 2",3,40,"Ulm",1500.0,"",""'
    assert second.startswith('"a.csv, row 3",-4,100,')
    done = drivetrain("predict", houses, tmp_path / "a.csv", "--keep", "are", "--json")
    assert (done.code, done.json["fix"]) == (1, "Did you mean area or value?")
    done = drivetrain("predict", houses, tmp_path / "a.csv", "--out", tmp_path / "out.xlsx", "--json")
    assert done.code == 2


def test_a_number_is_printed_as_one(houses: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    done = drivetrain("predict", houses, tmp_path / "a.csv", "--keep", "id")
    assert done.out == "a.csv, row 2  id=007  1,500\na.csv, row 3  id=008  4,250\n"


# Frames


def columns() -> dict[str, list[Any]]:
    return {"id": ["a", "b", "c"], " area ": [40, 100, 40], "town": ["Ulm", "Bonn", "Rom"]}


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_frame_gives_rows_and_a_frame_of_answers(predictor: Predictor, library: str) -> None:
    frame = pytest.importorskip(library).DataFrame(columns())
    one, two, bad = predictor.predict_many(frame)
    assert isinstance(one, Answer)
    assert isinstance(two, Answer)
    assert isinstance(bad, Failure)
    assert [one.value, two.value] == GOOD
    assert len(list(predictor.stream(frame))) == 3
    answers = predictor.predict_frame(frame, keep=["id"])
    assert type(answers) is type(frame)
    assert list(answers.columns) == ["id", "value", "unusual", "error"]
    assert list(answers["id"]) == ["a", "b", "c"]
    assert list(answers["value"])[:2] == GOOD
    assert "'Rom'" in list(answers["error"])[2]
    assert list(predictor.predict_frame(frame, keep=["all"]).columns)[:3] == ["id", "area", "town"]
    with pytest.raises(DataError, match="'town' is not there"):
        predictor.predict_many(frame[["id", " area "]])
    with pytest.raises(UsageError, match="no frame"):
        predictor.predict_frame([1])


def test_pandas_index_and_types_are_kept(predictor: Predictor) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "area": pandas.array([40, None], dtype="Int64"),
            "town": pandas.Categorical(["Ulm", "Bonn"]),
            "day": pandas.to_datetime(["2020-01-01", None]),
        },
        index=[7, 3],
    )
    answers = predictor.predict_frame(frame, keep=["day"])
    assert list(answers.index) == [7, 3]
    assert answers["day"].dtype.kind == "M"
    assert answers["value"].iloc[0] == 1500
    assert isinstance(answers["error"].iloc[1], str)
    assert predictor.predict(frame.iloc[0]).value == 1500


def test_scalars_of_numpy_and_dates_go_through_a_frame(predictor: Predictor) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "area": np.array([40, 100], np.float32),
            "town": ["Ulm", "Bonn"],
            "day": [datetime.date(2020, 1, 1)] * 2,
        }
    )
    assert [answer.value for answer in predictor.predict_many(frame)] == GOOD  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="not computed yet"):
        predictor.predict_many(frame.lazy())


def test_a_number_is_printed_with_its_range_and_unit() -> None:
    """As `show` gets it: the object that --json prints."""
    answers = [
        {"input": "a", "value": 215034.25, "low": 199000.5, "high": 231999.0},
        {"input": "b", "value": 0.123456789},
    ]
    out = io.StringIO()
    with redirect_stdout(out):
        predict.show({"answers": answers, "units": {"price": "€"}})
    assert out.getvalue() == "a  215,034 €  (199,000 to 231,999)\nb  0.12346 €\n"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Any]:
    """A model of a CSV with a date, a moment, a code, a truth value and a price; and rows to ask, with gaps, as polars."""
    polars = pytest.importorskip("polars")
    random, rows = np.random.default_rng(0), 120
    day = datetime.datetime(2020, 1, 1)
    frame = polars.DataFrame(
        {
            "day": [(day + datetime.timedelta(int(days))).date() for days in random.integers(0, 700, rows)],
            "store": random.integers(1, 5, rows),
            "ok": random.random(rows) > 0.5,
            "price": [decimal.Decimal(int(cents)) / 100 for cents in random.integers(100, 99_999, rows)],
            "at": [day + datetime.timedelta(hours=int(hours)) for hours in random.integers(0, 9_999, rows)],
        }
    )
    folder = tmp_path_factory.mktemp("asked")
    labels = polars.Series("label", ["hi" if ok else "lo" for ok in frame["ok"]])
    frame.with_columns(labels).write_csv(folder / "train.csv")
    data = dt.tabular.from_csv(folder / "train.csv", "label", columns={"store": "category"})
    learner = data.learner("linear", out=folder / "run", quiet=True)
    learner.fit(1)
    learner.export(folder / "b.bundle")
    gaps = [polars.when(polars.int_range(rows) % 7 == 0).then(None).otherwise(polars.col(name)).alias(name)
            for name in ("store", "ok")]  # fmt: skip
    return Predictor(folder / "b.bundle"), frame.with_columns(gaps)


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    ["parquet", "jsonl", "polars", "dicts", "pandas", "pandas from CSV", "pandas with zone and categories"],
)
def test_the_same_rows_have_the_same_answers_wherever_they_come_from(
    asked: tuple[Predictor, Any], tmp_path: Path, source: str
) -> None:
    predictor, frame = asked
    frame.write_csv(tmp_path / "a.csv")
    wanted = predictor.predict_many(rows_for(tmp_path / "a.csv", predictor.signature.inputs).rows)
    items: Any = frame
    if source == "parquet":
        frame.write_parquet(tmp_path / "a.parquet")
        items = rows_for(tmp_path / "a.parquet", predictor.signature.inputs).rows
    elif source == "jsonl":
        frame.cast({"price": float}).write_ndjson(tmp_path / "a.jsonl")
        items = rows_for(tmp_path / "a.jsonl", predictor.signature.inputs).rows
    elif source == "dicts":
        items = frame.to_dicts()
    elif source.startswith("pandas"):
        pandas = pytest.importorskip("pandas")
        items = pandas.DataFrame({name: frame[name].to_list() for name in frame.columns})
        if source == "pandas from CSV":
            items = pandas.read_csv(tmp_path / "a.csv")
        elif source != "pandas":
            items = items.assign(
                store=items["store"].astype("category"), at=items["at"].dt.tz_localize("UTC")
            )
    answers = predictor.predict_many(items)
    for one, other in zip(answers, wanted, strict=True):
        assert isinstance(one, Answer)
        assert isinstance(other, Answer)
        assert one.targets == other.targets
        assert one.unusual.keys() == other.unusual.keys()


def test_nothing_that_a_bundle_says_steers_a_terminal() -> None:
    item = {
        "input": "a\x1b[2J",
        "error": "not seen\x1b[2J",
        "fix": "The classes are \x1b[2J, b\nc.",
        "unusual": {},
    }
    shown = (
        predict._line(item, {}).plain + predict._line({"input": "a", "value": 1.0}, {"y": "m\x1b[2J"}).plain
    )
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert shown.count("\\x1b[2J") == 4
