"""tokens@1 of texts against its written semantics (codecs/OPS.md): cleaning, pieces, tokenizers; and in bundles."""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_examples import altered, member, model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from drivetrain.bundle import bundle_bytes, make_cases, nasty_samples, open_bundle, open_bundle_bytes, verify
from drivetrain.bundle.archive import read_zip
from drivetrain.codecs import Signature, from_spec
from drivetrain.codecs.category import Category
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import BundleError, DrivetrainError
from drivetrain.files import from_json, to_json
from drivetrain.pieces import clean, stretches, words
from drivetrain.ragged import lengths_of
from drivetrain.runtime import OnnxSession, Predictor
from drivetrain.tokenizer import NAMES, forget, open_tokenizer

KINDS = ("words", "characters", "bpe", "wordpiece", "unigram")
SAID = [
    "The cat sat on the mat, and the dog sat there too.", "A cat is no dog; the dog knows.",
    "Where the mat was, the cat sat again!", "Dogs and cats, mats and hats.",
]  # fmt: skip


def fitted(kind: str, **more: Any) -> Tokens:
    return Tokens(tokenizer=kind, **{"rare": 1, **more}).fit(SAID)


# --- cleaning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "cleaned"),
    [
        ("a\r\nb\rc\n", {}, "a\nb\nc\n"),
        ("e\u0301 \ud83d\0x", {}, "é \ufffd\ufffdx"),
        ("<p class='x'>1 < 2 &amp;&lt;b&gt;</p>", {"html": True}, " 1 < 2 &<b> "),
        ("a <b", {"html": True}, "a <b"),
        ("x<!-- <b> -->y", {"html": True}, "x<!--   -->y"),
        (
            "&#65;&#x42;&#0;&#xD800;&#1114112;&bogus;&amp;lt;",
            {"html": True},
            "AB\ufffd\ufffd\ufffd&bogus;&lt;",
        ),
        ("ΣΑΣ İI", {"case": True}, "σασ İi"),
        ("naïve Ångström", {"accents": True}, "naive Angstrom"),
        ("it's 5 €, no?", {"signs": True}, "it s 5    no "),
        ("The cat and the dog", {"stop_words": {"the", "and"}}, "The cat dog"),
    ],
)
def test_texts_are_cleaned_as_asked(text: str, options: dict[str, Any], cleaned: str) -> None:
    assert clean(text, **options) == cleaned


def test_marks_without_end_are_cut() -> None:
    assert clean("a" + "\u0301\u0316" * 100_000 + "b") == clean("a" + "\u0301\u0316" * 16 + "b")
    assert clean("e\u0301" * 1000) == "é" * 1000


# --- pieces -----------------------------------------------------------------------------------------------------


def test_words_and_signs_are_pieces() -> None:
    assert words("It's 3.5 km — \u0939\u093f\u0928\u094d\u0926\u0940\u200c日本語!\n") == [
        "It", "'", "s", "3", ".", "5", "km", "—", "\u0939\u093f\u0928\u094d\u0926\u0940日本語", "!",
    ]  # fmt: skip
    assert words("a\nb\n\nc", lines=True) == ["a", "\n", "b", "\n", "\n", "c"]
    assert stretches("It's  3 km\n ok") == ["It", "'", "s", " ", " 3", " km", "\n", " ok"]
    assert [len(piece) for piece in words("x" * 300)] == [128, 128, 44]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(st.one_of(st.sampled_from("aB \n\t.,'é\u0301\u200d\U0001f600"), st.characters())))
def test_pieces_are_those_of_the_book(text: str) -> None:
    text = clean(text)
    assert "".join(stretches(text)) == text

    def word(character: str) -> bool:
        category = unicodedata.category(character)
        return not character.isspace() and (category[0] in "LMN" or category == "Cf")

    runs = "".join(c if word(c) else " " for c in text).split(" ")
    bare = ["".join(c for c in run if unicodedata.category(c) != "Cf") for run in runs]
    cut: list[str] = []
    for character in text:
        begins = not word(character) or not cut or not (word(cut[-1][-1]) or cut[-1] == " ")
        cut = [*cut, character] if begins or len(cut[-1]) == 128 else [*cut[:-1], cut[-1] + character]
    assert stretches(text) == cut
    found = [piece for piece in words(text) if word(piece[0])]
    assert "".join(found) == "".join(bare)
    assert found == [run[at : at + 128] for run in bare if run for at in range(0, len(run), 128)]


# --- tokenizers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learned_does_not_hang_on_the_order_of_rows(kind: str) -> None:
    assert fitted(kind).tokenizer_json == Tokens(tokenizer=kind, rare=1).fit(SAID[::-1]).tokenizer_json


@pytest.mark.parametrize("kind", ["characters", "bpe", "unigram"])
def test_no_letter_is_lost(kind: str) -> None:
    codec = fitted(kind, length=1000)
    for text in SAID:
        assert codec.decode(codec.encode(codec.read(text)))["text"] == text


@pytest.mark.parametrize("kind", ["words", "wordpiece"])
def test_words_come_back_with_single_spaces(kind: str) -> None:
    codec = Tokens(tokenizer=kind, rare=1, lines=True, length=20).fit(["the cat\nsat, too"])
    tokens = codec.encode(codec.read("\nthe  cat\nsat, too\n"))
    assert codec.decode(np.array([2, *tokens, 1, 3]))["text"] == "\nthe cat\nsat , too\n\ufffd"


def by_the_book(kind: str, file: str, piece: str) -> list[int]:
    """What OPS.md says of a piece, in plain Python."""
    record = from_json(file)["model"]
    if kind == "unigram":
        ids = {name: place for place, (name, _) in enumerate(record["vocab"])}
        scores = dict(record["vocab"])
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for end in range(1, len(piece) + 1):
            cuts = [
                (best[start][0] + scores[name], [*best[start][1], ids[name]])
                for start in range(end)
                if (name := piece[start:end]) in ids
            ]
            best.append(max(cuts, key=lambda cut: cut[0]))
        return best[-1][1]
    vocabulary = record["vocab"]
    if kind in ("words", "characters"):
        return [vocabulary.get(piece, 1)]
    if kind == "bpe":
        ranks = {tuple(pair): rank for rank, pair in enumerate(record["merges"])}
        parts = [*piece]
        while pairs := [(ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in ranks]:
            _, at = min(pairs)
            parts[at : at + 2] = ["".join(parts[at : at + 2])]
        return [vocabulary.get(part, 1) for part in parts]
    found: list[int] = []
    rest = piece
    while rest:
        names = [("##" if found else "") + rest[:end] for end in range(len(rest), 0, -1)]
        name = next((name for name in names if name in vocabulary), None)
        if name is None or len(piece) > 100:
            return [1]
        found.append(vocabulary[name])
        rest = rest[len(name) - (2 if found[1:] else 0) :]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_the_book(kind: str) -> None:
    codec = fitted(kind, most=60, length=1000)
    cut = {"characters": list, "bpe": stretches, "unigram": stretches}.get(kind, words)
    for text in (*SAID, *(["The hats, the theatre; madcap gnats sat."] if kind != "unigram" else [])):
        wanted = [
            token for piece in cut(text) for token in by_the_book(kind, codec.tokenizer_json or "", piece)
        ]
        assert codec.encode(codec.read(text)).tolist() == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_others_read_the_file_as_it_is(kind: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    codec = fitted(kind)
    theirs = tokenizers.Tokenizer.from_str(codec.tokenizer_json)
    cut = {"characters": list, "bpe": stretches, "unigram": stretches}.get(kind, words)
    for text in SAID:
        assert theirs.encode(cut(text), is_pretokenized=True).ids == codec.encode(codec.read(text)).tolist()


def test_length_and_what_is_kept() -> None:
    texts = [" ".join(["cat"] * n) for n in range(1, 21)]
    codec = Tokens(tokenizer="words").fit(texts)
    assert (codec.length, codec.whole) == (19, 0.95)
    assert codec.told == (
        "5 different tokens (words); 95% of the training texts have at most 19 of them, and of longer ones those at the "
        "beginning are kept"
    )
    text = "a b c d e"
    first, last = (
        Tokens(tokenizer="words", rare=1, length=2, keep=keep).fit([text]) for keep in ("beginning", "end")
    )
    assert first.decode(first.encode(first.read(text)))["text"] == "a b"
    assert last.decode(last.encode(last.read(text)))["text"] == "d e"
    assert first.whole == 0


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_learn_from_is_a_vocabulary_all_the_same(kind: str) -> None:
    for values in ([], [""], [None, " \n"], ["..."]):
        codec = Tokens(tokenizer=kind, most=5).fit(values)
        assert codec.size in (4, 5)
        assert codec.encode(codec.read("cat")).tolist().count(1) >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_of_megabytes_is_cut_soon(kind: str) -> None:
    codec = fitted(kind, length=10)
    for text in ("x" * 2**20, "cat " * 2**18, "<a" * 2**19):
        assert len(codec.encode(codec.read(text))) == 10 or kind in ("words", "wordpiece")


def test_only_what_may_be_given_together() -> None:
    known = fitted("words").spec()
    for fields in (
        {"size": 3}, {"tokenizer_json": None}, {"whole": None}, {"length": None}, {"tokenizer": ""}, {"tokenizer": "bpe"},
        {"tokenizer": "letters"}, {"keep": "middle"}, {"most": 4}, {"length": 0}, {"length": 65_537}, {"whole": 1.5},
        {"rare": -1},
    ):  # fmt: skip
        with pytest.raises(DrivetrainError):
            from_spec({**known, **fields})
    with pytest.raises(DrivetrainError, match="learned of texts"):
        Tokens(5, tokenizer="words")
    with pytest.raises(DrivetrainError, match="name a tokenizer"):
        Tokens(length=3)


def changed(kind: str, **model: Any) -> str:
    record = from_json(fitted(kind).tokenizer_json or "")
    record["model"] = {**record["model"], **model}
    return to_json(record)


HOSTILE = [
    ("words", "", "no JSON"),
    ("words", "[]", "more, or less"),
    ("words", "[" * 100_000, "no JSON"),
    ("words", '{"model": {}}', "more, or less"),
    ("bpe", changed("words"), "another model"),
    ("words", changed("words", vocab=[]), "no vocabulary"),
    ("words", changed("words", vocab={"a": 0}), "no vocabulary"),
    ("words", changed("words", vocab={**dict(zip(NAMES, range(4))), "a": 9}), "numbered"),
    ("words", changed("words", vocab={**dict(zip(NAMES, range(4))), "a": 4.0}), "numbered"),
    ("words", changed("words", vocab={**dict(zip(NAMES, range(4))), "": 4}), "without a text"),
    ("words", changed("words", vocab={**dict(zip(NAMES, range(4))), "\ud800": 4}), "without a text"),
    ("words", changed("words", vocab={**dict(zip(NAMES, range(4))), "x" * 201: 4}), "without a text"),
    ("words", changed("words", unk_token="a"), "another model"),
    ("wordpiece", changed("wordpiece", max_input_chars_per_word=2**40), "another model"),
    ("bpe", changed("bpe", dropout=0.5), "another model"),
    ("bpe", changed("bpe", byte_fallback=0), "another model"),
    ("bpe", changed("bpe", merges=[["c", "no"]]), "pairs"),
    ("bpe", changed("bpe", merges=[["c"]]), "pairs"),
    ("bpe", changed("bpe", merges=None), "pairs"),
    ("unigram", changed("unigram", unk_id=True), "another model"),
    ("unigram", changed("unigram", vocab=[[name, 0.0] for name in NAMES] + [["a", None]]), "score"),
    ("unigram", changed("unigram", vocab=[[name, 0.0] for name in NAMES] + [["a", -1.0], ["a", -2.0]]), "each token once"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "file", "says"), HOSTILE)
def test_a_file_that_is_no_tokenizer_is_refused(kind: str, file: str, says: str) -> None:
    with pytest.raises(DrivetrainError, match=says):
        open_tokenizer(file, kind)


@pytest.mark.parametrize(
    "part", ["normalizer", "pre_tokenizer", "post_processor", "decoder", "padding", "truncation"]
)
def test_a_file_with_more_than_a_model_is_refused(part: str) -> None:
    record = from_json(fitted("words").tokenizer_json or "")
    with pytest.raises(DrivetrainError, match="more, or less"):
        open_tokenizer(
            to_json({**record, part: {"type": "Replace", "pattern": {"Regex": "(a+)+$"}}}), "words"
        )
    with pytest.raises(DrivetrainError, match="more, or less"):
        open_tokenizer(to_json({**record, "added_tokens": [{"id": 4, "content": "cat"}]}), "words")


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    codecs = {kind: fitted(kind) for kind in KINDS}
    open_tokenizer.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for kind, codec in codecs.items():
        codec = from_spec(codec.spec())
        if kind in ("words", "characters"):
            assert len(codec.encode(codec.read("the cat")))
        else:
            with pytest.raises(DrivetrainError, match=r"needs tokenizers\. .*\[text\]"):
                codec.encode(codec.read("the cat"))


# --- bundles ----------------------------------------------------------------------------------------------------


def told_graph(signature: Signature) -> bytes:
    """Softmax of the mean of two numbers for each token."""
    size = max(codec.size or 0 for codec in signature.inputs.values() if isinstance(codec, Tokens))
    nodes = [
        helper.make_node("Gather", ["table", "input_0"], ["vectors"]),
        helper.make_node("Shape", ["input_0"], ["side"], start=1, end=2),
        helper.make_node("Squeeze", ["side"], ["longest"]),
        helper.make_node("Range", ["zero", "longest", "one"], ["places"]),
        helper.make_node("Unsqueeze", ["lengths_0", "along"], ["tall"]),
        helper.make_node("Less", ["places", "tall"], ["there"]),
        helper.make_node("Cast", ["there"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weight", "last"], ["weights"]),
        helper.make_node("Mul", ["vectors", "weights"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "along"], ["sum"], keepdims=0),
        helper.make_node("Softmax", ["sum"], ["output_0"], axis=1),
    ]
    constants = {
        "table": table(size), "zero": np.array(0), "one": np.array(1), "along": np.array([1]), "last": np.array([2]),
    }  # fmt: skip
    inputs = {
        name: port
        for place in range(len(signature.inputs))
        for name, port in (
            (f"input_{place}", (TensorProto.INT64, ["rows", f"longest_{place}"])),
            (f"lengths_{place}", (TensorProto.INT64, ["rows"])),
        )
    }
    return model(nodes, constants, inputs, {"output_0": (TensorProto.FLOAT, ["rows", 2])})


def table(size: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.3, (size, 2)).astype(np.float32)


def told_bundle(**inputs: Tokens) -> bytes:
    signature = Signature(inputs, {"true": Category(classes=("no", "yes"))})
    size = max(codec.size or 0 for codec in inputs.values())
    (first, *_) = inputs

    def forward(batch: Any) -> Any:
        there = np.arange(batch[first].shape[1]) < batch[lengths_of(first)][:, None]
        grown = np.exp((table(size)[batch[first]] * there[:, :, None]).sum(1))
        return {"true": grown / grown.sum(1, keepdims=True)}

    samples: list[Any] = [(text, "validation", dict.fromkeys(inputs, text)) for text in SAID]
    samples += nasty_samples(signature, samples[0][2])
    return bundle_bytes(
        name="said", task="tabular", signature=signature, graph=told_graph(signature),
        cases=make_cases(signature, samples, forward), profile={}, card="# Said\n", facts={},
        created="2026-11-28T00:00:00Z",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_holds_the_tokenizer_and_answers(kind: str) -> None:
    codec = fitted(kind, lower=True, strip_html=True, stop_words=("on", "no"))
    data = told_bundle(text=codec)
    assert member(data, "tokenizer.json").decode() == codec.tokenizer_json
    assert from_json(member(data, "signature.json"))["inputs"]["text"]["tokenizer_json"] == {
        "member": "tokenizer.json"
    }
    bundle = open_bundle_bytes(data)
    assert bundle.manifest["format"] == 6
    assert bundle.signature.inputs["text"] == codec
    report = verify(bundle, OnnxSession(bundle.graph, bundle.tensors))
    assert report.ok, report.failed
    predictor = Predictor(bundle, trusted=True)
    items = [{"text": text} for text in (*SAID, "", None, "on no", "\U0001f600 \ud800", "cat " * 20_000)]
    for item, answer in zip(items, predictor.predict_many(items)):
        assert predictor.predict(item).probabilities == pytest.approx(answer.probabilities, abs=1e-5)


def test_equal_tokenizers_are_kept_once() -> None:
    codec = fitted("bpe")
    data = told_bundle(a=codec, b=codec, c=fitted("words"))
    assert {name for name in read_zip(data) if name.startswith("tokenizer")} == {
        "tokenizer.json",
        "tokenizer_1.json",
    }
    assert open_bundle_bytes(data).signature.inputs["b"] == codec


def test_a_bundle_whose_texts_are_not_as_they_must_be_is_refused() -> None:
    data = told_bundle(text=fitted("words"))
    signature = from_json(member(data, "signature.json"))

    def named(value: Any) -> dict[str, bytes | None]:
        spec = {**signature["inputs"]["text"], "tokenizer_json": value}
        return {"signature.json": to_json({**signature, "inputs": {"text": spec}}).encode()}

    whole = member(data, "tokenizer.json").decode()
    for changes, says in (
        ({"tokenizer.json": None}, "names no member"),
        ({"tokenizer.json": b"\xff"}, "not UTF-8"),
        ({"tokenizer.json": b" " * (2**24 + 1)}, "larger than"),
        ({"tokenizer.json": b"{}"}, "more, or less"),
        ({"tokenizer_1.json": b"{}"}, "nothing in signature.json names"),
        (named(whole), "nothing in signature.json names"),
        (named({"member": "README.md"}), "names no member"),
        (named({"member": "../tokenizer.json"}), "names no member"),
        (named({"member": ["tokenizer.json"]}), "names no member"),
        (named({"member": "tokenizer.json", "more": 1}), "names no member"),
        (named(None), "nothing in signature.json names"),
        ({**named(None), "tokenizer.json": None}, "learned of texts"),
    ):
        with pytest.raises(BundleError, match=says):
            open_bundle_bytes(altered(data, changes))
    with pytest.raises(BundleError, match="of this format has no texts"):
        open_bundle_bytes(altered(data, {}, {"format": 5}))
    with pytest.raises(BundleError, match="tokenizer_0"):
        open_bundle_bytes(altered(data, {"tokenizer_0.json": b"{}"}))


def test_a_bundle_of_format_6_opens_for_ever() -> None:
    bundle = open_bundle(Path(__file__).parent / "bundles" / "format-6-said.bundle")
    assert bundle.manifest["format"] == 6
    assert verify(bundle, OnnxSession(bundle.graph, bundle.tensors)).ok
    assert Predictor(bundle, trusted=True).predict({"text": "The <b>cat</b> sat"}).label == "yes"


def test_what_no_training_text_was_like_is_unusual() -> None:
    codec = fitted("words")
    texts = np.array(["the cat", "", "qzx vvv", "the vvv"], object)
    column = codec.encode_column(texts)[0]
    profile = codec.profile(codec.encode_column(np.array(SAID, object))[0])
    assert [(what, rows.tolist()) for what, rows in codec.unusual(texts, column, profile)] == [
        ("without a token", [False, True, False, False]), ("of unknown tokens alone", [False, False, True, False]),
    ]  # fmt: skip
    assert codec.unusual(texts, column, codec.profile(column)) == []
    assert Tokens(9).unusual(texts, column, profile) == []


def test_that_no_piece_comes_twice_is_told() -> None:
    codec = Tokens(tokenizer="words").fit(["one two", "three four"])
    assert codec.size == 4
    assert "no piece of the training texts comes 2 times: all of them are unknown" in codec.told


def test_rare_pieces_are_forgotten_where_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"often seldom{row // 50} never{row} once{row}" for row in range(400)]
    whole = Tokens(tokenizer="words", most=12).fit(texts)
    monkeypatch.setattr("drivetrain.tokenizer.MOST_PIECES", 100)
    assert Tokens(tokenizer="words", most=12).fit(texts) == whole
    counts = Counter({"a": 5, **{f"b{place}": 1 for place in range(200)}})
    forget(counts, 12)
    assert counts == {"a": 5}
