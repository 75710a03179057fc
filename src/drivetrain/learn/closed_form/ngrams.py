"""The learner of `ngrams`: a sparse linear model of the n-grams of texts (see `ngram_model.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.errors import TrainingError
from drivetrain.learn.base import not_trained
from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.closed_form.ngram_model import NgramModel, fit_ngrams
from drivetrain.learn.closed_form.penalised import PenaltySettings
from drivetrain.learn.closed_form.solver import RARITIES, Choice
from drivetrain.learn.features.base import Sums, for_ngrams, unseen
from drivetrain.learn.names import NGRAMS
from drivetrain.learn.refusals import refuse_no_rows, refuse_targets
from drivetrain.types import Array


@dataclass(frozen=True)
class NgramSettings(PenaltySettings):
    """`penalty` is scikit-learn's 1 / C. `power` says how much less of it a weight has for what naive Bayes says of its n-gram:
    0 not at all. `rarity` says how much more an n-gram weighs that few texts have, as a power of its inverse document
    frequency: 0 not at all. They are found by cross-validation unless the penalty is given; then the others are 0 and 1."""

    power: float | None = None
    rarity: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.power is None or 0 <= self.power <= 1, "power", "a number from 0 to 1, or None")
        self._require(self.rarity is None or 0 <= self.rarity <= 2, "rarity", "a number from 0 to 2, or None")

    @classmethod
    def searched(cls, classes: bool) -> dict[str, Any]:
        return {
            "penalty": (1e-4, 1.0, "log"),
            "rarity": (0.0, 1.0),
            **({"power": (0.0, 1.0)} if classes else {}),
        }

    @property
    def choice(self) -> Choice | None:
        """What was given; None where cross-validation is to find it."""
        rarity = RARITIES[0] if self.rarity is None else self.rarity
        return None if self.penalty is None else Choice(self.penalty, self.power or 0.0, rarity)


class NgramsLearner(Solved):
    """Words alone and in pairs, and runs of 2 to 5 characters, of the texts of a table. Options are `seed`, `class_weights`,
    `penalty`, `power` and `rarity`, and those of `Solved`. Raises TrainingError where there is no text to learn from."""

    name, kind = NGRAMS, NgramSettings
    settings: NgramSettings
    model: NgramModel | None = None

    def _refuse_unfit(self) -> None:
        data = self.data
        refuse_targets(data, "ngrams")
        if len(unseen(data.signature, for_ngrams)) == len(data.signature.inputs):
            raise TrainingError(
                "ngrams learns from texts, and no input is one.",
                where=data.table.name,
                fix="Use another model, such as trees, or say which column is text.",
            )

    def _first_notes(self) -> list[str]:
        rest = unseen(self.data.signature, for_ngrams)
        return [f"ngrams sees nothing of {', '.join(map(repr, rest))}: no text"] if rest else []

    def _solve(self) -> None:
        batch, settings = self.training_batch(), self.settings
        refuse_no_rows(self.data)
        with self.progress("Weighing n-grams", 1) as advance:
            self.model = fit_ngrams(
                self.data.signature, batch, seed=settings.seed, class_weights=settings.class_weights,
                choice=settings.choice,
            )  # fmt: skip
            advance(1)

    def chosen_settings(self) -> dict[str, Any]:
        """With what was found, where it is of one target: of several each has its own."""
        models = {} if self.model is None else self.model.models
        found = [model.choice._asdict() for model in models.values()]
        return {**self.settings.to_json(), **(found[0] if len(found) == 1 else {})}

    @property
    def trained(self) -> bool:
        return self.model is not None

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        return self._fitted().predict(batch)

    def sums(self, target: str) -> Sums:
        model = self._fitted()
        return model.models[target].sums(model.columns_of(target))

    def graph(self) -> bytes:
        return self._fitted().graph(self.data.signature)

    def _fitted(self) -> NgramModel:
        if self.model is None:
            raise not_trained()
        return self.model

    def description(self) -> str:
        if self.model is None:
            return "linear model of n-grams"
        return f"linear model of {sum(each.count for each in self.model.columns):,} n-grams"
