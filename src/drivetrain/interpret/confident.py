"""Confident learning: which labels a model contradicts that has not seen them, and how many are wrong in all.

Northcutt, Jiang and Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of Artificial
Intelligence Research 70:1373-1411.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.metrics import Estimate
from drivetrain.metrics.estimate import Floats, block_of, percentiles, resample
from drivetrain.types import Array

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Doubts:
    """Of probabilities (n, classes) and the codes (n,) that rows are labelled with.

    `suggested` (n,) is the class that a row seems to be of, -1 where no class is likely enough to say; `margins` (n,) the
    probability of the given class minus that of the likeliest other one: low where the label is doubtful.
    """

    codes: Ints
    suggested: Ints
    margins: Floats

    @property
    def doubted(self) -> npt.NDArray[np.bool_]:
        """(n,) the rows that seem to be of another class than they are labelled with."""
        return (self.suggested >= 0) & (self.suggested != self.codes)

    def order(self) -> Ints:
        """(n,) the rows from the most doubtful on: those that are doubted first, by margin."""
        return np.lexsort((self.margins, ~self.doubted))

    def share(self, classes: int, seed: int = 0) -> Estimate:
        """The share of wrong labels, by the rows for which something can be said, class by class.

        It is too high where the inputs leave much of the outcome to chance: what is likely is then often not what
        happened. The interval knows of the rows' chance, not of that."""
        right, said = self.suggested == self.codes, self.suggested >= 0
        n, blocks = len(self.codes), block_of(len(self.codes), seed)
        size = (int(blocks.max()) + 1 if n else 0) * classes
        cells = blocks * classes + self.codes
        sums = np.concatenate(
            [
                np.bincount(cells, weights=weights, minlength=size).reshape(-1, classes)
                for weights in (right, said, np.ones(n))
            ],
            axis=1,
        )
        value = float(_wrong(sums.sum(axis=0, keepdims=True))[0])
        return percentiles(value, _wrong(resample(sums, seed)), n)


def find_doubts(probabilities: Array, codes: Array) -> Doubts:
    """A class is likely enough for a row where its probability is at least the mean that the rows labelled so have."""
    n, classes = probabilities.shape
    rows, codes = np.arange(n), np.asarray(codes, np.int64)
    given = probabilities[rows, codes].astype(np.float64)
    counts = np.bincount(codes, minlength=classes)
    thresholds = np.bincount(codes, weights=given, minlength=classes) / np.maximum(counts, 1)
    thresholds[counts == 0] = np.inf
    likely = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = np.where(likely.max(axis=1) >= 0, likely.argmax(axis=1), -1)
    others = probabilities.astype(np.float64)
    others[rows, codes] = -np.inf
    return Doubts(codes, suggested, given - others.max(axis=1))


def _wrong(sums: Floats) -> Floats:
    """From sums (rows, 3 classes) of right, said and all: 1 - the share of right ones, each class by its size."""
    right, said, everyone = np.split(sums, 3, axis=1)
    shares = np.divide(right, said, out=np.ones_like(right), where=said > 0)
    return 1 - (everyone * shares).sum(axis=1) / everyone.sum(axis=1)
