"""Kinds of columns: guessed as a sober person would, told otherwise where wanted, and converted as the codecs read."""

import datetime
import math
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from drivetrain.codecs.category import Category
from drivetrain.codecs.date import ORDERS, Date, Reading
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.data.kinds.guess import guess_kinds, kind_words, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError, DrivetrainError, UsageError

pl = pytest.importorskip("polars")
ROWS = 200


def frame_of(**columns):
    """As a CSV has them: cells of text, where words for "missing" are known."""
    return replace(read_frame(columns, name="t"), typed=False)


def guess(values, name="x", told=None, **options):
    """The kind of one input column."""
    overrides = {name: told} if told else {}
    return guess_kinds(frame_of(**{name: values}), overrides=overrides, **options)[name]


def repeated(values, count=ROWS):
    return [values[row % len(values)] for row in range(count)]


def real(name):
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    return os.path.join(os.environ["DRIVETRAIN_DATA"], name)


TEXTS = [f"the {row}th of many words in a row" for row in range(ROWS)]
GUESSES = [
    ("text", [f"第{row}个用户非常喜欢这个应用，推荐给大家" for row in range(ROWS)], Text),
    ("text", [f"แอปนี้ดีมากและใช้งานง่าย{row}" for row in range(ROWS)], Text),
    ("many categories", [f"王{chr(0x5000 + row // 2)}" for row in range(ROWS)], Category),
    ("number", [str(row % 90 / 4) for row in range(ROWS)], Number),
    ("number", repeated(["-2", "-1", "0", "8", "3"]), Number),
    ("number", repeated(["1,234", "12", "1,000,000"]), Number),
    ("yes/no", repeated(["0", "1"]), Category),
    ("yes/no", repeated(["0.0", "1.0", ""]), Category),
    ("yes/no", repeated(["Yes", "no"]), Category),
    ("yes/no", repeated(["x", ""]), Category),
    ("yes/no", repeated([True, False, None]), Category),
    ("category", repeated(["red", "green", "blue"]), Category),
    ("category", repeated(["male", "female"]), Category),
    ("category", repeated(["01234", "99999", "00501"]), Category),
    ("number", repeated(["12%", "15%", "7%"]), Number),
    ("many categories", [f"zone {row % 60}" for row in range(ROWS)], Category),
    ("date", [f"2024-03-{row % 28 + 1:02d}" for row in range(ROWS)], Date),
    ("date", [f"{row % 28 + 1}/3/2024" for row in range(ROWS)], Date),
    ("date", [datetime.date(2024, 3, row % 28 + 1) for row in range(ROWS)], Date),
    ("text", TEXTS, Text),
    ("tags", repeated(["a|b", "b|c", "c|a|d", "d", "a", "c|d", "b|d", "a|d", "b"]), Tags),
    ("tags", repeated([["a", "b"], ["b"], []]), Tags),
    ("identifier", [str(row + 1) for row in range(ROWS)], None),
    ("identifier", list(np.random.default_rng(0).permutation(ROWS)), None),
    ("identifier", [f"{row * 7919 % 104729:05x}" for row in range(ROWS)], None),
    ("constant", ["same"] * ROWS, None),
    ("constant", [""] * ROWS, None),
    ("constant", [5.0] * ROWS, None),
    ("ignored", [{"a": 1}] * ROWS, None),
]


@pytest.mark.parametrize(
    ("kind", "values", "codec"), GUESSES, ids=[f"{k} {v[0]!r:.20}" for k, v, _ in GUESSES]
)
def test_what_a_column_is(kind, values, codec):
    found = guess(values)
    assert found.kind == kind, found.reason
    assert (found.codec is None) == (codec is None)
    assert codec is None or isinstance(found.codec, codec)
    assert found.reason


def test_reasons_have_figures():
    assert (
        guess(repeated(["red", "green", "?"])).reason
        == "2 different values in 200 rows, 66 missing (of them 66 '?')"
    )
    assert (
        guess([str(row) for row in range(ROWS)]).reason
        == "every value is different, rising by one: a row number"
    )
    assert guess(repeated(["1,5", "2,25", "17"])).reason.endswith(
        "3 different in 200 rows, a comma as the decimal mark"
    )
    dates = [f"{row % 28 + 1}/3/2024" for row in range(ROWS)]
    assert (
        guess(dates).reason
        == "dates from 2024-03-01 to 2024-03-28, 28 different in 200 rows, the day written first"
    )


def test_names_tell_identifiers_and_times():
    unique = [str(row * 3 + 7) for row in range(ROWS)]
    assert guess(unique, "amount").kind == "number"
    for name in ("id", "PassengerId", "order_id", "orderid", "row"):
        assert guess(unique, name).kind == "identifier"
    again = repeated([str(user * 3) for user in range(60)])
    assert guess(again, "user_id").kind == "many categories"
    assert guess(again, "paid").kind == guess(again, "grid").kind == "number"
    seconds = [str(1_700_000_000 + 60 * row) for row in range(ROWS)]
    assert guess(seconds, "timestamp").codec.epoch == "s"
    assert guess([f"202403{row % 28 + 1:02d}" for row in range(ROWS)], "date").kind == "date"
    assert guess(seconds, "x").kind == "number"


def test_numbers_are_scaled_by_a_stated_rule():
    rng = np.random.default_rng(0)
    assert guess(rng.normal(size=ROWS)).codec == Number(missing=True)
    assert guess(np.exp(3 * rng.normal(size=ROWS))).codec == Number(missing=True, log=True)
    far = [*rng.normal(size=ROWS), 90.0, -90.0]
    assert guess(far).codec == Number(missing=True, scaling="robust")


def test_a_few_cells_of_another_kind_are_counted_named_and_missing():
    values = [str(row % 30) for row in range(ROWS)]
    values[3], values[8], values[9], values[11], values[12] = "n.b.", "NA", "inf", "-", "1e99"
    frame = frame_of(x=values)
    kinds = guess_kinds(frame)
    assert kinds["x"].kind == "number"
    mixed, infinite = kinds["x"].faults
    assert "2 of 200 cells are no numbers; they count as missing" in mixed.message
    assert mixed.where == ["t, row 4: 'n.b.'", "t, row 13: '1e99'"]
    assert infinite.where == ["t, row 10: 'inf'"]
    column = to_table(frame, kinds)["x"]
    assert np.flatnonzero(np.isnan(column)).tolist() == [3, 8, 9, 11, 12]
    many = guess([*values[:100], *["x", "y"] * 40])
    assert many.kind == "category"
    assert many.reason.startswith("only 54% of the cells are numbers: 36 different")


def test_codes_with_leading_zeros_stay_as_they_are():
    frame = frame_of(zip=repeated(["01234", "99999", "00501"]))
    kinds = guess_kinds(frame)
    assert "leading zeros are codes" in kinds["zip"].reason
    assert to_table(frame, kinds)["zip"][:3].tolist() == ["01234", "99999", "00501"]


def test_values_that_differ_in_case_only_are_named():
    (fault,) = guess(repeated(["Paris", "paris", "Ulm"])).faults
    assert fault.where == ["'Paris' = 'paris'"]


def test_the_order_of_written_dates():
    assert guess([f"3/{row % 28 + 1}/2024" for row in range(ROWS)]).codec.order == "mdy"
    ambiguous = guess(repeated(["1/2/2024", "3/4/2024", "2/1/2024", "5/6/2024"]))
    assert ambiguous.codec.order == "dmy"
    assert "can't be told apart; the day is taken" in ambiguous.faults[0].message
    rising = [f"{month}/{day}/2024" for month in range(1, 13) for day in range(1, 12)]
    assert guess(rising).codec.order == "mdy"
    assert not guess(rising).faults


def test_pictures_are_files_beside_the_table(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Picture.new("RGB", (4, 4)).save(tmp_path / name)
    path = tmp_path / "t.csv"
    path.write_text("photo,other\n" + "".join(f"{name}.png,{name}.jpg\n" for name in "abc" * 10))
    frame = read_frame(path)
    kinds = guess_kinds(frame)
    assert kinds["photo"].kind == "picture"
    assert isinstance(kinds["photo"].codec, Image)
    assert to_table(frame, kinds)["photo"][0] == str(tmp_path / "a.png")
    assert kinds["other"].kind == "category"
    assert "no such files ('a.jpg')" in kinds["other"].faults[0].message


def test_what_a_person_says_counts():
    codes = repeated(["1", "2", "3"])
    assert guess(codes).kind == "number"
    told = guess(codes, told="category")
    assert (told.kind, type(told.codec)) == ("category", Category)
    assert told.reason.startswith("as told: 3 different values")
    assert guess(repeated(["a;b", "b"]), told="tags").codec.separator == ";"
    assert guess(TEXTS, told="identifier").codec is None
    assert guess(codes, ignore=["x"]).kind == "ignored"
    assert guess([1_700_000_000.0 + row for row in range(ROWS)], told="date").codec.epoch == "s"
    for kind in kind_words():
        if kind != "number":
            assert guess(repeated(["2024-01-01", "2024-02-01", "2024-03-01"]), told=kind).kind == kind


@pytest.mark.parametrize(
    ("values", "told", "error", "words"),
    [
        (
            ["1", "x", "3"],
            "number",
            DataError,
            r"t, row 2, column x: 1 cells of 'x' are no number, such as 'x'",
        ),
        (["a", "b", "c"], "number", DataError, "'x' can't be number: it has no numbers"),
        (["2024-01-01", "soon"], "date", DataError, "t, row 2, column x: .* are no date, such as 'soon'"),
        ([1.5, 2.5], "text", DataError, "it holds no text"),
        ([1.5, 2.5], "date", DataError, "neither days such as 20191231 nor"),
        ([{"a": 1}, {"a": 2}], "category", DataError, "it holds dict"),
        (["a", "b"], "numbr", UsageError, "no kind 'numbr'. Did you mean number"),
    ],
)
def test_what_a_column_cant_be(values, told, error, words):
    with pytest.raises(error, match=words):
        guess(values, told=told)


def test_unknown_columns_are_named_with_the_nearest():
    frame = frame_of(age=[1, 2], town=["a", "b"])
    for options in ({"overrides": {"ages": "number"}}, {"ignore": ["ages"]}, {"target": "ages"}):
        with pytest.raises(UsageError, match=r"no column 'ages'. Did you mean age"):
            guess_kinds(frame, **options)
    with pytest.raises(UsageError, match="'age' is the target"):
        guess_kinds(frame, "age", ignore=["age"])


def target(values, told=None):
    return guess_kinds(frame_of(y=values), "y", overrides={"y": told} if told else {})["y"]


def test_targets():
    assert isinstance(target(repeated(["yes", "no"])).codec, Category)
    assert target(repeated(["yes", "no"])).codec == Category()
    assert isinstance(target(repeated(["1", "2", "3", "4", "5"])).codec, Category)
    assert isinstance(target(repeated([True, False])).codec, Category)
    assert target([f"{row / 4}" for row in range(ROWS)]).codec == Number()
    assert target([f"{row}" for row in range(ROWS)]).codec == Number()
    assert target(repeated(["1,500", "2,500.5", "3,000"])).codec == Number(thousands=",")
    assert target(repeated(["1", "2", "3"]), "number").codec == Number()
    assert target(["10", "12", "15", "9", "30", "31"]).codec == Number()
    assert isinstance(target([str(row % 50) for row in range(ROWS)], "category").codec, Category)
    assert isinstance(target(repeated(["007", "008", "009"] * 7)).codec, Category)


@pytest.mark.parametrize(
    ("values", "told", "words"),
    [
        (["a"] * ROWS, None, "the target has one value only, 'a'"),
        (["NA", ""] * 20, None, "the target has no value at all"),
        (["1.5", "NA"] * 20, None, "one value only, '1.5'"),
        ([f"c{row}" for row in range(2002)], None, "2,002 classes, and 1,000 are the most"),
        ([f"c{row}" for row in range(300)], None, "300 classes in 300 rows: most have one row only"),
        ([f"2024-01-{row % 9 + 1:02d}" for row in range(ROWS)], "date", "can't be date yet"),
        (["x", "y"] * 20, "number", "it has no numbers"),
        ([["a"], ["b"]], None, "the target holds lists"),
    ],
)
def test_targets_that_cant_be_learned(values, told, words):
    with pytest.raises(DrivetrainError, match=words):
        target(values, told)


def test_rows_without_a_target_are_counted():
    (fault,) = target([*repeated(["yes", "no"]), "", "NA", "?"]).faults
    assert fault.kind == "target gaps"
    assert "has no value (or 'NA' or '?') in 3 of 203 rows: they are left out" in fault.message
    assert fault.where == ["t, row 201", "t, row 202", "t, row 203"]
    mixed, gaps = target([*[str(row / 8) for row in range(ROWS)], "x", None]).faults
    assert "1 of 202 cells are no numbers" in mixed.message
    assert "in 2 of 202 rows" in gaps.message


def test_the_table_has_columns_as_the_contract_says(tmp_path):
    path = tmp_path / "t.csv"
    rows = (f"{r},{'' if r == 2 else r / 3},{'AB'[r % 2]},2024-01-{r % 9 + 1:02d},{r}\n" for r in range(60))
    path.write_text("n,f,c,d,id\n" + "".join(rows))
    frame = read_frame(path)
    table = to_table(frame, guess_kinds(frame, "c", overrides={"n": "number"}))
    assert [table[name].dtype.kind for name in "nfcd"] == ["i", "f", "O", "M"]
    assert math.isnan(table["f"][2])
    assert table["c"][0] is table["c"][2]
    assert table["d"][0] == np.datetime64("2024-01-01")
    assert table["id"].dtype == np.int64
    assert table.origin(0) == "t.csv, row 2"
    assert table.take(np.array([5, 3])).origin(1) == "t.csv, row 5"
    assert table.source == str(path)
    assert any("'id' is left out: every value" in note for note in table.notes)


CELL = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats().map(repr),
    st.integers(0, 10**9).map(lambda value: f"{value:,}"),
    st.integers(0, 10**9).map(lambda value: f"{value:,}".replace(",", ".") + ",5"),
    st.integers(-(10**6), 10**6).map(lambda value: f"{value:,}".replace(",", "\u202f") + ",5"),
    st.builds(
        "{}{} {}{}".format,
        st.sampled_from(["$", "-$", "", "- $", "(€"]),
        st.integers(0, 9999),
        st.sampled_from(["", "$", "kg"]),
        st.sampled_from(["", ")"]),
    ),
    st.sampled_from(
        [
            "",
            " ",
            "NA",
            "n/a",
            "None",
            "-",
            "?",
            "inf",
            "-Infinity",
            "1e39",
            "1_000",
            "+.5",
            "5.",
            "٣",
            "0x10",
        ]
    ),
    st.text(st.sampled_from("0123456789.,-+e '\u00a0$()"), max_size=8),
)


@given(st.lists(CELL, min_size=1, max_size=30), st.sampled_from(["", " ", "\t", "\u00a0", "\u2003"]))
@settings(max_examples=300, deadline=None)
def test_numbers_are_what_the_codec_reads(cells, space):
    """Whatever grouping is found, the whole column is converted exactly as `Number.read` reads each cell."""
    cells = [space + cell + space for cell in cells]
    from drivetrain.data.read.columns import Column

    numbers = Column(pl.Series("x", cells, dtype=pl.String)).numbers
    codec = replace(numbers.way, missing=True)
    others = set(numbers.others.tolist())
    for row, cell in enumerate(cells):
        try:
            value = codec.read(cell)
        except DataError:
            assert math.isnan(numbers.values[row])
            assert row in others
        else:
            assert np.array_equal([value], [numbers.values[row]], equal_nan=True), cell
            assert row not in others


WORDS = st.sampled_from(["a", " a", "B", "", "NA", "null", "?", "none", "3", "3.0", "\u2003x\u2003", "é"])


@given(st.lists(WORDS, min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_categories_are_what_the_codec_reads(cells):
    from drivetrain.data.read.columns import Column

    codec = Category(open=True).fit(cells)
    texts = Column(pl.Series("x", cells, dtype=pl.String)).texts()
    assert [int(codec.encode(codec.read(cell))) for cell in cells] == [
        int(codec.encode(codec.read(text))) for text in texts
    ]


DAYS = [
    "2024-02-29",
    "31/1/2024",
    "1/31/2024",
    "2024-13-01",
    "NA",
    "5 May 2020",
    "Oct 5, 2020",
    "20240131",
    "9999-12-31",
    "20141013T093000",
    "20141013093005",
    "2024-05",
    "05/2024",
    "May 2024",
    "04-Nov-95",
    "3/4/05",
    "14:35",
    "2:35 pm",
]
TIMES = [
    "",
    " 10:00",
    "T10:00:00.25Z",
    "t1:05",
    ", 11:59 PM",
    "  10:00",
    " 10:00 11:00",
    " 24:00",
    " 23:00-05:00",
    " 1:00 +02",
]


@given(st.lists(st.builds(str.__add__, st.sampled_from(DAYS), st.sampled_from(TIMES)), min_size=1))
@settings(max_examples=200, deadline=None)
def test_dates_are_what_the_codec_reads(cells):
    from drivetrain.data.read.columns import Column

    frame = read_frame({"x": cells})
    readings = [Reading(order, century=century) for order in ORDERS for century in (0, 1969)]
    for reading in (*readings, Reading(clock=True)):
        seconds = Column(frame.data["x"]).dates(*reading)
        for cell, second in zip(cells, seconds.tolist()):
            try:
                value = Date(**reading._asdict(), missing=True).read(cell)
            except DataError:
                value = math.nan
            assert np.array_equal([value], [second], equal_nan=True)


def kinds_of(name, target, **options):
    frame = read_frame(real(name))
    kinds = guess_kinds(frame, target, **options)
    table = to_table(frame, kinds)
    for kind in kinds.values():
        if kind.codec is not None and kind.kind != "text":
            codec = kind.codec.fit(table[kind.name])
            _, errors = codec.encode_column(table[kind.name])
            assert not errors or kind.name == target
    return {name: kind.kind for name, kind in kinds.items()}, kinds, table


def test_adult():
    found, kinds, table = kinds_of("adult_census/train.csv", "income")
    numbers = {"age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"}
    assert {name for name, kind in found.items() if kind == "number"} == numbers
    assert {kind for name, kind in found.items() if name not in numbers} == {"category"}
    assert sum(value is None for value in table["workclass"]) == 1836
    assert kinds["capital_gain"].codec.log
    assert table["age"].dtype == np.int64


def test_titanic():
    found, _, table = kinds_of("titanic/titanic.csv", "Survived")
    expected = {
        "PassengerId": "identifier",
        "Name": "text",
        "Ticket": "many categories",
        "Cabin": "many categories",
    }
    assert {name: found[name] for name in expected} == expected
    assert int(np.isnan(table["Age"]).sum()) == 177
    assert found["Survived"] == found["Sex"] == found["Embarked"] == "category"


def test_ames():
    found, kinds, table = kinds_of("ames_house_prices/house.csv", "SalePrice")
    assert found["Id"] == "identifier"
    assert found["SalePrice"] == found["LotFrontage"] == found["YrSold"] == "number"
    assert found["Alley"] == found["Neighborhood"] == "category"
    assert found["CentralAir"] == "yes/no"
    assert sum(value is None for value in table["Alley"]) == 1369
    assert kinds["LotFrontage"].codec.missing


def test_bikes():
    found, _, table = kinds_of("bike_sharing/hour.csv", "cnt")
    assert (found["instant"], found["dteday"], found["cnt"], found["yr"]) == (
        "identifier",
        "date",
        "number",
        "yes/no",
    )
    assert table["dteday"][0] == np.datetime64("2011-01-01")


def test_credit_taxis_and_purchases():
    found, *_ = kinds_of("credit_default_uci/credit.csv", "default")
    assert found["SEX"] == "yes/no"
    assert {kind for name, kind in found.items() if name not in ("SEX", "default")} == {"number"}
    found, *_ = kinds_of("nyc_taxis/taxis.csv", "fare")
    assert [found[name] for name in ("pickup", "pickup_zone", "color")] == [
        "date",
        "many categories",
        "category",
    ]
    found, kinds, _ = kinds_of("delaware_card_transactions/transactions.csv", "MERCHANDISE_AMT")
    assert (found["DEPT_NAME"], found["MERCHANT"], found["TRANS_DT"]) == (
        "constant",
        "many categories",
        "date",
    )
    assert kinds["TRANS_DT"].codec.order == "mdy"


def test_movielens_users():
    frame = read_frame(real("movielens_100k/u.user"), header=["user_id", "age", "sex", "occupation", "zip"])
    found = {name: kind.kind for name, kind in guess_kinds(frame, "age").items()}
    assert found == {
        "user_id": "identifier",
        "age": "number",
        "sex": "category",
        "occupation": "category",
        "zip": "many categories",
    }
    ratings = read_frame(real("movielens_100k/u.data"), header=["user_id", "item_id", "rating", "timestamp"])
    kinds = guess_kinds(ratings, "rating")
    assert [kind.kind for kind in kinds.values()] == [
        "many categories",
        "many categories",
        "number",
        "date",
    ]
