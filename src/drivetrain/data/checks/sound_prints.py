"""Sounds that are nearly the same: the same recording at another rate, loudness or quality.

A print is the sound's power in bands of 300 to 1,800 Hz, which a recording of 4,000 samples a second has too, over as many
stretches of its length: logarithms, less their mean, of length 1. Two sounds of which neither is 1 % longer than the other
are nearly the same where their prints correlate by CORRELATION or more. A cut-out, and a copy that was moved by more than a
hundredth of its length, are not found.
"""

from __future__ import annotations

import numpy as np

from drivetrain.types import Array

BANDS, STRETCHES = 16, 24
PRINT = BANDS * STRETCHES
LOW, HIGH = 300.0, 1_800.0
"""Hz."""
CORRELATION = 0.99
LONGER = 0.01
LEAST_RANGE = 3.0
"""Decibels, as standard deviation: what is flatter has no print."""
FRAMES, LEAST_SECONDS = 4 * STRETCHES, 0.03
"""Frames that a print is made of, and how long each is at least: shorter ones tell no bands apart."""
_BLOCK = 1024


def print_of(samples: Array, rate: int) -> Array | None:
    """float32 (PRINT,); None of what is too short, too flat, or has nothing up to HIGH."""
    if rate < 2 * HIGH or len(samples) < FRAMES:
        return None
    size = min(len(samples), round(max(2 * len(samples) / rate / FRAMES, LEAST_SECONDS) * rate))
    starts = np.linspace(0, max(0, len(samples) - size), FRAMES).astype(np.int64)
    window = np.hanning(size)
    edges = np.geomspace(LOW, HIGH, BANDS + 1) / rate * size
    places = np.arange(size // 2 + 1)
    inside = np.maximum(
        0, np.minimum(places[:, None] + 0.5, edges[1:]) - np.maximum(places[:, None] - 0.5, edges[:-1])
    )
    rows = samples[np.minimum(starts[:, None] + np.arange(size), len(samples) - 1)]
    power = np.abs(np.fft.rfft(rows * window)) ** 2 @ inside
    power = power.reshape(STRETCHES, -1, BANDS).mean(axis=1)
    decibels = 10 * np.log10(np.maximum(power, power.max() * 1e-5) + 1e-20)
    centred = decibels - decibels.mean()
    if centred.std() < LEAST_RANGE:
        return None
    return (centred / np.linalg.norm(centred)).ravel().astype(np.float32)


def near_groups(prints: Array, seconds: Array) -> list[list[int]]:
    """Groups of two or more positions of prints (n, PRINT) that are nearly the same, each sorted, by the first."""
    order = np.argsort(seconds, kind="stable")
    sorted_seconds = seconds[order]
    leader = np.arange(len(prints))

    def lead(place: int) -> int:
        while leader[place] != place:
            place = int(leader[place])
        return place

    for start in range(0, len(order), _BLOCK):
        rows = order[start : start + _BLOCK]
        stop = int(np.searchsorted(sorted_seconds, seconds[rows[-1]] * (1 + LONGER), side="right"))
        for other in range(start, stop, _BLOCK):
            others = order[other : min(stop, other + _BLOCK)]
            alike = prints[rows] @ prints[others].T >= CORRELATION
            alike &= seconds[others] <= seconds[rows][:, None] * (1 + LONGER)
            alike &= seconds[others] >= seconds[rows][:, None] / (1 + LONGER)
            for one, two in np.argwhere(alike).tolist():
                first, second = lead(int(rows[one])), lead(int(others[two]))
                leader[max(first, second)] = min(first, second)
    groups: dict[int, list[int]] = {}
    for place in range(len(prints)):
        groups.setdefault(lead(place), []).append(place)
    return [group for group in groups.values() if len(group) > 1]
