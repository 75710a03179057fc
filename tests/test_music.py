"""Music in words: MIDI files to words and back to the same, tunes in ABC that are sound or not, and what can't be read told."""

from __future__ import annotations

import random
from pathlib import Path

import mido
import numpy as np
import pytest
from commands import drivetrain
from tunes import chords, folder_of_tunes, wild

import drivetrain as dt
from drivetrain.charts.roll import roll
from drivetrain.data.forms import form_named, form_of_file
from drivetrain.data.music import abc
from drivetrain.data.music.events import from_words, to_words, trimmed
from drivetrain.data.music.midi import MOST_BYTES, midi_bytes, read_midi
from drivetrain.data.music.score import DRUMS, Bar, Note, Score
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.runtime import Generator

REEL = """X:1
T:A reel
M:4/4
L:1/8
K:Emin
|:D2|"Em"EBBA B2 EB|~B2 AB dBAG|"D"FDAD BDAD|[FAd]DAD (3dAF z E:|

X:2
T:A jig
M:6/8
K:D
A|d>ed c2 d|e3 d3|1 a6:|2 b6|]
"""


@pytest.mark.parametrize("seed", range(4))
def test_words_to_midi_and_back_are_the_same_words(seed: int, tmp_path: Path) -> None:
    score = trimmed(wild(seed))
    words = to_words(score)
    assert from_words(words) == (score, 0)
    path = tmp_path / "a.mid"
    path.write_bytes(midi_bytes(score))
    again, told = read_midi(path)
    assert to_words(again) == words
    assert told == ()


def test_the_words_of_a_bar() -> None:
    score = Score(
        (Bar(0, 36, 90),), (Note(0, 0, 60, 12, 5), Note(0, 0, 64, 12, 5), Note(24, DRUMS, 38, 6, 8))
    )
    assert to_words(score) == "bar36 bpm90 at0 p60 d12 p64 d12 at24 i128 v8 p38 d6"


def test_what_a_model_writes_is_read_as_far_as_it_says_something() -> None:
    score, idle = from_words(
        "p60 d12 at99 p61 bar48 d3 x \ufffd i129 v9 bpm121 bar4 at0 p62 d97 p63 at24 p64 d24 p65"
    )
    assert score.notes == (Note(0, 0, 60, 12, 5), Note(48 + 24, 0, 64, 24, 5))
    assert idle == 13
    assert to_words(from_words("bar48 bpm120 v8 i40 p60 d48\nbar36 p60 d36")[0]).endswith(
        "bar36 at0 i0 v5 p60 d36"
    )
    assert from_words("") == (Score((), ()), 0)


def test_a_file_of_somebody_else_is_moved_to_the_grid_and_that_is_told(tmp_path: Path) -> None:
    file = mido.MidiFile(ticks_per_beat=100)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1))
    for time, kind, note, velocity in [
        (400, "note_on", 60, 64), (53, "note_on", 60, 0), (3, "note_on", 61, 1), (50, "note_on", 61, 127), (9, "note_off", 7, 0),
    ]:  # fmt: skip
        track.append(mido.Message(kind, note=note, velocity=velocity, time=time))
    file.save(tmp_path / "a.mid")
    score, told = read_midi(tmp_path / "a.mid")
    assert to_words(score) == "bar48 bpm300 at0 p60 d6 at7 v1 p61 d6 at13 v8 p61 d1"
    assert told == (
        "1 of 3 notes without an end",
        "2 of 3 notes between the steps of the grid (a twelfth of a quarter)",
        "2 of 3 notes of a length that is moved or cut to the grid",
    )


def _changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


BROKEN = {
    "empty": (lambda data: b"", "empty"),
    "text": (lambda data: b"hello" * 9, "does not begin with MThd"),
    "cut": (lambda data: data[:100], "ends at byte 100"),
    "cut in its head": (lambda data: data[:9], "ends at byte 9"),
    "no time": (lambda data: _changed(data, 12, b"\0\0"), "bytes 13 and 14"),
    "time of a film": (lambda data: _changed(data, 12, b"\xe8\x28"), "frames of a film"),
    "type 2": (lambda data: _changed(data, 9, b"\2"), "type 2"),
    "a number without an end": (lambda data: data[:22] + b"\xff" * 2000, "a number has no end"),
    "high bytes": (lambda data: _changed(data, len(data) - 12, b"\x90\xff\xff"), "before byte"),
    "large": (lambda data: data + b"\0" * MOST_BYTES, "larger than 2 MB"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_no_sound_midi_file_is_told_with_the_byte(what: str, tmp_path: Path) -> None:
    change, words = BROKEN[what]
    path = tmp_path / "a.mid"
    path.write_bytes(change(midi_bytes(chords(48))))
    with pytest.raises(DrivetrainError, match=words) as told:
        read_midi(path)
    assert "a.mid" in told.value.where


def test_files_without_notes_and_of_absurd_length_are_told(tmp_path: Path) -> None:
    file = mido.MidiFile(tracks=[mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=9)])])
    file.save(tmp_path / "none.mid")
    with pytest.raises(DataError, match="no notes"):
        read_midi(tmp_path / "none.mid")
    ticks = [mido.Message("note_on", note=1, time=0), mido.Message("note_on", note=1, time=2**27)]
    mido.MidiFile(ticks_per_beat=1, tracks=[mido.MidiTrack(ticks)]).save(tmp_path / "long.mid")
    with pytest.raises(DataError, match="more than 20,000 bars"):
        read_midi(tmp_path / "long.mid")


def test_bytes_by_chance_raise_nothing_else(tmp_path: Path) -> None:
    chance, data, path = random.Random(0), midi_bytes(wild(1, 30)), tmp_path / "a.mid"
    for _ in range(150):
        bad = bytearray(data)
        for _ in range(3):
            bad[chance.randrange(14, len(bad))] = chance.randrange(256)
        path.write_bytes(bad)
        try:
            read_midi(path)
        except DataError:
            continue


def test_a_roll_is_drawn_in_both_lights_and_of_nothing_too() -> None:
    score = chords(48)
    chart = roll(score.notes, score.bars, DRUMS, "tune")
    assert chart.to_svg() != chart.to_svg(dark=True)
    assert chart.size[0] == 110 * 8
    assert roll((), (), DRUMS).to_svg()
    many = roll(chords(48, 200).notes, chords(48, 200).bars, DRUMS, "tune")
    assert many.title == "tune, its first 64 bars of 200"


def test_sound_tunes_have_no_fault() -> None:
    assert abc.faults(REEL) == []
    assert form_named("abc").recognises(REEL)
    assert not form_named("abc").recognises("X: what is this?\nK: I don't know\n")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("T:A jig\n", "", "the tune in line 8 has no T:"),
        ("BDAD", "BDA", "line 6: a bar is 7/8 of a whole note long, not 1 as its metre says"),
        ("e3 d3", "e3 d4", "line 12: a bar is 7/8"),
        ("K:D\n", "", "the tune in line 8 has no K:"),
        ("c2 d", "c2 ?", "no music"),
        ("X:", "Y:", "there is no tune"),
        ("M:4/4", "M:4/", "has a metre that is none: M:4/"),
    ],
)  # fmt: skip
def test_tunes_that_are_not_sound_are_told(old: str, new: str, words: str) -> None:
    found = abc.faults(REEL.replace(old, new))
    assert words in "; ".join(found)


def test_abc_of_any_text_ends() -> None:
    chance = random.Random(3)
    for _ in range(200):
        body = "".join(chance.choice("ABCdefz|:[](){}123/\"!<>^_=,' \n") for _ in range(80))
        abc.faults(f"X:1\nT:a\nM:3/4\nK:C\n{body}\n")


def test_forms_are_told_by_the_names_of_files(tmp_path: Path) -> None:
    assert [form_of_file(name).name for name in ("a.MID", "b.abc", "c.txt", "d")] == [
        "midi",
        "abc",
        "text",
        "text",
    ]
    (tmp_path / "a.abc").write_text(REEL)
    assert dt.language_model.from_file(tmp_path, context=8).form.name == "abc"
    (tmp_path / "b.mid").write_bytes(midi_bytes(chords(48)))
    with pytest.raises(DataError, match="1 files of tunes and 1 MIDI files"):
        dt.language_model.from_file(tmp_path)
    with pytest.raises(UsageError, match=r"no \.mid files"):
        form_named("text").save("la la", tmp_path / "la.mid")
    with pytest.raises(DataError, match="no notes to write"):
        form_named("midi").save("bar48", tmp_path / "new.mid")
    assert form_named("../../evil") is form_named(None) is form_named("text")


def test_midi_files_are_a_text_of_words_and_a_bad_one_is_left_out(tmp_path: Path) -> None:
    folder = folder_of_tunes(tmp_path / "tunes", 5)
    (folder / "tune02.mid").write_bytes(b"MThd")
    data = dt.language_model.from_file(folder, context=16)
    assert any("left out of 5 files: tune02.mid: the file is cut" in note for note in data.notes)
    codec = data.signature.targets["text"]
    lines = "\n".join(to_words(chords(48 + number % 4)) for number in (0, 1, 3, 4))
    assert codec.decode(data.tokens.astype(np.int64))["text"].split() == lines.split(), "no word is unknown"


@pytest.mark.slow
def test_a_folder_of_midi_trains_a_model_that_writes_midi(tmp_path: Path) -> None:
    folder, bundle = folder_of_tunes(tmp_path / "tunes"), tmp_path / "tunes.bundle"
    done = drivetrain(
        "train", folder, "--task", "language_model", "--model", "gru:32-wide", "--epochs", "8", "--lr", "0.02", "--batch-size", "4",
        "--context", "32", "--out", tmp_path / "run", "--export", bundle,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert Generator(bundle).manifest["facts"]["form"] == "midi"
    seed, new, picture = folder / "tune01.mid", tmp_path / "new.mid", tmp_path / "new.svg"
    given = ("generate", bundle, "--prompt", seed, "--length", "120", "--seed", "1", "--temperature", "0.5")
    done = drivetrain(*given, "--out", new, "--out", picture)
    assert done.code == 0, done.err
    score, _ = read_midi(new)
    before, _ = read_midi(seed)
    assert score.notes[:40] == before.notes[:40], "the seed comes first"
    assert len(score.notes) > len(before.notes)
    assert picture.read_text().startswith("<?xml")
    assert "exists already" in drivetrain(*given, "--out", new).err
    told = drivetrain(*given, "--json", "--out", new, "--force").json
    assert told["files"] == [str(new)]
    assert "no .xyz files" in drivetrain(*given, "--out", tmp_path / "a.xyz").err
    done = drivetrain("generate", bundle, "--prompt", tmp_path / "none.mid")
    assert done.code == 1
    assert "none.mid" in done.err
    assert (
        "2 of 2 tokens are unknown"
        in drivetrain("generate", bundle, "--prompt", "la la", "--length", "3").err
    )
    (metric,) = {drivetrain("evaluate", bundle, folder, "--json").json["n"]}
    assert metric == len(dt.language_model.from_file(folder).tokens) - 1
