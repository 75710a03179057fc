"""What was a season ago, or just now where there is no season: the forecast that others have to beat, as a model with a range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from drivetrain.bundle.forecasts import PAST
from drivetrain.codecs.series import Series
from drivetrain.errors import TrainingError, UsageError
from drivetrain.extensions import kind_of
from drivetrain.graphs.builder import Builder
from drivetrain.learn.base import not_trained
from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.settings import Record
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.tasks.series import Forecasting

SEASONAL = "seasonal"


@dataclass(frozen=True)
class SeasonalSettings(Record):
    """`season` is how many moments ago is looked at; by the frequency unless it is given."""

    loss: ClassVar[str] = "squared"
    class_weights: ClassVar[str] = "none"
    seed: int = 0
    season: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.season is None or self.season >= 1, "season", "a whole number from 1, or None")


class SeasonalLearner(Solved):
    """The forecast of a moment is what was seen a season before, or whole seasons; its quantiles are those of what that was off
    by in training, so many moments ahead."""

    name, kind = SEASONAL, SeasonalSettings
    settings: SeasonalSettings
    offsets: Array | None = None
    """float32 (horizon, 1 + levels)."""

    def _refuse_unfit(self) -> None:
        if any(kind_of(codec) != "series" for codec in self.data.signature.targets.values()):
            raise UsageError("this model continues series.", where="model", fix="Choose another.")

    @property
    def _codec(self) -> Series:
        return cast("Series", next(iter(self.data.signature.targets.values())))

    @property
    def _places(self) -> Array:
        """int64 (horizon,): where in the context each moment is taken from."""
        data = cast("Forecasting", self.data)
        season = self.settings.season or data.season
        season = season if season <= data.context else 1
        return data.context - season + np.arange(data.horizon) % season

    def _solve(self) -> None:
        data = cast("Forecasting", self.data)
        part = data.part("train")
        past, target = part.column(PAST), part.column(data.target)
        seen = past.values[past.starts[:, None] + self._places, 0]
        off = target.gather()[:, :, 0] - seen
        if np.isnan(off).all(axis=0).any():
            raise TrainingError(
                "some moment of the horizon was never measured in training.", where=data.table.name
            )
        bands = np.nanquantile(off, self._codec.levels, axis=0)
        self.offsets = np.concatenate([np.zeros((1, data.horizon)), bands]).T.astype(np.float32)

    @property
    def trained(self) -> bool:
        return self.offsets is not None

    def _offsets(self) -> Array:
        if self.offsets is None:
            raise not_trained()
        return self.offsets

    def predict_part(self, part: str) -> dict[str, Array]:
        past = self.data.part(part).column(PAST)
        target = next(iter(self.data.signature.targets))
        return {target: past.values[past.starts[:, None] + self._places, :1] + self._offsets()}

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        target = next(iter(self.data.signature.targets))
        return {target: np.asarray(batch[PAST])[:, self._places, :1] + self._offsets()}

    def graph(self) -> bytes:
        builder = Builder(self.data.signature)
        (output,) = builder.outputs.values()
        places = builder.constant(self._places, np.int64)
        seen = builder.add("Gather", builder.inputs[PAST], places, axis=1)
        seen = builder.add("Slice", seen, builder.whole(0), builder.whole(1), builder.whole(2))
        builder.add("Add", seen, builder.constant(self._offsets()), output=output)
        return builder.model(SEASONAL)

    def description(self) -> str:
        season = int(cast("Forecasting", self.data).context - self._places[0])
        return f"what was {season:,} moments ago" if season > 1 else "the last value"

    def more(self) -> dict[str, Any]:
        return {}
