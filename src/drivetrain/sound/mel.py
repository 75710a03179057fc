"""Mel spectrograms: how a sound is laid out as a picture of frequencies over time (Slaney's scale and areas, as librosa has them).

A frame is weighed by Hann's window; the power of its discrete Fourier transform is summed up in bands that are equally wide
on the mel scale: linear below 1 kHz, logarithmic above (M. Slaney, Auditory Toolbox, 1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.types import Array

Floats = npt.NDArray[np.float64]

_LINEAR, _CORNER = 200 / 3, 1000.0
"""Hz of a mel below the corner, in Hz."""
_STEP = math.log(6.4) / 27
"""Of the logarithm for a mel above it."""
FRAME_SECONDS, HOP_SECONDS = 0.032, 0.010
MOST_FRAMES = 300
"""Of a longer sound frames are further apart, as far as they still overlap by half."""


@dataclass(frozen=True)
class MelShape:
    """How sounds of `samples` samples, `rate` a second, are laid out: frames of `window` samples, `hop` apart, the first centred on
    the first sample and silence around the sound; `bands` from `low` to `high` Hz."""

    rate: int
    samples: int
    window: int
    hop: int
    bands: int
    low: float = 0.0
    high: float | None = None

    @classmethod
    def of(cls, rate: int, samples: int) -> MelShape:
        """The usual one: frames of about 32 ms, 10 ms apart, 40 bands, 64 where there is more than 8 kHz to hear. The transform
        is in the graph, and grows with the square of a frame."""
        window = min(2 ** round(math.log2(FRAME_SECONDS * rate)), 1024 if rate <= 48_000 else 2048)
        hop = max(1, round(HOP_SECONDS * rate))
        hop = max(hop, min(window // 2, -(-samples // MOST_FRAMES)))
        return cls(rate, samples, window, hop, 40 if rate <= 16_000 else 64)

    @property
    def frames(self) -> int:
        return 1 + self.samples // self.hop

    @property
    def bins(self) -> int:
        """Frequencies of the transform, from 0 to half the rate."""
        return 1 + self.window // 2

    def edges(self) -> Floats:
        """(bands + 2,) Hz: band b rises from the b-th to the next, and falls to the one after that."""
        high = self.rate / 2 if self.high is None else self.high
        low, high = to_mel(np.array([self.low, high])).tolist()
        return to_hertz(np.linspace(low, high, self.bands + 2))

    @property
    def frequencies(self) -> Floats:
        """(bands,) Hz: where each has its top."""
        return self.edges()[1:-1]

    def filters(self) -> Floats:
        """(bands, bins): what each frequency counts in each band; each band has the area 1 over Hz."""
        edges = self.edges()
        at = np.linspace(0, self.rate / 2, self.bins)
        rise = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        fall = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
        heights = np.maximum(0, np.minimum(rise, fall))
        return heights * (2 / (edges[2:] - edges[:-2]))[:, None]

    def transform(self) -> Floats:
        """(2 bins, window): Hann's window in the cosine and the sine of each frequency, one after the other."""
        turns = (
            2 * np.pi / self.window * (np.outer(np.arange(self.bins), np.arange(self.window)) % self.window)
        )
        return np.stack([np.cos(turns), np.sin(turns)], axis=1).reshape(-1, self.window) * hann(self.window)


def hann(size: int) -> Floats:
    """Hann's window, periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def to_mel(hertz: Floats) -> Floats:
    above = np.log(np.maximum(hertz, _CORNER) / _CORNER) / _STEP
    return np.minimum(hertz, _CORNER) / _LINEAR + above


def to_hertz(mels: Floats) -> Floats:
    corner = _CORNER / _LINEAR
    return np.minimum(mels, corner) * _LINEAR * np.exp(_STEP * np.maximum(mels - corner, 0))


def mel_power(samples: Array, shape: MelShape) -> npt.NDArray[np.float32]:
    """Sounds (n, samples) -> float32 (n, bands, frames), by numpy's fast transform: what the graph of a network has by products."""
    padded = np.pad(np.asarray(samples, np.float32), ((0, 0), (shape.window // 2,) * 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, shape.window, 1)[:, :: shape.hop]
    spectrum = np.fft.rfft(frames * hann(shape.window).astype(np.float32))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.swapaxes(power.astype(np.float32) @ shape.filters().T.astype(np.float32), 1, 2)
