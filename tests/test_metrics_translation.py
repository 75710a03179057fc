"""BLEU and chrF are sacrebleu's to the last digit, and their intervals those of sentences resampled."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from drivetrain.errors import DataError, DrivetrainError
from drivetrain.metrics import difference
from drivetrain.metrics.translation import by_text, measure, notes, signatures, statistics

WORDS = [
    "le",
    "chat",
    "noir",
    "dort",
    "sur",
    "un",
    "grand",
    "lit",
    "près",
    "de",
    "la",
    "porte",
    ".",
    ",",
    "l'eau",
    "d'été",
    "3,5",
    "%",
    "(oui)",
]


def made(n: int, seed: int, kept: float = 0.7) -> tuple[list[str], list[str]]:
    """Texts that have most of the words of their references."""
    drawn = np.random.default_rng(seed)
    references = [" ".join(drawn.choice(WORDS, drawn.integers(1, 15))) for _ in range(n)]
    written = [
        " ".join(word if drawn.random() < kept else str(drawn.choice(WORDS)) for word in text.split())
        for text in references
    ]
    return written, references


@pytest.mark.parametrize(
    ("written", "references"),
    [
        made(40, 0), made(40, 1, 0.2), made(3, 2, 0.0),
        (["le chat"], ["le chat"]), (["a b c d"], ["a b c e"]), ([""], ["le chat"]), (["x"], ["y"]), (["a a"], ["a"]),
        (["chat", ""], ["chat noir", "x"]), ([" ", "\U0001f600 été"], ["a", "\U0001f600 été ."]),
    ],
)  # fmt: skip
def test_the_values_are_those_of_sacrebleu(written: list[str], references: list[str]) -> None:
    found = measure(written, references)
    if "bleu" in found:
        assert found["bleu"].value == pytest.approx(
            BLEU().corpus_score(written, [references]).score, abs=1e-9
        )
    assert found["chrf"].value == pytest.approx(CHRF().corpus_score(written, [references]).score, abs=1e-9)
    each = [CHRF().sentence_score(text, [reference]).score for text, reference in zip(written, references)]
    assert by_text(written, references) == pytest.approx(each, abs=1e-9)


def test_the_interval_is_that_of_sentences_resampled() -> None:
    written, references = made(60, 3)
    found = statistics(written, references)["bleu"]
    drawn = np.random.default_rng(0).integers(
        0, 60, (1000, 60)
    )  # The draws of metrics/estimate.py for as few as these.
    scores = [
        BLEU().corpus_score([written[i] for i in rows], [[references[i] for i in rows]]).score
        for rows in drawn[:50].tolist()
    ]
    assert found.replicates(0)[1][:50] == pytest.approx(scores, abs=1e-9)
    told = found.estimate(0)
    assert told.low < told.value < told.high
    assert told.n == 60


def test_two_systems_are_compared_on_the_same_sentences() -> None:
    written, references = made(300, 4, 0.7)
    worse = [" ".join(text.split()[::-1]) if row % 3 == 0 else text for row, text in enumerate(written)]
    a, b = (statistics(texts, references)["bleu"] for texts in (written, worse))
    apart = difference(a, b)
    assert apart.value == pytest.approx(a.estimate().value - b.estimate().value)
    assert apart.low > 0
    assert apart.high - apart.low < a.estimate().high - a.estimate().low
    assert difference(a, a).value == 0


def test_resamples_count_nothing_anew() -> None:
    found = statistics(*made(1000, 5))
    start = time.process_time()
    for each in found.values():
        each.estimate()
    assert time.process_time() - start < 1


def test_the_signatures_say_what_a_figure_depends_on() -> None:
    found = signatures()
    assert found["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert found["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_there_is_no_bleu_where_no_reference_has_four_words() -> None:
    """It is 0 for all that can be written then, what is right included."""
    names = ["ada", "grace hopper", "alan m turing"]
    assert BLEU().corpus_score(names, [names]).score == 0
    found = measure(names, names)
    assert list(found) == ["chrf"]
    assert found["chrf"].value == pytest.approx(100)
    told = notes(found, names, [*names[:2], "x"])
    assert told[0].startswith("chrF is nrefs:1")
    assert "there is no BLEU" in told[1]
    assert told[2] == "2 of 3 texts are exactly what a person wrote"
    assert list(measure(["a b c d"], ["a b c d"])) == ["bleu", "chrf"]


def test_nothing_to_measure_and_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.isnan(measure([], [])["bleu"].value)
    with pytest.raises(DataError, match="2 texts and 1 references"):
        measure(["a", "b"], ["a"])
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(DrivetrainError, match="measuring translations needs sacrebleu"):
        measure(["a"], ["a"])
