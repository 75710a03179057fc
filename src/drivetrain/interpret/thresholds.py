"""What each threshold costs: of two classes, from which probability on should the second one be answered?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.category import Category
from drivetrain.errors import UsageError
from drivetrain.metrics.category import checked
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart

Floats = npt.NDArray[np.float64]
STEPS = 101


@dataclass(frozen=True, eq=False)
class Thresholds:
    """For each threshold (k,) what comes of answering `positive` from that probability on, on `n` rows.

    `cost` is the mean cost of an answer where costs are set, else the share of wrong answers. `chosen` is the threshold
    that the model's answers follow: 0.5, or with costs where both answers are expected to cost the same. Precision is
    NaN where `positive` is never answered.
    """

    positive: str
    threshold: Floats
    precision: Floats
    recall: Floats
    cost: Floats
    costs_set: bool
    chosen: float
    n: int

    @property
    def cheapest(self) -> float:
        """The threshold of the least cost on these rows, which on others is likely to be a little off."""
        return float(self.threshold[self.cost.argmin()])

    @property
    def chart(self) -> Chart:
        """Precision, recall and cost by threshold, the chosen one marked."""
        from drivetrain.charts.thresholds import thresholds

        told = "mean cost" if self.costs_set else "error rate"
        return thresholds(self.to_json(), told, not self.costs_set)

    def to_json(self) -> dict[str, Any]:
        lists = {name: getattr(self, name).tolist() for name in ("threshold", "recall", "cost")}
        precision = [None if np.isnan(value) else float(value) for value in self.precision]
        return {
            "positive": self.positive, **lists, "precision": precision, "costs_set": self.costs_set,
            "chosen": self.chosen, "cheapest": self.cheapest, "n": self.n,
        }  # fmt: skip

    def _repr_html_(self) -> str:
        return self.chart._repr_html_()


def thresholds(codec: Category, probabilities: Array, codes: Array) -> Thresholds:
    """Of probabilities (n, 2) and true codes (n,). Raises UsageError for other numbers of classes."""
    if len(codec.classes) != 2:
        raise UsageError(
            f"a threshold parts two classes, and there are {len(codec.classes)}.", where="thresholds"
        )
    probabilities, codes = checked(codec, probabilities, codes)
    levels = np.linspace(0, 1, STEPS)
    shares = probabilities[:, 1].astype(np.float64)
    # How many of each class reach each threshold.
    reach = [
        len(found) - np.searchsorted(np.sort(found), levels)
        for found in (shares[codes == 0], shares[codes == 1])
    ]
    false, hits = (found.astype(np.float64) for found in reach)
    negatives, positives = np.bincount(codes, minlength=2).tolist()
    costs = np.array(codec.costs or ((0, 1), (1, 0)), np.float64)
    total = (
        costs[1, 1] * hits
        + costs[1, 0] * (positives - hits)
        + costs[0, 1] * false
        + costs[0, 0] * (negatives - false)
    )
    said = hits + false
    return Thresholds(
        codec.classes[1], levels, np.divide(hits, said, out=np.full(STEPS, np.nan), where=said > 0),
        hits / max(1, positives), total / max(1, len(codes)), bool(codec.costs), _chosen(costs), len(codes),
    )  # fmt: skip


def _chosen(costs: Floats) -> float:
    """The probability of the second class at which both answers are expected to cost the same."""
    wrongly, missed = costs[0, 1] - costs[0, 0], costs[1, 0] - costs[1, 1]
    return float(np.clip(wrongly / (wrongly + missed), 0, 1)) if wrongly + missed > 0 else 0.5
