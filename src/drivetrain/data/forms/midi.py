"""MIDI files, as the words of data/music/events.py: a piece is a line."""

from __future__ import annotations

import os
from pathlib import Path

from drivetrain.data.forms.base import Form
from drivetrain.data.music.events import from_words, to_words, trimmed
from drivetrain.data.music.midi import midi_bytes, read_midi
from drivetrain.data.music.score import DRUMS, Score
from drivetrain.errors import DataError
from drivetrain.files import write_bytes


class Midi(Form):
    name = "midi"
    things = "MIDI files"
    large = False
    extensions = (".mid", ".midi")
    tokenizer = "words"
    written = (".mid", ".midi", ".png", ".svg", ".txt")
    copied = 40  # Two bars of quarters: 8 words are two notes.

    def read(self, path: str) -> tuple[str, tuple[str, ...]]:
        score, told = read_midi(path)
        return to_words(score), tuple(f"{os.path.basename(path)}: {note}" for note in told)

    def prompt(self, prompt: str) -> str:
        return self.read(prompt)[0] if prompt.lower().endswith(self.extensions) else prompt

    def faults(self, text: str) -> list[str]:
        score, idle = _piece(text)
        told = [] if score.notes else ["there are no notes in it"]
        return [
            *told,
            *([f"{idle:,} of its {len(text.split()):,} words say nothing where they stand"] if idle else []),
        ]

    def save(self, text: str, path: str) -> None:
        end = os.path.splitext(path)[1].lower()
        if end not in (*self.extensions, ".png", ".svg"):
            super().save(text, path)
            return
        score, _ = _piece(text)
        if not score.notes:
            raise DataError(
                "there are no notes to write.", where=path, fix="Give a prompt, or a greater --length."
            )
        if end in self.extensions:
            write_bytes(path, midi_bytes(score))
            return
        from drivetrain.charts.roll import roll

        roll(score.notes, score.bars, DRUMS, Path(path).stem).save(path)


def _piece(text: str) -> tuple[Score, int]:
    score, idle = from_words(text)
    return trimmed(score), idle


FORM = Midi()
