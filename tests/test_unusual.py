"""What nothing in training was like is said: by the codecs, in answers and in a sum of many."""

from __future__ import annotations

from typing import Any

import bundle_examples as examples
import numpy as np
import pytest

from drivetrain.bundle import bundle_bytes, make_cases, open_bundle_bytes
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.errors import DataError
from drivetrain.runtime import Predictor
from drivetrain.runtime.unusual import Tally
from drivetrain.types import Answer, Failure


def column(values: list[Any]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def said(codec: Codec, training: list[Any], asked: list[Any]) -> list[str | None]:
    """What is said of each value asked about, of a codec fitted to others."""
    fitted = codec.fit(training)
    profile = fitted.profile(fitted.encode_column(column(training))[0])
    encoded, faults = fitted.encode_column(column(asked))
    assert not faults
    found: list[str | None] = [None] * len(asked)
    for reason, rows in fitted.unusual(column(asked), encoded, profile):
        for row in np.flatnonzero(rows):
            assert found[row] is None
            found[row] = reason
    return found


def test_levels_and_gaps_that_training_had_none_of() -> None:
    store = Category(open=True)
    found = said(store, ["1", "2", "2"], ["1", "7", None, ""])
    assert found == [None, "not seen in training", *["missing, as none was in training"] * 2]
    assert said(store, ["1", None], ["1", None]) == [None, None]
    rare = said(Category(open=True, rare=2), ["a"] * 98 + ["b", "c"], ["a", "b", "d"])
    assert rare == [None, *["not seen in training or rarely (2 % of its rows)"] * 2]


def test_numbers_far_outside_and_gaps() -> None:
    """The middle 90 % of 0 to 100 are 90 wide."""
    training = [float(number) for number in range(101)]
    found = said(Number(missing=True), training, [0, 100, 189, 191, -89, -91, None])
    span = "the training range of 0 to 100"
    gap = "missing, as none was in training"
    assert found == [None, None, None, f"far above {span}", None, f"far below {span}", gap]
    assert said(Number(missing=True), [*training, None], [None]) == [None]


def test_few_different_numbers_and_a_log_scale() -> None:
    assert said(Number(), [0.0] * 99 + [1.0], [2, 2.1])[0] is None
    assert said(Number(), [0.0] * 99 + [1.0], [2, 2.1])[1] is not None
    assert said(Number(), [5.0] * 9, [5, 6]) == [None, "far above the training range of 5 to 5"]
    wide = [10.0**power for power in range(7)]
    assert said(Number(log=True), wide, [1e9]) == [None]
    assert said(Number(), wide, [1e9]) != [None]


def test_dates_before_the_first_and_after_the_last() -> None:
    found = said(
        Date(missing=True),
        ["2020-01-01", "2020-05-01"],
        ["2019-12-31", "2020-01-01", "2020-05-01T12:00", None],
    )
    assert found == [
        "before the first in training, 2020-01-01", None, "after the last in training, 2020-05-01",
        "missing, as none was in training",
    ]  # fmt: skip


def test_tags_that_training_had_none_of() -> None:
    found = said(Tags(open=True), [["a"], ["a", "b"]], [["a"], ["a", "c"], [], ["c"]])
    unseen = "with a tag not seen in training"
    assert found == [None, unseen, "without tags, as none was in training", unseen]


def test_texts_without_a_word() -> None:
    assert said(Text(), ["so good", "bad"], ["", None, "?!", "good", "new"]) == [
        *["without a word"] * 3,
        None,
        None,
    ]
    assert said(Text(grams=10), ["so good", ""], [""]) == [None]


HOSTILE = (
    {}, {"quantiles": 3}, {"quantiles": {"0.0": "x", "0.05": None, "0.95": [], "1.0": {}}}, {"missing": "no"},
    {"quantiles": {"0.0": 5, "0.05": 4, "0.95": 10**400, "1.0": True}}, {"other": "1", "n": [], "none": {}},
    {"quantiles": {"0.0": "\x1b[2J", "1.0": "9" * 400}}, {"other": 5, "n": 0, "missing": None},
)  # fmt: skip


@pytest.mark.parametrize("profile", HOSTILE)
def test_a_profile_of_wrong_types_says_nothing(profile: dict[str, Any]) -> None:
    for codec, value in (
        (Number(missing=True, center=0.0, spread=1.0), 1e30),
        (Date(missing=True, parts=(), center=0.0, spread=1.0), "2020-01-01"),
        (Tags(tags=("a",)), ["a"]),
        (Category(open=True, classes=("a",)), "a"),
        (Text(words=("a",), length=1), "a"),
    ):
        encoded, _ = codec.encode_column(column([value]))
        assert not any(rows.any() for _, rows in codec.unusual(column([value]), encoded, profile))


@pytest.fixture(scope="module")
def towns() -> Predictor:
    """An open category and a number; the graph takes what is no town for the first one."""
    town = Category(classes=("Ulm", "Bonn"), open=True)
    signature = Signature(
        {"area": Number(center=0.0, spread=1.0), "town": town},
        {"price": Number(center=0.0, spread=1.0)},
    )
    training = {"area": np.float32([10, 50, 100]), "town": np.array([0, 1, 1])}
    profile = {name: codec.profile(training[name]) for name, codec in signature.inputs.items()}
    held = {"towns": np.float32([1000, 3000, 0, 0])}

    def forward(batch: Any) -> dict[str, np.ndarray]:
        return {"price": held["towns"][batch["town"]] + batch["area"]}

    nodes = [
        examples.helper.make_node("Gather", ["towns", "input_1"], ["base"]),
        examples.helper.make_node("Add", ["base", "input_0"], ["output_0"]),
    ]
    ports = {
        "input_0": (examples.TensorProto.FLOAT, ["n"]),
        "input_1": (examples.TensorProto.INT64, ["n"]),
    }
    graph = examples.model(nodes, held, ports, {"output_0": (examples.TensorProto.FLOAT, ["n"])})
    cases = make_cases(signature, [("one", "validation", {"area": 40, "town": "Ulm"})], forward)
    made = examples.arguments(
        name="towns", task="tabular", signature=signature, graph=graph, cases=cases, profile=profile
    )
    return Predictor(open_bundle_bytes(bundle_bytes(**made)))


ROWS = [
    {"area": 40, "town": "Ulm"}, {"area": 1e6, "town": "Köln"}, {"area": "x", "town": "Rom"},
    {"area": 40, "town": "Köln"},
]  # fmt: skip


def test_answers_tell_it_alone_and_together(towns: Predictor) -> None:
    plain, far, wrong, unseen = towns.predict_many(ROWS)
    assert isinstance(wrong, Failure)
    for answer, alone in zip((plain, far, unseen), (ROWS[0], ROWS[1], ROWS[3])):
        assert isinstance(answer, Answer)
        assert answer.unusual == towns.predict(alone).unusual
    assert "unusual" not in plain.to_json()
    assert far.to_json()["unusual"] == {
        "area": "1000000.0: far above the training range of 10 to 100",
        "town": "'Köln': not seen in training",
    }


def test_a_gap_is_told_without_a_value(towns: Predictor) -> None:
    answer = towns.predict({"area": 40, "town": None})
    assert answer.to_json()["unusual"] == {"town": "missing, as none was in training"}
    (note,) = Tally([answer]).notes()
    assert note == "'town': 1 of 1 values was missing, as none was in training"


def test_many_answers_are_counted_by_column_with_examples(towns: Predictor) -> None:
    found = Tally(towns.predict_many(ROWS))
    assert found.notes() == [
        "'town': 2 of 3 values were not seen in training, such as 'Köln'",
        "'area': 1 of 3 values was far above the training range of 10 to 100, such as 1000000.0",
    ]
    assert found.to_json()[0] == {
        "column": "town", "reason": "not seen in training", "count": 2, "of": 3, "examples": ["'Köln'"],
    }  # fmt: skip
    with pytest.raises(DataError):
        towns.predict(ROWS[2])
