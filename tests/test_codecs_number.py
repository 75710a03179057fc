"""number@1: what is a number and what is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.codecs.number import LARGEST, WRITTEN, Number
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
        "1e999", "-1e39", 1e39, 10**400, 10**5000, float("nan"), float("inf"), "nan", "inf", "Infinity", "", " ", "text",
        "1,5", "1 000", "1_000", "0x10", "12abc", "--1", "1e", ".", "e5", "١", "1" * 400, np.float64("nan"), True, False, np.True_,
        None, b"1", [1], {}, 1j, np.array(1.0), "9" * 5000,
    ],
    ids=lambda raw: repr(raw)[:12] if not isinstance(raw, int) else f"int{raw.bit_length()}",
)  # fmt: skip
def test_what_is_no_number(raw: Any) -> None:
    with pytest.raises(DataError) as caught:
        Number().read(raw)
    assert len(str(caught.value)) < 200


def test_the_grammar_is_the_one_in_the_book() -> None:
    written = re.search(r"must then match `([^`]+)` whole", BOOK.read_text(encoding="utf-8"))
    assert written is not None
    assert written[1] == WRITTEN.pattern


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
