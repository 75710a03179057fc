"""A column of sounds in a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.audio import Audio
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError, UsageError
from drivetrain.sound import wav


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A table of sounds, and a number beside each."""
    (tmp_path / "wavs").mkdir()
    rows = ["file,age,bird"]
    for number in range(40):
        pitch = (300, 900)[number % 2]
        tone = np.sin(2 * np.pi * pitch * np.arange(800) / 8000) * 10 ** (-number / 40)
        (tmp_path / f"wavs/{number}.wav").write_bytes(wav.to_wav(tone.astype(np.float32), 8000))
        rows.append(f"wavs/{number}.wav,{number % 7},{('owl', 'wren')[number % 2]}")
    table = tmp_path / "birds.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_a_column_of_sounds_is_one(calls: Path) -> None:
    frame = read_frame(calls)
    kinds = guess_kinds(frame, "bird")
    assert kinds["file"].kind == "sound"
    assert kinds["file"].codec == Audio()
    table = to_table(frame, kinds)
    assert table["file"][3] == str(calls.parent / "wavs/3.wav")


def test_how_it_is_heard_can_be_said(calls: Path) -> None:
    frame = read_frame(calls)
    told = guess_kinds(frame, "bird", {"file": "sound:16000-hertz:0.25-seconds:trimmed:keep-end:one-rate"})
    assert told["file"].codec == Audio(rate=16000, seconds=0.25, trim=40.0, keep="end", resample=False)
    with pytest.raises(UsageError, match="no way to write"):
        guess_kinds(frame, "bird", {"file": "sound:loudly"})
    with pytest.raises(DataError, match="holds no text"):
        guess_kinds(read_frame({"a": [1, 2], "b": ["x", "y"]}), "b", {"a": "sound"})


def test_where_the_files_are_not_there_it_says_so(calls: Path) -> None:
    moved = calls.parent / "elsewhere"
    moved.mkdir()
    calls = calls.rename(moved / "birds.csv")
    kind = guess_kinds(read_frame(calls), "bird")["file"]
    assert kind.kind != "sound"
    assert "named like sounds, and there are no such files" in kind.faults[0].message


@pytest.mark.slow
def test_a_table_of_sounds_and_numbers_is_trained_on_and_checked(calls: Path, tmp_path: Path) -> None:
    data = dt.tabular.from_csv(calls, target="bird")
    assert "sound" in str(data.check())
    learner = data.learner("cnn", seed=0)
    learner.fit(3)
    learner.export(tmp_path / "birds.bundle")
    answer = dt.Predictor(tmp_path / "birds.bundle").predict(
        {"file": str(calls.parent / "wavs/3.wav"), "age": 1}
    )
    assert answer.targets["bird"]["label"] == "wren"
