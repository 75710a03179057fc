"""A series in words, and in groups by how long it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.data.cell_text import Texts
from drivetrain.data.groups import Named, ranged
from drivetrain.figures import counted
from drivetrain.types import Array


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    del codec, raw
    return [counted(len(row), "moment", "moments") for row in encoded]


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    if codec.varies:
        yield ranged(np.array([len(row) for row in encoded], np.float64), form="of {} moments")
