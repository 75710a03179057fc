"""category@1: which classes there are, their order, and what is no class."""

from __future__ import annotations

import datetime
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
    assert Category().schema() == {"type": "string"}
    assert codec.profile(np.array([1, 1, 1])) == {"n": 3, "counts": {"a": 0, "b": 3}}


def test_other_scalars_are_named_by_their_text() -> None:
    assert Category().read(datetime.date(2026, 11, 21)) == "2026-11-21"
    assert Category().read(1.5) == "1.5"
