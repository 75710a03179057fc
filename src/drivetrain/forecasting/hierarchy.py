"""Sums that add up: stores in regions in a total, each with a forecast of its own, made to agree.

What is told of all nodes of a tree is moved as little as can be, the surer a node the less, so that every node is the sum of those
below it: weighted least squares, which is minimum-trace reconciliation with a diagonal covariance (Wickramasuriya, Athanasopoulos
and Hyndman 2019). On a tree it is solved by going up once and down once, in a time that grows with the nodes alone; it needs no
matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError

Floats = npt.NDArray[np.float64]

TOTAL = "total"
BETWEEN = "/"
BITS = 30
"""Leaves are rounded to this many binary places of the largest: then sums of up to 2^22 of them are exact in float64."""


@dataclass(frozen=True, eq=False)
class Tree:
    """`names` of all nodes: the total first, then level by level, leaves last in the order they were given. `parent` int64 (nodes,)
    of each, -1 for the total; `depth` int64 (nodes,), 0 for it."""

    names: tuple[str, ...]
    parent: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    leaves: int

    @classmethod
    def of(cls, paths: Sequence[Sequence[str]]) -> Tree:
        """The tree of leaves by their paths, from the largest part to the leaf: ("North", "Store 7"). Raises DataError where paths
        differ in length or a leaf stands twice."""
        given = [tuple(path) for path in paths]
        if not given or not given[0] or any(len(path) != len(given[0]) for path in given):
            raise DataError(
                "the parts of a hierarchy are not equally deep everywhere.", fix="Give every item all levels."
            )
        if len({*given}) < len(given):
            twice = next(path for n, path in enumerate(given) if path in given[:n])
            raise DataError(f"{BETWEEN.join(twice)!r} stands in the hierarchy twice.")
        levels = [[()], *(list(dict.fromkeys(p[:d] for p in given)) for d in range(1, len(given[0]))), given]
        places: dict[tuple[str, ...], int] = {
            path: n for n, path in enumerate(path for level in levels for path in level)
        }
        parent = [places[path[:-1]] if path else -1 for path in places]
        depth = [len(path) for path in places]
        names = tuple(BETWEEN.join(path) if path else TOTAL for path in places)
        return cls(names, np.array(parent), np.array(depth), len(given))

    @property
    def nodes(self) -> int:
        """How many there are in all."""
        return len(self.names)

    def sums(self, leaves: Floats) -> Floats:
        """(leaves, ...) -> (nodes, ...): every node's sum. NaN where one of its leaves is."""
        found = np.zeros((self.nodes, *leaves.shape[1:]))
        found[self.nodes - self.leaves :] = leaves
        for depth in range(int(self.depth.max()), 0, -1):
            rows = np.flatnonzero(self.depth == depth)
            np.add.at(found, self.parent[rows], found[rows])
        return found


def bottom_up(tree: Tree, leaves: Floats) -> Floats:
    """(leaves, ...) -> (nodes, ...): the leaves as they are, rounded so that all sums are exact, and the sums."""
    return tree.sums(_rounded(leaves))


def reconcile(tree: Tree, told: Floats, variances: Floats) -> Floats:
    """What is told of each node (nodes, ...), moved so that all sums are exact. `variances` (nodes,), above 0, say how far each is
    from the truth, such as the mean squared errors of validation; the number of leaves below each where nothing is known
    (`structural`)."""
    pooled, left = told.astype(np.float64), np.asarray(variances, np.float64).copy()
    shape = (-1, *(1,) * (told.ndim - 1))
    deepest = int(tree.depth.max())
    for depth in range(
        deepest - 1, -1, -1
    ):  # Up: each node's own word, and what those below it say together.
        below, at = (np.flatnonzero(tree.depth == d) for d in (depth + 1, depth))
        sums, spread = np.zeros_like(pooled), np.zeros_like(left)
        np.add.at(sums, tree.parent[below], pooled[below])
        np.add.at(spread, tree.parent[below], left[below])
        share = (spread[at] / (spread[at] + left[at])).reshape(shape)
        pooled[at] = sums[at] + share * (pooled[at] - sums[at])
        left[at] = left[at] * spread[at] / (left[at] + spread[at])
    for depth in range(
        1, deepest + 1
    ):  # Down: what a node differs from those below it is theirs, by how unsure they are.
        at = np.flatnonzero(tree.depth == depth)
        sums, spread = np.zeros_like(pooled), np.zeros_like(left)
        np.add.at(sums, tree.parent[at], pooled[at])
        np.add.at(spread, tree.parent[at], left[at])
        above = tree.parent[at]
        pooled[at] += (left[at] / spread[above]).reshape(shape) * (pooled[above] - sums[above])
    return tree.sums(_rounded(pooled[tree.nodes - tree.leaves :]))


def structural(tree: Tree) -> Floats:
    """The number of leaves below each node (nodes,), of a leaf 1: variances where all leaves are equally unsure."""
    return tree.sums(np.ones(tree.leaves))


def _rounded(leaves: Floats) -> Floats:
    largest = float(np.nanmax(np.abs(leaves), initial=0.0))
    if not 0 < largest < np.inf:
        return leaves
    step = 2.0 ** (np.floor(np.log2(largest)) - BITS)
    return np.round(leaves / step) * step
