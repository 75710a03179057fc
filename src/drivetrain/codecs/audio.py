"""audio@1: a sound. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec, FieldError
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.figures import percent
from drivetrain.sound import wav
from drivetrain.sound.file import (
    HIGHEST_RATE,
    LOWEST_RATE,
    MOST_SECONDS,
    Sound,
    SoundInfo,
    info,
    opened,
    refuse_long,
)
from drivetrain.sound.pieces import between
from drivetrain.sound.resample import resample, resampled_length
from drivetrain.types import Array

KEEPS = ("beginning", "middle", "end")
SAMPLE = 4096
"""Headers that `fit` looks at."""
SHARE, LONGEST = 0.95, 30.0
"""What `fit` takes for `seconds`: enough for this share of the sounds, within so many."""
SILENT = 1e-4
"""No sample of a silent sound is further from 0."""
CLIPPED, AT_LEAST = 0.999, 0.001
"""Of a clipped sound this share of the samples, or more, is so far from 0, or further."""
STILL_WHOLE = 0.01
"""Seconds that a sound may be too long for a window and still be heard in one."""
GOLDEN_BYTES = 1 << 18
IS_SILENT, IS_CLIPPED = "silent, as none was in training", "clipped, as none was in training"
ANOTHER_RATE = "recorded at another rate than any in training"


@dataclass(frozen=True)
class Audio(Codec):
    """A sound, read to float32 (samples,) at `rate` samples a second, its channels mixed to one, and encoded to float32
    (length,): `seconds` of it.

    Of a longer sound the `keep` part is kept, "beginning", "middle" or "end"; a shorter one stays there, and silence makes
    it up. With `trim` what begins and ends it and is so many decibels below its loudest 10 ms is cut off before. A sound of
    another rate is resampled, or with `resample` False refused. What is None is learned by `fit`: of the training sounds
    the most common rate, the seconds that 95 % of them don't exceed, their `rates`, and the share that is `whole`.
    """

    op: ClassVar[str] = "audio@1"
    called: ClassVar[str] = "a sound"
    read_tolerance: ClassVar[float] = 1e-6
    encoded_tolerance: ClassVar[float] = 1e-6
    from_files: ClassVar[bool] = True
    augment: ClassVar[str] = "sounds"
    learned: ClassVar[tuple[str, ...]] = ("rate", "seconds")
    rate: int | None = None
    seconds: float | None = None
    keep: str = "beginning"
    trim: float | None = None
    resample: bool = True
    rates: tuple[int, ...] | None = None
    whole: float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise FieldError(f"rate must be from {LOWEST_RATE:,} to {HIGHEST_RATE:,} samples a second")
        if self.seconds is not None and not 0 < self.seconds <= MOST_SECONDS:
            raise FieldError(f"seconds must be above 0, and {MOST_SECONDS} at most")
        if self.keep not in KEEPS:
            raise FieldError(f"keep must be one of {', '.join(KEEPS)}")
        if self.trim is not None and not 0 < self.trim <= 120:
            raise FieldError("trim must be above 0, and 120 decibels at most")

    def fit(self, values: Iterable[Any]) -> Self:
        """Looks at the headers of the first 4,096 readable sounds; those of equally many are of the higher rate."""
        if None not in (self.rate, self.seconds, self.rates, self.whole):
            return self
        found = list(islice(_headers(values), SAMPLE))
        if not found:
            raise DataError("no sound could be read.", fix="Run 'drivetrain check' on them to see why.")
        counts = Counter(each.rate for each in found)
        lengths = np.array([each.seconds for each in found])
        seconds = self.seconds or _enough(lengths)
        return replace(
            self,
            rate=self.rate or max(counts, key=lambda rate: (counts[rate], rate)),
            seconds=seconds,
            rates=self.rates or tuple(sorted(counts)),
            whole=float(np.mean(lengths <= seconds)) if self.whole is None else self.whole,
        )

    def read(self, raw: Any) -> Array:
        with opened(raw) as sound:
            refuse_long(sound)
            self._refuse_rate(sound)
            return resample(sound.mono(), sound.info.rate, self._rate())

    def _refuse_rate(self, sound: Sound) -> None:
        rate = self._rate()
        if sound.info.rate != rate and not self.resample:
            raise DataError(
                f"the sound has {sound.info.rate:,} samples a second; {rate:,} are taken.",
                where=sound.place,
                fix="Resample it, or leave it out.",
            )

    def windows(self, raw: Any, every: float) -> Iterator[tuple[float, Array]]:
        """A recording of any length, in windows of `seconds` that begin `every` so many seconds: when each begins, and it encoded,
        float32 (length,). Read piece by piece; the last one is made up by silence. Raises DataError as `read` does, but for
        its length. Nothing is trimmed."""
        (length,), rate = self.shape, self._rate()
        step = max(1, math.floor(every * rate + 0.5))
        with opened(raw) as sound:
            self._refuse_rate(sound)
            count = resampled_length(sound.info.frames, sound.info.rate, rate)
            for start in range(0, max(1, count - length + step), step):
                window = np.zeros(length, np.float32)
                heard = between(sound, rate, start, min(start + length, count))
                window[: len(heard)] = heard
                yield start / rate, window

    def stretches(self, raw: Any) -> Iterator[tuple[float, float, Array]] | None:
        """Of a sound that is longer than `seconds`, and isn't trimmed, windows of these, each half of one after the last."""
        seconds = cast("float", self.seconds)
        found = info(raw).seconds
        if self.trim is not None or found <= seconds + STILL_WHOLE:
            return None
        windows = self.windows(raw, seconds / 2)
        return ((start, min(found, start + seconds), window) for start, window in windows)

    def encode(self, value: Array) -> Array:
        sound = value if self.trim is None else trimmed(value, self._rate(), self.trim)
        (length,) = self.shape
        encoded = np.zeros(length, np.float32)
        # What is too much, or too little, before what is kept.
        spare = {"beginning": 0, "end": len(sound) - length}.get(self.keep, (len(sound) - length) // 2)
        first = max(0, spare)
        kept = sound[first : first + length]
        encoded[max(0, -spare) :][: len(kept)] = kept
        return encoded

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError(f"{self.op} can't be a target: there is no model output that it decodes")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How loud the sounds are, in decibels below a full square wave, and the shares that are silent and clipped."""
        if not len(encoded):
            return {"n": 0}
        levels = np.array([level(row) for row in encoded])
        counts, edges = np.histogram(levels, bins=20, range=(-100, 0))
        return {
            "n": len(encoded),
            "level": {"edges": edges.tolist(), "counts": counts.tolist(), "mean": float(levels.mean())},
            "silent": float(np.mean([is_silent(row) for row in encoded])),
            "clipped": float(np.mean([is_clipped(row) for row in encoded])),
        }

    def unusual(self, values: Array, encoded: Array, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        silent = np.array([profile.get("silent") == 0 and is_silent(row) for row in encoded], bool)
        clipped = np.array([profile.get("clipped") == 0 and is_clipped(row) for row in encoded], bool)
        others = np.array([self._is_of_another_rate(raw) for raw in values], bool)
        return [(IS_SILENT, silent), (IS_CLIPPED, clipped), (ANOTHER_RATE, others & ~silent & ~clipped)]

    def _is_of_another_rate(self, raw: Any) -> bool:
        try:
            return self.rates is not None and info(raw).rate not in self.rates
        except DrivetrainError:
            return False

    def lost(self, raw: Any, encoded: Array) -> Mapping[str, str]:
        del encoded
        seconds = info(raw).seconds
        if self.trim is not None or self.seconds is None or seconds <= self.seconds:
            return {}
        return {
            "not heard whole, for being too long": f"only the {self.keep} is heard, {self.seconds:g} of its "
            f"{seconds:.3g} seconds"
        }

    @property
    def told(self) -> str:
        if self.rate is None or self.seconds is None:
            return ""
        others = [f"{rate:,}" for rate in self.rates or () if rate != self.rate]
        found = f"{self.seconds:g} seconds at {self.rate:,} samples a second"
        if self.whole is not None and self.whole < 1:
            found += f"; {percent(1 - self.whole, 0)} of the training sounds are longer"
        return found + (f"; those of {', '.join(others)} are resampled" if others and self.resample else "")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        if self.seconds is None:
            raise DrivetrainError("audio@1 has no length yet.", fix="Call fit first, or give the seconds.")
        return (max(1, math.floor(self.seconds * self._rate() + 0.5)),)

    @property
    def large(self) -> bool:
        return True

    def _rate(self) -> int:
        if self.rate is None:
            raise DrivetrainError("audio@1 has no rate yet.", fix="Call fit first, or give a rate.")
        return self.rate

    def input_words(self) -> str:
        where = {"beginning": "at the end", "middle": "on both sides", "end": "at the beginning"}[self.keep]
        cut = (
            f" What begins and ends it {self.trim:g} decibels below its loudest part is cut off."
            if self.trim
            else ""
        )
        other = "is resampled" if self.resample else "is refused"
        return (
            f"a sound (WAV, FLAC, Ogg or MP3, told by its content), its channels mixed to one. One that has not {self.rate:,} "
            f"samples a second {other}.{cut} Of more than {self.seconds:g} seconds the {self.keep} is heard, and less is made "
            f"up by silence {where}."
        )

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64", "contentMediaType": "audio/*"}

    def to_bytes(self, raw: Any) -> bytes:
        """The file's own bytes, where it is a plain WAV that numpy reads alone; of all else, and of what is longer than what is
        encoded and large, the WAV of its (cut) samples: so a golden case needs no decoder."""
        with opened(raw) as sound:
            found, plain = sound.info, sound.plain
            samples = sound.mono() if not plain else None
        if samples is None:
            data = _bytes_of(raw)
            if len(data) <= GOLDEN_BYTES:
                return data
            samples = self._mono(raw)
        if samples.nbytes > GOLDEN_BYTES and len(samples) > math.ceil(
            cast("float", self.seconds) * found.rate
        ):
            samples = samples[: math.ceil(cast("float", self.seconds) * found.rate)]
        return wav.to_wav(samples, found.rate)

    def _mono(self, raw: Any) -> Array:
        with opened(raw) as sound:
            return sound.mono()

    def from_bytes(self, data: bytes) -> bytes:
        return data

    def nasty_examples(self) -> list[tuple[str, Any]]:
        """One sound for each way that readers differ: rates, widths, channels, and the ends of length and loudness."""

        def at(rate: int) -> int:
            return rate if self.resample else self._rate()

        times = np.arange(960)
        wave = 0.6 * np.sin(times / 9.0) + 0.3 * np.sin(times * times / 4000.0)
        two = np.stack([wave, 0.5 * wave[::-1]], axis=1)
        clipped = np.clip(4 * wave, -1, 1)
        short, many = np.int16, math.ceil(1.5 * cast("float", self.seconds) * at(LOWEST_RATE))
        return [
            ("8,000 a second, 8 bits", wav.to_wav((wave * 127 + 128).astype(np.uint8), at(8000))),
            ("11,025 a second, 16 bits", wav.to_wav((wave * 32767).astype(short), at(11025))),
            ("16,000 a second, 24 bits", _in_24_bits(wave, at(16000), 1)),
            ("44,100 a second, 16 bits, two channels", wav.to_wav((two * 32767).astype(short), at(44100))),
            ("96,000 a second, 32 bits", wav.to_wav((wave * 2**31).astype(np.int32), at(96000))),
            ("48,000 a second, 24 bits, extensible", _in_24_bits(two, at(48000), 2, extensible=True)),
            ("floats of 32 bits, above 1", wav.to_wav((3 * wave).astype(np.float32), at(22050))),
            ("floats of 64 bits", wav.to_wav(wave, at(44100))),
            ("one sample", wav.to_wav(np.array([0.5], np.float32), at(8000))),
            ("silence", wav.to_wav(np.zeros(300, short), at(16000))),
            ("clipped", wav.to_wav((clipped * 32767).astype(short), at(16000))),
            ("samples and a rate", (wave.astype(np.float32), at(12000))),
            (
                "much too long",
                wav.to_wav(np.resize((wave * 100 + 128).astype(np.uint8), many), at(LOWEST_RATE)),
            ),
        ]


def trimmed(sound: Array, rate: int, decibels: float) -> Array:
    """The sound (n,) from the first to the last of its pieces of 10 ms that are within so many decibels of the loudest."""
    size = max(1, rate // 100)
    starts = np.arange(0, len(sound), size)
    sums = np.add.reduceat(np.square(sound, dtype=np.float64), starts)
    loudness = sums / np.minimum(size, len(sound) - starts)
    (loud,) = np.nonzero(loudness >= loudness.max() * 10 ** (-decibels / 10))
    return sound[loud[0] * size : (loud[-1] + 1) * size]


def is_silent(encoded: Array) -> bool:
    return bool(np.abs(encoded).max() <= SILENT)


def is_clipped(encoded: Array) -> bool:
    return bool(np.mean(np.abs(encoded) >= CLIPPED) >= AT_LEAST)


def level(encoded: Array) -> float:
    """How loud a sound is, in decibels below a full square wave: at least -100."""
    return max(-100.0, 10 * math.log10(float(np.mean(np.square(encoded, dtype=np.float64))) + 1e-12))


def _enough(lengths: Array) -> float:
    """Seconds, in tenths, that the usual share of the sounds does not exceed."""
    wanted = float(np.quantile(lengths, SHARE, method="inverted_cdf"))
    return min(LONGEST, max(0.1, math.ceil(wanted * 10 - 1e-6) / 10))


def _headers(values: Iterable[Any]) -> Iterator[SoundInfo]:
    for raw in values:
        try:
            yield info(raw)
        except DataError:
            continue


def _bytes_of(raw: Any) -> bytes:
    if isinstance(raw, (str, os.PathLike)):
        with open(cast("str", raw), "rb") as file:
            return file.read()
    return bytes(raw)


def _in_24_bits(wave: Array, rate: int, channels: int, *, extensible: bool = False) -> bytes:
    whole = (wave * 2**23).astype("<i4").reshape(-1, 1)
    return wav.wrapped(whole.view(np.uint8)[:, :3].tobytes(), rate, channels, wav.PCM, 3, extensible)
