"""Statistics of large outputs, taken a batch at a time: what is kept of a row is a number for each term, and no output.

An output is large that has more than 32,768 numbers a row, such as the probabilities of 10,000 words at each of 256
places: those of a thousand rows are 10 GB. What a metric makes of each row by itself can be put together from batches;
what looks at all outputs at once (an area under a curve, a calibration error) is not measured of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.metrics.estimate import Estimate, Floats, Statistic
from drivetrain.metrics.kind import means_of, metrics_of
from drivetrain.types import Array

LARGE = 2**15
"""Numbers in a row of outputs, from above which they are not kept."""
AT_ONCE = 2**24
"""Numbers in a batch of them: 64 MiB of float32."""


def is_large(codec: Codec) -> bool:
    """Whether the outputs of a target are taken a batch at a time."""
    return numbers(codec) > LARGE


def numbers(codec: Codec) -> int:
    """How many numbers a row of a target's outputs has."""
    return math.prod(codec.output_shape)


def rows_at_once(codecs: Iterable[Codec]) -> int:
    """How many rows of the outputs of these targets are in a batch."""
    return max(1, AT_ONCE // max(1, sum(map(numbers, codecs))))


@dataclass(frozen=True, eq=False)
class Scores:
    """What is kept of large outputs: the statistics that are made of each row by itself, and the losses (n,)."""

    statistics: dict[str, Statistic]
    losses: Floats

    @classmethod
    def of(cls, codec: Codec, outputs: Array, encoded: Array) -> Scores:
        """Of one batch. Raises DrivetrainError."""
        found = means_of(codec, outputs, encoded)
        by_row = {name: made for name, made in found.items() if made.by_row}
        return cls(by_row, metrics_of(codec).losses(codec, outputs, encoded))

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Of the rows of several batches, one at least."""
        names = parts[0].statistics
        statistics = {name: Statistic.joined([part.statistics[name] for part in parts]) for name in names}
        return cls(statistics, np.concatenate([part.losses for part in parts]))

    def measure(self, seed: int = 0, groups: Array | None = None) -> dict[str, Estimate]:
        """The statistics with their intervals, of groups where there are some (see `Statistic.drawn_by`)."""
        return {name: found.drawn_by(groups).estimate(seed) for name, found in self.statistics.items()}


def scores(codec: Codec, outputs: Array, encoded: Array) -> Scores:
    """Of outputs that are there already, but of which a metric would make several times as much."""
    size, n = rows_at_once([codec]), len(encoded)
    starts = range(0, max(1, n), size)  # Of no rows too there is one batch.
    return Scores.joined(
        [Scores.of(codec, outputs[at : at + size], encoded[at : at + size]) for at in starts]
    )
