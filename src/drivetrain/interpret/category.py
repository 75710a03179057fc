"""Confusion, per-class metrics, thresholds and top losses of a classifier on one part of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.category import Category
from drivetrain.data.show import inputs_looked_at, looked
from drivetrain.errors import UsageError
from drivetrain.interpret.base import Interpretation, worst_html
from drivetrain.interpret.thresholds import Thresholds, thresholds
from drivetrain.metrics.category import Reliability, confusion_matrix, per_class, reliability
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart


MISTAKES = 16
"""So many pictures are shown as mistakes."""


@dataclass(frozen=True, eq=False)
class Classification(Interpretation):
    """Probabilities (n, classes), true codes (n,) and losses (n,) of the rows of a part."""

    @property
    def category(self) -> Category:
        return cast("Category", self.codec)

    @property
    def probabilities(self) -> Array:
        return self.outputs

    @property
    def codes(self) -> Array:
        return self.encoded

    def _said(self, place: int) -> dict[str, Any]:
        classes, shares = self.category.classes, self.probabilities[place]
        best = int(self.category.chosen(shares[None])[0])
        true = classes[int(self.codes[place])]
        return {"true": true, "predicted": classes[best], "probability": float(shares[best])}

    def top_losses(self, n: int = 9) -> Chart:
        """What has the highest loss as the model got it, pictures or sounds: true class, prediction, its probability, file
        name. Raises UsageError for a table."""
        from drivetrain.charts.chart import shorten

        data = self.learner.data
        if not inputs_looked_at(data):
            raise UsageError(
                "top_losses shows what can be looked at; use worst() for other inputs.", where=self.part
            )
        worst = self.worst(n)
        positions = np.array([item["position"] for item in worst], np.int64)
        captions = [
            f"{shorten(item['true'], 14)} → {shorten(item['predicted'], 14)} {item['probability']:.2f}\n"
            + data.called(item["row"])
            for item in worst
        ]
        right = [item["true"] == item["predicted"] for item in worst]
        title = f"Highest losses: true → predicted ({self.part})"
        return looked(data, self.part, positions, captions, title, right)

    def mistakes(self) -> Any:
        return self.top_losses(MISTAKES) if inputs_looked_at(self.learner.data) else super().mistakes()

    def sections(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        per_class = {
            name: {metric: estimate.to_json() for metric, estimate in values.items()}
            for name, values in self.per_class().items()
        }
        found = {"per_class": per_class, "confusion": self.confusion(), "calibration": self.calibration()}
        return found if len(per_class) != 2 else {**found, "thresholds": self.thresholds().chart}

    def confusion(self) -> Chart:
        """The confusion matrix as a chart."""
        from drivetrain.charts import confusion

        return confusion(self.confusion_matrix(), list(self.category.classes))

    def confusion_matrix(self) -> Array:
        """int64 (classes, classes): rows are true, columns predicted."""
        return confusion_matrix(self.codec, self.probabilities, self.codes)

    def per_class(self) -> dict[str, Any]:
        """Precision, recall and F1 of each class, with intervals."""
        return per_class(self.codec, self.probabilities, self.codes, self.learner.data.together(self.part))

    def calibration(self) -> list[Reliability]:
        """How often the answer was right, for answers of like probability."""
        return reliability(self.codec, self.probabilities, self.codes)

    def thresholds(self) -> Thresholds:
        """What each threshold for answering the second of two classes costs. Raises UsageError for other numbers of them."""
        return thresholds(self.category, self.probabilities, self.codes)

    def _repr_html_(self) -> str:
        worst = (
            self.top_losses()._repr_html_()
            if inputs_looked_at(self.learner.data)
            else worst_html(self.worst())
        )
        return self.confusion()._repr_html_() + worst


LEAST = 1e-12
"""A probability counts as that at least where its logarithm is taken."""


def scores(codec: Codec, outputs: Array, code: int | None) -> Array:
    """float64 (n,): the logarithm of a class's probability less the mean of the others' (see `telling.py`)."""
    del codec
    logs = np.log(np.maximum(outputs.astype(np.float64), LEAST))
    there: Array = np.any(outputs > 0, axis=0)
    there[code] = False
    return logs[:, code] - (logs[:, there].mean(axis=1) if there.any() else 0.0)


INTERPRETATION = Classification
