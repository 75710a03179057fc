"""EASE: what comes next, as a sum over what somebody has had of a weight for each pair of items. In closed form.

Steck (2019), Embarrassingly Shallow Autoencoders for Sparse Data, WWW, pages 3251-3257. It ranks MovieLens better than
matrix factorisation and neighbours do (bench/movielens.py), answers for people that it was not trained on, and its
scores are sums that can be taken apart: the reasons of a recommendation are its summands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.npy import to_npy
from drivetrain.codecs.ranking import Ranking
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.baselines.recommend import POPULARITY
from drivetrain.learn.closed_form.base import Solved
from drivetrain.learn.names import EASE
from drivetrain.learn.recommend.items import Floats, Items, choose, together, without
from drivetrain.learn.settings import Record
from drivetrain.types import Array

RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Penalties that are tried: as many people more that have only one of two items."""
CASES = 16

Weights = npt.NDArray[np.float32]


def ease_weights(counts: Floats, ridge: float) -> Weights:
    """(items, items): row i is what having had i says for each other item. The diagonal is 0: nothing speaks for itself.

    It is the ridge regression of each item on all others, for all of them at once: with P the inverse of
    X'X + ridge, the weights are -P_ij / P_jj. `counts` is X'X: how many people have had both (`together`).
    """
    penalised = counts.copy()
    penalised[np.diag_indices_from(penalised)] += ridge
    inverse = inverse_of_positive(penalised)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def inverse_of_positive(matrix: Floats) -> Floats:
    """The inverse of a symmetric, positive definite matrix, which is overwritten: by Cholesky's factor, at a third of
    the work of a general one. Raises UsageError where it isn't positive, as far as 64 bits tell."""
    from scipy.linalg import get_lapack_funcs

    factorise, invert = get_lapack_funcs(("potrf", "potri"), (matrix,))
    # LAPACK's order is Fortran's: what is its upper triangle is our lower one.
    factor, fault = factorise(matrix.T, lower=0, overwrite_a=1, clean=0)
    inverse, more = invert(factor, lower=0, overwrite_c=1)
    if fault or more:
        raise UsageError("this is too small: it can't be solved with it.", where="ridge", fix="Leave it out.")
    upper = np.triu(inverse)
    return upper + np.triu(upper, 1).T


def scorer(counts: Floats, ridge: float) -> Callable[[Array], Array]:
    """What gives scores (n, items) for histories (n, items)."""
    weights = ease_weights(counts, ridge)
    return lambda some: some.astype(np.float32) @ weights


@dataclass(frozen=True)
class EaseSettings(Record):
    """`ridge` is chosen on training rows unless it is given."""

    seed: int = 0
    ridge: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(isinstance(self.seed, int) and self.seed >= 0, "seed", "a whole number from 0")
        self._require(self.ridge is None or self.ridge > 0, "ridge", "a number above 0, or None")


class EaseLearner(Solved):
    """EASE on histories: an input `history` (and `seen`, what is not to be answered either), a ranking as the target. Options
    are `seed` and `ridge`, and those of `Solved`."""

    name, kind = EASE, EaseSettings
    settings: EaseSettings
    ridge: float | None = None

    def _refuse_unfit(self) -> None:
        if not isinstance(next(iter(self.data.signature.targets.values())), Ranking):
            raise UsageError(
                "ease ranks items for somebody's history: it can't answer with anything else.", where="model",
                fix="Leave the rating column out, or use another model, such as factors.",
            )  # fmt: skip

    @property
    def items(self) -> tuple[str, ...]:
        return next(iter(self.data.signature.targets.values())).items  # type: ignore[attr-defined]

    # --- training -----------------------------------------------------------------------------------------

    def _solve(self) -> None:
        train = self.training_batch()
        history, seen = train["history"], train.get("seen")
        self.ridge = self.settings.ridge
        if self.ridge is None:
            with self.progress("Choosing the penalty", len(RIDGES)) as advance:
                self.ridge = choose(RIDGES, scorer, history, seen, self.settings.seed, advance)
        self.weights = ease_weights(together(history), self.ridge)
        self.shares = Items(history).shares.astype(np.float32)

    def chosen_settings(self) -> dict[str, Any]:
        return {**super().chosen_settings(), "ridge": self.ridge}

    @property
    def trained(self) -> bool:
        return self.ridge is not None

    # --- after training -----------------------------------------------------------------------------------

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        if not self.trained:
            raise TrainingError("this model is not trained yet.", fix="Call fit first.")
        history = batch["history"]
        scores = history.astype(np.float32) @ self.weights
        scores = np.where(history.any(axis=1, keepdims=True), scores, self.shares)
        target = next(iter(self.data.signature.targets))
        return {target: without(scores, history, batch.get("seen")).astype(np.float32)}

    def graph(self) -> bytes:
        from drivetrain.learn.recommend.ease_graph import export_ease

        return export_ease(self.weights, self.shares, self.data.signature)

    def choices(self) -> dict[str, dict[str, Any]]:
        return {"training": {"seed": self.settings.seed, "penalty": self.ridge}}

    def golden_samples(self) -> list[tuple[str, Any, dict[str, Any]]]:
        """Histories drawn by chance: nobody's own goes into a bundle."""
        items = cast("EaseLearner", self.shipped).items
        generator = np.random.default_rng(self.settings.seed)
        found: list[tuple[str, Any, dict[str, Any]]] = []
        names = list(self.data.signature.inputs)
        for number in range(CASES):
            count = min(len(items), int(2 ** generator.uniform(0, 5)))
            drawn = generator.choice(len(items), (len(names), count))
            sample = {name: [items[place] for place in row] for name, row in zip(names, drawn)}
            found.append((f"made-up history {number}", "validation", sample))
        return found

    def members(self) -> dict[str, bytes]:
        return {"item_vectors.npy": to_npy(Items(self.shipped.training_batch()["history"]).vectors)}

    def told(self, against: Mapping[str, Mapping[str, Any]]) -> list[str]:
        return [f"recommends {found['words']}" for name, found in against.items() if name == POPULARITY]

    def description(self) -> str:
        return f"EASE, {len(self.items):,} items" + (
            f", penalty {self.ridge:g}" if self.ridge is not None else ""
        )
