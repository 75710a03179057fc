"""The words that an answer hangs on: exact where the model is a sum, by leaving out elsewhere; as a picture and a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_learn_ngrams import reviews, table
from texts import TELLING, made_texts

import drivetrain as dt
from drivetrain.charts.passages import MOST_WORDS, Passage, Piece, passages, shaded
from drivetrain.codecs.text import WORD
from drivetrain.errors import DataError, UsageError
from drivetrain.files import from_json
from drivetrain.findings.telling import mistakes_told, words_that_mattered
from drivetrain.grams import grams_of, stretches_of
from drivetrain.interpret import telling
from drivetrain.interpret.category import scores
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.by_name import make_learner

LETTERS = st.one_of(st.sampled_from("ab \n\u00a0_-1"), st.characters())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(LETTERS))
def test_the_places_of_n_grams_are_those_that_are_counted(text: str) -> None:
    (counted,) = grams_of([text], WORD.findall, 10)
    found = stretches_of(text, WORD.findall, 10)
    assert Counter(found.bucket.tolist()) == dict(zip(counted.bucket.tolist(), counted.times.tolist()))
    runs = [text[begin:end] for begin, end in zip(found.begin, found.end)]
    assert Counter(runs[: len(WORD.findall(text))]) == Counter(WORD.findall(text))
    of_pieces = [run for run, bucket in zip(runs, found.bucket) if bucket >= 512]
    assert all(run and not re.search(r"\s", run) and len(run) <= 5 for run in of_pieces)


@pytest.fixture(scope="module")
def fitted() -> Mapping[str, BaseLearner]:
    found = {}
    for target in ("label", "topic", "stars"):
        found[target] = make_learner(table(target), "ngrams", bare=True)
        found[target].fit()  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("target", ["label", "topic", "stars"])
def test_what_words_add_and_the_rest_are_the_score(fitted: Mapping[str, BaseLearner], target: str) -> None:
    learner = fitted[target]
    interpretation = learner.interpret()
    answers = learner.outputs()[0][target]
    codec = learner.data.signature.targets[target]
    for field in ("title", "body"):
        for place, told in enumerate(interpretation.told(range(20), field)):
            assert told.exact
            if codec.labels is None:
                wanted = float(codec.transform(answers[[place]])[0])  # type: ignore[attr-defined]
                assert told.toward == ""
            else:
                code = int(answers[place].argmax())
                wanted = float(scores(codec, answers, code)[place])
                assert told.toward == codec.labels[code]
            if wanted > 0:  # What is answered is kept within what training had, from 0 stars on.
                assert told.score == pytest.approx(wanted, abs=2e-4)


def test_the_words_that_tell_add_most(fitted: Mapping[str, BaseLearner]) -> None:
    told = (
        fitted["label"]
        .interpret()
        .explain({"title": "word3 word4", "body": "Word1 WORD12, word12! word5 word7 word2"})
    )
    assert [word for word, _ in told.strongest(2)] == ["word12", "word7"]
    assert told.text[slice(*told.spans[1])] == "WORD12,"
    assert told.exact
    assert told.toward == "good"
    assert (told.field, told.target) == ("body", "label")
    assert "word12 +" in repr(told)


def test_by_leaving_out_the_same_words_come_out(
    fitted: Mapping[str, BaseLearner], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = fitted["label"]
    raw = {"title": "word3 word4", "body": "word1 word5 word12 word2"}
    exact = learner.interpret().explain(raw)
    monkeypatch.setattr(type(learner), "sums", lambda self, target: None)
    asked: list[int] = []
    run = learner.run_arrays
    monkeypatch.setattr(learner, "run_arrays", lambda batch: asked.append(len(batch["body"])) or run(batch))
    told = learner.interpret().explain(raw)
    assert not told.exact
    assert told.strongest(1)[0][0] == exact.strongest(1)[0][0] == "word12"
    assert told.score == pytest.approx(exact.score, abs=1e-3)
    assert asked == [1, 5]
    asked.clear()
    long = learner.interpret().explain({**raw, "body": "word12 " * 1000})
    assert max(asked) <= telling.MOST_LEFT_OUT + 1
    assert len(long.adds) == 1000
    assert learner.interpret().explain({**raw, "body": None}).spans == ()


@pytest.mark.parametrize(
    "body", [None, " ", "...", "\0\ud83d", "\u05e9\u05dc\u05d5\u05dd", "a" * 70_000, "word1 " * 20_000]
)
def test_no_text_is_too_odd(fitted: Mapping[str, BaseLearner], body: str | None) -> None:
    told = fitted["topic"].interpret().explain({"title": "word3", "body": body}, "body")
    assert np.isfinite(told.adds).all()
    assert np.isfinite(told.rest)
    assert told.chart.to_html()


def test_what_has_no_words_is_refused(fitted: Mapping[str, BaseLearner]) -> None:
    with pytest.raises(UsageError, match="is no text"):
        fitted["label"].interpret().explain({"title": "a", "body": "b"}, "stars")
    with pytest.raises(DataError):
        fitted["label"].interpret().explain({"title": "a"})
    numbers = dt.tabular.from_frame(
        {"x": np.random.default_rng(0).normal(size=60), "y": ["a", "b"] * 30}, "y"
    )
    learner = make_learner(numbers, "regression", bare=True)
    learner.fit()
    with pytest.raises(UsageError, match="no input is a text"):
        learner.interpret().explain({"x": 1.0})
    assert words_that_mattered(learner) == {}


def test_overall_the_words_of_each_class(fitted: Mapping[str, BaseLearner]) -> None:
    found = words_that_mattered(fitted["label"])["label"]
    assert found["exact"]
    assert len(found["rows"]) == 8
    good = [each["word"] for each in found["strongest"]["good"]]
    assert "word12" in good[:2]
    assert "word7" in good
    assert all(each["texts"] >= 3 for each in found["strongest"]["good"])
    assert (
        "word12"
        in [each["word"] for each in words_that_mattered(fitted["stars"])["stars"]["strongest"]["more"]][:2]
    )
    chart = mistakes_told(found)
    assert chart is not None
    assert "add up to the score" in chart.to_html()


@pytest.mark.parametrize("way", ["words", "bpe:300-most", "characters:cased:keep-end", "words:no-stop-words"])
def test_tokens_have_exact_words_too_where_cleaning_leaves_their_places(way: str) -> None:
    columns = reviews(120)
    frame = {"body": [f"  It's {text}!" for text in columns["body"]], "label": columns["label"]}
    data = dt.tabular.from_frame(frame, "label", columns={"body": f"tokens:{way}"})
    learner: Any = make_learner(data, "ngrams", bare=True)
    learner.fit()
    told = list(learner.interpret().told(range(10)))
    assert all(each.exact is (way != "words:no-stop-words") for each in told)
    answers, codec = learner.outputs()[0]["label"], data.signature.targets["label"]
    for place, each in enumerate(told):
        wanted = float(scores(codec, answers[[place]], int(answers[place].argmax()))[0])
        assert each.score == pytest.approx(wanted, abs=2e-4)
        assert each.text.startswith("It's")


# As a picture and a page.


def test_no_mark_is_a_colour_alone_and_no_text_is_markup() -> None:
    told = {
        "text": "<b>good</b> & bad",
        "words": [[0, 11, 2.0], [12, 13, 0.0], [14, 17, -1.0]],
        "toward": "a<b",
    }
    passage = shaded({**told, "strongest": [["good", 2.0], ["bad", -1.0]]}, "true <x>")
    assert [piece.level for piece in passage.pieces if piece.text.strip()] == [4, 0, -2]
    html = passages([passage], "t").to_html()
    assert '<mark class="f4">&lt;b&gt;good&lt;/b&gt;</mark> &amp; <mark class="a2">bad</mark>' in html
    assert "true &lt;x&gt;" in html
    assert "for a&lt;b: good +2.00" in html
    assert "against a&lt;b: bad \N{MINUS SIGN}1.00" in html
    assert "solid" in html
    assert "dashed" in html
    assert "prefers-color-scheme: dark" in html


def test_of_a_long_text_the_strongest_words_are_shown_with_what_is_around() -> None:
    words = [f"w{place}" for place in range(500)]
    text = " ".join(words)
    spans = [
        [found.start(), found.end(), 1.0 if found.group() == "w250" else 0.001]
        for found in re.finditer(r"\S+", text)
    ]
    passage = shaded({"text": text, "words": spans, "toward": "", "strongest": [["w250", 1.0]]})
    shown = "".join(piece.text for piece in passage.pieces)
    assert "w247 w248 w249 w250 w251 w252 w253" in shown
    assert "…" in shown
    assert len(shown.split()) <= MOST_WORDS + MOST_WORDS // 2
    assert passage.foot == "more: w250 +1.00"


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_of_each(dark: bool, tmp_path: Path) -> None:
    pieces = [
        Piece("good ", 1.0),
        Piece("bad", -0.5),
        Piece("un", mark="token"),
        Piece("?", mark="unknown"),
        Piece("x" * 300, mark="cut"),
    ]
    chart = passages([Passage(pieces, "head", "foot " * 60), Passage([])], "Texts", "what the marks mean")
    assert chart.to_png(dark).startswith(b"\x89PNG")
    svg = chart.to_svg(dark)
    assert ">good </text>" in svg or ">good" in svg
    assert chart.save(tmp_path / "a.png").stat().st_size > 1000
    assert passages([]).to_svg()


@pytest.mark.slow
def test_a_run_tells_the_words(tmp_path: Path) -> None:
    texts = made_texts(160)
    frame = {"text": [text for text, _ in texts], "label": [label for _, label in texts]}
    for model, options, exact in (("ngrams", {}, True), ("mlp", {"columns": {"text": "tokens"}}, False)):
        data = dt.tabular.from_frame(frame, "label", **options)
        learner: Any = data.learner(model, out=tmp_path / model, quiet=True)
        learner.fit(*(() if exact else (3,)))
        found = from_json((tmp_path / model / "result.json").read_text())["words"]["label"]
        assert found["exact"] is exact
        assert len(found["rows"]) == 8
        page = (tmp_path / model / "report.html").read_text()
        mistakes = page.partition("<h2>Mistakes")[2].partition("<h2>")[0]
        assert mistakes.count('class="dt-text"') == 8
        assert ("Words that mattered" in page) is exact
        if exact:
            told = {side: {each["word"] for each in words} for side, words in found["strongest"].items()}
            assert all(len(told[side].intersection(TELLING[side])) >= 4 for side in TELLING)
