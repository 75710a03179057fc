"""The default of forecasts as a learner: a bank of closed forms (see `forecasting/`), which answers by its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from drivetrain.bundle.tensors import made_names
from drivetrain.errors import TrainingError, UsageError
from drivetrain.extensions import kind_of
from drivetrain.forecasting.bank import Bank
from drivetrain.forecasting.choosing import fit
from drivetrain.learn.base import not_trained
from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.forecast.graph import bank_graph
from drivetrain.learn.settings import Record
from drivetrain.ragged import graph_inputs
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.codecs.series import Series
    from drivetrain.tasks.series import Forecasting

BANK = "bank"
AT_ONCE = 2**22
"""Numbers that windows hold together that are answered at once: 16 MiB."""


@dataclass(frozen=True)
class BankSettings(Record):
    """There is nothing to set: all is chosen by what it would have foretold."""

    loss: ClassVar[str] = "absolute"
    class_weights: ClassVar[str] = "none"
    seed: int = 0


class BankLearner(Solved):
    """What is chosen in expanding windows of training, solved with all of training."""

    name, kind = BANK, BankSettings
    settings: BankSettings
    bank: Bank | None = None

    def _refuse_unfit(self) -> None:
        if any(kind_of(codec) != "series" for codec in self.data.signature.targets.values()):
            raise UsageError("this model continues series.", where="model", fix="Choose another.")

    def _first_notes(self) -> list[str]:
        layout = cast("Forecasting", self.data).layout
        rest = [*layout.past, *layout.static]
        if not rest:
            return []
        return [f"a bank sees nothing of {', '.join(rest)}: a network does, such as --model tcn"]

    def _solve(self) -> None:
        from threadpoolctl import threadpool_limits

        data = cast("Forecasting", self.data)
        codec = cast("Series", data.signature.targets[data.target])
        ends = data.training_end
        series = [data.values[start:end] for start, end in zip(data.offsets, ends) if end > start]
        if not series:
            raise TrainingError("no series has a moment to learn from.", where=data.table.name)
        channels = list(data.layout.channels)
        # The calendar alone says what lags of a week and a year say already: it counts beside what else is known.
        future = [channels.index(name) for name in data.layout.ahead] if data.layout.known else []
        with threadpool_limits(1 if sum(map(len, series)) < 2**17 else None):
            self.bank = fit(
                series, data.horizon, data.seasons, context=data.context, future=future, levels=codec.levels
            )
        self._session = OnnxSession(self.graph(), made_names(data.signature))
        self.notes += [note for note in self.bank.told() if note not in self.notes]

    @property
    def trained(self) -> bool:
        return self.bank is not None

    def predict_part(self, part: str) -> dict[str, Array]:
        data = cast("Forecasting", self.data)
        found = data.part(part)
        size = max(1, AT_ONCE // (data.context * data.values.shape[1]))
        made = [
            self.run_arrays(found.batch(slice(start, start + size)))
            for start in range(0, max(1, len(found)), size)
        ]
        return {name: np.concatenate([each[name] for each in made]) for name in made[0]}

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        self._bank()
        arrays = {name: np.asarray(batch[name]) for name in self.data.signature.inputs}
        return self._session.run(graph_inputs(arrays, self.data.signature.inputs))

    def graph(self) -> bytes:
        return bank_graph(self._bank(), self.data.signature)

    def _bank(self) -> Bank:
        if self.bank is None:
            raise not_trained()
        return self.bank

    def recipe(self) -> dict[str, Any]:
        return self._bank().recipe.to_json()

    def description(self) -> str:
        if self.bank is None:
            return "a bank of closed forms"
        return self.bank.told()[0]
