"""Which labels a model contradicts that has not seen them (confident learning), and how many can be wrong at most.

Northcutt, Jiang and Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of Artificial
Intelligence Research 70:1373-1411.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from drivetrain.metrics import Estimate
from drivetrain.metrics.estimate import CONFIDENCE, Floats, undefined
from drivetrain.types import Array

Ints = npt.NDArray[np.int64]

SUREST = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Shares of the answers, the surest first, of which the one is taken that tells most."""
METHOD = "Wilson score of the surest answers, at most, 95 %"


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


def most_wrong(probabilities: Array, codes: Array) -> Estimate:
    """The share of wrong labels, from 0 to what it is at most, 95 %: by the answers that the model is surest of.

    A model contradicts right labels too: where it has learned little, and where the inputs leave the outcome to chance.
    Among the answers it is surest of it does so least, while labels that are wrong at random are as frequent there as
    elsewhere. So what it contradicts there bounds their share; the surest answers are taken of each class, so that no
    class's labels are passed over. Nothing bounds it from below, for chance looks the same: the value is unknown.
    """
    predicted = probabilities.argmax(axis=1)
    contradicted = predicted != codes
    places = np.empty(len(codes))
    for code in np.unique(predicted):
        rows = np.flatnonzero(predicted == code)
        surest = rows[np.argsort(-probabilities[rows, code], kind="stable")]
        places[surest] = (np.arange(len(rows)) + 0.5) / len(rows)
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / len(SUREST))
    bounds = [
        _upper(int(np.count_nonzero(contradicted[within])), len(within), z)
        for within in (np.flatnonzero(places <= share) for share in SUREST)
        if len(within)
    ]
    return Estimate(math.nan, 0.0, min(bounds), METHOD, len(codes)) if bounds else undefined(METHOD)


def _upper(hits: int, n: int, z: float) -> float:
    """The upper end of Wilson's interval."""
    share = hits / n
    centre, square = share + z * z / (2 * n), share * (1 - share) / n + z * z / (4 * n * n)
    return min(1.0, (centre + z * math.sqrt(square)) / (1 + z * z / n))
