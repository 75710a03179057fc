"""Sounds that the tests make: short tones in noise, low ones and high ones, by several speakers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivetrain.sound.wav import to_wav

RATE = 8000
CLASSES = {"low": 300.0, "high": 1200.0}


def tone(
    hertz: float, seconds: float = 0.2, seed: int = 0, rate: int = RATE, noise: float = 0.02
) -> np.ndarray:
    """float32 (n,): a tone and its octave under one arch, with noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    hertz *= 1 + 0.1 * generator.uniform(-1, 1)
    wave = np.sin(2 * np.pi * hertz * time) + 0.5 * np.sin(4 * np.pi * hertz * time)
    wave = 0.4 * wave * np.sin(np.pi * np.arange(len(time)) / len(time))
    return (wave + noise * generator.standard_normal(len(time))).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_wav((np.clip(samples, -1, 1) * 32767).astype(np.int16), rate))
    return path


def sound_folder(folder: Path, each: int = 8, names: bool = False) -> Path:
    """Class folders of `each` sounds; with `names` one folder of low_anna_0.wav and so on."""
    seed = 0
    for label, hertz in CLASSES.items():
        for number in range(each):
            seed += 1
            speaker = ("anna", "theo")[number % 2]
            place = f"{label}_{speaker}_{number}.wav" if names else f"{label}/{number:02d}.wav"
            write(folder / place, tone(hertz, 0.15 + 0.01 * (seed % 7), seed))
    return folder
