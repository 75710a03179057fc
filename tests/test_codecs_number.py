"""number@1: what is a number and what is none."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.codecs.base import from_spec
from drivetrain.codecs.number import GROUPED, LARGEST, WRITTEN, Number
from drivetrain.errors import DataError

BOOK = Path(__file__).parents[1] / "src/drivetrain/codecs/OPS.md"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (3, 3.0), (-2.5, -2.5), ("12.5", 12.5), (" 3.25\n", 3.25), ("1e-3", 0.001), ("+1", 1.0), (".5", 0.5),
        ("5.", 5.0), ("1E5", 1e5), ("-0", 0.0), (np.float32(0.5), 0.5), (np.int8(-3), -3.0), (LARGEST, LARGEST),
        ("1e-400", 0.0), ("00012", 12.0),
    ],
)  # fmt: skip
def test_numbers(raw: Any, value: float) -> None:
    assert Number().read(raw) == value
    assert type(Number().read(raw)) is float


@pytest.mark.parametrize(
    "raw",
    [
        "1e999", "-1e39", 1e39, 10**400, 10**5000, float("nan"), float("inf"), "nan", "inf", "Infinity", "",
        " ", "text",
        "1,5", "1 000", "1_000", "0x10", "12abc", "--1", "1e", ".", "e5", "١", "1" * 400, np.float64("nan"),
        True, False, np.True_,
        None, b"1", [1], {}, 1j, np.array(1.0), "9" * 5000,
    ],
    ids=lambda raw: repr(raw)[:12] if not isinstance(raw, int) else f"int{raw.bit_length()}",
)  # fmt: skip
def test_what_is_no_number(raw: Any) -> None:
    with pytest.raises(DataError) as caught:
        Number().read(raw)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("words", "pattern"),
    [(r"must then match `([^`]+)` whole", WRITTEN), (r"What then matches\s+`([^`]+)` whole", GROUPED)],
)
def test_the_grammar_is_the_one_in_the_book(words: str, pattern: re.Pattern[str]) -> None:
    written = re.search(words, BOOK.read_text(encoding="utf-8"))
    assert written is not None
    assert written[1] == pattern.pattern


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(-LARGEST, LARGEST, allow_nan=False))
def test_encode_is_the_nearest_float32(value: float) -> None:
    codec = Number()
    encoded = codec.encode(codec.read(repr(value)))
    assert encoded == np.float32(value)
    assert codec.decode(encoded) == {"value": float(encoded)}
    assert codec.decode(encoded.reshape(1)) == {"value": float(encoded)}


def test_fit() -> None:
    fitted = Number().fit(["1", 2, 3.0, 4])
    assert fitted == Number(center=2.5, spread=float(np.std([1, 2, 3, 4])))
    assert Number(scaling="none").fit([1, 3]) == Number(scaling="none", center=2.0, spread=1.0)
    assert Number(center=7.0).fit([1, 5]) == Number(center=7.0, spread=2.0)
    assert Number(spread=7.0).fit([1, 5]) == Number(center=3.0, spread=7.0)
    assert fitted.fit([100]) is fitted
    with pytest.raises(DataError, match="no numbers"):
        Number().fit([])
    with pytest.raises(DataError, match="'x' is not a number"):
        Number().fit([1, "x"])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1, -3.3e-7, 1e30])
def test_a_constant_column_is_not_divided_by_its_rounding(value: float) -> None:
    assert Number().fit([value] * 7).spread == 1.0


def test_profile() -> None:
    profile = Number().profile(np.arange(101, dtype=np.float32))
    assert profile["n"] == 101
    assert profile["mean"] == 50
    assert profile["quantiles"] == {
        "0.0": 0,
        "0.05": 5,
        "0.25": 25,
        "0.5": 50,
        "0.75": 75,
        "0.95": 95,
        "1.0": 100,
    }
    assert Number().profile(np.zeros(0, np.float32)) == {"n": 0}


MISSING = [
    None,
    float("nan"),
    np.float32("nan"),
    float("inf"),
    -np.inf,
    "",
    " \t",
    "NA",
    " n/a",
    "NaN",
    "Null",
    "?",
    "#N/A",
    "None",
    "-",
    "--",
]


@pytest.mark.parametrize("raw", MISSING, ids=repr)
def test_missing_numbers(raw: Any) -> None:
    codec = Number(missing=True)
    assert np.isnan(codec.read(raw))
    assert np.isnan(codec.encode_raw(raw))
    with pytest.raises(DataError):
        Number().read(raw)


@pytest.mark.parametrize(
    "raw", [math.inf, -math.inf, np.float32("inf"), "inf", " -Inf ", "Infinity", "\u221e", "1e999"]
)
def test_an_infinite_number_is_none_as_text_too(raw: Any) -> None:
    codec = Number(missing=True)
    assert np.isnan(codec.read(raw))
    assert np.isnan(codec.encode_column(np.array([raw], object))[0]).all()
    with pytest.raises(DataError, match="not a finite"):
        Number().read(raw)


@pytest.mark.parametrize("raw", ["x", "1e39", 1e39, True, [1], "n.a."])
def test_what_is_wrong_is_not_missing(raw: Any) -> None:
    with pytest.raises(DataError):
        Number(missing=True).read(raw)


@pytest.mark.parametrize(
    ("sign", "raw", "value"),
    [
        (",", "1,234", 1234), (",", "-12,345,678.5", -12345678.5), (",", "1234.5", 1234.5), (",", " +1,000. ", 1000),
        (",", 3.5, 3.5),
        (".", "1.234.567,5", 1234567.5), (".", "1.234", 1234), (".", "12,5", 12.5), (".", 12.5, 12.5),
        ("'", "1'234.5", 1234.5), ("'", "1\u2019234", 1234), (" ", "1 234", 1234),
        (" ", "1\u202f234\u00a0567.5", 1234567.5), (" ", "7", 7),
    ],
)  # fmt: skip
def test_grouped_digits(sign: str, raw: Any, value: float) -> None:
    assert Number(thousands=sign).read(raw) == value


@pytest.mark.parametrize(
    ("sign", "raw"),
    [
        (",", "1,23"), (",", "1234,567"), (",", ",123"), (",", "1,234,56"), (",", "1,234e3"), (",", "1.234,5"),
        ("", "1,234"),
        (".", "12.5"), (".", "1,234.5"), ("'", "1,234"), ("'", "1''234"), (" ", "1,234"), (" ", "1  234"),
        (" ", "1 23"),
    ],
)  # fmt: skip
def test_what_is_not_grouped_by_threes_is_no_number(sign: str, raw: str) -> None:
    with pytest.raises(DataError, match="is not a number"):
        Number(thousands=sign).read(raw)


def test_fit_leaves_missing_values_out() -> None:
    values = [1, None, 3, "?", float("nan")]
    assert Number(missing=True).fit(values) == Number(missing=True, center=2.0, spread=1.0)
    with pytest.raises(DataError, match="no numbers"):
        Number(missing=True).fit([None, "?"])
    with pytest.raises(DataError, match="None is not a number"):
        Number().fit([1, None])


def test_fit_on_the_log_scale_and_robustly() -> None:
    values = np.random.default_rng(0).normal(50, 10, 20_001)
    values[:200] = 1e9
    robust = Number("robust").fit(values)
    assert robust.center == np.median(values)
    assert robust.spread == pytest.approx(10, rel=0.05)
    logged = Number(log=True).fit([-3, 0, 3])
    assert logged.center == 0
    assert logged.spread == pytest.approx(np.log(4) * np.sqrt(2 / 3))
    assert Number("robust").fit([5] * 9 + [9]) == Number(
        "robust", center=5.0, spread=float(np.std([5] * 9 + [9]))
    )
    assert Number("robust").fit([5, 5]).spread == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(st.floats(), st.integers(), st.none(), st.sampled_from(["1", "?", "x", True])), max_size=8
    )
)
@pytest.mark.parametrize("missing", [False, True])
def test_a_column_is_encoded_as_its_values(missing: bool, values: list[Any]) -> None:
    """In every dtype that such a column may come in."""
    codec = Number(missing=missing)
    columns = [np.empty(len(values), object)]
    columns[0][:] = values
    if all(type(value) is float for value in values):
        columns += [np.array(values, np.float64)]
    if all(type(value) is int and abs(value) < 2**63 for value in values):
        columns += [np.array(values, np.int64)]
    want: list[Any] = []
    for value in values:
        try:
            want.append(codec.encode_raw(value))
        except DataError as fault:
            want.append(fault.error)
    for column in columns:
        encoded, errors = codec.encode_column(column)
        for row, expected in enumerate(want):
            if isinstance(expected, str):
                assert row in errors
                assert encoded[row] == 0
            else:
                assert row not in errors
                assert np.array_equal(encoded[row], expected, equal_nan=True)


@pytest.mark.parametrize("text", ["1" * 100_000 + "x", "1" * 50_000 + "." + "1" * 50_000 + "x"])
def test_what_is_no_number_is_found_out_in_one_pass(text: str) -> None:
    started = time.perf_counter()
    assert WRITTEN.fullmatch(text) is None
    assert time.perf_counter() - started < 1


def test_the_error_of_a_row_shows_its_value() -> None:
    _, errors = Number().encode_column(np.array([1.0, np.inf, np.nan, 1e300]))
    assert [str(errors[row]).split(" is")[0].split("(")[-1].rstrip(")") for row in (1, 2, 3)] == [
        "inf",
        "nan",
        "1e+300",
    ]


def test_an_answer_with_a_range() -> None:
    plain = Number(center=10.0, spread=2.0, interval=1.5)
    assert plain.decode(np.float32(7)) == {"value": 7, "low": 4, "high": 10}
    assert Number("none", center=10.0, spread=2.0, interval=1.5).decode(np.float32(7))["low"] == 5.5
    logged = Number(log=True, center=3.0, spread=0.5, interval=2.0)
    decoded = logged.decode(np.array([np.expm1(4.0)]))
    assert (decoded["low"], decoded["high"]) == pytest.approx((np.expm1(3), np.expm1(5)))
    across = logged.decode(np.float32(0))
    assert across["low"] == pytest.approx(-across["high"])
    assert logged.decode(np.float32(LARGEST))["high"] == LARGEST
    assert Number(interval=1e38, spread=1e38).decode(np.float32(0)) == {
        "value": 0,
        "low": -LARGEST,
        "high": LARGEST,
    }


def test_a_range_is_as_wide_as_it_is_said_to_be_where_the_answer_lies() -> None:
    """OPS.md, in figures: spread 2, so that 10 is at place 0, 14 at 2."""
    codec = Number(
        center=10.0, spread=2.0, interval=1.5, local=((0.0, 1.0), (2.0, 3.0)), lowest=-1.0, highest=20.0
    )
    for value, half in ((10, 3), (12, 6), (14, 9), (4, 3)):
        decoded = codec.decode(np.float32(value))
        assert (decoded["low"], decoded["high"]) == (max(-1, value - half), min(20, value + half))
    # A bundle of before says nothing of these fields.
    assert from_spec({"op": "number@1", "center": 10.0, "spread": 2.0, "interval": 1.5}).decode(np.float32(14)) == {
        "value": 14, "low": 11, "high": 17,
    }  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-LARGEST, LARGEST))
def test_the_log_scale_and_back(value: float) -> None:
    codec = Number(log=True)
    assert codec.inverse(codec.transform(np.array(value))) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_the_profile_counts_what_is_missing() -> None:
    found = Number(missing=True).profile(np.array([1, np.nan, 3], np.float32))
    assert (found["n"], found["missing"], found["mean"]) == (3, 1, 2)
    assert Number(missing=True).profile(np.array([np.nan], np.float32)) == {"n": 1, "missing": 1}
