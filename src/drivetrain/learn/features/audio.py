"""Sounds are seen by baselines alone: what sounds of each, cut into equal stretches, and the cepstrum of each stretch.

The cepstrum is the cosine transform of the mel spectrum's decibels; its first numbers say how the mouth, or the room, shapes
the sound, and nothing of the pitch (Davis and Mermelstein 1980).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.learn.features.base import Features
from drivetrain.sound.mel import MelShape, mel_power
from drivetrain.types import Array

STRETCHES, CEPSTRA = 12, 13
SOUNDING, DEEPEST = 35.0, 60.0
"""Decibels below the loudest: where what sounds begins and ends, and below which all is silence."""
USUAL = 30.0
"""Decibels by which, times their number from 1, cepstra are divided: of speech that leaves each a deviation of about a quarter, so
that what a regression holds against large weights holds against all of them alike."""
_ROWS = 256


def for_baselines(codec: Codec) -> Callable[[Array], Features]:
    """float32 (n, samples) -> (n, STRETCHES * CEPSTRA + 1), the last the logarithm of how long what sounds is."""
    (samples,) = codec.shape
    shape = MelShape.of(codec.rate, samples)  # type: ignore[attr-defined]

    def reduce(sounds: Array) -> Features:
        parts = [_reduced(sounds[start : start + _ROWS], shape) for start in range(0, len(sounds), _ROWS)]
        return np.concatenate(parts or [np.zeros((0, STRETCHES * CEPSTRA + 1), np.float32)])

    return reduce


def _reduced(sounds: Array, shape: MelShape) -> Features:
    decibels = 10 * np.log10(np.maximum(mel_power(sounds, shape), 1e-10))
    decibels = np.maximum(decibels, decibels.max((1, 2), keepdims=True) - DEEPEST)
    loudest = decibels.max(1)
    sounding = loudest >= loudest.max(1, keepdims=True) - SOUNDING
    first, last = sounding.argmax(1), shape.frames - sounding[:, ::-1].argmax(1)
    # Sums up to each frame give the mean of any stretch as one difference.
    sums = np.concatenate([np.zeros((*decibels.shape[:2], 1)), decibels.cumsum(2, dtype=np.float64)], axis=2)
    edges = first[:, None] + (last - first)[:, None] * np.arange(STRETCHES + 1) / STRETCHES
    starts = np.minimum(np.floor(edges[:, :-1]).astype(np.int64), shape.frames - 1)
    stops = np.maximum(np.floor(edges[:, 1:]).astype(np.int64), starts + 1)
    ends = (np.take_along_axis(sums, at[:, None, :], 2) for at in (stops, starts))
    means = np.subtract(*ends) / (stops - starts)[:, None]
    places = (np.arange(shape.bands) + 0.5) * np.pi / shape.bands
    number = np.arange(min(CEPSTRA, shape.bands))[:, None]
    cosines = np.cos(number * places) * (number + 1) / (USUAL * shape.bands)
    cepstra = np.einsum("cb,nbs->nsc", cosines, means)
    cepstra[:, :, 0] -= cepstra[:, :, 0].mean(1, keepdims=True)  # How loud it was recorded says nothing.
    length = np.log(last - first)[:, None]
    return np.concatenate([cepstra.reshape(len(sounds), -1), length], axis=1).astype(np.float32)
