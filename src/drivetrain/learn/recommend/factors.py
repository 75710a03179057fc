"""The learner of `factors`: what somebody would give an item, by matrix factorisation (see `factorise.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from drivetrain.codecs.category import Category
from drivetrain.learn.base import not_trained
from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.names import FACTORS
from drivetrain.learn.recommend.factorise import STARTS, SWEEPS, Factors, factorise
from drivetrain.learn.settings import Record
from drivetrain.models.registry import refuse_unfit
from drivetrain.types import Array


@dataclass(frozen=True)
class FactorsSettings(Record):
    """`sweeps` is how often users and items are fitted to each other."""

    seed: int = 0
    sweeps: int = SWEEPS

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(isinstance(self.seed, int) and self.seed >= 0, "seed", "a whole number from 0")
        self._require(isinstance(self.sweeps, int) and self.sweeps >= 1, "sweeps", "a whole number from 1")


class FactorsLearner(Solved):
    """Matrix factorisation of two categories, such as user and item, and a number. Options are `seed` and `sweeps`, and
    those of `Solved`."""

    name, kind = FACTORS, FactorsSettings
    settings: FactorsSettings
    factors: Factors | None = None

    def _refuse_unfit(self) -> None:
        refuse_unfit(FACTORS, self.data.signature)

    def _solve(self) -> None:
        batch, settings = self.training_batch(), self.settings
        (target,) = self.data.signature.targets
        left, right = self._codes(batch)
        with self.progress("Factorising", STARTS * settings.sweeps) as advance:
            self.factors = factorise(
                left, right, batch[target], self._levels(), settings.seed, settings.sweeps, advance
            )

    def _codes(self, batch: Mapping[str, Array]) -> tuple[Array, Array]:
        left, right = (batch[name] for name in self.data.signature.inputs)
        return left, right

    def _levels(self) -> tuple[int, int]:
        left, right = self._categories().values()
        return left.levels, right.levels

    def _categories(self) -> dict[str, Category]:
        return cast("dict[str, Category]", dict(self.data.signature.inputs))

    @property
    def trained(self) -> bool:
        return self.factors is not None

    @property
    def epochs(self) -> int:
        return self.settings.sweeps if self.trained else 0

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        if self.factors is None:
            raise not_trained()
        (target,) = self.data.signature.targets
        return {target: self.factors(*self._codes(batch))}

    def graph(self) -> bytes:
        from drivetrain.learn.recommend.factors_graph import export_factors

        if self.factors is None:
            raise not_trained()
        return export_factors(self.factors, self.data.signature)

    def description(self) -> str:
        counts = (f"{len(codec.classes):,} of {name!r}" for name, codec in self._categories().items())
        return f"factors, {' and '.join(counts)}"
