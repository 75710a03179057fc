"""What the learners share that solve for the weights of columns under a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.closed_form.linear import Linear
from drivetrain.learn.settings import CLASS_WEIGHTS, Record


@dataclass(frozen=True)
class PenaltySettings(Record):
    """`penalty` is found on rows left out unless it is given."""

    loss = "squared"  # Nobody chooses it: no field.
    seed: int = 0
    class_weights: str = "none"
    penalty: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(isinstance(self.seed, int) and self.seed >= 0, "seed", "a whole number from 0")
        self._require(
            self.class_weights in CLASS_WEIGHTS, "class_weights", f"one of {', '.join(CLASS_WEIGHTS)}"
        )
        self._require(self.penalty is None or self.penalty > 0, "penalty", "a number above 0, or None")


class Penalised(Solved):
    """A subclass fits `models`, one of each target."""

    settings: PenaltySettings
    models: dict[str, Linear]

    def _begin(self) -> None:
        super()._begin()
        self.models = {}

    def chosen_settings(self) -> dict[str, Any]:
        """With the penalty that was found, where it is of one target: of several each has its own."""
        found = [model.choice.penalty for model in self.models.values()]
        return {**self.settings.to_json(), **({"penalty": found[0]} if len(found) == 1 else {})}

    def _count(self) -> str:
        """How many weights there are, once there are some."""
        return (
            f", {sum(len(model.weights) for model in self.models.values()):,} weights" if self.trained else ""
        )
