"""Tunes made by chance or by rule, for the tests of music."""

from __future__ import annotations

import random
from pathlib import Path

from drivetrain.data.music.midi import midi_bytes
from drivetrain.data.music.score import DRUMS, Bar, Note, Score, tidy

CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))


def wild(seed: int, notes: int = 300) -> Score:
    """Bars of all kinds, with notes of several instruments that overlap."""
    chance = random.Random(seed)
    bars, start = [], 0
    for _ in range(12):
        length = chance.choice([48, 36, 42, 45, 3, 192])
        bars.append(Bar(start, length, chance.choice([20, 90, 120, 300])))
        start += length
    made = [
        Note(
            0 if place == 0 else chance.randrange(start), chance.choice([0, 24, 40, DRUMS]), chance.randrange(128),
            chance.randrange(1, 130), chance.randrange(1, 9),
        )
        for place in range(notes)
    ]  # fmt: skip
    return Score(tuple(bars), tidy(made))


def chords(root: int, bars: int = 8) -> Score:
    """A chord a bar and four notes of it above."""
    notes = []
    for bar in range(bars):
        chord = CHORDS[bar % len(CHORDS)]
        notes += [Note(bar * 48, 0, root + step, 48, 4) for step in chord]
        notes += [Note(bar * 48 + 12 * beat, 0, root + 24 + chord[beat % 3], 12, 6) for beat in range(4)]
    return Score(tuple(Bar(bar * 48, 48, 120) for bar in range(bars)), tidy(notes))


def folder_of_tunes(folder: Path, tunes: int = 8) -> Path:
    folder.mkdir()
    for number in range(tunes):
        (folder / f"tune{number:02}.mid").write_bytes(midi_bytes(chords(48 + number % 4)))
    return folder
