"""Whether the attributes of a TreeEnsembleRegressor describe trees, and nothing but trees.

onnxruntime follows the numbers of a node's children and columns wherever they lead: 1.22 reads
a negative column from outside of its input, and 1.31 still ends the process while it loads a tree that is deep
enough, and answers wrongly where trees are interleaved. So only one way to write trees is let through, in which each
number can be held against the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_COLUMNS = 2**16
MOST_TARGETS = 2**16
MOST_DEPTH = 256
"""Branches from a root to a leaf. onnxruntime follows them by recursion."""

INT, STRING, FLOATS, INTS, STRINGS = 2, 3, 6, 7, 8
REQUIRED = {
    "n_targets": INT,
    "nodes_treeids": INTS,
    "nodes_nodeids": INTS,
    "nodes_featureids": INTS,
    "nodes_values": FLOATS,
    "nodes_modes": STRINGS,
    "nodes_truenodeids": INTS,
    "nodes_falsenodeids": INTS,
    "target_treeids": INTS,
    "target_nodeids": INTS,
    "target_ids": INTS,
    "target_weights": FLOATS,
}
OPTIONAL = {
    "aggregate_function": STRING,
    "nodes_missing_value_tracks_true": INTS,
    "post_transform": STRING,
}
"""Attribute -> its type. All others are refused; base_values, too, which onnxruntime leaves out where a target has no
leaf: an Add node says the same."""
ONLY = {"aggregate_function": b"SUM", "post_transform": b"NONE"}
BRANCH, LEAF = b"BRANCH_LEQ", b"LEAF"

Ints = npt.NDArray[np.int64]
Attributes = Mapping[str, tuple[int, Any]]
"""Name -> type and value."""


def tree_fault(attributes: Attributes) -> str:
    """Why these are no trees that may be run; empty where they are."""
    if fault := _wrong_attribute(attributes):
        return fault
    value = {name: value for name, (_, value) in attributes.items()}
    for side in ("nodes", "target"):
        lengths = {len(values) for name, values in value.items() if name.startswith(f"{side}_")}
        if len(lengths) != 1 or 0 in lengths:
            return f"the {side} lists of its trees are empty or differ in length"
    trees, nodes = value["nodes_treeids"], value["nodes_nodeids"]
    modes = [bytes(mode) for mode in value["nodes_modes"]]
    if not {*modes} <= {BRANCH, LEAF}:
        return "a node of its trees is neither BRANCH_LEQ nor LEAF"
    branches = np.array([mode == BRANCH for mode in modes])
    fault = _numbering_fault(trees, nodes) or _columns_fault(value)
    fault = fault or _children_fault(
        trees, nodes, branches, value["nodes_truenodeids"], value["nodes_falsenodeids"]
    )
    return fault or _targets_fault(value, trees[~branches], nodes[~branches])


def _wrong_attribute(attributes: Attributes) -> str:
    for name in REQUIRED:
        if name not in attributes:
            return f"its trees have no {name}"
    known = REQUIRED | OPTIONAL
    for name, (type_, value) in attributes.items():
        if known.get(name) != type_:
            return f"its trees have a {name} that is not allowed"
        if name in ONLY and bytes(value) != ONLY[name]:
            return f"its trees have another {name} than {ONLY[name].decode()}"
    return ""


def _numbering_fault(trees: Ints, nodes: Ints) -> str:
    """Trees one after the other, and in each the nodes: both numbered from 0."""
    first = _roots(trees)
    counted = np.arange(len(trees)) - np.repeat(first, np.diff(np.append(first, len(trees))))
    if not np.array_equal(trees[first], np.arange(len(first))) or not np.array_equal(nodes, counted):
        return "its trees or their nodes are not numbered from 0 on, one after the other"
    return ""


def _roots(trees: Ints) -> Ints:
    return np.flatnonzero(np.concatenate([[True], trees[1:] != trees[:-1]]))


def _columns_fault(value: Mapping[str, Any]) -> str:
    columns, missing = value["nodes_featureids"], value.get("nodes_missing_value_tracks_true")
    if columns.min() < 0 or columns.max() >= MOST_COLUMNS:
        return f"its trees look at a column that is not one of {MOST_COLUMNS:,}"
    if missing is not None and not np.isin(missing, (0, 1)).all():
        return "its trees send missing values neither left nor right"
    return ""


def _children_fault(
    trees: Ints, nodes: Ints, branches: npt.NDArray[np.bool_], left: Ints, right: Ints
) -> str:
    """Each node but a root is the child of one branch before it, in the same tree: then there is no circle."""
    first = _roots(trees)
    sizes = np.diff(np.append(first, len(trees)))
    own, size, root = nodes[branches], sizes[trees[branches]], first[trees[branches]]
    children: list[Ints] = []
    for side in (left[branches], right[branches]):
        if not ((side > own) & (side < size)).all():
            return "a node of its trees has a child that does not follow it in the same tree"
        children.append(root + side)
    reached = np.bincount(np.concatenate(children), minlength=len(trees))
    if not np.array_equal(reached, nodes != 0):
        return "a node of its trees is the child of several nodes, or of none"
    return "" if _depth(first, branches, children) <= MOST_DEPTH else f"a tree is deeper than {MOST_DEPTH}"


def _depth(roots: Ints, branches: npt.NDArray[np.bool_], children: list[Ints]) -> int:
    """The branches from a root to the farthest leaf; MOST_DEPTH + 1 where there are more than may be."""
    place = np.cumsum(branches) - 1
    level, depth = roots[branches[roots]], 0
    while len(level) and depth <= MOST_DEPTH:
        level = np.concatenate([side[place[level]] for side in children])
        level, depth = level[branches[level]], depth + 1
    return depth


def _targets_fault(value: Mapping[str, Any], trees: Ints, leaves: Ints) -> str:
    """Each leaf has one weight, in the order of the leaves."""
    targets = value["n_targets"]
    if not 1 <= targets <= MOST_TARGETS:
        return f"its trees have {targets:,} targets, and not 1 to {MOST_TARGETS:,}"
    if not np.array_equal(value["target_treeids"], trees) or not np.array_equal(
        value["target_nodeids"], leaves
    ):
        return "the leaves of its trees don't have one weight each, in their order"
    if value["target_ids"].min() < 0 or value["target_ids"].max() >= targets:
        return f"a leaf of its trees adds to a target that is not one of {targets:,}"
    return ""
