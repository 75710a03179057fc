"""What a language model writes is told with how much of it is copied; songs keep their lines, and scenes their speakers."""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import DrivetrainError
from drivetrain.findings.copying import copying, of_units
from drivetrain.findings.written import lines_beside, sections, sentence
from drivetrain.pieces import spaced_words
from drivetrain.report.page import report_html

NAMES = ("Moe_Szyslak", "Homer_Simpson", "Lisa_Simpson")
SAID = ("give me a beer", "I don't know", "what is the matter", "go home now", "you owe me ten dollars")
DATA = os.environ.get("DRIVETRAIN_DATA", "")


def scenes(lines: int, seed: int = 0) -> str:
    chance = random.Random(seed)
    return "".join(
        f"{chance.choice(NAMES)}: {chance.choice(SAID)}, {chance.choice(SAID)}.\n{'' if number % 6 else chr(10)}"
        for number in range(lines)
    )


def test_words_with_their_spaces_lose_no_letter() -> None:
    text = "Moe_Szyslak: don't 'tis\n\n  (a'b'c)  x_ _x a_'b \u2019s rock\u2019s\n"
    assert "".join(spaced_words(text)) == text
    assert spaced_words("Moe_Szyslak: don't.") == ["Moe_Szyslak", ":", " don't", "."]
    assert spaced_words("'a' a_'b") == ["'", "a", "'", " a", "_", "'", "b"]
    codec = Tokens(tokenizer="words", spaced=True, rare=1, length=99).fit(np.array([text], object))
    assert codec.decode(codec.encode(codec.read(text)))["text"] == text
    with pytest.raises(DrivetrainError, match="spaced is said of words"):
        Tokens(tokenizer="bpe", spaced=True)


def test_several_texts_are_no_one_text() -> None:
    training = np.arange(100)
    parts = [np.arange(10, 30), np.arange(30, 50)]
    found = of_units(parts, training, "words", 15, lambda at, end: f"{at} to {end}")
    assert (found.stretches, found.share, found.longest, found.at, found.run) == (12, 1.0, 20, 0, "0 to 20")


def test_lines_are_held_against_those_of_the_training_text() -> None:
    training = scenes(60)
    same = scenes(30, seed=1)
    found = lines_beside(training, [f"x\n{same}", f"y\n{same}z"], f"x\n{same}")
    for name in ("written", "held_out"):
        assert found[name]["ends"] == found[name]["speakers"] == 1.0
    assert found["written"]["lines"] == 60
    assert found["written"]["characters"] == pytest.approx(
        np.mean([len(line) for line in same.split("\n") if line])
    )
    other = same.replace("Moe_Szyslak", "Moe_Simpson").replace("dollars.", "pounds.")
    worse = lines_beside(training, [f"x\n{other}y"], f"x\n{same}")["written"]
    lines = [line for line in other.split("\n") if line]
    assert worse["speakers"] == pytest.approx(1 - np.mean([line.startswith("Moe") for line in lines]))
    assert worse["ends"] == pytest.approx(1 - np.mean([line.endswith("pounds.") for line in lines]))
    songs = "the sea is wide\nI have no home\n" * 10
    assert lines_beside(songs, ["", "a\nb"], songs)["written"] == {
        "lines": 0,
        "characters": 0.0,
        "ends": 0.0,
        "speakers": None,
    }
    assert lines_beside("one line", ["x"], "y") == {}


def test_the_sentence_and_the_section_say_both_sides() -> None:
    ours, theirs = copying("abcdefgh" * 9, "abcdefgh" * 9), copying("x" * 40, "abcdefgh" * 9)
    told = sentence(ours, theirs)
    assert told == (
        "copied: 100.0% of the stretches of 30 characters that it writes stand in the training text, and 0.0% of those of the "
        "held-out text; the longest runs have 72 and 0 characters"
    )
    assert sections({}) == []
    content = sections({
        "strategy": {"temperature": 0.8}, "samples": [{"prompt": "<b>a", "text": "<script>"}], "copying": ours.to_json(),
        "held_out": theirs.to_json(), "lines": {}, "sentence": told,
    })  # fmt: skip
    page = report_html({"of_task": content})
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "72 characters" in page


@pytest.mark.slow
def test_a_scene_keeps_its_speakers_and_what_is_copied_is_told(tmp_path: Path) -> None:
    (tmp_path / "scenes.txt").write_text(scenes(500))
    data = dt.language_model.from_file(tmp_path / "scenes.txt", tokenizer="words", context=32)
    learner = data.learner("gru:32-wide", out=tmp_path / "run", quiet=True, batch_size=8, seed=0)
    result = learner.fit(6, 0.02)
    written = result["written"]
    assert len(written["samples"]) == 4
    lines = written["lines"]["written"]
    assert lines["lines"] > 40
    assert lines["speakers"] > 0.9, "as in the text, where it is 1"
    assert lines["ends"] > 0.9
    assert written["held_out"]["share"] > 0.1, "these made lines repeat themselves"
    assert result["notes"][-1] == written["sentence"]
    assert "What it writes" in (tmp_path / "run" / "report.html").read_text()
    bundle = learner.export(tmp_path / "scenes.bundle")
    assert written["sentence"] in dt.runtime.Generator(bundle).card.replace("\\", "")
    again = data.learner("gru:32-wide", out=tmp_path / "again", quiet=True, batch_size=8, seed=0).fit(6, 0.02)
    assert again["written"] == written, "the same seeds write the same"


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="needs DRIVETRAIN_DATA")
@pytest.mark.parametrize(
    ("name", "file"),
    [("irish_lyrics", "irish-lyrics-eof.txt"), ("simpsons_moes_tavern", "moes_tavern_lines.txt")],
)
def test_real_songs_and_scenes_come_out_as_lines(name: str, file: str, tmp_path: Path) -> None:
    """A short training on the beginning: what is held is the form, not the sense."""
    text = (Path(DATA) / name / file).read_text()[:60_000]
    (tmp_path / "text.txt").write_text(text)
    data = dt.language_model.from_file(tmp_path / "text.txt", tokenizer="words", context=32)
    codec = data.signature.targets["text"]
    encoded = codec.encode(codec.read(text[:5000]))
    assert codec.decode(encoded)["text"].count("\n") == text[:5000].count("\n")
    result = data.learner("gru:64-wide", out=tmp_path / "run", quiet=True, batch_size=8, seed=0).fit(4, 0.01)
    ours, theirs = (result["written"]["lines"][which] for which in ("written", "held_out"))
    assert ours["lines"] > 10
    assert 0.4 < ours["characters"] / theirs["characters"] < 2.5
    assert ours["ends"] > theirs["ends"] - 0.3
    assert (ours["speakers"] is None) == (name == "irish_lyrics")
    if ours["speakers"] is not None:
        assert ours["speakers"] > theirs["speakers"] - 0.3
    for sample, following in itertools.pairwise(result["written"]["samples"]):
        assert sample["text"] != following["text"]
