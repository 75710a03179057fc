"""Random changes to a batch of sounds, for training only: on the samples, and told beside them for the spectrogram.

On the samples, on their device, with one indexed read: played faster or slower (time and pitch together, as a tape is),
moved in the window, louder or softer, with noise, and mixed in pairs. What is easier on a spectrogram, a network does that
makes one: the draws for it lie beside the field in the batch, under `changes_of` it (see
`drivetrain.models.spectrogram`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from drivetrain.codecs import Codec
from drivetrain.data.augment.base import Changes
from drivetrain.data.share import Share
from drivetrain.errors import UsageError
from drivetrain.types import Array

DRAWS = 32
"""Uniform numbers drawn per sound, whatever is switched on: one setting never moves another's draws."""
_SPEED, _SHIFT, _GAIN, _NOISE, _TRACT, _TEMPO, _BEGIN, _END = range(8)
_BANDS, _TIMES, _CUT, _COLOUR = 8, 12, 16, 18
"""Which of the draws decides what; masks take a width and a place each, the cut its depth and its end."""
LOWEST = 0.3
"""The low cut ends within this share of the bands."""
KNOTS = 5
"""Places, evenly over the bands, at which the colour is drawn."""


@dataclass(frozen=True)
class SoundAugment(Changes):
    """What may happen to a sound during training. All zero is no augmentation.

    Raises `UsageError` for a value out of its range.
    """

    speed: float = 0.15
    """Largest change of speed, with it of pitch: at 0.15 a sound is played 1 / 1.15 to 1.15 times as fast (Ko et al. 2015,
    "Audio Augmentation for Speech Recognition"). 0 to 1."""
    tempo: float = 0.1
    """Largest change of the tempo alone, on the spectrogram: the pitch stays. 0 to 1."""
    ends: float = 0.08
    """Largest move of the beginning and of the end of what sounds, in shares of it, where a network looks for them. 0 to 0.5."""
    tract: float = 0.15
    """Largest change of the frequencies of the spectrogram, as by a longer or shorter vocal tract (Jaitly and Hinton 2013,
    "Vocal Tract Length Perturbation"). 0 to 1."""
    colour: float = 6.0
    """Largest change of the loudness of bands in decibels, from band to band by straight lines between five places, as by
    another microphone (Nam et al. 2022, "FilterAugment"). 0 to 40."""
    cut: float = 20.0
    """Largest loss of the lowest frequencies in decibels, as by a small microphone or a telephone. 0 to 80."""
    shift: float = 0.3
    """Largest move, as a share of the window; what leaves it at one end is gone. 0 to 1."""
    gain: float = 6.0
    """Largest change of loudness in decibels, 0 to 40."""
    noise: float = 0.1
    """White noise up to this share of the sound's own effective value, 0 to 1."""
    bands: float = 0.15
    """Widest of the two stretches of frequencies that are replaced by the mean, as a share of all (Park et al. 2019,
    "SpecAugment"). 0 to 1."""
    times: float = 0.1
    """The same of moments."""
    mixup: float = 0.0
    """Alpha of the Beta(alpha, alpha) distribution by which two sounds are mixed in shares of their loudness, and their
    classes with them; 0 for none. 1 is between-class learning (Tokozume et al. 2018). 0 to 100."""

    ranges: ClassVar = {
        "gain": (0.0, 40.0),
        "colour": (0.0, 40.0),
        "cut": (0.0, 80.0),
        "ends": (0.0, 0.5),
        "mixup": (0.0, 100.0),
    }
    presets: ClassVar = ("sounds", "none")

    @classmethod
    def none(cls) -> SoundAugment:
        return cls(**dict.fromkeys(AMOUNTS, 0.0))

    @classmethod
    def sounds(cls) -> SoundAugment:
        """Speech and other sounds whose pitch and speed differ: the defaults."""
        return cls()

    @classmethod
    def usual(cls, photos: bool) -> SoundAugment:
        del photos
        return cls.sounds()

    def scaled(self, strength: float) -> Self:
        most = {name: self.ranges.get(name, (0.0, 1.0))[1] for name in AMOUNTS}
        return replace(self, **{name: min(most[name], getattr(self, name) * strength) for name in AMOUNTS})

    def apply(
        self, sounds: Tensor, generator: torch.Generator, share: Share | None = None
    ) -> tuple[Tensor, Tensor]:
        """(n, samples) as they were given, changed, and float32 (n, 19) of what is to be done to the spectrogram.

        That is by columns: the factor of frequencies and of time; how far the beginning and the end of what sounds move, in
        shares of it; of each of two masks of bands and two of moments where it begins and how wide it is, in shares; of the
        low cut the decibels at the lowest band, and the share of the bands over which they go to 0; and the decibels of
        the colour at its KNOTS places. n * DRAWS uniform numbers are drawn from `generator`, of a
        `share` of a batch those of the whole batch, so that each sound gets its own, whoever has it. Raises UsageError for
        what is no batch of sounds.
        """
        _require_sounds(sounds)
        draws = _uniform(len(sounds) if share is None else share.total, generator)
        draws = draws if share is None else draws[share.rows]
        signed = 2 * draws - 1
        factor = torch.from_numpy(_factors(self.speed, signed[:, _SPEED])).to(sounds)
        moved = torch.from_numpy((self.shift * signed[:, _SHIFT] * sounds.shape[1]).astype(np.float32)).to(
            sounds.device
        )
        changed = sounds
        if self.speed > 0 or self.shift > 0:
            changed = _read(sounds, factor, moved)
        if self.gain > 0:
            loud = 10 ** (self.gain * signed[:, _GAIN] / 20)
            changed = changed * torch.from_numpy(loud.astype(np.float32)).to(sounds.device)[:, None]
        if self.noise > 0:
            level = torch.from_numpy((self.noise * draws[:, _NOISE]).astype(np.float32)).to(sounds.device)
            chance = torch.Generator(sounds.device).manual_seed(int(draws[0, _NOISE] * 2**53))
            white = torch.randn(changed.shape, generator=chance, device=sounds.device)
            changed = changed + white * (level * changed.square().mean(1).sqrt())[:, None]
        return changed, torch.from_numpy(self._beside(draws, signed)).to(sounds.device)

    def _beside(self, draws: Array, signed: Array) -> Array:
        """What a spectrogram bears, as `apply` says."""
        columns = [_factors(self.tract, signed[:, _TRACT]), _factors(self.tempo, signed[:, _TEMPO])]
        columns += [self.ends * signed[:, _BEGIN], self.ends * signed[:, _END]]
        for first, widest in ((_BANDS, self.bands), (_TIMES, self.times)):
            for place in (first, first + 2):
                wide = widest * draws[:, place]
                columns += [draws[:, place + 1] * (1 - wide), wide]
        columns += [self.cut * draws[:, _CUT], LOWEST * draws[:, _CUT + 1]]
        columns += [self.colour * signed[:, _COLOUR + knot] for knot in range(KNOTS)]
        return np.stack(columns, axis=1).astype(np.float32)

    def mix(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Each sound mixed with another of the batch, in shares of how loud they are heard: Tokozume et al. 2018, "Learning
        from Between-class Examples for Deep Sound Recognition", with the effective value for the loudness.

        Returns (sounds, partner int64 (n,), weight float32 (n,)); the loss is weight * loss(target) + (1 - weight) *
        loss(target[partner]). With mixup 0 nothing changes or is drawn.
        """
        partner, weight = self.partners(rows, generator)
        if self.mixup == 0:
            return rows, partner, weight
        loudness = rows.square().mean(1).sqrt().clamp(min=1e-6)
        ratio = loudness / loudness[partner]
        own = 1 / (1 + ratio * (1 - weight) / weight)
        mixed = own[:, None] * rows + (1 - own)[:, None] * rows[partner]
        return mixed / (own.square() + (1 - own).square()).sqrt()[:, None], partner, weight


AMOUNTS = tuple(field.name for field in fields(SoundAugment) if field.name != "mixup")
CHANGES = SoundAugment


def change(codec: Codec, augment: SoundAugment) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """What changes sounds, and tells what their spectrogram is to bear."""
    del codec
    quiet = replace(augment, mixup=0.0)
    return None if quiet == SoundAugment.none() else partial(augment.apply)


def _factors(most: float, signed: Array) -> Array:
    """From 1 / (1 + most) to 1 + most, float32, as likely slower as faster."""
    return np.exp(math.log1p(most) * signed).astype(np.float32)


def _read(sounds: Tensor, factor: Tensor, moved: Tensor) -> Tensor:
    """The samples at the places (t - moved) * factor of each sound (n, samples), between two of them by a straight line, and
    silence where there are none."""
    length = sounds.shape[1]
    places = (torch.arange(length, device=sounds.device) - moved[:, None]) * factor[:, None]
    there = (places >= 0) & (places <= length - 1)
    before = places.clamp(0, length - 1).floor()
    rest, first = places - before, before.long()
    second = (first + 1).clamp(max=length - 1)
    return torch.lerp(sounds.gather(1, first), sounds.gather(1, second), rest) * there


def _require_sounds(sounds: Tensor) -> None:
    if not sounds.is_floating_point() or sounds.ndim != 2:
        raise UsageError(
            f"{sounds.dtype} of shape {tuple(sounds.shape)} are no sounds.", where="augment",
            fix="Give float32 (n, samples).",
        )  # fmt: skip


def _uniform(count: int, generator: torch.Generator) -> Array:
    """float64 (count, DRAWS) in [0, 1)."""
    draws = torch.rand(count, DRAWS, generator=generator, device=generator.device, dtype=torch.float64)
    return draws.cpu().numpy()
