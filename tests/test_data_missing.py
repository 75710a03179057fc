"""Words for "missing": known where cells are text, counted and shown, overridden, and the same in prediction."""

from __future__ import annotations

import numpy as np
import pytest
from tables import write_csv

from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import UsageError

pl = pytest.importorskip("polars")
ROWS = 60
LAND = ["NA", "DE", "FR"] * 20
SENSOR = [-200.0 if row % 6 == 0 else row / 2 for row in range(ROWS)]


def read(source, **options):
    frame = read_frame(source, **options)
    kinds = guess_kinds(frame, "y")
    return kinds, to_table(frame, kinds)


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "t.csv", {"land": LAND, "sensor": SENSOR, "y": ["a", "b"] * 30})


def test_in_a_csv_the_usual_words_are_missing_counted_and_shown(table):
    kinds, columns = read(table)
    assert kinds["land"].reason == "2 different values in 60 rows, 20 missing (of them 20 'NA')"
    assert set(columns["land"]) == {None, "DE", "FR"}
    assert kinds["land"].codec.absent is None


def test_an_empty_word_takes_the_usual_ones_away(table):
    kinds, columns = read(table, missing={"land": ""})
    assert set(columns["land"]) == {"NA", "DE", "FR"}
    codec = kinds["land"].codec.fit(columns["land"])
    assert (codec.classes, codec.absent) == (("DE", "FR", "NA"), ("",))
    assert codec.encode("NA") == 2
    assert kinds["sensor"].codec.absent is None


def test_a_number_is_compared_as_a_number_and_travels_to_prediction(table):
    kinds, columns = read(table, missing=[-200])
    assert kinds["sensor"].reason.startswith(
        "numbers from 0.5 to 29.5, 50 different in 60 rows, 10 missing (of them 10 '-200.0')"
    )
    assert np.isnan(columns["sensor"]).sum() == 10
    codec = kinds["sensor"].codec
    assert {"", "na", "-200"} <= set(codec.absent)
    assert np.isnan([codec.read(raw) for raw in ("-200", -200, -200.0, "NA", None)]).all()
    assert "-200" in kinds["land"].codec.absent


@pytest.mark.parametrize("kind", ["pl", "parquet", "jsonl", "dict"])
def test_a_text_of_a_typed_source_is_a_text_and_null_is_null(tmp_path, kind):
    columns = {"land": [None, *LAND[1:]], "sensor": SENSOR, "y": ["a", "b"] * 30}
    frame, source = pl.DataFrame(columns), columns
    if kind == "pl":
        source = frame
    elif kind == "parquet":
        frame.write_parquet(source := tmp_path / "t.parquet")
    elif kind == "jsonl":
        frame.write_ndjson(source := tmp_path / "t.jsonl")
    kinds, table = read(source, missing={"sensor": -200})
    assert kinds["land"].reason == "3 different values in 60 rows, 1 missing"
    assert kinds["land"].codec.fit(table["land"]).classes == ("DE", "FR", "NA")
    assert np.isnan(table["sensor"]).sum() == 10
    given, table = read(source, missing="NA")
    assert given["land"].codec.fit(table["land"]).classes == ("DE", "FR")


def test_dates_that_stand_for_none(tmp_path):
    days = ["1900-01-01" if row % 3 == 0 else f"2020-01-{row % 28 + 1:02d}" for row in range(ROWS)]
    path = write_csv(tmp_path / "t.csv", {"day": days, "y": ["a", "b"] * 30})
    for source in (path, pl.read_csv(path, try_parse_dates=True)):
        kinds, table = read(source, missing={"day": "1900-01-01"})
        assert "dates from 2020-01-01" in kinds["day"].reason
        assert np.isnat(table["day"]).sum() == 20
        assert not kinds["day"].faults
        assert np.isnan(kinds["day"].codec.read(np.datetime64("1900-01-01")))


def test_mysql_writes_its_nulls_so(tmp_path):
    path = write_csv(
        tmp_path / "t.csv", {"x": [r"\N", 1, 2.5, 3] * 15, "c": [r"\N", "a", "b"] * 20, "y": ["a", "b"] * 30}
    )
    kinds, table = read(path)
    assert kinds["x"].kind == "number"
    assert r"15 missing (of them 15 '\\N')" in kinds["x"].reason
    assert set(table["c"]) == {None, "a", "b"}
    assert kinds["c"].codec.fit(table["c"]).encode_raw(r"\N") == 3


def test_a_column_that_is_not_there(table):
    with pytest.raises(UsageError, match="no column 'sensr'") as caught:
        read_frame(table, missing={"sensr": -200})
    assert "sensor" in caught.value.fix


def test_on_the_command_line(table):
    from drivetrain.cli.main import build_parser
    from drivetrain.cli.source import dataset, recorded, said

    options = build_parser().parse_args(
        ["check", str(table), "--target", "y", "--missing=-200", "--missing", "land="]
    )
    options.given = frozenset()
    data = dataset(options)
    assert data.recipe["missing"] == {"": ["-200"], "land": [""]}
    assert recorded(data)["missing"] == said(data, options, "missing") == "-200, land="
    assert data.signature.inputs["land"].classes == ("DE", "FR", "NA")
    assert np.isnan(data.signature.inputs["sensor"].read("-200"))
    from drivetrain.data.recipe import from_recipe

    assert from_recipe(data.recipe).signature == data.signature


def test_words_in_a_target_are_told_with_the_option_that_keeps_them(table):
    from drivetrain.interface import command_line, missing_option

    (fault,) = guess_kinds(read_frame(table), "land")["land"].faults
    assert fault.message == "The target 'land' has no value (or 'NA') in 20 of 60 rows: they are left out."
    assert """or with missing={"land": ""} take words""" in fault.fix
    with command_line():
        (fault,) = guess_kinds(read_frame(table), "land")["land"].faults
        assert "or with --missing land= take words for 'missing' as they are." in fault.fix
        assert [missing_option("-200"), missing_option("-9", "a b")] == [
            "--missing=-200",
            "--missing 'a b=-9'",
        ]
    assert not guess_kinds(read_frame(table, missing={"land": ""}), "land")["land"].faults
