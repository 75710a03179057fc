"""Sounds are looked at as waves and spectrograms, and listened to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from drivetrain.charts.chart import Chart
from drivetrain.charts.waves import Sound, waves
from drivetrain.codecs import Codec
from drivetrain.codecs.audio import Audio
from drivetrain.types import Array


def sheet(
    codec: Codec,
    values: Sequence[Array],
    captions: Sequence[str],
    title: str,
    marks: Sequence[bool] | None = None,
) -> Chart:
    """Encoded sounds (samples,) with a caption each, without the zeros that fill a shorter one up at its end."""
    rate = cast("Audio", codec).rate or 0
    return waves(
        [Sound(_heard(value), rate, caption) for value, caption in zip(values, captions)], title, marks
    )


def _heard(samples: Array) -> Array:
    sounding = np.flatnonzero(samples)
    return samples[: sounding[-1] + 1] if len(sounding) else samples
