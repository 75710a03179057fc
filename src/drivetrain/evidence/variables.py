"""Several variables at once: what one goes with while the others stay as they are, beside what it goes with alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import DataError
from drivetrain.evidence.effect import Effect, from_estimate
from drivetrain.evidence.given import Column, labels, numbers
from drivetrain.evidence.regression import Family, Regression, regress
from drivetrain.figures import percent, rough

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Column -> what one more of it goes with: `alone`, and `together` with the others as they are. `shared`: the part of each
    column's variance that the others tell. `explained`: the part of the outcome's that all of them do (of the deviance, where
    the family isn't linear). `fit` is the regression of all."""

    together: Mapping[str, Effect]
    alone: Mapping[str, Effect]
    shared: Mapping[str, float]
    explained: float
    fit: Regression

    @property
    def words(self) -> str:
        lines = [
            f"{name}: {each.words.removeprefix(f'{name}: ')}. Alone it would be {rough(self.alone[name].value)}"
            + (f"; the others tell {percent(self.shared[name], 0)} of it." if len(self.together) > 1 else ".")
            for name, each in self.together.items()
        ]
        return "\n".join([*lines, f"Together they tell {percent(self.explained)} of how the outcome varies."])

    def to_json(self) -> dict[str, Any]:
        return {
            "together": {name: each.to_json() for name, each in self.together.items()},
            "alone": {name: each.to_json() for name, each in self.alone.items()},
            "shared": dict(self.shared), "explained": self.explained, "words": self.words,
        }  # fmt: skip


@public
def together(
    outcome: Column,
    columns: Mapping[str, Column],
    *,
    family: Family = "linear",
    clusters: Column | None = None,
    confidence: float = 0.95,
) -> Together:
    """What one more of each of the columns {name: (n,)} goes with in the outcome (n,), the others held fixed; and each alone.

    Errors hold where the spread isn't constant (HC3), or for rows that come in `clusters`. Sizes are standard deviations of
    the outcome for one of the column, of the linear family. A column held fixed that comes *of* the one that is asked about
    takes away from its effect, and one that both of them bring about makes one up: which to hold fixed is no matter of
    statistics. Raises DataError.
    """
    y = numbers(outcome, "the outcome", least=3)
    x = {name: numbers(column, f"the column {name!r}", rows=len(y)) for name, column in columns.items()}
    if not x:
        raise DataError("there is no column.", fix="Give {name: numbers}.")
    of_clusters = None if clusters is None else labels(clusters, "clusters", len(y))
    spread = float(y.std(ddof=1)) if family == "linear" else math.nan

    def fitted(names: list[str]) -> tuple[Regression, dict[str, Effect]]:
        design = np.stack([np.ones(len(y)), *(x[name] for name in names)], axis=1)
        fit = regress(design, y, family=family, names=["(constant)", *names], clusters=of_clusters)
        effects = {
            name: from_estimate(
                float(fit.beta[place]), float(fit.standard_errors[place]), n=fit.n, df=fit.freedom,
                spread=spread / float(x[name].std(ddof=1)) if spread else math.nan, confidence=confidence,
                method=f"{family} regression, {fit.errors}", what=name,
            )
            for place, name in enumerate(names, start=1)
        }  # fmt: skip
        return fit, effects

    fit, found = fitted([*x])
    alone = {name: fitted([name])[1][name] for name in x}
    shared = {name: _told(x[name], [x[other] for other in x if other != name]) for name in x}
    explained = 1 - fit.deviance / fit.null_deviance if fit.null_deviance else math.nan
    return Together(found, alone, shared, explained, fit)


def _told(column: Floats, others: list[Floats]) -> float:
    """The part of a column's variance that the others tell."""
    design = np.stack([np.ones(len(column)), *others], axis=1)
    off = column - design @ np.linalg.lstsq(design, column, rcond=None)[0]
    return float(1 - off.var() / column.var()) if column.var() else 0.0
