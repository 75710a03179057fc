"""Sounds as people have them: each is read as what it is, or refused by its file, and by the second where there is one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drivetrain.codecs.audio import Audio
from drivetrain.errors import DataError
from drivetrain.sound.wav import to_wav
from drivetrain.tasks.sounds import from_folder
from drivetrain.types import Array

RATE = 8_000
CODEC = Audio(rate=RATE, seconds=0.4)


def tone(rate: int = RATE, seconds: float = 0.4, loud: float = 0.4) -> Array:
    return (loud * np.sin(2 * np.pi * 300 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def shorts(sound: Array) -> Array:
    return np.round(sound * 32767).astype(np.int16)


def mp3(path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    try:
        soundfile.write(path.with_suffix(".mp3"), np.tile(tone(16_000), 4), 16_000)
    except (soundfile.LibsndfileError, ValueError):
        pytest.skip("this libsndfile writes no MP3")
    path.with_suffix(".mp3").rename(path)


def ten_hours(path: Path) -> None:
    """576 MB that take no place: a header, and a hole."""
    size = 10 * 3600 * RATE * 2
    said = struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    with path.open("wb") as file:
        file.write(
            b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + said + b"data" + struct.pack("<I", size)
        )
        file.truncate(44 + size)


def of(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


GOOD = to_wav(shorts(tone()), RATE)
READ: dict[str, tuple[Callable[[Path], object], float]] = {
    "16 bits": (of(GOOD), 0.4),
    "8 bits": (of(to_wav(np.round(tone() * 127 + 128).astype(np.uint8), RATE)), 0.4),
    "32 bits": (of(to_wav((tone() * 2147483000).astype(np.int32), RATE)), 0.4),
    "float": (of(to_wav(tone(), RATE)), 0.4),
    "stereo": (of(to_wav(shorts(np.stack([tone(), tone()], 1)), RATE)), 0.4),
    "96 kHz": (of(to_wav(shorts(tone(96_000)), 96_000)), 0.4),
    "11.025 kHz": (of(to_wav(shorts(tone(11_025)), 11_025)), 0.4),
    "clipped": (of(to_wav(shorts(np.clip(tone(loud=9), -1, 1)), RATE)), 1.0),
    "an MP3 named wav": (mp3, 0.4),
    "silent": (of(to_wav(np.zeros(3_200, np.int16), RATE)), 0.0),
    "one sample": (of(to_wav(np.array([13_107], np.int16), RATE)), 0.4),
}  # fmt: skip
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (of(b""), "the file is empty"),
    "no samples": (of(to_wav(np.zeros(0, np.int16), RATE)), "0 seconds"),
    "cut off": (of(GOOD[: 44 + 3_200]), r"ends 0\.200 seconds after the sound begins; it says that there are 0\.400"),
    "a header alone": (of(GOOD[:44]), r"ends 0\.000 seconds"),
    "half a header": (of(GOOD[:30]), "header|ends|damaged|cut"),
    "a text": (of(b"this is no sound at all\n" * 40), "not a sound"),
    "a picture": (of(b"\x89PNG\r\n\x1a\n" + bytes(300)), "not a sound"),
    "not a number": (of(to_wav(np.array([0, 0.1] * 800 + [np.nan], np.float32), RATE)), r"not a number, 0\.200 seconds"),
    "infinite": (of(to_wav(np.array([0, 0.1] * 800 + [np.inf], np.float32), RATE)), r"infinite, 0\.200 seconds"),
    "ten hours": (ten_hours, "10 hours long"),
    "a folder": (lambda path: path.mkdir(), "folder|directory"),
    "no file": (lambda path: None, "no such file"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_a_sound_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    make, loud = READ[name]
    make(path := tmp_path / "call.wav")
    encoded = CODEC.encode(CODEC.read(str(path)))
    assert encoded.shape == (3_200,)
    # A resampled tone rings a little at its ends; an MP3 isn't exact.
    assert np.abs(encoded).max() == pytest.approx(loud, abs=0.1)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_none_is_refused_by_its_place(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    make(path := tmp_path / "call.wav")
    with pytest.raises(DataError, match=words) as caught:
        CODEC.read(str(path))
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_of_a_folder_with_all_of_them_none_is_lost_silently(tmp_path: Path) -> None:
    for word, loud in (("low", 0.3), ("high", 0.6)):
        (tmp_path / word).mkdir()
        for number in range(10):
            (tmp_path / word / f"{number}.wav").write_bytes(
                to_wav(shorts(tone(loud=loud - number / 100)), RATE)
            )
    for name, (make, _) in {**REFUSED, "silent": READ["silent"], "clipped": READ["clipped"]}.items():
        if name not in ("no file", "a folder", "ten hours"):
            make(tmp_path / "low" / f"{name}.wav")
    report = str(from_folder(tmp_path).check())
    for name in (
        "nothing",
        "no samples",
        "cut off",
        "a header alone",
        "a text",
        "a picture",
        "not a number",
        "silent",
        "clipped",
    ):
        assert f"low/{name}.wav" in report or "more" in report, f"{name}: {report}"
