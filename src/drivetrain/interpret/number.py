"""Predictions of a number beside the truth: the range that is answered, residuals, error by size, worst rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec, Quantity
from drivetrain.codecs.number import Number
from drivetrain.figures import number
from drivetrain.interpret.base import Interpretation, worst_html
from drivetrain.metrics import Estimate, mean
from drivetrain.report.words import PARTS
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart

Floats = npt.NDArray[np.float64]
BINS = 8
FEWEST = 20
"""A bin of predictions has about so many rows or more."""


@dataclass(frozen=True)
class SizeBin:
    """Rows whose predictions lie from `low` to `high`: by how much they are off on average, and in which direction
    (`bias` is predicted less true). `middle` is their median prediction."""

    low: float
    high: float
    middle: float
    error: Estimate
    bias: Estimate

    def to_json(self) -> dict[str, Any]:
        ends = {"low": self.low, "high": self.high, "middle": self.middle}
        return {**ends, "error": self.error.to_json(), "bias": self.bias.to_json()}


@dataclass(frozen=True, eq=False)
class Regression(Interpretation):
    """Predictions (n,), true numbers (n,) and absolute errors (n,) of the rows of a part."""

    @property
    def number(self) -> Number:
        return cast("Number", self.codec)

    @property
    def predicted(self) -> Floats:
        return np.asarray(self.outputs, np.float64).reshape(-1)

    @property
    def true(self) -> Floats:
        return np.asarray(self.encoded, np.float64).reshape(-1)

    @property
    def residuals(self) -> Floats:
        """(n,) predicted less true: above 0 where the model says too much."""
        return self.predicted - self.true

    @property
    def bounds(self) -> tuple[Floats, Floats] | None:
        """(n,) low and high ends of the ranges that are answered; None where there are none."""
        return self._band(self.predicted)

    def _said(self, place: int) -> dict[str, Any]:
        said = {"true": float(self.true[place]), "predicted": float(self.predicted[place])}
        if self.bounds is not None:
            low, high = (float(ends[place]) for ends in self.bounds)
            said |= {"low": low, "high": high}
        return {**said, "error": float(self.residuals[place])}

    def by_size(self) -> list[SizeBin]:
        """How far off it is among small and large predictions, in at most 8 bins of about equally many rows.

        By the prediction, and not by the truth: the largest true numbers are partly large by luck, so that any
        model looks too low on them."""
        bins = int(np.clip(len(self.true) // FEWEST, 1, BINS))
        edges = np.unique(np.quantile(self.predicted, np.arange(1, bins) / bins))
        member = np.searchsorted(edges, self.predicted, side="right")
        found = []
        for code in np.unique(member).tolist():
            rows = member == code
            predicted, residuals = self.predicted[rows], self.residuals[rows]
            found.append(
                SizeBin(
                    float(predicted.min()), float(predicted.max()), float(np.median(predicted)),
                    mean(np.abs(residuals)), mean(residuals),
                )
            )  # fmt: skip
        return found

    def sections(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        several = len(self.learner.data.signature.targets) > 1
        band = (
            "Shaded: the range that is answered; orange: rows outside it." if self.bounds is not None else ""
        )
        charts = [
            (
                self.predicted_against_true(),
                f"On the dashed line prediction and truth are equal. {band}".strip(),
            ),
            (
                self.errors(),
                "By how much, and among which predictions. A line is at 0, the blue one at the median.",
            ),
        ]
        held = metrics.get(f"{self.target}.interval_coverage" if several else "interval_coverage")
        return {"predictions": {"interval": self.interval_words(), "held": held, "charts": charts}}

    def predicted_against_true(self) -> Chart:
        """The true number of each row above its prediction, with the range that is answered."""
        from drivetrain.charts.regression import predictions

        return predictions(self.predicted, self.true, self._band, self.target, self.number.log)

    def _band(self, predicted: Floats) -> tuple[Floats, Floats] | None:
        return self.number.bounds(predicted) if self.number.interval is not None else None

    def errors(self) -> Chart:
        """How the residuals are spread, and the error by the size of the prediction."""
        from drivetrain.charts.regression import errors

        return errors(
            self.residuals, [each.to_json() for each in self.by_size()], self.target, self.number.log
        )

    def interval_words(self) -> str:
        """What the range of an answer means, and how wide it is; "" without one."""
        if self.bounds is None:
            return ""
        low, high = self.bounds
        widths = high - low
        told = f"It is {number(float(np.median(widths)))} wide at the median"
        first, last = np.quantile(self.predicted, (1 / 3, 2 / 3))
        if (self.number.local or self.number.log) and first < last:
            small, large = (
                number(float(np.median(widths[rows])))
                for rows in (self.predicted <= first, self.predicted >= last)
            )
            told += f", {small} for the smallest third of the answers and {large} for the largest"
        ends = [
            f"{way} {number(end)}"
            for way, end in (("below", self.number.lowest), ("above", self.number.highest))
            if end is not None
        ]
        limit = f" No range goes {' or '.join(ends)}, for no number does that is known." if ends else ""
        return (
            f"Each answer comes with a range that shall hold the true number in {100 * self.number.coverage:.3g} % of cases. "
            f"{told}; its width comes from the errors on the {len(self.true):,} {PARTS.get(self.part, self.part)} rows, "
            f"those of like answers (split conformal prediction).{limit}"
        )

    def _repr_html_(self) -> str:
        return (
            self.predicted_against_true()._repr_html_()
            + self.errors()._repr_html_()
            + worst_html(self.worst())
        )


def scores(codec: Codec, outputs: Array, code: int | None) -> Array:
    """float64 (n,): numbers on the scale that they are learned on."""
    del code
    return cast("Quantity", codec).transform(outputs.astype(np.float64).reshape(-1))


INTERPRETATION = Regression
