"""How long texts are and what of them a model sees: told, drawn, and as groups of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from test_learn_ngrams import reviews
from texts import made_texts

import drivetrain as dt
from drivetrain.charts import text as words_drawn
from drivetrain.charts import tokens as tokens_drawn
from drivetrain.charts.lengths import lengths
from drivetrain.codecs.text import Text
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.groups import groupings
from drivetrain.data.lengths import lengths_in
from drivetrain.interpret import slices
from drivetrain.learn.by_name import make_learner

TEXTS = ["the cat sat", "the cat", "the dog sat on the mat", "the the the the", ""]


def pieces(codec: Any, raw: Any) -> list[tuple[str, str]]:
    drawn = words_drawn if isinstance(codec, Text) else tokens_drawn
    return [(piece.text, piece.mark) for piece in drawn.pieces(codec, raw) if piece.text != " "]


def test_tokens_are_told_apart_and_what_is_unknown_or_cut_off_is_marked() -> None:
    codec = Tokens(tokenizer="words", lower=True, rare=2, length=3).fit(TEXTS)
    cut = [("[dog]", "unknown"), ("sat", ""), ("[on]", "cut"), ("the", "cut"), ("[mat]", "cut")]
    assert pieces(codec, "The dog sat on the mat") == [("the", ""), *cut]
    end = codec.with_fields(keep="end")
    assert pieces(end, "cat sat on the cat") == [
        ("cat", "cut"),
        ("sat", "cut"),
        ("[on]", "unknown"),
        ("the", ""),
        ("cat", ""),
    ]
    assert pieces(codec, None) == pieces(codec, " ") == [("no text", "gap")]
    assert pieces(Tokens(9), [3, 1]) == [("3 ", "token"), ("1 ", "token")]
    parts = Tokens(tokenizer="bpe", most=40, rare=2, length=40).fit(["lower lowest newer newest"] * 5)
    found = pieces(parts, "lowest\nnew")
    assert "".join(text for text, _ in found) == "lowest[\n]new"
    assert {mark for _, mark in found} == {"token", "unknown"}
    wordpiece = Tokens(tokenizer="wordpiece", most=40, rare=2).fit(["lower lowest newer newest"] * 5)
    assert "".join(text for text, _ in pieces(wordpiece, "lowest newer")) == "lowestnewer"


def test_of_many_tokens_the_first_and_the_last_are_shown() -> None:
    codec = Tokens(tokenizer="words", rare=1, length=300).fit(["a b"])
    found = pieces(codec, "a " * 300 + "b " * 50)
    assert [text for text, mark in found if mark == "gap"] == [" … 180 more … ", " … 38 more"]
    assert sum(mark == "cut" for _, mark in found) == 12
    assert len(found) == 120 + 12 + 2


def test_words_of_a_text_are_those_that_networks_read() -> None:
    codec = Text(rare=2, length=2).fit(TEXTS)
    assert pieces(codec, "The dog, sat!") == [("the", ""), ("[dog]", "unknown"), ("sat", "cut")]


@pytest.mark.parametrize("codec", [Text(rare=2, length=10), Tokens(tokenizer="words", rare=2, length=10)])
def test_rows_are_grouped_by_length_and_by_unknown_words(codec: Any) -> None:
    fitted = codec.fit(TEXTS)
    encoded, _ = fitted.encode_column(np.array(TEXTS, object))
    sizes, unknown = groupings("note", fitted, encoded[np.array([0, 2, 1, 3, 4])])
    unit = "words" if isinstance(codec, Text) else "tokens"
    assert [sizes.words(code) for code in sizes.codes] == [
        f"note = 3 {unit}", f"note = 6 {unit}", f"note = 2 {unit}", f"note = 4 {unit}", "note is missing",
    ]  # fmt: skip
    assert [unknown.words(code) for code in unknown.codes] == [
        f"note = 0 % of {unit} unknown", f"note = 50 % of {unit} unknown", *[f"note = 0 % of {unit} unknown"] * 2,
        "note is missing",
    ]  # fmt: skip


def test_lengths_are_counted_before_anything_is_cut() -> None:
    texts = ["a b c"] * 19 + ["a b c d e f g"]
    frame = {"text": [f"{text} w{place}" for place, text in enumerate(texts * 5)], "label": ["x", "y"] * 50}
    for kind, unit in (("tokens", "tokens"), ("text", "words")):
        data = dt.tabular.from_frame(frame, "label", columns={"text": kind}, valid=0.2)
        (found,) = lengths_in(data)
        assert set(found.sizes.tolist()) == {4, 8}
        assert found.kept == 4
        assert (
            f"of the texts in 'text' have at most 4 {unit} (the middle one 4, the longest 8): " in found.words
        )
        told = data.check().to_json()["counts"]["lengths"]
        assert told[0]["quantiles"]["1.0"] == 8
        assert told[0]["words"] in str(data.check()._repr_html_()).replace("&#x27;", "'")
    numbers = dt.tabular.from_frame(
        {"x": np.random.default_rng(0).normal(size=60), "y": ["a", "b"] * 30}, "y"
    )
    assert lengths_in(numbers) == []
    assert "lengths" not in numbers.check().counts


@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_of_lengths_marks_what_is_kept(dark: bool) -> None:
    sizes = np.concatenate([np.arange(100), [5000]])
    svg = lengths(sizes, 85, "tokens").to_svg(dark)
    assert "85 % have at most 85" in svg
    assert "longer ones, up to 5,000, at the edge" in svg
    assert lengths(sizes, 5000, "tokens").to_png(dark)
    assert "all have at most 5,000" in lengths(sizes, 5000, "tokens").to_svg(dark)
    for odd in (np.zeros(0, np.int64), np.zeros(3, np.int64), np.array([1])):
        assert lengths(odd, 1, "words").to_svg(dark)


def test_show_has_the_texts_as_they_are_seen(tmp_path: Path) -> None:
    rows = ["text,label", *(f'"{text}",{label}' for text, label in made_texts(60))]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    source = [tmp_path / "a.csv", "--target", "label", "--column", "text=tokens:10-long"]
    answer = drivetrain("show", *source, "--out", tmp_path / "a.svg", "--json").json
    assert answer["lengths"][0]["kept"] == 10
    assert "cut off" in (tmp_path / "a.svg").read_text()
    assert "have at most 10 tokens" in " ".join(drivetrain("show", *source).out.split())
    page = (
        dt.tabular.from_csv(tmp_path / "a.csv", "label", columns={"text": "tokens:10-long"}).show(3).to_html()
    )
    assert page.count('class="dt-text"') == 3
    assert page.count('<s class="cut">') > 10


def test_a_slice_by_length_is_found() -> None:
    columns = reviews(400)
    body = [" ".join([text] * (1 + place % 2)) for place, text in enumerate(columns["body"])]
    draw = np.random.default_rng(1)
    label = ["good" if draw.random() < (0.5 if len(text.split()) > 20 else 0.02) else "bad" for text in body]
    data = dt.tabular.from_frame({"body": body, "label": label}, "label", columns={"body": "text"}, valid=0.5)
    learner = make_learner(data, "ngrams", bare=True)
    learner.fit()
    assert any("words" in each.words for each in slices(learner).found)


@pytest.mark.slow
def test_a_pretrained_tokenizer_is_seen_at_its_work(tmp_path: Path) -> None:
    import pretrained

    from drivetrain.models.pretrained_texts import tokenizer_of

    texts = np.array(
        [*(text for text, _ in made_texts(8)), "", "a\U0001f44d\U0001f3fd b", "\0\ud83d"], object
    )
    for kind in pretrained.KINDS:
        codec = tokenizer_of(pretrained.backbone(tmp_path / kind, kind)).fit(texts[:4])
        whole = codec.with_fields(length=codec.most)
        assert tokens_of(whole, texts[-1])  # Half of a letter may be taken off.
        for text in texts[:-1].tolist():
            shown = "".join(piece.text.strip("[]") for piece in tokens_of(whole, text) if piece.mark != "gap")
            assert shown.replace(" ", "") == whole.read(text).replace(" ", "")
        assert any(piece.mark == "cut" for piece in tokens_of(codec, "film " * 400))
        assert codec.sizes(texts)[-3] == codec.tokenizer.around
        encoded, _ = codec.encode_column(texts)
        assert len(groupings("text", codec, encoded)) == 2


def tokens_of(codec: Any, text: str) -> list[Any]:
    from drivetrain.charts import subwords

    return subwords.pieces(codec, text)


def test_a_vocabulary_that_knows_few_words_is_told() -> None:
    texts = [
        "".join(chr(0x4E00 + (7 * number + 3 * place) % 60) for place in range(12)) for number in range(40)
    ]
    for tokenizer, told in (("words", True), ("characters", False)):
        data = dt.text_classification.from_table(
            {"t": texts, "k": ["a", "b"] * 20}, target="k", columns={"t": f"tokens:{tokenizer}"}, valid=0.2
        )
        assert ("of the tokens are unknown: tokens:bpe" in lengths_in(data)[0].words) == told
