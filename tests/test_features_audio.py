"""What a simple model sees of sounds: neither how loud they were recorded nor where in the window they lie."""

import numpy as np
import pytest
from sounds import RATE, tone

from drivetrain.codecs.audio import Audio
from drivetrain.learn.features.audio import CEPSTRA, STRETCHES, for_baselines

CODEC = Audio(rate=RATE, seconds=0.5)


def columns(*sounds):
    padded = np.zeros((len(sounds), 4000), np.float32)
    for row, (start, samples) in zip(padded, sounds):
        row[start : start + len(samples)] = samples
    return for_baselines(CODEC)(padded)


def test_what_is_said_counts_and_not_how_loud_or_when():
    low, high = tone(300, 0.25, 1, noise=0.0), tone(1200, 0.25, 2, noise=0.0)
    found = columns((0, low), (0, 0.2 * low), (800, low), (0, high))
    assert found.shape == (4, STRETCHES * CEPSTRA + 1)
    assert found.dtype == np.float32
    assert np.allclose(found[0], found[1], atol=1e-3)
    assert np.abs(found[0] - found[2]).max() < 0.1
    assert np.abs(found[0] - found[3]).max() > 0.5
    shorter = columns((0, tone(300, 0.125, 1, noise=0.0)))
    assert found[0, -1] - shorter[0, -1] == pytest.approx(np.log(2), abs=0.25)


def test_silence_and_no_rows():
    assert np.isfinite(columns((0, np.zeros(4000)))).all()
    assert for_baselines(CODEC)(np.zeros((0, 4000), np.float32)).shape == (0, STRETCHES * CEPSTRA + 1)
