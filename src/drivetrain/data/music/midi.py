"""MIDI files to and from notes on a grid, by mido. What a file holds beside notes, bars and tempo is passed over: pedals, bends,
texts. What had to be moved or left out is told."""

from __future__ import annotations

import io
import os
import struct
from bisect import bisect_right
from collections import Counter
from typing import Any

from drivetrain.data.music.events import MOST_BARS, trimmed
from drivetrain.data.music.score import BAR, DRUMS, QUARTER, Bar, Note, Score, bar_of, tempo_of, tidy
from drivetrain.errors import DataError
from drivetrain.extras import require
from drivetrain.files import open_regular

MOST_BYTES = 1 << 21
"""Of a file: an hour of a full orchestra has a fifth of it."""
MOST_HIGH = 1000
"""Bytes above 127 in a row: a number of so many would have no end, and mido reads it to the last."""
TICKS = 40
"""Of a step, in the files that are written: 480 in a quarter."""
DRUM_CHANNEL = 9
CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
_TEMPO = 500_000
"""Microseconds in a quarter, where a file doesn't say."""
_MEND = "Save it as MIDI again, or leave it out."


class _Counted(io.BytesIO):
    """The bytes of a file; a number in it that has no end is refused."""

    high = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if size == 1 and found:
            self.high = self.high + 1 if found[0] > 127 else 0
            if self.high > MOST_HIGH:
                raise OSError("a number has no end")
        return found


def read_midi(path: str | os.PathLike[str]) -> tuple[Score, tuple[str, ...]]:
    """The piece of a MIDI file, and what a person should know of how it was read. Raises FileError; DataError, with the byte,
    for what is no MIDI file, is cut, or holds no note."""
    place = os.path.basename(os.fspath(path))
    with open_regular(path, MOST_BYTES) as file:
        data = file.read(MOST_BYTES + 1)
    return _score(_opened(data, place), place)


def _opened(data: bytes, place: str) -> Any:
    """The file as mido has it."""
    require("mido", "reading MIDI files", "music")
    import mido

    if not data.startswith(b"MThd"):
        what = (
            "the file is empty (0 bytes)" if not data else "this is no MIDI file: it does not begin with MThd"
        )
        raise DataError(f"{what}.", where=place, fix=_MEND)
    stream = _Counted(data)
    try:
        file = mido.MidiFile(file=stream)
    except EOFError as fault:
        raise DataError(
            f"the file is cut: it ends at byte {len(data):,}, within a track.", where=place, fix=_MEND
        ) from fault
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        struct.error,
        mido.KeySignatureError,
    ) as fault:
        raise DataError(
            f"this is no sound MIDI file: before byte {stream.tell():,}: {str(fault) or type(fault).__name__}.",
            where=place, fix=_MEND,
        ) from fault  # fmt: skip
    if file.ticks_per_beat <= 0:
        raise DataError(
            f"its time is in {'frames of a film' if file.ticks_per_beat else 'no ticks a beat'} (bytes 13 and 14).",
            where=place, fix=_MEND,
        )  # fmt: skip
    if file.type not in (0, 1):
        raise DataError(
            "its tracks have a time each (MIDI type 2).", where=place, fix="Save it as type 0 or 1."
        )
    return file


def _score(file: Any, place: str) -> tuple[Score, tuple[str, ...]]:
    tempi: list[tuple[int, int]] = [(0, _TEMPO)]
    meters: list[tuple[int, int]] = [(0, BAR)]
    sounding: dict[tuple[int, int], tuple[int, int, int]] = {}
    programs = [0] * 16
    found: list[tuple[int, int, int, int, int]] = []
    now = 0
    told: Counter[str] = Counter()

    def end(channel: int, pitch: int) -> None:
        start, loud, program = sounding.pop((channel, pitch))
        found.append((start, now, DRUMS if channel == DRUM_CHANNEL else program, pitch, loud))

    for message in file.merged_track:
        now += message.time
        kind = message.type
        if kind == "set_tempo":
            tempi.append((now, message.tempo))
        elif kind == "time_signature":
            meters.append((now, message.numerator * 4 * QUARTER // message.denominator))
        elif kind == "program_change":
            programs[message.channel] = message.program
        elif kind in ("note_on", "note_off"):
            key = message.channel, message.note
            if key in sounding:
                end(*key)
            if kind == "note_on" and message.velocity:
                sounding[key] = now, message.velocity, programs[message.channel]
    told["without an end"] = len(sounding)
    for key in list(sounding):
        end(*key)
    if not found:
        raise DataError("there are no notes in it.", where=place, fix="Leave it out.")
    ticks = file.ticks_per_beat

    def step(tick: int) -> int:
        return (2 * tick * QUARTER + ticks) // (2 * ticks)

    bars = _bars(
        [(step(tick), length) for tick, length in meters], [(step(tick), tempo) for tick, tempo in tempi],
        step(max(note[0] for note in found)), place,
    )  # fmt: skip
    notes = [
        Note(step(start), program, pitch, max(1, step(stop) - step(start)), 1 + loud // 16)
        for start, stop, program, pitch, loud in found
    ]
    told["between the steps of the grid (a twelfth of a quarter)"] = sum(
        start * QUARTER % ticks != 0 for start, *_ in found
    )
    told["of a length that is moved or cut to the grid"] = sum(
        (stop - start) * QUARTER != note.length * ticks for (start, stop, *_), note in zip(found, notes)
    )
    score = trimmed(Score(bars, tidy(notes)))
    told["that sounded already, or twice"] = len(notes) - len(score.notes)
    return score, tuple(f"{count:,} of {len(notes):,} notes {what}" for what, count in told.items() if count)


def _bars(
    meters: list[tuple[int, int]], tempi: list[tuple[int, int]], last: int, place: str
) -> tuple[Bar, ...]:
    """The bars up to the one of the last note, in steps. A new metre begins with the next bar."""
    starts, times = [step for step, _ in meters], [step for step, _ in tempi]
    bars: list[Bar] = []
    start = 0
    while start <= last:
        if len(bars) == MOST_BARS:
            raise DataError(
                f"it has more than {MOST_BARS:,} bars, the last note in quarter {last // QUARTER:,}: its ticks are absurd.",
                where=place, fix=_MEND,
            )  # fmt: skip
        length = bar_of(meters[bisect_right(starts, start) - 1][1])
        tempo = tempi[bisect_right(times, start) - 1][1]
        bars.append(Bar(start, length, tempo_of(60e6 / max(1, tempo))))
        start += length
    return tuple(bars)


def midi_bytes(score: Score) -> bytes:
    """A piece as a MIDI file of type 1, 480 ticks a quarter: a track of bars and tempi, and one for each instrument. There are
    channels for 15 of these and the drums; further ones play with the last."""
    require("mido", "writing MIDI files", "music")
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS * QUARTER)
    file.tracks.append(_track(_timing(score, mido)))
    instruments = sorted({note.instrument for note in score.notes})
    pitched = [instrument for instrument in instruments if instrument != DRUMS]
    channels = {
        instrument: CHANNELS[min(place, len(CHANNELS) - 1)] for place, instrument in enumerate(pitched)
    }
    channels[DRUMS] = DRUM_CHANNEL
    for instrument in instruments:
        channel = channels[instrument]
        events: list[tuple[int, int, Any]] = []
        if instrument != DRUMS:
            events.append((0, 0, mido.Message("program_change", channel=channel, program=instrument)))
        for note in score.notes:
            if note.instrument == instrument:
                loud = 16 * note.loud - 8
                on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=loud)
                off = mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)
                events += [(note.start * TICKS, 2, on), ((note.start + note.length) * TICKS, 1, off)]
        file.tracks.append(_track(events))
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


def _timing(score: Score, mido: Any) -> list[tuple[int, int, Any]]:
    events: list[tuple[int, int, Any]] = []
    tempo, length = 0, 0
    for bar in score.bars:
        if bar.tempo != tempo:
            tempo = bar.tempo
            events.append((bar.start * TICKS, 0, mido.MetaMessage("set_tempo", tempo=round(60e6 / tempo))))
        if bar.length != length:
            length = bar.length
            denominator = next(part for part in (4, 8, 16) if length * part % BAR == 0)
            meter = mido.MetaMessage(
                "time_signature", numerator=length * denominator // BAR, denominator=denominator
            )
            events.append((bar.start * TICKS, 0, meter))
    return events


def _track(events: list[tuple[int, int, Any]]) -> Any:
    """(tick, order among those at once, message) as a track, in which each has the time since the one before."""
    import mido

    events.sort(key=lambda event: event[:2])
    now, track = 0, mido.MidiTrack()
    for tick, _, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    return track
