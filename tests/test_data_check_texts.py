"""What `check` finds in texts, and that it finds nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from texts import made_texts

from drivetrain.data.checks.texts import check_texts
from drivetrain.data.faults import Fault
from drivetrain.data.split import Split
from drivetrain.data.table import from_columns


def found(made: list[tuple[str | None, str]], valid: int = 40) -> dict[str, Fault]:
    """Faults by kind; the last `valid` texts validate."""
    table = from_columns({"text": [text for text, _ in made], "label": [label for _, label in made]})
    rows = np.arange(len(made))
    split = Split(rows[: len(made) - valid], rows[len(made) - valid :], rows[:0])
    return {fault.kind: fault for fault in check_texts(table, "text", "label", split)}


@pytest.mark.parametrize("seed", range(8))
def test_ordinary_texts_have_no_faults(seed: int) -> None:
    assert not found(made_texts(200, seed))


def test_ratings_that_tell_nothing_are_no_leak() -> None:
    made = [(f"{text} {place // 2 % 10}/10", label) for place, (text, label) in enumerate(made_texts(200))]
    assert not found(made)


def test_ratings_that_mostly_go_with_the_class_are_no_leak() -> None:
    scores = {"neg": 2, "pos": 9}
    made = [
        (f"{text} {scores[label] if place // 2 % 4 else 11 - scores[label]}/10", label)
        for place, (text, label) in enumerate(made_texts(200))
    ]
    assert not found(made)


def test_dates_and_fractions_are_no_ratings() -> None:
    endings = {"neg": "on 1/10/2004", "pos": "on 9/10/2004"}
    assert not found([(f"{text} {endings[label]}", label) for text, label in made_texts(200)])


def test_texts_with_much_in_common_are_no_near_duplicates() -> None:
    end = " ".join(text for text, _ in made_texts(2, seed=9))
    assert not found([(f"{text} {end}", label) for text, label in made_texts(200)])


def test_a_text_that_is_nearly_one_of_train_is_found() -> None:
    made = made_texts(200)
    text, label = made[3]
    made[190] = (text.upper() + "!! Indeed", label)
    made[191] = (made[4][0].replace(" ", ",  "), "pos")
    fault = found(made)["near duplicates"]
    assert "one of train: 2. In 1 of them the labels differ" in fault.message
    assert fault.where[0] == "train: table, row 4 ~ valid: table, row 191"


def test_near_duplicates_within_train_are_not_told() -> None:
    made = made_texts(200)
    made[5] = (made[3][0] + " indeed", made[3][1])
    assert not found(made)


def test_texts_without_a_word_are_found() -> None:
    made = [*made_texts(100), ("", "neg"), (" ...!", "pos"), (None, "neg")]
    fault = found(made)["empty texts"]
    assert fault.where == ["table, row 101", "table, row 102", "table, row 103"]


def test_texts_that_were_cut_off_are_found() -> None:
    made = [(text[:120], label) for text, label in made_texts(200)]
    assert "have exactly 120 characters" in found(made)["truncated texts"].message
    made = [(" ".join(text.split()[:25]), label) for text, label in made_texts(200)]
    assert "have exactly 25 words" in found(made)["truncated texts"].message


def test_texts_of_one_length_were_written_so() -> None:
    assert not found([(" ".join((text.split() * 2)[:30]), label) for text, label in made_texts(200)])


@pytest.mark.parametrize("form", ["{}/10", "{} out of 10", "{}.5/10"])
def test_ratings_that_tell_the_class_are_found(form: str) -> None:
    scores = {"neg": 2, "pos": 9}
    made = [
        (f"{text} {form.format(scores[label])}", label) if place < 60 else (text, label)
        for place, (text, label) in enumerate(made_texts(200))
    ]
    assert "60 of 60 texts with one" in found(made)["leaked labels"].message


def test_a_label_that_stands_in_the_text_is_found() -> None:
    made = [(f"Label: {label}\n{text}", label) for text, label in made_texts(100)]
    assert "stands in the text as such (label: neg)" in found(made)["leaked labels"].message
    made = [(f"{text} {label}", label) for text, label in made_texts(100)]
    assert "in 100% of the texts" in found(made)["leaked labels"].message


def test_odd_texts_are_no_failure() -> None:
    odd = ["\ud800 lone one two three four", "\0" * 9, "🙂" * 9, "x" * 200_000, "אבג " * 9, "a b c d e f"]
    found([(text, "pos") for text in odd * 4] + made_texts(60))
    found([("", "neg")] * 3, valid=1)
    found([], valid=0)
