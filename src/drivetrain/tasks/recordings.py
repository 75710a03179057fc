"""A dataset of sounds of which some are longer than is heard at once: each such recording is several windows of its part."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from drivetrain.codecs.audio import Audio
from drivetrain.data.dataset import Part
from drivetrain.data.read.file_kinds import SOUNDS
from drivetrain.errors import DrivetrainError
from drivetrain.metrics import Estimate, measure
from drivetrain.tasks.problem import Problem
from drivetrain.types import Array

FEWEST = 2
"""Recordings that are measured as wholes."""


class Recordings(Problem):
    """Rows are recordings; the rows of a part are windows of them, one after the other, each with the recording's class. All
    windows of one are in one part."""

    def _encode(self, rows: Array, name: str, enlarge: float) -> Part:
        part = super()._encode(rows, name, enlarge)
        codec = cast("Audio", self.signature.inputs[SOUNDS.column])
        values = self.table[SOUNDS.column][rows]
        cut = {
            place: windows
            for place, raw in enumerate(values)
            if (windows := _windows(codec, raw)) is not None
        }
        if not cut:
            return part
        for place in cut:
            self.bad.pop(int(rows[place]), None)
        kept = set(part.index.tolist())
        counts = np.array(
            [len(cut[place]) if place in cut else int(place in kept) for place in range(len(rows))]
        )
        sounds = np.empty((counts.sum(), *codec.shape), codec.dtype)
        ends = np.cumsum(counts)
        packed = part.arrays[SOUNDS.column]
        for place, (count, end) in enumerate(zip(counts.tolist(), ends.tolist())):
            sounds[end - count : end] = cut[place] if place in cut else packed[place : place + count]
        of = np.repeat(np.arange(len(rows)), counts)
        arrays = {field: array[of] for field, array in part.arrays.items() if field != SOUNDS.column}
        return Part({SOUNDS.column: sounds, **arrays}, np.arange(len(of)), np.asarray(rows)[of])


def _windows(codec: Audio, raw: Any) -> Array | None:
    """The windows (n, samples) of a sound that is too long for one, the next where the one before ends; None of others, and of
    what can't be read."""
    try:
        if codec.stretches(raw) is None:
            return None
        return np.stack([window for _, window in codec.windows(raw, cast("float", codec.seconds))])
    except DrivetrainError:
        return None


def whole_metrics(data: Problem, outputs: Array) -> dict[str, Estimate]:
    """Of outputs (n, *output_shape) for the measured part the metrics of recordings, each answered by the mean of its windows;
    nothing where each recording is one."""
    part = data.part(data.measured_part)
    if len(part) != len(outputs):
        return {}
    rows, first, of = np.unique(part.rows, return_index=True, return_inverse=True)
    if len(rows) == len(outputs) or len(rows) < FEWEST:
        return {}
    sums = np.zeros((len(rows), *outputs.shape[1:]))
    np.add.at(sums, of, outputs)
    means = (sums.T / np.bincount(of)).T.astype(np.float32)
    ((target, codec),) = data.signature.targets.items()
    true = part.column(target)[first]
    found = measure(codec, means, codec.truths(data.table[target][rows], true))
    return {f"recording.{name}": each for name, each in found.items()}
