"""tags@1: which tags there are, how they are written, and which are answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivetrain.codecs.tags import Tags
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.values import canonical

CODEC = Tags(tags=("a", "b", "c"))


@pytest.mark.parametrize(
    ("raw", "tags"),
    [
        (["b", "a"], ("b", "a")), ([" a ", "a", "", None, float("nan")], ("a",)), ([], ()), (None, ()),
        (float("nan"), ()), ("", ()), (" ", ()),
        (("a", 3, 3.0, True), ("a", "3", "true")), (np.array(["x", "y"]), ("x", "y")), (["NA"], ("NA",)),
    ],
)  # fmt: skip
def test_lists_of_tags(raw: Any, tags: tuple[str, ...]) -> None:
    assert Tags().read(raw) == tags
    assert Tags(separator="|").read(raw) == tags


@pytest.mark.parametrize(
    ("separator", "raw", "tags"),
    [
        ("|", "a| b |a||c|", ("a", "b", "c")),
        (", ", "a, b,c", ("a", "b,c")),
        (" ", " a  b ", ("a", "b")),
        (".", "a|b", ("a|b",)),
    ],
)
def test_texts_are_cut_at_the_separator(separator: str, raw: str, tags: tuple[str, ...]) -> None:
    assert Tags(separator=separator).read(raw) == tags


@pytest.mark.parametrize("raw", ["a", b"a", 3, {"a": 1}, [["a"]], [b"a"]])
def test_what_is_no_list_of_tags(raw: Any) -> None:
    with pytest.raises(DataError):
        Tags().read(raw)


def test_fit() -> None:
    rows = [["b", "a"], ["b", "b"], [], None, [10], ["9"]]
    assert Tags().fit(rows).tags == ("10", "9", "a", "b")
    assert Tags().fit([["10", "9"], [2]]).tags == ("2", "9", "10")
    assert Tags(open=True, rare=2).fit(rows).tags == ("b",)
    assert Tags(separator=";").fit(np.array(["b;a", "a"], object)).tags == ("a", "b")
    assert CODEC.fit([["z"]]) is CODEC
    for values in ([], [[], None]):
        with pytest.raises(DataError, match="no tags to fit to"):
            Tags().fit(values)
    with pytest.raises(DrivetrainError, match="no tags yet"):
        _ = Tags().shape


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.text().filter(str.strip)), min_size=1).filter(any))
@example([["True", "3.0", " x "]])
def test_what_is_encoded_is_what_was_read(rows: list[list[str]]) -> None:
    codec = Tags().fit(rows)
    column = np.empty(len(rows), object)
    column[:] = rows
    encoded, errors = codec.encode_column(column)
    assert not errors
    for row, bits in zip(rows, encoded):
        assert {codec.tags[code] for code in np.flatnonzero(bits)} == {canonical(tag.strip()) for tag in row}
        known = {canonical(tag) for tag in codec.read(row)}
        assert codec.decode(bits.astype(np.float32))["tags"] == [tag for tag in codec.tags if tag in known]


def test_unknown_tags() -> None:
    with pytest.raises(DataError, match="'d' was not seen in training") as caught:
        CODEC.encode(("a", "d"))
    assert "a, b, c" in caught.value.fix
    assert Tags(tags=("a", "b"), open=True).encode(("b", "d")).tolist() == [0, 1]


def test_decode_by_thresholds() -> None:
    output = np.array([0.5, 0.25, 0.75], np.float32)
    assert CODEC.decode(output) == {"tags": ["a", "c"], "probabilities": {"a": 0.5, "b": 0.25, "c": 0.75}}
    assert Tags(tags=("a", "b", "c"), thresholds=(0.6, 0.25, 0.8)).decode(output)["tags"] == ["b"]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_what_is_within_the_margin_changes_no_answer(output: list[float], errors: list[float]) -> None:
    shares = np.array(output)
    off = shares != 0.5
    moved = shares + np.array(errors) * min(CODEC.margin(shares), 1.0) * 0.999
    assert (CODEC.chosen(moved) == CODEC.chosen(shares))[off].all()


def test_schema_and_profile() -> None:
    assert CODEC.schema()["items"] == {"type": "string", "enum": ["a", "b", "c"]}
    assert Tags(separator=",").schema()["type"] == ["array", "string", "null"]
    rows = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], np.uint8)
    assert CODEC.profile(rows) == {"n": 3, "counts": {"a": 2, "b": 1, "c": 0}, "none": 1}
