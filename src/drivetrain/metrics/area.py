"""The area under the ROC curve: how often an item of a class scores higher than one that is not of it, ties half.

With two classes it is that of the second one; with more, the mean over the classes that occur, each against all
others. Undefined where only one class occurs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from drivetrain.metrics.estimate import CONFIDENCE, Estimate, Floats, Statistic, undefined, wilson
from drivetrain.types import Array

DELONG = "DeLong, on the logit scale, 95 %"


@dataclass(frozen=True, eq=False)
class Area:
    """`value` is exact. `influence` (n,) says how much each item counts: its mean is 0, and the value of another
    sample is about `value` plus the mean of its items' influence. `unseen` is the variance that it can't show, of classes
    with a single item. `rarest` is the smallest number of items that an area rests on."""

    value: float
    influence: Floats
    unseen: float
    rarest: int

    def statistic(self) -> Statistic:
        """What can be resampled, and compared with another model's."""

        def of(sums: Floats) -> Floats:
            return np.clip(self.value + sums[:, 0] / sums[:, 1], 0, 1)

        return Statistic((self.influence, np.ones(len(self.influence))), of, by_row=False)

    def estimate(self) -> Estimate:
        """With DeLong's interval on the logit scale: near 1 the usual one, and a bootstrap, hold the truth too seldom.

        DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837-845; Qin and Hotilovac (2008), Statistical Methods
        in Medical Research 17:207-221. Where all pairs are in order nothing varies: then its end is that of
        Wilson's interval for as many items as the rarer side has.
        """
        n = len(self.influence)
        if math.isnan(self.value):
            return undefined(DELONG, n)
        if self.value in (0.0, 1.0):
            end = wilson(round(self.value * self.rarest), self.rarest)
            return Estimate(self.value, end.low, end.high, DELONG, n)
        z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        error = math.sqrt(float(np.square(self.influence).sum()) / n**2 + self.unseen)
        odds = self.value / (1 - self.value)
        factor = math.exp(min(700.0, z * error / (self.value * (1 - self.value))))
        return Estimate(self.value, odds / (odds + factor), odds / (odds + 1 / factor), DELONG, n)


def roc_area(probabilities: Array, codes: Array) -> Area:
    """Of probabilities (n, classes) and the positions (n,) of the true classes."""
    n, classes = len(codes), int(probabilities.shape[1])
    counts = np.bincount(codes, minlength=classes)
    occurring: list[int] = np.flatnonzero(counts).tolist()
    if len(occurring) < 2:
        return Area(math.nan, np.zeros(n), 0.0, 0)
    chosen = [1] if classes == 2 else occurring
    areas: list[float] = []
    unseen = 0.0
    influence = np.zeros(n)
    for code in chosen:
        positive = codes == code
        area, share = _of_class(probabilities[:, code], positive)
        areas.append(area)
        influence += share / len(chosen)
        # What lies between 0 and 1 varies by no more than this.
        unseen += (counts[code] == 1) * area * (1 - area) / len(chosen) ** 2
        unseen += (counts[code] == n - 1) * area * (1 - area) / len(chosen) ** 2
    rarest = min(min(int(counts[code]), n - int(counts[code])) for code in chosen)
    # Rounded once: the mean is 1 where all areas are, and nowhere else.
    return Area(math.fsum(areas) / len(chosen), influence, float(unseen), rarest)


def _of_class(scores: Array, positive: npt.NDArray[np.bool_]) -> tuple[float, Floats]:
    """The area of one class, and each item's influence on it (n,)."""
    order = np.argsort(scores)
    ranks, others = _counts_below(scores[order], ~positive[order])
    mine = positive[order]
    m, n = int(np.count_nonzero(mine)), len(scores)
    # Of an item of the class the share of the others below it, of another the share of the class above it.
    shares = np.where(mine, others / (n - m), 1 - (ranks - others) / m)
    area = float(shares[mine].mean())
    # Widened as a variance that divides by size - 1.
    weights = [n / size * math.sqrt(size / max(1, size - 1)) for size in (m, n - m)]
    influence = np.empty(n)
    influence[order] = (shares - area) * np.where(mine, *weights)
    return area, influence


def _counts_below(ordered: Array, marked: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """For each of the rising scores (n,) how many are below it, and how many of those are marked; ties half."""
    n = len(ordered)
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], n)
    before = np.concatenate([[0], np.cumsum(marked)])
    ranks, counts = (starts + ends) / 2, (before[starts] + before[ends]) / 2
    if len(starts) == n:
        return ranks, counts
    return np.repeat(ranks, ends - starts), np.repeat(counts, ends - starts)
