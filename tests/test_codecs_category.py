"""category@1: which classes there are, their order, and what is no class."""

from __future__ import annotations

import datetime
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.codecs.category import Category
from drivetrain.errors import DataError, DrivetrainError


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "2"], ("2", "9", "10")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["-1", "1", "0"], ("-1", "0", "1")),
        (["7", "07", "3"], ("3", "07", "7")),
        ([3, 1, np.int64(2)], ("1", "2", "3")),
        (["b", "B", "a", "Z"], ("B", "Z", "a", "b")),
        (["é", "z", "e"], ("e", "z", "é")),
        ([" a", "a ", "a"], ("a",)),
        ([True, False], ("false", "true")),
    ],
)
def test_order_of_the_classes(values: list[Any], classes: tuple[str, ...]) -> None:
    assert Category().fit(values).classes == classes
    assert Category().fit(reversed(values)).classes == classes


def test_classes_that_the_user_named_stay() -> None:
    codec = Category(classes=("z", "a"))
    assert codec.fit(["a", "new"]) is codec
    assert codec.encode("z") == 0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.text().filter(lambda text: text.strip()), min_size=1, max_size=20))
def test_every_training_value_has_its_code(values: list[str]) -> None:
    codec = Category().fit(values)
    codes = [int(codec.encode(codec.read(value))) for value in values]
    assert [codec.classes[code] for code in codes] == [value.strip() for value in values]
    assert sorted(set(codes)) == list(range(len(codec.classes)))


@pytest.mark.parametrize("raw", [None, float("nan"), np.float32("nan"), "", "  ", "\t\u00a0\u3000"])
def test_missing_classes_are_refused(raw: Any) -> None:
    with pytest.raises(DataError, match=r"missing|empty") as caught:
        Category().read(raw)
    assert "leave the row out" in caught.value.fix


@pytest.mark.parametrize("raw", [b"cat", ["cat"], {"cat": 1}, ("cat",), np.array("cat")])
def test_what_is_no_text_is_refused(raw: Any) -> None:
    with pytest.raises(DataError, match="a class is text, not"):
        Category().read(raw)


def test_white_space_is_what_the_book_says() -> None:
    """Exactly these are trimmed (OPS.md); a zero-width space for one is not."""
    white = [*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]
    white += [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
    trimmed = [code for code in range(0x10000) if Category().read(f"{chr(code)}a{chr(code)}") == "a"]
    assert trimmed == white


def test_an_unseen_class_is_refused_with_the_nearest_name() -> None:
    codec = Category(classes=("daisy", "dandelion", "rose"))
    with pytest.raises(DataError, match="'dandelon' was not seen in training") as caught:
        codec.encode("dandelon")
    assert "Did you mean dandelion" in caught.value.fix
    with pytest.raises(DataError) as caught:
        codec.encode("zzz")
    assert "daisy, dandelion, rose" in caught.value.fix
    with pytest.raises(DataError):
        codec.encode("Daisy")


def test_unseen_classes_beside_many_are_refused_in_a_moment() -> None:
    codec = Category(classes=tuple(f"product number {n}" for n in range(1000)))
    column = np.array([f"product numbre {n}" for n in range(200)], object)
    started = time.perf_counter()
    _, faults = codec.encode_column(column)
    assert time.perf_counter() - started < 1
    assert len(faults) == 200
    assert faults[0].fix.startswith("The classes are product number 0, product number 1,")


def test_decode_takes_the_first_of_equals() -> None:
    codec = Category(classes=("a", "b", "c"))
    decoded = codec.decode(np.array([0.25, 0.375, 0.375], np.float32))
    assert decoded == {
        "label": "b",
        "probability": 0.375,
        "probabilities": {"a": 0.25, "b": 0.375, "c": 0.375},
    }
    assert list(decoded["probabilities"]) == ["a", "b", "c"]


def test_nothing_is_asked_of_a_codec_before_it_is_fitted() -> None:
    with pytest.raises(DrivetrainError, match="no classes yet"):
        _ = Category().output_shape


def test_schema_and_profile() -> None:
    codec = Category(classes=("a", "b"))
    assert codec.schema() == {"type": "string", "enum": ["a", "b"]}
    assert Category(classes=("true", "2", "b")).schema() == {"enum": ["true", True, "2", 2, "b"]}
    assert Category().schema() == {"type": ["string", "number", "boolean"]}
    assert codec.profile(np.array([1, 1, 1])) == {"n": 3, "counts": {"a": 0, "b": 3}}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (datetime.date(2026, 11, 21), "2026-11-21"), (datetime.datetime(2026, 11, 21, 5), "2026-11-21T05:00:00"),
        (np.datetime64("2026-11-21"), "2026-11-21"), (1.5, "1.5"), (3.0, "3"), (-0.0, "0"), (3, "3"), (np.float32(2), "2"),
        (np.float64(1e15), "1000000000000000"), (1e16, "1e+16"), (1e-5, "1e-05"), (0.0001, "0.0001"), (2**70, str(2**70)),
        (True, "true"), (np.False_, "false"), ("True", "True"), ("3.0", "3.0"),
    ],
)  # fmt: skip
def test_other_scalars_are_named_by_their_text(raw: Any, text: str) -> None:
    assert Category().read(raw) == text
    assert Category(open=True).read(raw) == text


# Open categories: what wasn't seen, was rare or is missing has a code too.


def test_an_open_category_has_codes_for_all_else() -> None:
    codec = Category(classes=("a", "b"), open=True)
    assert (codec.levels, Category(classes=("a", "b")).levels) == (4, 2)
    raws = [
        "b",
        "zebra",
        "A",
        None,
        float("nan"),
        "",
        " \t",
        "NA",
        "n/a",
        "?",
        "#N/A",
        "NULL",
        "none",
        "-",
        float("inf"),
    ]
    column = np.array([*raws, ["list"]], object)
    codes, errors = codec.encode_column(column)
    assert codes.tolist() == [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 0]
    assert list(errors) == [len(raws)]
    assert codec.profile(codes[:-1]) == {"n": 15, "counts": {"a": 0, "b": 1}, "other": 5, "missing": 9}
    assert codec.schema() == {"type": ["string", "number", "boolean", "null"]}
    for ask in (lambda: codec.output_shape, lambda: codec.decode(np.ones(2))):
        with pytest.raises(DrivetrainError, match="can't be a target"):
            ask()


def test_a_missing_word_that_is_a_class_is_that_class() -> None:
    """Namibia's code is NA."""
    named = Category(classes=("DE", "NA"), open=True)
    assert [int(named.encode(named.read(raw))) for raw in ("NA", "na", "DE")] == [1, 3, 0]
    assert Category(open=True).fit(["DE", "NA"]).classes == ("DE",)
    assert Category().fit(["DE", "NA"]).classes == ("DE", "NA")


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        ({}, ("a", "b", "c", "d")),
        ({"rare": 2}, ("a", "b", "c")),
        ({"rare": 9}, ()),
        ({"most": 2}, ("a", "c")),
        ({"most": 3}, ("a", "b", "c")),
        ({"most": 1, "rare": 2}, ("c",)),
        ({"classes": ("z",), "most": 1}, ("z",)),
    ],
)
def test_which_classes_an_open_category_takes(options: dict[str, Any], classes: tuple[str, ...]) -> None:
    values = ["c"] * 4 + ["b", " b"] + ["a"] * 3 + ["d"] + [None, "?", "?", "?"]
    assert Category(open=True, **options).fit(values).classes == classes
    assert Category(open=True, **options).fit(reversed(values)).classes == classes


def test_whole_numbers_are_one_class_however_they_come() -> None:
    codec = Category(open=True).fit(np.array([1.0, 2.0, np.nan, 10.0]))
    assert codec.classes == ("1", "2", "10")
    assert codec.encode_column(np.array([10, 1]))[0].tolist() == [2, 0]
    assert codec.encode_column(np.array(["2", "2.0", None], object))[0].tolist() == [1, 1, 4]


# Costs: the answer that is expected to cost least.

COSTS = ((0.0, 1.0, 1.0), (10.0, 0.0, 1.0), (1.0, 1.0, 0.0))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_least_expected_cost_is_chosen(rows: list[list[int]]) -> None:
    codec = Category(classes=("a", "b", "c"), costs=COSTS)
    shares = np.array(rows, np.float32) / 8
    expected = [
        [sum(p * COSTS[i][j] for i, p in enumerate(row)) for j in range(3)] for row in shares.tolist()
    ]
    assert codec.chosen(shares).tolist() == [costs.index(min(costs)) for costs in expected]
    assert [codec.decode(row)["label"] for row in shares] == ["abc"[code] for code in codec.chosen(shares)]


def test_without_costs_the_likeliest_is_chosen() -> None:
    shares = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)
    assert Category(classes=("a", "b")).chosen(shares).tolist() == [0, 1]
    costly = Category(classes=("a", "b"), costs=((0, 9), (1, 0)))
    assert costly.chosen(shares).tolist() == [0, 0]
    assert costly.decode(shares[1])["probability"] == 0.25


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3),
    st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    st.sampled_from([(), COSTS, ((1, 1, 1),) * 3]),
)
def test_what_is_within_the_margin_changes_no_answer(
    output: list[float], errors: list[float], costs: tuple[tuple[float, ...], ...]
) -> None:
    codec = Category(classes=("a", "b", "c"), costs=costs)
    shares = np.array(output)
    margin = codec.margin(shares)
    moved = shares + np.array(errors) * min(margin, 1.0) * 0.999
    assert margin == 0 or codec.chosen(moved[None]) == codec.chosen(shares[None])


@pytest.mark.parametrize("classes", [3, "ab", b"ab", None])
def test_classes_are_a_list_of_names(classes: Any) -> None:
    with pytest.raises(DrivetrainError, match="classes is a list of names"):
        Category(classes=classes)
