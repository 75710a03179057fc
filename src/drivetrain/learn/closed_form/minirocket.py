"""The learner of `minirocket`: ridge regression on what many small kernels find in series (see `features/kernels.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.data.split import ByGroup, codes_of
from drivetrain.errors import TrainingError
from drivetrain.graphs.builder import Builder
from drivetrain.learn.base import not_trained
from drivetrain.learn.closed_form.linear import Linear
from drivetrain.learn.closed_form.penalised import Penalised, PenaltySettings
from drivetrain.learn.closed_form.regression import BEYOND
from drivetrain.learn.closed_form.ridge import fit_ridge
from drivetrain.learn.features.base import Columns, Features, for_kernels, matrix, unseen, with_kinds
from drivetrain.learn.goals import goal_of
from drivetrain.learn.names import MINIROCKET
from drivetrain.learn.refusals import refuse_no_rows, refuse_targets
from drivetrain.ragged import column_in
from drivetrain.types import Array

MOST_ROWS = 30_000
"""Of training rows that it is fitted to: their columns take 300 MB."""
AT_ONCE = 2_048
"""Rows whose columns are held together to answer."""


@dataclass(frozen=True)
class MiniRocketSettings(PenaltySettings):
    """`penalty`, of each column, is found on rows left out unless it is given."""

    @classmethod
    def searched(cls, classes: bool) -> dict[str, Any]:
        return {"penalty": (1e-4, 30.0, "log")}


class MiniRocketLearner(Penalised):
    """Options are `seed`, `class_weights` and `penalty`, and those of `Solved`. Raises TrainingError where no input is a
    series."""

    name, kind = MINIROCKET, MiniRocketSettings
    settings: MiniRocketSettings
    columns: tuple[Columns, ...] = ()

    def _refuse_unfit(self) -> None:
        data = self.data
        refuse_targets(data, self.name)
        if len(unseen(data.signature, for_kernels)) == len(data.signature.inputs):
            raise TrainingError(
                "minirocket learns from series, and no input is one.",
                where=data.table.name,
                fix="Use another model, such as best.",
            )

    def _first_notes(self) -> list[str]:
        rest = unseen(self.data.signature, for_kernels)
        told = [f"minirocket sees nothing of {with_kinds(self.data.signature, rest)}"] if rest else []
        if (rows := len(self.data.rows("train"))) > MOST_ROWS:
            told.append(f"minirocket is fitted to {MOST_ROWS:,} of {rows:,} training rows, drawn by chance")
        return told

    def _solve(self) -> None:
        refuse_no_rows(self.data)
        signature, settings = self.data.signature, self.settings
        batch, groups = self._training_rows()
        made = ((name, codec, for_kernels(codec)) for name, codec in signature.inputs.items())
        with self.progress("Looking with kernels", 2) as advance:
            columns = tuple(
                make(name, codec, column_in(batch, name), settings.seed)
                for name, codec, make in made
                if make is not None
            )
            features = matrix(columns, batch)
            advance(1)
            for name, codec in signature.targets.items():
                encoded = np.asarray(batch[name])
                goal = goal_of(codec, encoded, self.name).limited(BEYOND)
                self.models[name] = fit_ridge(
                    goal, features, encoded, penalty=settings.penalty, class_weights=settings.class_weights, groups=groups
                )  # fmt: skip
            advance(1)
        self.columns = columns

    def _training_rows(self) -> tuple[dict[str, Any], Array | None]:
        """Encoded rows, and the group of each where they are split in groups or windows of recordings: what is left out is left out
        together."""
        part = self.data.part("train")
        chosen = np.arange(len(part))
        if len(chosen) > MOST_ROWS:
            chosen = np.sort(
                np.random.default_rng(self.settings.seed).choice(chosen, MOST_ROWS, replace=False)
            )
        splitter = self.data.splitter
        if isinstance(splitter, ByGroup):
            return part.batch(chosen), codes_of(self.data.table, splitter.column)[0][part.rows[chosen]]
        if (together := self.data.together("train")) is None:
            return part.batch(chosen), None
        names, groups = np.unique(together[chosen], return_inverse=True)
        return part.batch(chosen), groups if len(names) > 1 else None

    @property
    def trained(self) -> bool:
        return bool(self.columns)

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        if not self.trained:
            raise not_trained()
        parts = [
            {name: model.answer(features) for name, model in self.models.items()}
            for features in self._pieces(batch)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.models}

    def _pieces(self, batch: Mapping[str, Any]) -> Iterator[Features]:
        """The columns of so many rows at a time: of all they may not fit into memory."""
        found = {each.field: column_in(batch, each.field) for each in self.columns}
        rows = min(map(len, found.values()))
        for start in range(0, max(rows, 1), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            yield np.concatenate([each.of(found[each.field][some]) for each in self.columns], axis=1)

    def graph(self) -> bytes:
        if not self.trained:
            raise not_trained()
        return write_graph(self.data.signature, self.columns, self.models)

    def description(self) -> str:
        return f"kernels on series and ridge regression{self._count()}"


def write_graph(signature: Signature, columns: tuple[Columns, ...], models: Mapping[str, Linear]) -> bytes:
    """Encoded series in, finished outputs out, any number of rows."""
    builder = Builder(signature)
    features = builder.beside([each.write(builder) for each in columns])
    for name, model in models.items():
        model.write(builder, features, builder.outputs[name])
    return builder.model(MINIROCKET)
