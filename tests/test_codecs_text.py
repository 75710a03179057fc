"""text@1 against its written semantics (codecs/OPS.md): lower case, words, vocabulary."""

from __future__ import annotations

import datetime
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.codecs.text import WORD, Text, lower
from drivetrain.errors import DataError, DrivetrainError

# The semantics as OPS.md has them, character by character.


def lower_by_the_book(text: str) -> str:
    return "".join(mapped if len(mapped := character.lower()) == 1 else character for character in text)


def words_by_the_book(text: str) -> list[str]:
    marked = "".join(c if unicodedata.category(c)[0] in "LN" else " " for c in text)
    return marked.split(" ") if " " not in marked else [word for word in marked.split(" ") if word]


def test_lower_case_and_words_of_every_character() -> None:
    every = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert lower(every) == lower_by_the_book(every)
    letters = [code for code in range(0x110000) if unicodedata.category(chr(code))[0] in "LN"]
    assert [code for code in range(0x110000) if WORD.fullmatch(chr(code))] == letters


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.text(st.one_of(st.sampled_from("aΣσς İıIẞ_-'1½٣é\u0301Ǆ"), st.characters(exclude_categories=["Cs"])))
)
def test_texts_are_read_and_cut_by_the_book(text: str) -> None:
    value = Text().read(text)
    assert value == lower_by_the_book(text.strip())
    assert WORD.findall(value) == [word for word in words_by_the_book(value) if word]


def test_no_neighbour_and_no_language_matters() -> None:
    assert lower("ΟΔΟΣ ΣΑΣ") == "οδοσ σασ"
    assert lower("İIẞǅ") == "İißǆ"
    assert WORD.findall("it's 3.5_km — naïve e\u0301a 日本語 x²") == [
        "it",
        "s",
        "3",
        "5",
        "km",
        "naïve",
        "e",
        "a",
        "日本語",
        "x²",
    ]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (" Ab \n", "ab"),
        (None, ""),
        (float("nan"), ""),
        ("NA", "na"),
        (3.0, "3"),
        (True, "true"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
    ],
)
def test_read(raw: Any, text: str) -> None:
    assert Text().read(raw) == text


@pytest.mark.parametrize("raw", [b"text", ["text"], {"a": 1}])
def test_what_is_no_text(raw: Any) -> None:
    with pytest.raises(DataError, match="a text is text, not"):
        Text().read(raw)


def test_encode() -> None:
    codec = Text(words=("the", "cat"), length=4)
    assert codec.encode(codec.read("The cat saw THE dog.")).tolist() == [2, 3, 1, 2]
    assert codec.encode_raw("cat").tolist() == [3, 0, 0, 0]
    assert codec.encode_raw(None).tolist() == codec.encode_raw("... !").tolist() == [0, 0, 0, 0]
    assert codec.levels == 4
    column = np.array(["cat", "the", "cat", None, b"x"], object)
    encoded, errors = codec.encode_column(column)
    assert encoded[:, 0].tolist() == [3, 2, 3, 0, 0]
    assert list(errors) == [4]


def test_the_vocabulary_is_of_words_that_many_rows_have() -> None:
    rows = ["b b b b b", "a c", "C a", "a z", "c"]
    assert Text().fit(rows).words == ("a", "c")
    assert Text(rare=1).fit(rows).words == ("a", "c", "b", "z")
    assert Text(rare=1, most=1).fit(rows).words == ("a",)
    assert Text(rare=1, most=3).fit(reversed(rows)).words == ("a", "c", "b")
    assert Text(rare=2).fit(["same row", "same row"]).words == ("row", "same")
    kept = Text(words=("x",)).fit(rows)
    assert (kept.words, kept.length) == (("x",), 5)


@pytest.mark.parametrize(
    ("sizes", "length"),
    [([1] * 95 + [9] * 5, 1), ([1] * 94 + [9] * 6, 9), ([0, 0], 1), ([1000], 256), ([], 1), ([3, 7], 7)],
)
def test_the_length_is_enough_for_most_rows(sizes: list[int], length: int) -> None:
    fitted = Text().fit([" ".join(["w"] * size) for size in sizes])
    assert fitted.length == length
    assert fitted.shape == (length,)


def test_nothing_is_asked_of_a_codec_before_it_is_fitted() -> None:
    with pytest.raises(DrivetrainError, match="no length yet"):
        Text().encode("a")
    with pytest.raises(DrivetrainError, match="input only"):
        Text(length=1).decode(np.zeros(1))


def test_profile() -> None:
    codec = Text(words=("a",), length=3)
    found = codec.profile(np.array([[2, 1, 0], [0, 0, 0], [2, 2, 2]], np.int32))
    assert (found["n"], found["empty"], found["unknown"], found["lengths"]["0.5"]) == (3, 1, 0.2, 2)
    assert codec.profile(np.zeros((1, 3), np.int32))["unknown"] == 0
