"""In what the rows on which a treatment works most differ from those on which it works least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.figures import grouped, percent
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]
PART = 5
"""The rows of the highest effect are those of one such part, as are those of the lowest."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A column's mean (of a text: the share of one `level`) among the rows of the highest and of the lowest effect. `apart` is
    the difference in standard deviations of all rows."""

    column: str
    level: str
    high: float
    low: float
    apart: float

    @property
    def words(self) -> str:
        if self.level:
            return f"{self.column} {self.level}: {percent(self.high, 0)} against {percent(self.low, 0)}"
        return f"{self.column} {_figure(self.high)} against {_figure(self.low)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column, "level": self.level, "high": self.high, "low": self.low, "apart": self.apart,
            "words": self.words,
        }  # fmt: skip


def profile(rows: Columns, names: Sequence[str], effect: Floats) -> list[Difference]:
    """The differences of these columns, one for each, the largest first.

    Classification analysis of Chernozhukov, Demirer, Duflo and Fernandez-Val (2025), Econometrica 93:1121-1164.
    """
    order = np.argsort(effect, kind="stable")
    few = max(1, len(order) // PART)
    lowest, highest = order[:few], order[-few:]
    found = list[Difference]()
    for name in names:
        value, levels = rows.of(name), rows.levels.get(name)
        parts = (
            [("", value)]
            if levels is None
            else [(each, (value == place) * 1.0) for place, each in enumerate(levels)]
        )
        differences = [_difference(name, level, part, highest, lowest) for level, part in parts]
        found += sorted(
            (each for each in differences if each is not None), key=lambda each: -abs(each.apart)
        )[:1]
    return sorted(found, key=lambda each: -abs(each.apart))


def _difference(
    name: str, level: str, value: Floats, highest: npt.NDArray[np.int64], lowest: npt.NDArray[np.int64]
) -> Difference | None:
    known = value[~np.isnan(value)]
    spread = float(known.std()) if len(known) else 0.0
    high, low = (part[~np.isnan(part)] for part in (value[highest], value[lowest]))
    if spread == 0 or not len(high) or not len(low):
        return None
    means = float(high.mean()), float(low.mean())
    return Difference(name, level, *means, (means[0] - means[1]) / spread)


def _figure(value: float) -> str:
    return grouped(float(f"{value:.3g}"))
