"""Confusion, per-class metrics and top losses of a classifier on one part of its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs.category import Category
from drivetrain.errors import UsageError
from drivetrain.metrics import losses
from drivetrain.metrics.category import Reliability, confusion_matrix, per_class, reliability
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.fitted import Fitted


@dataclass(frozen=True, eq=False)
class Interpretation:
    """Probabilities (n, classes), true codes (n,) and losses (n,) of the rows of a part, and the rows themselves."""

    learner: Fitted
    part: str
    codec: Category
    target: str
    probabilities: Array
    codes: Array
    losses: Array

    @classmethod
    def of(cls, learner: Fitted, part: str = "valid") -> Interpretation:
        """Predict a part. Raises UsageError without a category target."""
        for name, codec in learner.data.signature.targets.items():
            if isinstance(codec, Category):
                outputs, encoded = learner.outputs(part)
                found = losses(codec, outputs[name], encoded[name])
                return cls(learner, part, codec, name, outputs[name], encoded[name], found)
        raise UsageError("interpret needs a category target so far.", where=learner.data.table.name)

    def worst(self, n: int = 9) -> list[dict[str, Any]]:
        """The n rows of highest loss: origin, true class, predicted class, its probability, loss."""
        rows = self.learner.data.part(self.part).rows
        classes = self.codec.classes
        found = []
        for place in np.argsort(-self.losses, kind="stable")[:n]:
            best = int(self.probabilities[place].argmax())
            found.append({
                "position": int(place), "row": int(rows[place]), "origin": self.learner.data.table.origin(int(rows[place])),
                "true": classes[int(self.codes[place])], "predicted": classes[best],
                "probability": float(self.probabilities[place, best]), "loss": float(self.losses[place]),
            })  # fmt: skip
        return found

    def top_losses(self, n: int = 9) -> Chart:
        """The pictures of highest loss as the model got them: true class, prediction, its probability."""
        from drivetrain.charts import pictures

        images = self.learner.data.pictures
        if not images:
            raise UsageError("top_losses shows pictures; use worst() for other inputs.", where=self.part)
        worst = self.worst(n)
        batch = self.learner.data.part(self.part).batch(
            np.array([item["position"] for item in worst], np.int64)
        )
        captions = [f"{item['true']} → {item['predicted']} {item['probability']:.2f}" for item in worst]
        right = [item["true"] == item["predicted"] for item in worst]
        return pictures(
            list(batch[images[0]]),
            captions,
            marks=right,
            title=f"Highest losses: true → predicted ({self.part})",
        )

    def confusion(self) -> Chart:
        """The confusion matrix as a chart."""
        from drivetrain.charts import confusion

        return confusion(self.confusion_matrix(), list(self.codec.classes))

    def confusion_matrix(self) -> Array:
        """int64 (classes, classes): rows are true, columns predicted."""
        return confusion_matrix(self.codec, self.probabilities, self.codes)

    def per_class(self) -> dict[str, Any]:
        """Precision, recall and F1 of each class, with intervals."""
        return per_class(self.codec, self.probabilities, self.codes)

    def calibration(self) -> list[Reliability]:
        """How often the answer was right, for answers of like probability."""
        return reliability(self.codec, self.probabilities, self.codes)

    def _repr_html_(self) -> str:
        return self.confusion()._repr_html_() + self.top_losses()._repr_html_()
