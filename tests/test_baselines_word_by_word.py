"""A translator of words alone: it finds what IBM model 1 finds, quickly, and changes nothing else of a text."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from drivetrain.data.read.parallel import read_pairs
from drivetrain.errors import DataError
from drivetrain.learn.baselines.word_by_word import MOST_WORDS, WordByWord
from drivetrain.metrics.translation import measure

HOUSES = (["das Haus", "das Buch", "ein Buch"], ["the house", "the book", "a book"])


def plainly(sources: list[str], targets: list[str], rounds: int) -> dict[tuple[str, str], float]:
    """IBM model 1 as its authors write it, one word after the other."""
    share: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        counts: dict[tuple[str, str], float] = {}
        for source, target in zip(sources, targets):
            words = ["", *source.lower().split()]
            for wanted in target.lower().split():
                total = sum(share.get((word, wanted), 1.0) for word in words)
                for word in words:
                    counts[word, wanted] = (
                        counts.get((word, wanted), 0.0) + share.get((word, wanted), 1.0) / total
                    )
        of_word: dict[str, float] = {}
        for (word, _), number in counts.items():
            of_word[word] = of_word.get(word, 0.0) + number
        share = {(word, wanted): number / of_word[word] for (word, wanted), number in counts.items()}
    return share


def test_words_that_are_always_together_are_found_out_by_those_that_are_not() -> None:
    assert WordByWord.fit(*HOUSES).words == {"das": "the", "haus": "house", "buch": "book", "ein": "a"}


def test_it_is_model_1() -> None:
    drawn = np.random.default_rng(0)
    sources = [" ".join(drawn.choice(list("abcdefgh"), drawn.integers(1, 6))) for _ in range(60)]
    targets = [" ".join(letter + str(drawn.integers(3)) for letter in text.split()) for text in sources]
    share = plainly(sources, targets, 5)
    expected = {
        word: max((wanted for key, wanted in share if key == word), key=lambda wanted: share[word, wanted])
        for word, _ in share
        if word
    }
    assert WordByWord.fit(sources, targets).words == expected


def test_what_is_between_words_stays_and_so_do_capitals_and_unknown_words() -> None:
    model = WordByWord.fit(*HOUSES)
    assert model.translate(["Das  Haus, (EIN Buch)!\n", "42 Xylophone…", ""]) == [
        "The  house, (a book)!\n", "42 Xylophone…", "",
    ]  # fmt: skip
    assert model.translate(["… «Ein» Haus"]) == ["… «A» house"]
    back = WordByWord.fit(*HOUSES[::-1])
    assert back.translate(["A book", "the house"]) == ["Ein Buch", "das Haus"]


def test_what_holds_no_pairs_of_words() -> None:
    for sources, targets in (([], []), ([""], ["a"]), (["a"], ["..."]), (["a " * (MOST_WORDS + 1)], ["b"])):
        assert WordByWord.fit(sources, targets).translate(["a"]) == ["a"]
    assert WordByWord.fit(["a", "", "b"], ["x", "y", ""]).words == {"a": "x"}
    with pytest.raises(DataError, match="1 texts and 2 translations"):
        WordByWord.fit(["a"], ["b", "c"])


def test_of_too_many_pairs_those_have_a_say_that_are_evenly_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the first: a file is often in an order."""
    monkeypatch.setattr("drivetrain.learn.baselines.word_by_word.MOST_CELLS", 90)
    sources = [*["eins zwei"] * 50, *["drei vier"] * 50]
    model = WordByWord.fit(sources, [*["one two"] * 50, *["three four"] * 50])
    assert model.pairs == 15
    assert {*model.words} == {"eins", "zwei", "drei", "vier"}


@pytest.mark.skipif(
    "DRIVETRAIN_DATA" not in os.environ, reason="DRIVETRAIN_DATA names no folder of data sets"
)
def test_multi30k_takes_seconds() -> None:
    table = read_pairs(Path(os.environ["DRIVETRAIN_DATA"], "multi30k_en_fr"), "en", "fr")
    train, test = (table.take(table["split"] == part) for part in ("train", "test"))
    start = time.process_time()
    model = WordByWord.fit(list(train["en"]), list(train["fr"]))
    assert time.process_time() - start < 10
    found = measure(model.translate(test["en"]), list(test["fr"]))
    assert 17 < found["bleu"].value < 18
    assert 52 < found["chrf"].value < 54
