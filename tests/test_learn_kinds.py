"""What a learner does for a kind that this house knows nothing of: it goes by what the codec says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.data.augment.pictures import Augment
from drivetrain.data.dataset import Dataset
from drivetrain.errors import UsageError
from drivetrain.learn.learner import Learner

SIDE = 64
"""From this size up pictures are photographs to the defaults, and augmented."""


@dataclass(frozen=True)
class Spectrum(Image):
    """Times and frequencies as uint8 (height, width, 1): with time reversed or turned by an angle it would be another one."""

    op: ClassVar[str] = "spectrum@1"
    like: ClassVar[str] = "image"
    augment: ClassVar[str] = ""


def of(codec: Image) -> Dataset:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for _ in range(12)]
    block = dt.DataBlock(inputs={"x": codec}, targets={"y": Category()}, split=dt.split.none())
    return block.from_columns({"x": images, "y": ["a", "b"] * 6})


def test_an_array_is_augmented_only_where_its_codec_says_so() -> None:
    photo = Learner(of(Image()), "cnn", bare=True)
    assert photo.augment == Augment.photos()
    assert photo.picture_augment is not None
    other = Learner(of(Spectrum()), "cnn", bare=True)
    assert other.augment == Augment.none()
    assert other.picture_augment is None
    assert other.enlarge == 1.0
    assert other.settings.batch_size == photo.settings.batch_size  # It is as large.


def test_an_augmentation_that_nothing_may_bear_is_refused() -> None:
    with pytest.raises(UsageError, match="for pictures"):
        Learner(of(Spectrum()), "cnn", augment="photos", bare=True)
