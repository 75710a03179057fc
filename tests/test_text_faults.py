"""`check` of a text that is to be written on: its end that stands in its beginning, tokens that are one, lost letters, one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.data.faults import Report

WORDS = [
    first + last
    for first in ("ba", "do", "ki", "lu", "me", "so", "ti")
    for last in ("r", "n", "sta", "mi", "lo", "ve", "")
]


def text(words: int, seed: int) -> str:
    chance = random.Random(seed)
    return "".join(
        f"{chance.choice(WORDS)}{chance.choice('      ,.')}{' ' if place % 9 else chr(10)}"
        for place in range(words)
    )


def report(folder: Path, content: str, tokenizer: str = "characters") -> Report:
    (folder / "a.txt").write_text(content)
    return dt.language_model.from_file(folder / "a.txt", tokenizer=tokenizer).check()


@pytest.mark.parametrize("tokenizer", ["characters", "words", "bpe"])
def test_a_text_without_faults_has_none(tokenizer: str, tmp_path: Path) -> None:
    found = report(tmp_path, text(12_000, 1), tokenizer)
    assert found.faults == ()
    assert found.counts["parts"].keys() == {"train", "valid"}


@pytest.mark.parametrize("tokenizer", ["characters", "words"])
def test_passages_of_the_end_that_stand_in_the_beginning_are_told(tokenizer: str, tmp_path: Path) -> None:
    whole = text(12_000, 1)
    copied = whole[5000:8000]
    (fault,) = report(tmp_path, whole[:-9000] + copied + whole[-3000:], tokenizer).faults
    assert (fault.kind, fault.severity) == ("copies", "warning")
    assert "1 passage of" in fault.message
    assert "of the end" in fault.where[0]
    small = report(tmp_path, whole[:-9000] + copied[:200] + whole[-9000:], tokenizer).faults
    assert [fault.severity for fault in small] == ["note"]


def test_what_a_text_lacks_is_told(tmp_path: Path) -> None:
    kinds = {fault.kind: fault for fault in report(tmp_path, "a" * 30_000).faults}
    assert kinds["one token"].severity == "error"
    assert kinds["few lines"].message.startswith("30,000 characters in 1 line")
    assert [fault.kind for fault in report(tmp_path, text(300, 2)).faults] == ["short"]
    strange = text(12_000, 3) + " ".join(f"x{place}y" for place in range(1500))
    (fault,) = report(tmp_path, strange, "words").faults
    assert fault.kind == "unknown tokens"
    lost = text(12_000, 4).replace("bar", "b\ufffdr", 3) + "caf\u00c3\u00a9"
    assert {fault.kind for fault in report(tmp_path, lost).faults} == {"lost characters", "wrong encoding"}


def test_tunes_that_are_not_sound_are_told(tmp_path: Path) -> None:
    tune = (
        "X:1\nT:a\nM:2/4\nL:1/8\nK:C\n"
        + "".join(f"{'CDEF'[place % 4]}2 A2|" for place in range(20))
        + "A8|B4|\n\n"
    )
    (tmp_path / "a.abc").write_text(tune * 4)
    faults = {fault.kind: fault for fault in dt.language_model.from_file(tmp_path / "a.abc").check().faults}
    assert "a bar is 1 of a whole note long, not 1/2 as its metre says" in faults["not sound"].where[0]


def test_on_the_command_line_one_token_alone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 3000)
    done = drivetrain("check", tmp_path / "a.txt", "--task", "language_model")
    assert done.code == 3
    assert "nothing can be learned" in done.out + done.err
