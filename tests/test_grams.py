"""The n-grams of text@1 against their written semantics (codecs/OPS.md)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import grams as module
from drivetrain.codecs.text import WORD, Text
from drivetrain.grams import grams_of

BITS = 10

# The semantics as OPS.md has them, n-gram by n-gram.


def hash_by_the_book(run: str) -> int:
    found = 0x811C9DC5
    for character in run:
        found = (found * 0x01000193 + ord(character)) % 2**32
    return found


def mix_by_the_book(found: int) -> int:
    found ^= found >> 16
    found = found * 0x85EBCA6B % 2**32
    found ^= found >> 13
    found = found * 0xC2B2AE35 % 2**32
    return found ^ (found >> 16)


def grams_by_the_book(text: str) -> list[int]:
    """Encoded, without the 0s at the end."""
    text = text[:65_536]
    words = [hash_by_the_book(word) for word in WORD.findall(text)]
    words += [(first * 0x9E3779B1 + second) % 2**32 for first, second in pairwise(words)]
    runs = [
        f" {piece} "[start : start + size]
        for piece in text.split()
        for size in (2, 3, 4, 5)
        for start in range(len(piece) + 3 - size)
    ]
    shift = 33 - BITS
    found = Counter(mix_by_the_book(word) >> shift for word in words)
    found.update(2 ** (BITS - 1) + (mix_by_the_book(hash_by_the_book(run)) >> shift) for run in runs)
    return [min(times, 255) * 2**BITS + bucket for bucket, times in sorted(found.items())]


LETTERS = st.one_of(st.sampled_from("ab \n\u00a0_-1"), st.characters())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.text(LETTERS), max_size=4))
def test_grams_are_those_of_the_book_alone_and_in_a_column(texts: list[str]) -> None:
    codec = Text(length=1, grams=BITS, most_grams=600)
    encoded, _ = codec.encode_column(np.array([*texts, ""], object))
    for text, row in zip([*texts, ""], encoded):
        assert [*row[1:][row[1:] > 0]] == grams_by_the_book(codec.read(text))
        assert codec.encode_raw(text).tolist() == row.tolist()


def test_many_texts_are_cut_where_they_are_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(f"w{number % 7}x{place}" for place in range(number)) for number in range(30)]
    codec = Text(length=1, grams=BITS, most_grams=600)
    once = codec.encode_column(np.array(texts, object))[0]
    monkeypatch.setattr(module, "CHUNK", 100)
    assert len(list(grams_of(texts, WORD.findall, BITS))) > 10
    assert (codec.encode_column(np.array(texts, object))[0] == once).all()


def test_a_text_keeps_its_first_buckets_and_counts_no_further_than_255() -> None:
    text = "a " * 300 + "some more words"
    whole = grams_by_the_book(text.strip())
    row = Text(length=1, grams=BITS, most_grams=7).encode_raw(text)[1:].tolist()
    assert row == whole[:7]
    assert max(whole) >> BITS == 255


def test_of_a_huge_text_the_beginning_counts() -> None:
    codec = Text(length=1, grams=BITS, most_grams=1000)
    text = "word and letters " * 5000
    assert codec.encode_raw(text + "q" * 10**6).tolist() == codec.encode_raw(text).tolist()


def test_how_many_are_kept_is_fitted_to_most_rows() -> None:
    short, long = "a b", "some words that have many more n-grams than those"
    counts = [len(grams_by_the_book(text)) for text in (short, long)]
    assert Text(grams=BITS).fit([short] * 95 + [long] * 5).most_grams == counts[0]
    assert Text(grams=BITS).fit([short] * 90 + [long] * 10).most_grams == counts[1]
    assert Text(grams=BITS).fit([]).most_grams == 1
    assert Text().fit([short]).most_grams is None


def test_without_grams_a_text_is_what_it_was() -> None:
    assert Text(words=("cat",), length=2).encode_raw("a cat").tolist() == [1, 2]
    with_them = Text(words=("cat",), length=2, grams=BITS, most_grams=3)
    assert with_them.encode_raw("a cat").tolist()[:2] == [1, 2]
    profile = with_them.profile(with_them.encode_column(np.array(["a cat", ""], object))[0])
    assert (profile["empty"], profile["unknown"]) == (1, 0.5)
