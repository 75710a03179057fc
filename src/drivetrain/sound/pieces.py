"""A piece of a sound at another rate, of which no more is read than it is made of."""

from __future__ import annotations

from drivetrain.sound.file import Sound
from drivetrain.sound.resample import half_width, ratio, resample, resampled_length
from drivetrain.types import Array


def between(sound: Sound, rate: int, start: int, stop: int) -> Array:
    """The samples from `start` to `stop` of the whole sound at `rate`, float32 (stop - start,)."""
    found = sound.info
    stop = min(stop, resampled_length(found.frames, found.rate, rate))
    if found.rate == rate:
        return sound.mono(start, stop)
    up, down = ratio(found.rate, rate)
    half = half_width(found.rate, rate)
    # Where an output sample falls on an input sample, and far enough before.
    turn = max(0, start // up - half // down - 1)
    read = sound.mono(turn * down, -(-stop * down // up) + half + 1)
    first = start - turn * up
    return resample(read, found.rate, rate)[first : first + stop - start]
