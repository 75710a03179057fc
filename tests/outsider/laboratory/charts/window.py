"""A window as a picture: a strip for each channel, in which a line goes up and down."""

from __future__ import annotations

import numpy as np

from drivetrain.types import Array

STRIP = 24


def picture(encoded: Array) -> Array:
    """float32 (channels, length) -> uint8 (STRIP * channels, 2 * length, 1)."""
    low, high = encoded.min(axis=1, keepdims=True), encoded.max(axis=1, keepdims=True)
    places = ((STRIP - 1) * (high - encoded) / np.maximum(high - low, 1e-6)).round().astype(np.int64)
    drawn = np.full((len(encoded), STRIP, encoded.shape[1]), 255, np.uint8)
    np.put_along_axis(drawn, places[:, None], 0, axis=1)
    return drawn.reshape(-1, encoded.shape[1], 1).repeat(2, axis=1)
