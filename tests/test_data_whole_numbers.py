"""No whole number is rounded on the way in, and values that come in several forms are one."""

from __future__ import annotations

import datetime
import decimal
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from tables import write_csv

from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.rows import read_rows
from drivetrain.errors import DataError

pl = pytest.importorskip("polars")
FIRST = 2**53
IDS = [FIRST + 1, FIRST + 2, FIRST + 3, 1582218195625938945, 1582218195625938946, None] * 10
Y = ["a", "b"] * 30


def sources(tmp_path, ids=IDS, dtype=None):
    """The same ids and labels as every source has them."""
    columns = {"store": ids, "y": Y}
    frame = pl.DataFrame({"store": pl.Series(ids, dtype=dtype or pl.Int64), "y": Y})
    frame.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"store": i, "y": y}) for i, y in zip(ids, Y)))
    with closing(sqlite3.connect(tmp_path / "t.db")) as base:
        base.execute("DROP TABLE IF EXISTS t")
        base.execute("CREATE TABLE t (store, y)")
        exact = [i if i is None or i < 2**63 else str(i) for i in ids]
        base.executemany("INSERT INTO t VALUES (?, ?)", list(zip(exact, Y)))
        base.commit()
    yield "csv", read_frame(write_csv(tmp_path / "t.csv", columns))
    yield "parquet", read_frame(tmp_path / "t.parquet")
    yield "json", read_frame(tmp_path / "t.jsonl")
    yield "sql", read_frame(f"sqlite:///{tmp_path}/t.db", query="SELECT * FROM t")
    yield "polars", read_frame(frame)
    yield "dict", read_frame(columns)


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        (IDS, None),
        ([2**64 - 1, 2**64 - 2, 2**64 - 3, 7, None, 9] * 10, "UInt64"),
        ([10**20 + 1, 10**20 + 2, 3] * 20, "Int128"),
    ],
)
def test_ids_beyond_what_a_float_holds_are_categories_from_every_source(tmp_path, ids, dtype):
    known = tuple(map(str, sorted({value for value in ids if value is not None})))
    for source, frame in sources(tmp_path, ids, dtype and getattr(pl, dtype)):
        kinds = guess_kinds(frame, "y")
        assert kinds["store"].kind == "category", source
        assert kinds["store"].reason.startswith("a number would round whole ones such as "), source
        column = to_table(frame, kinds)["store"]
        codec = kinds["store"].codec.fit(column)
        assert codec.classes == known, source
        assert codec.encode_raw(ids[0]) == codec.encode_raw(str(ids[0])), source
        target = guess_kinds(frame, "store")["store"]
        assert target.kind == "category", source
        with pytest.raises(DataError, match="would round whole numbers such as"):
            guess_kinds(frame, "y", {"store": "number"})


def test_as_told_a_category_has_every_digit_and_prediction_too(tmp_path):
    for source, frame in sources(tmp_path):
        kinds = guess_kinds(frame, "y", {"store": "category"})
        assert len(set(to_table(frame, kinds)["store"])) == 6, source
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        rows = [row["store"] for _, row in read_rows(tmp_path / name)]
        assert [str(value or "") for value in rows] == [str(value or "") for value in IDS]


def test_numbers_that_a_float_holds_stay_numbers(tmp_path):
    for value in (10**18, FIRST, 3_000_000_000):
        for source, frame in sources(
            tmp_path, [value, 2 * value, 3 * value, None, 5 * value, 7 * value] * 10, pl.Int128
        ):
            assert guess_kinds(frame, "y")["store"].kind == "number", (source, value)


def test_whole_numbers_beside_decimal_ones_are_not_rounded(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"x": {FIRST + 1}}}\n{{"x": 1.5}}\n{{"x": {FIRST + 2}}}\n')
    for frame in (read_frame(path), read_frame({"x": [FIRST + 1, 1.5, FIRST + 2]})):
        assert frame.data["x"].to_list() == [str(FIRST + 1), "1.5", str(FIRST + 2)]
    path.write_text('{"x": 1e300}\n{"x": 1}\n')
    assert read_frame(path).data["x"].to_list() == [1e300, 1.0]
    decimals = pl.DataFrame({"x": pl.Series([f"{FIRST + 1}.00", "2.50"]).cast(pl.Decimal(38, 2))})
    assert read_frame(decimals).data["x"].to_list() == [str(FIRST + 1), "2.50"]
    wholes = pl.DataFrame({"x": pl.Series([str(FIRST + 1), "2"]).cast(pl.Decimal(38, 0))})
    assert read_frame(wholes).data["x"].to_list() == [FIRST + 1, 2]
    assert read_frame({"x": [decimal.Decimal(FIRST + 1), decimal.Decimal("2")]}).data["x"].to_list() == [
        FIRST + 1,
        2,
    ]


def test_columns_of_python_values():
    day, moment = datetime.date(2020, 1, 5), datetime.datetime(2020, 1, 5, 10, 30)
    east = datetime.timezone(datetime.timedelta(hours=2))
    data = read_frame({
        "days and moments": [day, moment, None, moment.replace(tzinfo=east)],
        "durations": [datetime.timedelta(minutes=1), np.timedelta64(30, "s"), None, datetime.timedelta(days=1)],
        "decimals": [decimal.Decimal("2.50"), 1, None, np.float32(0.5)],
        "truth": [True, np.False_, None, True],
        "mixed": [True, 3.0, "x", day],
        "times": [datetime.time(14, 35), None, None, datetime.time(9)],
    }).data  # fmt: skip
    midnight = datetime.datetime(2020, 1, 5)
    assert data["days and moments"].to_list() == [
        midnight,
        moment,
        None,
        datetime.datetime(2020, 1, 5, 8, 30),
    ]
    assert data["durations"].to_list() == [60.0, 30.0, None, 86_400.0]
    assert data["decimals"].to_list() == [2.5, 1.0, None, 0.5]
    assert data["truth"].to_list() == [True, False, None, True]
    assert data["mixed"].to_list() == ["true", "3", "x", "2020-01-05"]
    assert data["times"].to_list() == ["14:35:00", None, None, "09:00:00"]


def test_labels_as_whole_and_as_decimal_numbers_are_one_class_each_and_that_is_said(tmp_path):
    path = write_csv(tmp_path / "t.csv", {"x": list(range(100, 160)), "y": ["0", "0.0", "1", "1.0"] * 15})
    frame = read_frame(path)
    kind = guess_kinds(frame, "y")["y"]
    assert kind.reason.startswith("2 different values in 60 rows; the most frequent, '0', in 50.0%")
    (fault,) = kind.faults
    assert "taken for one: 2 of the values" in fault.message
    assert sorted(fault.where) == ["'0' = '0.0'", "'1' = '1.0'"]
    assert kind.codec.fit(to_table(frame, {"y": kind, "x": guess_kinds(frame)["x"]})["y"]).classes == (
        "0",
        "1",
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_that_names_the_separator_for_excel(tmp_path, mark, line):
    path = tmp_path / "t.csv"
    path.write_bytes(f"{mark}{line}\r\na;b,c\r\n1,5;x\r\n2,5;y\r\n".encode())
    frame = read_frame(path)
    assert frame.columns == ["a", "b,c"]
    assert frame.data.rows() == [("1,5", "x"), ("2,5", "y")]
    assert list(read_rows(path)) == [
        ("t.csv, row 2", {"a": "1,5", "b,c": "x"}),
        ("t.csv, row 3", {"a": "2,5", "b,c": "y"}),
    ]
    path.write_bytes(f"{mark}{line}\na;b\n1;2\n3\n".encode())
    for ask in (lambda: read_frame(path), lambda: list(read_rows(path))):
        with pytest.raises(DataError) as caught:
            ask()
        assert caught.value.where == "t.csv, row 3 (line 4)"


def test_people_and_things_keep_every_digit_and_are_known_as_decimal_numbers(tmp_path):
    from drivetrain.data.interactions.known import read_seen
    from drivetrain.data.interactions.ratings import read_ratings

    columns = {"user": [FIRST + 1, FIRST + 2, 3, 3], "item": [1.0, 2.0, 1.0, 2.0], "stars": [1, 5, 3, 4]}
    path = write_csv(tmp_path / "t.csv", columns)
    for source in (path, columns, pl.DataFrame(columns)):
        table = read_ratings(read_frame(source), "user", "item", "stars", None)
        assert table["user"].tolist() == [str(FIRST + 1), str(FIRST + 2), "3", "3"]
        assert table["item"].tolist() == ["1", "2", "1", "2"]
    facts = {"user": "user", "item": "item", "rating": "stars"}
    for user in (3, 3.0, "3", "3.0"):
        assert read_seen(path, facts, user) == {"1.0": 3.0, "2.0": 4.0}


def test_a_column_of_what_is_no_value_says_what_it_holds():
    frame = read_frame({"x": [None, 1j, 2j] * 10, "y": ["a", "b", "a"] * 10})
    assert guess_kinds(frame, "y")["x"].reason == "holds complex, which can't be used as it is"
    with pytest.raises(DataError, match="the target holds complex"):
        guess_kinds(frame, "x")


def test_frames_of_pyarrow_and_pandas():
    arrow, pandas = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    known = read_frame({"a": [1, None, FIRST + 1], "b": ["x", "NA", None]}).data
    table = arrow.table({"a": [1, None, FIRST + 1], "b": ["x", "NA", None]})
    assert read_frame(table).data.equals(known)
    assert read_frame(table.to_pandas(types_mapper=pandas.ArrowDtype)).data.equals(known)
    ids = pandas.DataFrame({"a": pandas.array([1, None, FIRST + 1], dtype="Int64"), "b": ["x", "NA", None]})
    assert read_frame(ids).data.equals(known)
    assert read_frame(ids.astype("category")).data.equals(known)
