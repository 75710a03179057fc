"""What `check` finds in texts, and that it finds nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from texts import made_texts

from drivetrain.data.checks.languages import check_languages
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
    made = [(text[:120].strip(), label) for text, label in made_texts(200)]
    assert "have exactly 120 characters, or one less" in found(made)["truncated texts"].message
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


@pytest.mark.parametrize("form", ["{} stars", "{} out of ten", "I give it {} stars.", "{}-star"])
def test_ratings_in_words_are_found(form: str) -> None:
    scores = {"neg": "two", "pos": "Five" if "star" in form else "nine"}
    made = [(f"{text} {form.format(scores[label])}", label) for text, label in made_texts(200)]
    assert "200 of 200 texts with one" in found(made)["leaked labels"].message


def test_drawn_stars_are_ratings() -> None:
    scores = {"neg": "★☆☆☆☆", "pos": "★★★★★"}
    made = [(f"{scores[label]} {text}", label) for text, label in made_texts(200)]
    assert "200 of 200 texts with one" in found(made)["leaked labels"].message


def test_stars_of_films_and_nights_are_no_ratings() -> None:
    endings = {"neg": "one of two film stars", "pos": "a sky full of stars, one out of many"}
    assert not found([(f"{text} {endings[label]}", label) for text, label in made_texts(200)])


def test_short_texts_are_near_duplicates_where_their_words_are_the_same() -> None:
    made = made_texts(200)
    made[3], made[190], made[191] = ("Great app!", "pos"), ("great app", "pos"), ("great", "pos")
    fault = found(made)["near duplicates"]
    assert fault.where == ["train: table, row 4 ~ valid: table, row 191"]


FOREIGN = (
    "Der Film ist nicht gut und ich war mit der Handlung sehr unzufrieden, auch wenn es ein paar Lacher gab",
    "Je ne suis pas du tout content de ce film, il est trop long et les acteurs sont mauvais dans cette histoire",
    "La película no es muy buena y los actores son malos, pero el final me gustó por la música que se oye",
    "Фильм очень понравился, смотрели всей семьёй и смеялись от души",
    "この映画はとても面白かったです",
)


@pytest.mark.parametrize("text", FOREIGN)
def test_texts_in_another_language_are_found(text: str) -> None:
    made = made_texts(200)
    for row in (20, 60, 100):
        made[row] = (text, made[row][1])
    fault = found(made, valid=1)["mixed languages"]
    assert (fault.severity, len(fault.where)) == ("warning", 3)
    assert fault.where[0].startswith("table, row 21: ")
    made[60], made[100] = made_texts(2, 3)
    assert found(made, valid=1)["mixed languages"].severity == "note"


def test_names_and_words_of_other_languages_are_no_other_language() -> None:
    endings = {
        "neg": "with Gérard Depardieu in La vie en rose, c'est la vie",
        "pos": "by Чехов (Ἀντόν), 映画",
    }
    assert not found([(f"{text} {endings[label]}", label) for text, label in made_texts(200)])


@pytest.mark.parametrize("seed", range(2))
def test_texts_all_of_one_other_language_are_not_mixed(seed: int) -> None:
    assert not check_languages(from_columns({"text": FOREIGN[:1] * 9}), FOREIGN[seed : seed + 1] * 9)


@pytest.mark.parametrize(
    "word", ["café", "über – Straße", "it’s", "“so”", "5 °C", "£5", "Привет", "👍", "€9"]
)
def test_texts_read_in_a_wrong_encoding_are_found(word: str) -> None:
    made = made_texts(200)
    bad = word.encode().decode("cp1252", "replace") if word != "Привет" else "ÐŸÑ€Ð¸Ð²ÐµÑ‚"
    made[7] = (f"{made[7][0]} {bad}", made[7][1])
    fault = found(made)["wrong encoding" if "\ufffd" not in bad else "lost characters"]
    assert fault.where == ["table, row 8"]


def test_texts_that_are_written_so_are_in_no_wrong_encoding() -> None:
    said = "ÉTÉ» Ñandú NÃO Ångström Ð Â ïve Œuvre µm² «ÊTRE» 1½ £5 Прив ΑΣ 👍 â…”"
    words = said.split()
    assert not found(
        [(f"{text} {words[row % 16]}", label) for row, (text, label) in enumerate(made_texts(200))]
    )


def test_odd_texts_are_no_failure() -> None:
    odd = ["\ud800 lone one two three four", "\0" * 9, "🙂" * 9, "x" * 200_000, "אבג " * 9, "a b c d e f"]
    found([(text, "pos") for text in odd * 4] + made_texts(60))
    found([("", "neg")] * 3, valid=1)
    found([], valid=0)
