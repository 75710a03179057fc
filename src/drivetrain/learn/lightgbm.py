"""Trees by LightGBM (Ke and others 2017, NeurIPS): several times as quick as scikit-learn's."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.learn.tree_columns import Features
from drivetrain.learn.tree_growth import (
    FEW_ROUNDS,
    NODE,
    SMALL,
    Floats,
    Growth,
    Nodes,
    rows_to_try,
)
from drivetrain.types import Array

RECIPE = {
    "learning_rate": 0.05,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
}
PATIENCE = 40
"""Rounds without a lower loss on the rows held out, after which no more are tried."""
MANY_ROWS = 5_000
FEW_LEAVES, MANY_LEAVES = 8, 16
MANY_MEMBERS, FEW_MEMBERS = 8, 3
LEAST_PARTS = 7


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

    def staged(self, features: Features) -> Iterator[Floats]:
        scores = np.zeros((len(features), len(self.base)))
        for number in range(self.rounds):
            for booster in self.boosters:
                if number < _rounds(booster):
                    scores += self._share(booster, features, number, 1)
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
    """Several boosters, each of which leaves out other rows to tell by their loss when to stop."""
    import lightgbm

    options: dict[str, Any] = {
        **RECIPE, "num_leaves": MANY_LEAVES if len(target) >= MANY_ROWS else FEW_LEAVES,
        "verbosity": -1, "deterministic": True, "force_col_wise": True, "num_threads": _threads(features),
    }  # fmt: skip
    weights, wanted = None, target
    if growth.classifies:
        present, wanted, counts = np.unique(target, return_inverse=True, return_counts=True)
        several = {"objective": "multiclass", "num_class": len(present)}
        options |= several if len(present) > 2 else {"objective": "binary"}
        if growth.class_weights == "balanced":
            weights = (len(target) / (len(present) * counts))[wanted]
    else:
        options["objective"] = "l1" if growth.loss == "absolute" else "l2"

    def rows(chosen: Array, like: Any = None) -> Any:
        weight = None if weights is None else weights[chosen]
        return lightgbm.Dataset(features[chosen], wanted[chosen], weight=weight, reference=like)

    tried = rows_to_try(target, growth)
    if not tried.any():
        every, few = rows(np.arange(len(target))), min(growth.most_rounds, FEW_ROUNDS)
        return LightGBMTrees((lightgbm.train({**options, "seed": growth.seed}, every, few),))
    members = FEW_MEMBERS if len(target) >= MANY_ROWS else MANY_MEMBERS
    part = _parts(wanted, tried, max(members, LEAST_PARTS), growth)
    boosters: list[Any] = []
    for number in range(members):
        known = rows(np.flatnonzero(part != number))
        boosters.append(
            lightgbm.train(
                {**options, "seed": growth.seed + number}, known, growth.most_rounds,
                valid_sets=[rows(np.flatnonzero(part == number), known)],
                callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
            )
        )  # fmt: skip
    return LightGBMTrees(tuple(boosters))


def _parts(target: Array, tried: npt.NDArray[np.bool_], parts: int, growth: Growth) -> npt.NDArray[np.int64]:
    """(n,) the part in which each row is held out, with as many rows of each class as in the others; -1 for one that
    never is."""
    part = np.full(len(target), -1)
    chance = np.random.default_rng(growth.seed).random(len(target))
    order = np.lexsort((chance, target) if growth.classifies else (chance,))
    chosen = order[tried[order]]
    part[chosen] = np.arange(len(chosen)) % parts
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
