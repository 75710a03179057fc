"""Notes on a grid of bars: what a MIDI file is read to, what is written in words, and what is drawn."""

from __future__ import annotations

from typing import NamedTuple

QUARTER = 12
"""Steps of the grid in a quarter note: sixteenths and triplets lie on it."""
LONGEST_NOTE, LONGEST_BAR, SHORTEST_BAR = 96, 192, 3
BAR = 4 * QUARTER
"""Steps of a bar where nobody said."""
SLOWEST, FASTEST, TEMPO, TEMPO_STEP = 20, 300, 120, 5
"""Quarters a minute."""
LOUD = 5
"""How loud a note is, 1 to 8, where nobody said."""
DRUMS = 128
"""The instrument that has none of General MIDI's numbers, 0 to 127."""


class Note(NamedTuple):
    """A note: where it begins and how long it is, in steps; its pitch, 0 to 127 (60 is middle C); loud, 1 to 8; and by what."""

    start: int
    instrument: int
    pitch: int
    length: int
    loud: int


class Bar(NamedTuple):
    """A bar: where it begins and how long it is, in steps, and how many quarters a minute are played in it."""

    start: int
    length: int
    tempo: int


class Score(NamedTuple):
    """A piece: its bars, one after the other from 0, and its notes, in order."""

    bars: tuple[Bar, ...]
    notes: tuple[Note, ...]


def tidy(notes: list[Note]) -> tuple[Note, ...]:
    """The notes in order. No note sounds twice at once: of those that begin together the longest stays, and one that still
    sounds ends where the same note begins again. None is longer than LONGEST_NOTE."""
    kept: list[Note] = []
    last: dict[tuple[int, int], int] = {}
    for note in sorted(
        notes, key=lambda note: (note.start, note.instrument, note.pitch, -note.length, -note.loud)
    ):
        place = last.get((note.instrument, note.pitch))
        if place is not None and kept[place].start == note.start:
            continue
        if place is not None and kept[place].start + kept[place].length > note.start:
            kept[place] = kept[place]._replace(length=note.start - kept[place].start)
        last[note.instrument, note.pitch] = len(kept)
        kept.append(note._replace(length=max(1, min(LONGEST_NOTE, note.length))))
    return tuple(kept)


def bar_of(steps: int) -> int:
    """The length that a bar of so many steps has here: a multiple of 3, a sixteenth."""
    return max(SHORTEST_BAR, min(LONGEST_BAR, (steps + 1) // 3 * 3))


def tempo_of(quarters: float) -> int:
    """The tempo of so many quarters a minute: a multiple of 5, 20 to 300."""
    return max(SLOWEST, min(FASTEST, round(quarters / TEMPO_STEP) * TEMPO_STEP))
