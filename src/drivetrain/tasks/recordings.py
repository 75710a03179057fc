"""A dataset of sounds of which some are longer than is heard at once: each such recording is several windows of its part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from drivetrain.codecs.audio import Audio
from drivetrain.data.dataset import Part
from drivetrain.data.read.file_kinds import SOUNDS
from drivetrain.data.wholes import drawn_whole
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.figures import counted
from drivetrain.sound.file import info
from drivetrain.sound.resample import resampled_length
from drivetrain.tasks.problem import Problem
from drivetrain.types import Array

MOST_BYTES = 8 << 30
"""Of the windows of a part."""


class Recordings(Problem):
    """Rows are recordings; the rows of a part are windows of them, one after the other, each with the recording's class. All
    windows of one are in one part."""

    windowed = False

    def note_windows(self, windows: Sequence[int]) -> None:
        """Say how many windows the sounds that are several of them are, and what intervals are of."""
        several = [count for count in windows if count > 1]
        if not several:
            return
        self.windowed = True
        valid = [windows[row] for row in self.rows("valid")]
        told = f". valid has {drawn_whole(sum(valid), len(valid))}" if sum(valid) > len(valid) else ""
        self.notes.append(
            f"longer than that, and heard in windows, one after the other: {counted(len(several), 'sound', 'sounds')}, "
            f"{sum(several):,} of the {sum(windows):,} windows that are learnt from and measured{told}; figures named 'of "
            "recording' count each sound once"
        )

    @property
    def things(self) -> str:
        return "windows" if self.windowed else super().things

    def _encode(self, rows: Array, name: str, enlarge: float) -> Part:
        part = super()._encode(rows, name, enlarge)
        codec = cast("Audio", self.signature.inputs[SOUNDS.column])
        values = self.table[SOUNDS.column][rows]
        long = {place: count for place, raw in enumerate(values) if (count := windows_of(codec, raw)) > 1}
        if not long:
            return part
        counts = np.zeros(len(rows), np.int64)
        counts[part.index] = 1
        counts[[*long]] = [*long.values()]
        seconds = cast("float", codec.seconds)
        if counts.sum() * codec.shape[0] * 4 > MOST_BYTES:
            raise DataError(
                f"the sounds of {name} are {counts.sum() * seconds / 3600:,.1f} hours in windows, more than the "
                f"{MOST_BYTES >> 30} GiB that are held.",
                where=self.table.name, fix="Hear them at a lower --rate, or leave some out.",
            )  # fmt: skip
        sounds = np.zeros((counts.sum(), *codec.shape), codec.dtype)
        of = np.repeat(np.arange(len(rows)), counts)
        packed = part.arrays[SOUNDS.column]
        for place, end in enumerate(np.cumsum(counts).tolist()):
            start = end - int(counts[place])
            row = int(rows[place])
            if place not in long:
                sounds[start:end] = packed[place : place + end - start]
                continue
            self.bad.pop(row, None)
            try:
                for window, (_, samples) in zip(sounds[start:end], codec.windows(values[place], seconds)):
                    window[:] = samples
            except DrivetrainError as fault:
                self.bad[row] = fault.also_at(self.table.origin(row))
        index = np.flatnonzero(~np.isin(np.asarray(rows)[of], [*self.bad]))
        arrays = {field: array[of] for field, array in part.arrays.items() if field != SOUNDS.column}
        return Part({SOUNDS.column: sounds, **arrays}, index, np.asarray(rows)[of[index]])


def windows_of(codec: Audio, raw: Any) -> int:
    """How many windows a sound is, the next where the one before ends; 1 of what fits in one, and of what can't be read."""
    try:
        if codec.stretches(raw) is None:
            return 1
        found = info(raw)
    except DrivetrainError:
        return 1
    return -(-resampled_length(found.frames, found.rate, cast("int", codec.rate)) // codec.shape[0])
