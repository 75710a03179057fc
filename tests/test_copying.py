"""What was copied is found, however it is laid, and what was not is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain.errors import UsageError
from drivetrain.findings import copying as module
from drivetrain.findings.copying import copying


def letters(n: int, seed: int) -> str:
    return "".join(map(chr, np.random.default_rng(seed).integers(97, 123, n)))


TRAINING = letters(20_000, 0)


def slow(written: str, training: str, length: int) -> tuple[float, int]:
    """Each stretch by itself, and the longest run by trying all."""
    pieces = [written[at : at + length] for at in range(len(written) - length + 1)]
    longest = 0
    for at in range(len(written)):
        while written[at : at + longest + 1] in training and at + longest < len(written):
            longest += 1
    return float(np.mean([piece in training for piece in pieces])) if pieces else math.nan, longest


def test_a_planted_copy_is_found_with_its_place() -> None:
    written = letters(500, 1) + TRAINING[7000:7100] + letters(400, 2)
    found = copying(written, TRAINING)
    assert (found.unit, found.length, found.stretches) == ("characters", 30, len(written) - 29)
    assert TRAINING[7000:7100] in found.run
    assert found.run == written[found.at : found.at + found.longest]
    assert found.run == TRAINING[found.there : found.there + found.longest]
    assert found.share == pytest.approx((found.longest - 29) / found.stretches)
    assert f"{found.longest} characters" in found.sentence()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("length", [1, 2, 5, 7, 8])
def test_it_is_what_a_slow_search_finds(seed: int, length: int) -> None:
    few = str.maketrans("".join(map(chr, range(97, 123))), "abcd" * 6 + "ab")
    training = letters(400 if seed else 3, seed).translate(few)
    written = (letters(60, 50 + seed) + training[100:112] + letters(20, 90 + seed)).translate(few)
    found = copying(written, training, length=length)
    share, longest = slow(written, training, length)
    assert found.share == pytest.approx(share)
    assert found.longest == longest


def test_all_and_nothing() -> None:
    everything = copying(TRAINING[50:900], TRAINING)
    assert (everything.share, everything.longest, everything.at, everything.there) == (1.0, 850, 0, 50)
    nothing = copying("0123456789" * 5, TRAINING)
    assert (nothing.share, nothing.longest, nothing.run, nothing.at, nothing.there) == (0.0, 0, "", -1, -1)
    for written, training in (("", TRAINING), ("short", TRAINING), ("", "")):
        found = copying(written, training)
        assert found.stretches == 0
        assert found.to_json()["share"] is None
        assert "can't be said" in found.sentence()
    assert copying(TRAINING[:100], "").longest == 0


def test_words_whatever_their_case_and_white_space() -> None:
    training = "To be, or not to be: that is the question, whether 'tis nobler in the mind to suffer."
    found = copying("He said\nto BE,   or not\tto be: that is an answer", training, "words", 4)
    assert found.run == "to be , or not to be : that is"
    assert (found.longest, found.stretches) == (10, 11)
    assert found.share == pytest.approx(7 / 11)


def test_parts_of_a_long_training_text_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 64)
    for start in range(0, 200, 7):
        found = copying(TRAINING[start : start + 90], TRAINING[:400])
        assert (found.share, found.longest, found.there) == (1.0, 90, start)


def test_equal_hashes_are_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "_hashed", lambda units, length: np.zeros(max(0, len(units) - length + 1), np.uint64)
    )
    found = copying("xyz" * 20, "abc" * 400, length=3)
    assert (found.share, found.longest) == (0.0, 0)


def test_what_is_no_unit_is_refused() -> None:
    with pytest.raises(UsageError, match="characters or words"):
        copying("a", "b", "lines")
    with pytest.raises(UsageError):
        copying("a", "b", length=0)
