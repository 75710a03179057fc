"""Pictures are seen by baselines alone: each channel reduced to at most 16 x 16 by area mean, 0 to 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.learn.features.base import Features
from drivetrain.types import Array

MOST_SIDE = 16


def for_baselines(codec: Codec) -> Callable[[Array], Features]:
    """uint8 (n, height, width, channels), of whatever size they are stored in -> (n, columns)."""
    out = [min(side, MOST_SIDE) for side in codec.shape[:2]]

    def reduce(images: Array) -> Features:
        # Of a large picture every n-th pixel will do: at least 4 x 4 for each one that remains.
        steps = [max(1, side // (4 * MOST_SIDE)) for side in images.shape[1:3]]
        images = images[:, :: steps[0], :: steps[1]]
        n, rows, columns, channels = images.shape
        across = images.reshape(n, rows, columns * channels).astype(np.float32)
        down = (area_mean(rows, out[0]) @ across).reshape(n * out[0], columns, channels)
        reduced = area_mean(columns, out[1]) @ down
        return (reduced.reshape(n, -1) / 255).astype(np.float32)

    return reduce


def area_mean(size: int, wanted: int) -> Features:
    """(wanted, size): each row the share that every source pixel has in one of `wanted` equal stretches."""
    edges = np.arange(wanted + 1) * (size / wanted)
    pixel = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) * (wanted / size)).astype(np.float32)
