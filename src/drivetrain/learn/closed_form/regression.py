"""Penalised regression on the columns of a table: ridge regression of numbers, logistic regression of categories.

Closed form, or nearly so, and quick: where the target follows the columns in straight lines, or the rows are few, nothing
else that is tried is as good (Hoerl and Kennard 1970, Technometrics 12:55-67). The penalty is found by cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.errors import TrainingError
from drivetrain.graphs.builder import Builder
from drivetrain.learn.base import not_trained
from drivetrain.learn.closed_form.columns import RegressionColumns, fit_columns_of
from drivetrain.learn.closed_form.linear import fit_dense
from drivetrain.learn.closed_form.penalised import Penalised, PenaltySettings
from drivetrain.learn.features.base import for_regression, unseen, with_kinds
from drivetrain.learn.goals import goal_of
from drivetrain.learn.names import REGRESSION
from drivetrain.learn.refusals import refuse_no_rows, refuse_targets
from drivetrain.learn.trees.growth import SMALL
from drivetrain.types import Array

BEYOND = 1.0
"""An answer stays so many times the training's range beyond it: a line leads to any number."""


@dataclass(frozen=True)
class RegressionSettings(PenaltySettings):
    """`penalty` is found by cross-validation unless it is given: scikit-learn's alpha, or 1 / C."""

    @classmethod
    def searched(cls, classes: bool) -> dict[str, Any]:
        return {"penalty": (1e-2, 1e4, "log")}


class RegressionLearner(Penalised):
    """Options are `seed`, `class_weights` and `penalty`, and those of `Solved`. Raises UsageError for targets that are
    neither a category nor a number, TrainingError where there is nothing to learn from."""

    name, kind = REGRESSION, RegressionSettings
    settings: RegressionSettings
    columns: RegressionColumns | None = None

    def _refuse_unfit(self) -> None:
        data = self.data
        refuse_targets(data, "a regression")
        if len(unseen(data.signature, for_regression)) == len(data.signature.inputs):
            raise TrainingError(
                "a regression learns from numbers, categories, dates and tags, and there is none of them.",
                where=data.table.name,
                fix="Use another model, such as ngrams or mlp.",
            )

    def _first_notes(self) -> list[str]:
        rest = unseen(self.data.signature, for_regression)
        return [f"a regression sees nothing of {with_kinds(self.data.signature, rest)}"] if rest else []

    def _solve(self) -> None:
        from threadpoolctl import threadpool_limits

        batch, settings = self.training_batch(), self.settings
        refuse_no_rows(self.data)
        columns = fit_columns_of(self.data.signature, batch)
        features = columns.features(batch)
        with threadpool_limits(1 if features.size <= SMALL else None):
            for name, codec in self.data.signature.targets.items():
                encoded = np.asarray(batch[name])
                goal = goal_of(codec, encoded, "a regression").limited(BEYOND)
                self.models[name] = fit_dense(
                    goal, features, encoded, settings.penalty, settings.class_weights
                )
        self.columns = columns

    @property
    def trained(self) -> bool:
        return self.columns is not None

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        features = self._columns().features(batch)
        return {name: model.answer(features) for name, model in self.models.items()}

    def graph(self) -> bytes:
        builder = Builder(self.data.signature)
        features = self._columns().write(builder)
        for name, model in self.models.items():
            model.write(builder, features, builder.outputs[name])
        return builder.model("regression")

    def _columns(self) -> RegressionColumns:
        if self.columns is None:
            raise not_trained()
        return self.columns

    def description(self) -> str:
        return f"penalised regression{self._count()}"
