"""Trees by LightGBM (Ke and others 2017, NeurIPS): several times as quick as scikit-learn's."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.learn.features.base import Features
from drivetrain.learn.trees.growth import (
    FEW_ROUNDS,
    NODE,
    SMALL,
    Floats,
    Growth,
    Nodes,
    rows_to_try,
)
from drivetrain.types import Array

FINE = {"learning_rate": 0.08, "lambda_l2": 5.0}
SHALLOW = {**FINE, "num_leaves": 8, "bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.7}
DEEP = {**FINE, "num_leaves": 31, "min_data_in_leaf": 5, "feature_fraction": 0.7}
RANDOM = {**FINE, "num_leaves": 16, "min_data_in_leaf": 10, "extra_trees": True}
WIDE = {"learning_rate": 0.05, "num_leaves": 31, "feature_fraction": 0.5}
"""Ways to grow a booster. Which is best depends on the noise and on how far columns act together: with few rows that
can't be told, and the mean of all is as good as the best (docs/decisions/tables.md)."""
MANY_ROWS = 10_000
OF_FEW, OF_MANY = (SHALLOW, DEEP, RANDOM) * 2, (WIDE,) * 3
LEAST, MANY_TREES = 3, 1500
"""There are at least so many boosters, and no more once they have so many trees together."""
PATIENCE = 40
"""Rounds without a lower loss on the rows held out, after which no more are tried."""
PARTS = 7
"""Each booster is grown without one of so many parts of the rows."""


@cache
def installed() -> bool:
    """Whether it can be used: where the OpenMP library is lacking that it needs, it is installed in vain."""
    try:
        importlib.import_module("lightgbm")
    except (ImportError, OSError):
        return False
    return True


@dataclass(frozen=True, eq=False)
class LightGBMTrees:
    """See `Grown`. What several boosters say is averaged; each has its own last round."""

    boosters: tuple[Any, ...]

    @property
    def rounds(self) -> int:
        return max(map(_rounds, self.boosters))

    @property
    def base(self) -> Floats:
        """LightGBM adds where it begins to the leaves of the first trees."""
        return np.zeros(self.boosters[0].num_model_per_iteration())

    def scores(self, features: Features) -> Floats:
        scores = np.zeros((len(features), len(self.base)))
        for booster in self.boosters:
            scores += self._share(booster, features, 0, _rounds(booster))
        return scores

    def staged(self, features: Features, rounds: Sequence[int]) -> Iterator[Floats]:
        scores = np.zeros((len(features), len(self.base)))
        for start, end in pairwise((0, *rounds)):
            for booster in self.boosters:
                if (more := min(end, _rounds(booster)) - start) > 0:
                    scores += self._share(booster, features, start, more)
            yield scores.copy()

    def _share(self, booster: Any, features: Features, start: int, rounds: int) -> Floats:
        found = booster.predict(
            features,
            start_iteration=start,
            num_iteration=rounds,
            raw_score=True,
            num_threads=_threads(features),
        )
        return found.reshape(len(features), -1) / len(self.boosters)

    def trees(self) -> list[Nodes]:
        found = [
            nodes
            for booster in self.boosters
            for nodes in read_trees(booster.model_to_string(num_iteration=_rounds(booster)))
        ]
        for nodes in found:
            nodes["value"] /= len(self.boosters)
        return found


def _rounds(booster: Any) -> int:
    """Those that are kept of one that was grown until its loss rose."""
    return booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()


def _threads(features: Features) -> int:
    return 1 if features.size <= SMALL else 0


def grow(features: Features, target: Array, growth: Growth) -> LightGBMTrees:
    """Several boosters, each of which leaves out other rows, whose loss tells when to stop."""
    import lightgbm

    weights, wanted = None, target
    if growth.classifies:
        present, wanted, counts = np.unique(target, return_inverse=True, return_counts=True)
        if growth.class_weights == "balanced":
            weights = (len(target) / (len(present) * counts))[wanted]

    def rows(chosen: Array, like: Any = None) -> Any:
        weight = None if weights is None else weights[chosen]
        return lightgbm.Dataset(features[chosen], wanted[chosen], weight=weight, reference=like)

    several = OF_MANY if len(target) >= MANY_ROWS else OF_FEW
    options = _options(features, wanted, growth)
    given = growth.given(
        rate="learning_rate", leaves="num_leaves", least_rows="min_data_in_leaf", l2="lambda_l2"
    )
    tried = rows_to_try(target, growth)
    if growth.rounds is not None or not tried.any():
        rounds = growth.rounds or min(growth.most_rounds, FEW_ROUNDS)
        return LightGBMTrees(
            (lightgbm.train({**options, **WIDE, **given}, rows(np.arange(len(target))), rounds),)
        )
    part = _parts(wanted, tried, growth)
    boosters: list[Any] = []
    for number, how in enumerate(several):
        if number >= LEAST and sum(booster.num_trees() for booster in boosters) > MANY_TREES:
            break
        own = {**options, **how, **given, "seed": growth.seed + number}
        left_out = part == (0 if growth.in_time else number)
        known = rows(np.flatnonzero(~left_out))
        booster = lightgbm.train(
            own, known, growth.most_rounds, valid_sets=[rows(np.flatnonzero(left_out), known)],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )  # fmt: skip
        if (
            growth.in_time
        ):  # The latest rows, which tell most of what comes, are not left out of what is kept.
            booster = lightgbm.train(own, rows(np.arange(len(target))), _rounds(booster))
        boosters.append(booster)
    return LightGBMTrees(tuple(boosters))


def _options(features: Features, target: Array, growth: Growth) -> dict[str, Any]:
    """What all boosters have in common."""
    if not growth.classifies:
        objective: dict[str, Any] = {"objective": "l1" if growth.loss == "absolute" else "l2"}
    elif (classes := int(target.max()) + 1) > 2:
        objective = {"objective": "multiclass", "num_class": classes}
    else:
        objective = {"objective": "binary"}
    return {
        **objective, "seed": growth.seed, "verbosity": -1, "deterministic": True,
        "force_col_wise": True, "num_threads": _threads(features),
    }  # fmt: skip


def _parts(target: Array, tried: npt.NDArray[np.bool_], growth: Growth) -> npt.NDArray[np.int64]:
    """(n,) the part that each row is in, with as many rows of each class as in the others; -1 for one that is never held
    out. In time the last ones are part 0."""
    part = np.full(len(target), -1)
    if growth.in_time:
        known = np.flatnonzero(tried)
        part[known[-max(1, len(known) // PARTS) :]] = 0
        return part
    chance = np.random.default_rng(growth.seed).random(len(target))
    order = np.lexsort((chance, target) if growth.classifies else (chance,))
    chosen = order[tried[order]]
    part[chosen] = np.arange(len(chosen)) % PARTS
    return part


def read_trees(model: str) -> list[Nodes]:
    """The trees in LightGBM's own text, as NODE: its branches in the order in which they were made, then its leaves."""
    return [_nodes(dict(_fields(block))) for block in model.split("\nTree=")[1:]]


def _fields(block: str) -> Iterator[tuple[str, list[str]]]:
    for line in block.split("\n"):
        if not line:  # What follows the last tree.
            return
        name, _, values = line.partition("=")
        if name in TAKEN:
            yield name, values.split()


TAKEN = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value")
DEFAULT_LEFT, MISSING_SHIFT, MISSING_IS_NAN = 2, 2, 2
"""In a decision_type: the bit of "missing goes left"; and above it what is missing: 0 nothing, 1 zeros, 2 NaN."""
ZERO = float(np.float32(1e-35))
"""Nothing is smaller to LightGBM: numbers up to it are 0, and go right where the threshold is -ZERO."""


def _nodes(field: dict[str, list[str]]) -> Nodes:
    leaves = np.array(field["leaf_value"], np.float64)
    branches = len(leaves) - 1
    nodes = np.zeros(branches + len(leaves), NODE)
    nodes["value"][branches:], nodes["is_leaf"][branches:] = leaves, 1
    if not branches:
        return nodes
    nodes["feature_idx"][:branches] = np.array(field["split_feature"], np.int64)
    threshold = np.array(field["threshold"], np.float64)
    decision = np.array(field["decision_type"], np.int64)
    # Where training had no NaN, one counts as 0.
    knows = decision >> MISSING_SHIFT == MISSING_IS_NAN
    nodes["num_threshold"][:branches] = np.where(
        threshold == -ZERO, np.nextafter(threshold, -np.inf), threshold
    )
    nodes["missing_go_to_left"][:branches] = np.where(knows, decision & DEFAULT_LEFT > 0, threshold >= 0)
    for name, side in (("left", "left_child"), ("right", "right_child")):
        child = np.array(field[side], np.int64)
        nodes[name][:branches] = np.where(child < 0, branches + ~child, child)
    return nodes
