"""Pretrained tokenizers: known part by part, refused where they say anything else, and of any text what the library makes of it."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
import time
import unicodedata
from typing import Any

import numpy as np
import pytest
from tokenizer_files import ALL, BERT, BYTES, NAMES, PIECES, added, codec

from drivetrain.codecs import from_spec
from drivetrain.errors import DrivetrainError
from drivetrain.pretrained_tokenizer import open_pretrained, plain
from drivetrain.testing import check_codec

TEXTS = [
    "A film!",
    "filmed  Films",
    "",
    None,
    3,
    "\ud800 \0 \U0001f600",
    "ab" * 40_000,
    "naïve [SEP] e\u0301",
]


@pytest.mark.parametrize("kind", ALL)
def test_contract(kind: str) -> None:
    check_codec(codec(ALL[kind]), TEXTS)
    check_codec(codec(ALL[kind], length=5, keep="end", absent=("no",)), [*TEXTS, "No"])


def test_tokens_are_those_of_the_whole_file() -> None:
    from tokenizers import Tokenizer

    for record in ALL.values():
        theirs = Tokenizer.from_str(json.dumps(record))
        ours = codec(record, length=9)
        theirs.enable_truncation(9)
        for text in TEXTS:
            read = ours.read(text)
            assert ours.encode(read).tolist() == theirs.encode(read).ids


def test_the_length_holds_most_training_texts_with_what_is_around_them() -> None:
    fitted = codec().fit(["a b", "a b c"] * 40 + ["a " * 300])
    assert (fitted.length, fitted.whole) == (5, round(80 / 81, 6))
    assert "99% of the training texts have at most 5" in fitted.told
    assert codec(most=4).fit(["a b c d"] * 9).length == 4
    assert codec(length=7).fit(["a"]).length == 7
    assert fitted.fit(["a " * 9] * 99) == fitted
    assert codec().fit([]).length == 3


@pytest.mark.parametrize(("keep", "wanted"), [("beginning", "abc"), ("end", "def")])
def test_what_is_cut_keeps_the_tokens_around(keep: Any, wanted: str) -> None:
    ours = codec(length=5, keep=keep)
    assert ours.encode_raw("a b c d e f").tolist() == [2, *(NAMES.index(letter) for letter in wanted), 3]


def test_profile_and_what_is_unusual() -> None:
    ours = codec(length=9)
    rows = ours.together([ours.encode_raw(text) for text in ("a b", "film", "q")])
    profile = ours.profile(rows)
    assert (profile["n"], profile["longest"], profile["tokens"], profile["empty"], profile["strange"]) == (
        3,
        4,
        10,
        0,
        1,
    )
    others = ours.together([ours.encode_raw(text) for text in ("", "q", "a")])
    ((told, which),) = ours.unusual(np.array(["", "q", "a"], object), others, profile)
    assert told == "without a token"
    assert which.tolist() == [True, False, False]


def test_a_text_is_shown_as_its_tokens() -> None:
    from drivetrain.charts.subwords import pieces

    shown = pieces(codec(length=5), "filmed q a b")
    assert [(piece.text, piece.mark) for piece in shown] == [
        ("film", "token"), ("ed", "token"), (" ", ""), ("[q]", "unknown"), (" ", ""), ("a", "cut"), (" ", ""), ("b", "cut"),
    ]  # fmt: skip


def test_a_spec_is_whole_and_a_bundle_keeps_the_tokenizer_apart() -> None:
    from drivetrain.bundle.apart import put_in, to_members
    from drivetrain.codecs import Signature
    from drivetrain.codecs.category import Category

    fitted = codec().fit(["a b"])
    assert from_spec(fitted.spec()) == fitted
    record, members = to_members(Signature({"text": fitted}, {"y": Category(("a", "b"))}))
    assert record["inputs"]["text"]["tokenizer_json"] == {"member": "tokenizer.json"}
    put_in(record, {name: memoryview(data) for name, data in members.items()})
    assert Signature.from_json(record).inputs["text"] == fitted


def change(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at "model.vocab", or without it where that is `...`."""
    made = copy.deepcopy(record)
    *parents, last = path.split(".")
    place: Any = made
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    key = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return made


HOSTILE = [
    (BERT, "normalizer", {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"}),
    (BERT, "normalizer", {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 9999}),
    (BERT, "normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    (BERT, "normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 99}),
    (BERT, "normalizer", {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": []}]}),
    (BERT, "normalizer", {"type": "Sequence", "normalizers": 3}),
    (BERT, "normalizer.lowercase", 1),
    (BERT, "normalizer.more", True),
    (BERT, "normalizer", [3]),
    (BERT, "pre_tokenizer", {"type": "Split", "pattern": {"Regex": "(a|a)*b"}, "behavior": "Isolated", "invert": False}),
    (BERT, "pre_tokenizer", {"type": "Metaspace", "replacement": "ab", "prepend_scheme": "always", "split": True}),
    (BERT, "pre_tokenizer", {"type": 7}),
    (BERT, "post_processor", {"type": "BertProcessing", "sep": ["[SEP]", 99], "cls": ["[CLS]", 2]}),
    (BERT, "post_processor", {"type": "BertProcessing", "sep": ["nobody", 3], "cls": ["[CLS]", 2]}),
    (BERT, "post_processor", {"type": "BertProcessing"}),
    (BERT, "post_processor", {"type": "Own"}),
    (BERT, "post_processor", {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}]}),
    (BERT, "model.unk_token", "nobody"),
    (BERT, "model.unk_token", None),
    (BERT, "model.max_input_chars_per_word", 10**9),
    (BERT, "model.vocab", {}),
    (BERT, "model.vocab", {"[UNK]": 0, "a": 0}),
    (BERT, "model.vocab", {"[UNK]": 0, "a": 1.5}),
    (BERT, "model.vocab", {"[UNK]": 0, "a": -1}),
    (BERT, "model.vocab", {"[UNK]": 0, "a": 2**40}),
    (BERT, "model.vocab", {"[UNK]": 0, "": 1}),
    (BERT, "model.vocab", {"[UNK]": 0, "\ud800": 1}),
    (BERT, "model.vocab", {"[UNK]": 0, "a" * 9999: 1}),
    (BERT, "model.vocab", [["[UNK]", 0.0]]),
    (BERT, "model.type", "WordLevel"),
    (BERT, "model", None),
    (BERT, "added_tokens.0.id", 1),
    (BERT, "added_tokens.0.content", "[UNK]"),
    (BERT, "added_tokens.0.content", "new"),
    (BERT, "added_tokens.0.special", 1),
    (BERT, "added_tokens.0.more", 1),
    (BERT, "added_tokens", [added(f"<{n}>", n + len(NAMES)) for n in range(5000)]),
    (BERT, "added_tokens", None),
    (BERT, "version", "2.0"),
    (BERT, "more", 1),
    (BERT, "model", ...),
    (BYTES, "model.dropout", 0.5),
    (BYTES, "model.unk_token", "nobody"),
    (BYTES, "model.merges", [["a", "x"]]),
    (BYTES, "model.merges", [["b", "a"]]),
    (BYTES, "model.merges", [["a"]]),
    (BYTES, "model.merges", [[1, 2]]),
    (BYTES, "model.merges", {"a": "b"}),
    (BYTES, "model.byte_fallback", True),
    (BYTES, "model.continuing_subword_prefix", "##"),
    (BYTES, "pre_tokenizer.use_regex", "(a+)+"),
    (PIECES, "model.unk_id", 99),
    (PIECES, "model.unk_id", None),
    (PIECES, "model.unk_id", True),
    (PIECES, "model.vocab", [["a", 0.0], ["a", 1.0]]),
    (PIECES, "model.vocab", [["a", "x"]]),
    (PIECES, "model.vocab", [[1, 0.0]]),
    (PIECES, "model.vocab", [["a"]]),
    (PIECES, "model.vocab", []),
]  # fmt: skip


@pytest.mark.parametrize(("record", "path", "value"), HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_what_is_not_known_is_refused(record: dict[str, Any], path: str, value: Any) -> None:
    bad = json.dumps(change(record, path, value))
    with pytest.raises(DrivetrainError, match="the tokenizer holds"):
        plain(bad)
    known = json.loads(plain(json.dumps(record)))
    if path.split(".")[0] == "post_processor":
        known["post_processor"] = value
    else:
        known = change(known, path, value)
    with pytest.raises(DrivetrainError, match="the tokenizer holds"):
        open_pretrained(json.dumps(known))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"model": NaN}', "[" * 100_000])
def test_what_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(DrivetrainError, match="the tokenizer holds"):
        open_pretrained(text)
    spec = {"op": "subwords@1", "tokenizer_json": text, "length": 5, "whole": 1.0}
    with pytest.raises(DrivetrainError):
        from_spec(spec)


def test_further_tokens_are_numbered_on() -> None:
    more = change(BERT, "added_tokens", [*BERT["added_tokens"], added("<new>", len(NAMES))])
    ours = codec(more, length=9)
    assert ours.size == len(NAMES) + 1
    assert ours.encode_raw("a <new> b").tolist() == [2, 4, len(NAMES), 5, 3]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("letters", ["a ", "a", " ", "\u0301", "\U0001f600", "[SEP]", "\u2581"])
def test_a_text_of_a_hundred_thousand_characters_takes_no_time(kind: str, letters: str) -> None:
    ours = codec(ALL[kind], length=100)
    start = time.process_time()
    ours.encode_raw(letters * (100_000 // len(letters)))
    assert time.process_time() - start < 1


class ByTheBook:
    """What OPS.md says of the parts of these files, in plain Python."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record, self.model = record, record["model"]
        self.special = {entry["content"]: entry["id"] for entry in record["added_tokens"]}

    def tokens(self, text: str) -> list[int]:
        found: list[int] = []
        parts = re.split("(" + "|".join(map(re.escape, self.special)) + ")", text) if self.special else [text]
        for place, part in enumerate(parts):
            if part in self.special:
                found.append(self.special[part])
                continue
            for piece in self.pieces(self.normal(part), place == 0):
                found += self.model_of(piece)
        return found

    def normal(self, text: str) -> str:
        part = self.record["normalizer"]
        if part is None:
            return text
        if part["type"] == "Sequence":
            return lower(unicodedata.normalize("NFKC", text))
        space = [c for c in map(chr, range(0x3001)) if c.isspace() and c not in "\x1c\x1d\x1e\x1f\x85"]
        kept = [
            " " if c in space else c for c in text
            if c in "\t\n\r" or (c not in "\0\ufffd" and unicodedata.category(c) not in ("Cc", "Cf", "Co"))
        ]  # fmt: skip
        text = "".join(f" {c} " if "\u4e00" <= c <= "\u9fff" else c for c in kept)
        return lower(
            "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        )

    def pieces(self, text: str, first: bool) -> list[str]:
        kind = self.record["pre_tokenizer"]["type"]
        if kind == "BertPreTokenizer":
            return "".join(
                f" {c} " if unicodedata.category(c)[0] == "P" or c in "$+<=>^`|~" else c for c in text
            ).split()
        if not text:
            return []
        if kind == "Metaspace":
            text = text.replace(" ", "\u2581")
            text = text if text.startswith("\u2581") else "\u2581" + text
            return re.findall("\u2581[^\u2581]*", text)
        text = text if text[0] == " " else " " + text
        names = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = [byte for byte in range(256) if byte not in names]
        letters = {byte: chr(byte) for byte in names} | {b: chr(256 + n) for n, b in enumerate(others)}
        cut = re.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:_|[^\s\w])+|\s+(?!\S)|\s+", text)
        return ["".join(letters[byte] for byte in piece.encode()) for piece in cut]

    def model_of(self, piece: str) -> list[int]:
        if self.model["type"] == "BPE":
            return self.merged(piece)
        return self.longest(piece) if self.model["type"] == "WordPiece" else self.likeliest(piece)

    def longest(self, piece: str) -> list[int]:
        vocabulary, found, start = self.model["vocab"], [], 0
        while start < len(piece):
            prefix = "##" if start else ""
            ends = [
                end for end in range(start + 1, len(piece) + 1) if prefix + piece[start:end] in vocabulary
            ]
            if not ends or len(piece) > 100:
                return [vocabulary["[UNK]"]]
            found.append(vocabulary[prefix + piece[start : ends[-1]]])
            start = ends[-1]
        return found

    def merged(self, piece: str) -> list[int]:
        parts = [letter for letter in piece if letter in self.model["vocab"]]
        ranks = {tuple(pair): rank for rank, pair in enumerate(self.model["merges"])}
        while pairs := [
            (ranks[pair], at) for at, pair in enumerate(itertools.pairwise(parts)) if pair in ranks
        ]:
            _, at = min(pairs)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [self.model["vocab"][part] for part in parts]

    def likeliest(self, piece: str) -> list[int]:
        scores = {name: (score, number) for number, (name, score) in enumerate(self.model["vocab"])}
        worst = min(score for score, _ in scores.values()) - 10
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for end in range(1, len(piece) + 1):
            ways = [
                (best[start][0] + scores[piece[start:end]][0], [*best[start][1], scores[piece[start:end]][1]])
                for start in range(end) if piece[start:end] in scores
            ]  # fmt: skip
            if piece[end - 1] not in scores:
                ways.append((best[end - 1][0] + worst, [*best[end - 1][1], self.model["unk_id"]]))
            best.append(max(ways, key=lambda way: way[0]))
        unknown = self.model["unk_id"]
        return [
            t for n, t in enumerate(best[-1][1]) if t != unknown or n == 0 or best[-1][1][n - 1] != unknown
        ]


def lower(text: str) -> str:
    return "".join(letter.lower() for letter in text)


@pytest.mark.parametrize("kind", ALL)
def test_the_book_says_what_the_library_does(kind: str) -> None:
    draw = random.Random(0)
    letters = (
        "aabbfilmedx  '!,.<[]\t\n\u00a0\u3000\x1c\x85\0\u200fAÄßİΣ\u0301\u4e00\u4e8c\ufb01½²٣_\u2581\ue000"
        + "\U0001f600"
    )
    ours, book = codec(ALL[kind], length=100), ByTheBook(ALL[kind])
    around = ([2], [3]) if kind == "bert" else ([], [])
    for _ in range(400):
        text = "".join(draw.choices([*letters, "film", "[SEP]", "ab"], k=draw.randint(0, 12)))
        assert ours.encode_raw(text).tolist() == [*around[0], *book.tokens(ours.read(text)), *around[1]], (
            repr(text)
        )
