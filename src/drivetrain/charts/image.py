"""A picture is looked at as it is."""

from __future__ import annotations

from drivetrain.types import Array


def picture(encoded: Array) -> Array:
    """uint8 (height, width, channels)."""
    return encoded
