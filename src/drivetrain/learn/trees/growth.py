"""What every library that grows boosted trees is told, and what it gives: the rest sees nothing of which one it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from drivetrain.learn.features.base import Features
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Nodes = npt.NDArray[Any]
"""The nodes of one tree as NODE, each branch before its children."""
NODE = np.dtype([
    ("value", "f8"), ("feature_idx", "i8"), ("num_threshold", "f8"), ("missing_go_to_left", "u1"), ("left", "i8"),
    ("right", "i8"), ("is_leaf", "u1"),
])  # fmt: skip
"""Named as in scikit-learn, whose nodes have further fields. A row goes left where it is at most the threshold."""

MOST_ROUNDS = 2000
HELD_OUT = 0.15
FEWEST_ROWS = 40
"""With fewer training rows none is held out, and there are few rounds."""
FEW_ROUNDS = 20
FEWEST_OF_CLASS = 7
"""Of so many rows of a class at least one is held out."""
SMALL = 1_000_000
"""Cells up to which one thread is used: several are no quicker, and many times slower when they share their cores."""
LOSSES = {"squared": "squared_error", "absolute": "absolute_error"}
"""By their names in scikit-learn."""


@dataclass(frozen=True)
class Growth:
    """How trees are grown: on codes of classes where `classifies`, else on scaled numbers. With `rounds` there are so many,
    and none are held out to tell. With `in_time` the rows are in order of time, and the last ones are held out: earlier
    ones have neighbours that tell of them. Of `rate`, `leaves`, `least_rows` (of a leaf) and `l2` (a ridge's penalty of leaves)
    None is the library's recipe."""

    classifies: bool
    seed: int = 0
    class_weights: str = "none"
    loss: str = "squared"
    most_rounds: int = MOST_ROUNDS
    rounds: int | None = None
    in_time: bool = False
    rate: float | None = None
    leaves: int | None = None
    least_rows: int | None = None
    l2: float | None = None

    def given(self, **names: str) -> dict[str, Any]:
        """What was given of some fields, by the names that a library has for them."""
        found = {other: getattr(self, name) for name, other in names.items()}
        return {name: value for name, value in found.items() if value is not None}


class Grown(Protocol):
    """Trees that were grown. Of two classes the second alone has a score, of more each has one: the logarithm of its odds or
    of its share, but for a constant."""

    @property
    def rounds(self) -> int: ...

    @property
    def base(self) -> Floats:
        """(scores,): where the sums begin."""
        ...

    def scores(self, features: Features) -> Floats:
        """(n, width) -> (n, scores)."""
        ...

    def staged(self, features: Features, rounds: Sequence[int]) -> Iterator[Floats]:
        """What `scores` would have given after each of some rounds, which rise."""
        ...

    def trees(self) -> list[Nodes]:
        """One for each score, then the next round's."""
        ...


Grow = Callable[[Features, Array, Growth], Grown]
"""Features (n, width) and targets (n,), of which there are at least two, -> trees."""


def rows_to_try(target: Array, growth: Growth) -> npt.NDArray[np.bool_]:
    """(n,) the rows that the number of rounds is found on: a class must be able to be in both parts, so rare ones sit
    this out. None where they are too few."""
    tried = np.ones(len(target), bool)
    if growth.classifies:
        common = np.bincount(target) >= FEWEST_OF_CLASS
        tried = common[target] & (np.count_nonzero(common) > 1)
    return tried & (np.count_nonzero(tried) >= FEWEST_ROWS)
