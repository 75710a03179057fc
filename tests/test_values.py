"""A value means the same whatever source it comes from: types, spellings, words for "missing", whole numbers."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.errors import DataError
from drivetrain.values import as_text, canonical, is_exact, is_nothing, scalar

DAY = datetime.date(2020, 1, 5)
EAST = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("same", "text"),
    [
        ((True, np.True_, "true", "True", "TRUE", " true "), "true"),
        ((3, 3.0, np.int8(3), np.float32(3), decimal.Decimal("3.00"), "3", "3.0", "3.000"), "3"),
        ((-0.0, 0, "-0.0", "0.0"), "0"),
        ((2.5, np.float64(2.5), decimal.Decimal("2.50"), "2.5"), "2.5"),
        ((2**53 + 1, np.uint64(2**53 + 1), decimal.Decimal(2**53 + 1), "9007199254740993"), "9007199254740993"),
        ((datetime.timedelta(seconds=90), np.timedelta64(90_000, "ms"), 90), "90"),
        (
            (
                DAY, datetime.datetime(2020, 1, 5), np.datetime64("2020-01-05"), np.datetime64("2020-01-05T00:00:00.000000"),
                "2020-01-05", "2020-01-05 00:00:00", "2020-01-05T00:00:00.000000000Z", "2020-01-05 02:00:00+02:00",
                datetime.datetime(2020, 1, 5, 2, tzinfo=EAST),
            ),
            "2020-01-05",
        ),
        ((datetime.datetime(2020, 1, 5, 10, 30, 0, 500_000), "2020-01-05 10:30:00.500"), "2020-01-05T10:30:00.5"),
        ((float("inf"), "inf"), "inf"),
    ],
)  # fmt: skip
def test_what_means_the_same_has_one_text(same: tuple[Any, ...], text: str) -> None:
    assert {canonical(as_text(value, "class")) for value in same} == {text}
    codec = Category(open=True).fit(list(same))
    assert codec.classes == (text,)
    assert codec.encode_column(np.array(same, object))[0].tolist() == [0] * len(same)


@pytest.mark.parametrize(
    "text", ["02139", "1.10", "3.", "00.0", "1e3", "+3", "Truth", "2020-13-05 00:00", "3.0.0", "v1.0"]
)
def test_every_other_text_is_its_own(text: str) -> None:
    assert canonical(text) == text


def test_codes_with_leading_zeros_stay_apart() -> None:
    codec = Category(open=True).fit(["02139", "2139", "94105"])
    assert codec.classes == ("02139", "2139", "94105")
    assert Category(classes=("02139",), open=True).encode("2139") == 1


def test_a_class_is_known_by_its_text_first() -> None:
    """A bundle of former days may hold both: each keeps its meaning."""
    old = Category(classes=("0", "0.0", "True", "true"))
    assert [int(old.encode_raw(raw)) for raw in ("0", "0.0", 0.0, "True", True)] == [0, 1, 0, 2, 3]
    assert int(old.encode("TRUE")) == 3
    with pytest.raises(DataError, match="not seen"):
        Category(classes=("TRUE", "True")).encode("true")
    alone = Category(classes=("False", "True"))
    assert [int(alone.encode_raw(raw)) for raw in (True, "true", np.False_)] == [1, 1, 0]
    assert alone.read("True") == "True"  # What is read stays as it is written: golden cases hold it.


def test_zero_and_one_are_truth_values_where_a_database_has_no_others() -> None:
    for classes in (("false", "true"), ("False", "True"), ("0", "1"), ("0.0", "1.0")):
        codec = Category(classes=classes, open=True)
        raws = [False, "false", "FALSE", 0, 0.0, "0", True, np.True_, 1, "1.0", "yes", 2]
        assert codec.encode_column(np.array(raws, object))[0].tolist() == [0] * 6 + [1] * 4 + [2] * 2, classes
    for classes in (("0", "1", "2"), ("true",), ("false", "true", "maybe")):
        codec = Category(classes=classes, open=True)
        assert {
            int(codec.encode_raw(raw)) for raw in (("1", "0") if "true" in classes else (True, False))
        } == {len(classes)}


@pytest.mark.parametrize(
    "raw",
    [
        None,
        float("nan"),
        np.float32("nan"),
        np.datetime64("NaT"),
        np.timedelta64("NaT"),
        decimal.Decimal("NaN"),
    ],
)
def test_nothing_is_nothing_in_every_type(raw: Any) -> None:
    assert is_nothing(raw)
    assert scalar(raw) is None or is_nothing(scalar(raw))
    assert Category(open=True).read(raw) is None
    assert np.isnan(Number(missing=True).read(raw))
    assert np.isnan(Date(missing=True).read(raw))
    assert Text().read(raw) == ""
    assert Tags().read(raw) == ()


def test_what_pandas_has_instead_of_nothing() -> None:
    pandas = pytest.importorskip("pandas")
    for raw in (pandas.NA, pandas.NaT):
        test_nothing_is_nothing_in_every_type(raw)
    moment = pandas.Timestamp("2020-01-05 10:30", tz="Europe/Berlin")
    assert as_text(moment, "class") == "2020-01-05T09:30:00"
    assert Date().read(moment) == Date().read("2020-01-05T09:30:00Z")
    assert Number().read(pandas.Timedelta(minutes=2)) == 120.0


def test_numbers_of_other_types() -> None:
    codec = Number()
    values = [
        decimal.Decimal("2.5"),
        datetime.timedelta(seconds=2.5),
        np.timedelta64(2500, "ms"),
        np.float16(2.5),
    ]
    assert codec.encode_column(np.array(values, object))[0].tolist() == [2.5] * 4
    with pytest.raises(DataError, match="not a number"):
        codec.read(True)


@pytest.mark.parametrize(
    ("codec", "there", "gone"),
    [
        (Category(open=True, classes=("NA", "x"), absent=("", "none")), ["NA", "x", "?"], ["none", "", "NONE", None]),
        (Category(open=True, classes=("1",), absent=("", "-200")), ["1", "na"], ["-200", -200, -200.0, "-200.0"]),
        (Number(missing=True, absent=("", "?", "-200")), [-199, "-200.5"], [-200, "-200", "-200.0", -2e2, "?", np.int16(-200)]),
        (Number(missing=True, thousands=".", absent=("-200.5",)), ["-200,6"], ["-200,5", -200.5]),
        (Date(missing=True, parts=(), absent=("", "1900-01-01")), [DAY], ["1900-01-01", datetime.date(1900, 1, 1), "1900/1/1"]),
        (Text(words=("na", "x"), length=1, absent=("x",)), ["NA", ""], ["x", "X"]),
        (Tags(tags=("x",), separator="|", absent=("", "none")), ["x"], ["none", ""]),
    ],
)  # fmt: skip
def test_words_for_missing_can_be_others(codec: Any, there: list[Any], gone: list[Any]) -> None:
    nothing = codec.encode_raw(None)
    for raw in gone:
        assert np.array_equal(codec.encode_raw(raw), nothing, equal_nan=nothing.dtype.kind == "f"), raw
    encoded, faults = codec.encode_column(np.array([*there, *gone], object))
    assert not faults
    for row, raw in enumerate([*there, *gone]):
        assert np.array_equal(encoded[row], codec.encode_raw(raw), equal_nan=nothing.dtype.kind == "f"), raw
    if not isinstance(codec, Text):
        assert all(not np.array_equal(codec.encode_raw(raw), nothing) for raw in there)


def test_a_target_that_says_missing_is_refused() -> None:
    for codec in (Number(absent=("-999",)), Category(classes=("-999", "1"), absent=("x",))):
        with pytest.raises(DataError, match="missing"):
            codec.encode_raw("-999" if isinstance(codec, Number) else "x")


@pytest.mark.parametrize(
    ("number", "exact"), [(2**53, True), (2**53 + 1, False), (10**18, True), (10**400, False), (-5, True)]
)
def test_whole_numbers_that_a_float_holds(number: int, exact: bool) -> None:
    assert is_exact(number) is exact
