"""What an outcome, or a lever, is on average where columns are this: predicted for rows that the prediction hasn't seen."""

from __future__ import annotations

import importlib.util
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects import bases
from drivetrain.effects.folds import fold_of

Floats = npt.NDArray[np.float64]
Learner = Literal["linear", "trees", "auto"]

FOLDS = 5


def folds_of(n: int, seed: int, clusters: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.int64]:
    """(n,): each row's fold by chance, 0 to 4; rows of a cluster are in one."""
    return fold_of(n, FOLDS, seed, cluster=clusters)


def cross_fitted(
    x: Floats, y: Floats, fold: npt.NDArray[np.int64], *, by: Learner = "linear", shares: bool = False,
    among: npt.NDArray[np.bool_] | None = None,
) -> Floats:  # fmt: skip
    """(n,): the mean of `y` where the columns are `x` (n, p), each row's learned from the other folds' rows, of those `among`.

    `shares`: y is 0 or 1. `linear`: a ridge regression, logistic for shares. `trees`: boosted, of LightGBM. `auto`: of both,
    where that is installed, the one that comes nearer to `y`.
    """
    use = np.ones(len(y), bool) if among is None else among
    trees = importlib.util.find_spec("lightgbm") is not None
    ways: list[bases.Base] = (
        ["linear", "trees"] if by == "auto" and trees else ["trees" if by == "trees" else "linear"]
    )
    found = list[tuple[float, Floats]]()
    for way in ways:
        expected = np.empty(len(y))
        for each in np.unique(fold):
            inside = fold == each
            learn = ~inside & use
            learn = learn if learn.any() else use  # Too few to be told by others.
            said = bases.fit(way, x[learn], y[learn], share=shares)(x[inside])
            expected[inside] = np.clip(
                said, y[learn].min(), y[learn].max()
            )  # Beyond what was seen nothing was learned.
        found.append((float(((y - expected)[use] ** 2).mean()), expected))
    return min(found, key=lambda each: each[0])[1]
