"""A piece of music in words, one piece a line, after REMI (Huang and Yang, 2020, Pop Music Transformer, arXiv:2002.00212).

The words, and how any text of them is read, are said in codecs/OPS.md ("Music in words"), so that a bundle makes music without
the code that trained it:

    bar48 bpm120 at0 p60 d12 p64 d12 at24 v7 p67 d24 bar48 at0 i32 p36 d48
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from drivetrain.data.music.score import (
    BAR,
    DRUMS,
    FASTEST,
    LONGEST_BAR,
    LONGEST_NOTE,
    LOUD,
    SHORTEST_BAR,
    SLOWEST,
    TEMPO,
    TEMPO_STEP,
    Bar,
    Note,
    Score,
    tidy,
)

MOST_BARS = 20_000
_WORD = re.compile("(bar|bpm|at|i|v|p|d)(0|[1-9][0-9]{0,2})")
_ALLOWED: dict[str, range] = {
    "bar": range(SHORTEST_BAR, LONGEST_BAR + 1, 3), "bpm": range(SLOWEST, FASTEST + 1, TEMPO_STEP), "at": range(LONGEST_BAR),
    "i": range(DRUMS + 1), "v": range(1, 9), "p": range(128), "d": range(1, LONGEST_NOTE + 1),
}  # fmt: skip
"""By the letters of a word the numbers that it may have."""


def to_words(score: Score) -> str:
    """A piece as one line of words."""
    return " ".join(_words(score))


def _words(score: Score) -> Iterator[str]:
    tempo, instrument, loud = 0, 0, LOUD
    place = 0
    for bar in score.bars:
        yield f"bar{bar.length}"
        if bar.tempo != tempo:
            tempo = bar.tempo
            yield f"bpm{tempo}"
        at = -1
        while place < len(score.notes) and score.notes[place].start < bar.start + bar.length:
            note = score.notes[place]
            if note.start - bar.start != at:
                at = note.start - bar.start
                yield f"at{at}"
            if note.instrument != instrument:
                instrument = note.instrument
                yield f"i{instrument}"
            if note.loud != loud:
                loud = note.loud
                yield f"v{loud}"
            yield f"p{note.pitch}"
            yield f"d{note.length}"
            place += 1


def from_words(text: str) -> tuple[Score, int]:
    """The music that a text is, and how many of its words say nothing: what a model writes need not be sound. Pieces, a line
    each, follow one another.

    A word that is none, or whose number is out of its range, is passed over; so are a place behind the end of its bar, a
    pitch without a length after it and a length without a pitch before it.
    """
    bars: list[Bar] = []
    notes: list[Note] = []
    idle, at, pitch = 0, 0, -1
    instrument, loud, tempo = 0, LOUD, TEMPO
    for word in _split(text):
        if word == "\n":
            instrument, loud = 0, LOUD
            continue
        found = _WORD.fullmatch(word)
        kind, number = (found[1], int(found[2])) if found else ("", 0)
        if not kind or number not in _ALLOWED[kind]:
            idle += 1
            continue
        if kind == "d" and pitch >= 0:
            if not bars:
                bars.append(Bar(0, BAR, tempo))
            notes.append(Note(bars[-1].start + at, instrument, pitch, number, loud))
            pitch = -1
            continue
        idle += int(pitch >= 0 or kind == "d")  # A pitch that nothing came of, or a length of none.
        pitch = -1
        if kind == "bar":
            start = bars[-1].start + bars[-1].length if bars else 0
            if len(bars) == MOST_BARS:
                return Score(tuple(bars), tidy(notes)), idle
            bars.append(Bar(start, number, tempo))
            at = 0
        elif kind == "bpm":
            tempo = number
            bars[-1:] = [bar._replace(tempo=tempo) for bar in bars[-1:]]
        elif kind == "at":
            inside = number < (bars[-1].length if bars else BAR)
            at, idle = (number, idle) if inside else (at, idle + 1)
        elif kind == "i":
            instrument = number
        elif kind == "v":
            loud = number
        elif kind == "p":
            pitch = number
    return Score(tuple(bars), tidy(notes)), idle + int(pitch >= 0)


def _split(text: str) -> Iterator[str]:
    """The words of a text, and a line feed at the end of each line."""
    for line in text.splitlines():
        yield from line.split()
        yield "\n"


def trimmed(score: Score) -> Score:
    """Without the empty bars before its first note and after its last."""
    if not score.notes:
        return Score((), ())
    first, last = score.notes[0].start, score.notes[-1].start
    bars = [bar for bar in score.bars if bar.start + bar.length > first and bar.start <= last]
    begin = bars[0].start
    return Score(
        tuple(bar._replace(start=bar.start - begin) for bar in bars),
        tuple(note._replace(start=note.start - begin) for note in score.notes),
    )
