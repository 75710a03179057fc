"""Samples at one rate to samples at another, by one filter that codecs/OPS.md states: a windowed sinc, a phase of it for each
place that an output sample can have between two input samples.

J. O. Smith, Digital Audio Resampling (2002); the window is Kaiser's.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from drivetrain.types import Array

ZEROS = 64
"""Zero crossings of the sinc on each side."""
CUTOFF = 0.95
"""Of half the lower of the two rates, where the sinc's pass band ends."""
BETA = 10.0
"""Of Kaiser's window: 100 dB down."""
_PHASES = 128
"""Phases that are computed at a time: of neighbours the inputs are nearly the same."""
_FEW = 32
"""Fewer than these are no matrix worth multiplying with."""
_ROWS = 2048
"""Outputs of a phase that are computed at a time."""
_KEPT = 1 << 18
"""Coefficients of a pair of rates that are kept for the next file."""


def ratio(source: int, rate: int) -> tuple[int, int]:
    """(up, down): the two rates without what both can be divided by. There are `up` outputs for `down` inputs."""
    common = math.gcd(source, rate)
    return rate // common, source // common


def resampled_length(n: int, source: int, rate: int) -> int:
    """How many samples n of them become: ceil(n up / down)."""
    up, down = ratio(source, rate)
    return -(-n * up // down)


def half_width(source: int, rate: int) -> int:
    """How many input samples on each side an output sample is made of."""
    return math.ceil(ZEROS / _cut(source, rate))


def resample(samples: Array, source: int, rate: int) -> Array:
    """Samples (n,) at `source` a second -> float32 (ceil(n rate / source),) at `rate`, computed in float64. Before the first
    and after the last there is silence. The same rate gives the same samples."""
    if source == rate:
        return samples.astype(np.float32)
    up, down = ratio(source, rate)
    many = -(-_FEW // up)  # Several turns of few phases are computed as one of many.
    up, down = up * many, down * many
    half, count = half_width(source, rate), resampled_length(len(samples), source, rate)
    rows = -(-count // up)
    padded = np.zeros(half + rows * down + 2 * half + down, np.float64)
    padded[half : half + len(samples)] = samples
    made = np.empty((rows, up), np.float32)
    for phase in range(0, up, _PHASES):
        begin, taps = _filters(source, rate, phase, min(phase + _PHASES, up))
        seen = np.lib.stride_tricks.as_strided(
            padded[begin:], (rows, len(taps)), (down * padded.itemsize, padded.itemsize), writeable=False
        )
        for row in range(0, rows, _ROWS):
            block = np.ascontiguousarray(seen[row : row + _ROWS])
            made[row : row + _ROWS, phase : phase + taps.shape[1]] = block @ taps
    return made.reshape(-1)[:count]


def _cut(source: int, rate: int) -> float:
    """Where the pass band ends, in half the source's rate."""
    return CUTOFF * min(1.0, rate / source)


def _filters(source: int, rate: int, first: int, last: int) -> tuple[int, Array]:
    """Of the phases from `first` to `last`: where in the padded samples the inputs of the first row begin, and float64
    (inputs, phases), with what each of them counts."""
    up, _ = ratio(source, rate)
    few = up * (2 * half_width(source, rate) + 1) <= _KEPT
    return (_kept_filters if few else _made_filters)(source, rate, first, last)


def _made_filters(source: int, rate: int, first: int, last: int) -> tuple[int, Array]:
    up, down = ratio(source, rate)
    half, cut = half_width(source, rate), _cut(source, rate)
    phases = np.arange(first, last)
    base, rest = np.divmod(phases * down, up)
    places = np.arange(-half, half + 1)
    times = rest[:, None] / up - places  # From each input sample to the output's moment, in input samples.
    inside = np.sqrt(np.maximum(1 - np.square(times * (cut / ZEROS)), 0))
    window = np.where(np.abs(times) * cut <= ZEROS, np.i0(BETA * inside), 0)
    heights = np.sinc(cut * times) * window
    heights /= heights.sum(1, keepdims=True)
    # The padding of `half` samples is before the first: the input at base - half lies at `base`.
    taps = np.zeros((int(base[-1] - base[0]) + 2 * half + 1, len(phases)))
    taps[(base - base[0])[:, None] + places + half, np.arange(len(phases))[:, None]] = heights
    taps.flags.writeable = False
    return int(base[0]), taps


_kept_filters = lru_cache(maxsize=64)(_made_filters)
