"""Trees as an ONNX graph, node by node: encoded arrays in, finished outputs out, any number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.operators import TREES
from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder
from drivetrain.learn.trees.growth import NODE
from drivetrain.learn.trees.model import TreeModel
from drivetrain.types import Array


def export_trees(models: Mapping[str, TreeModel], signature: Signature) -> bytes:
    """The serialised graph of the trees of each target."""
    builder = Builder(signature)
    for name, model in models.items():
        features = builder.beside([part.write(builder) for part in model.columns])
        model.goal.write(builder, _sums(builder, features, model), builder.outputs[name])
    return builder.model("trees")


def _sums(builder: Builder, features: str, model: TreeModel) -> str:
    """float32 (n, width) -> what the leaves add up to (n, outputs)."""
    sums = builder.add("TreeEnsembleRegressor", features, domain=TREES, **tree_attributes(model))
    return builder.add("Add", sums, builder.constant(model.base()))


def tree_attributes(model: TreeModel) -> dict[str, Any]:
    """The attributes of the TreeEnsembleRegressor, in the one form that bundles take (FORMAT.md, section 5)."""
    trees = [] if model.grown is None else model.grown.trees()
    return ensemble(trees, np.resize(model.goal.scored, len(trees)), len(model.base()))


def ensemble(trees: Sequence[Array], targets: Sequence[int] | Array, outputs: int) -> dict[str, Any]:
    """Attributes from the nodes of each tree, the output that it adds to, and how many outputs there are."""
    if not len(trees):  # An ensemble has at least one leaf.
        nothing = np.zeros(1, NODE)
        nothing["is_leaf"] = 1
        trees, targets = [nothing], [0]
    sizes = [len(nodes) for nodes in trees]
    node = {name: np.concatenate([nodes[name] for nodes in trees]) for name in NODE.names or ()}
    leaf = node["is_leaf"].astype(bool)

    def branches(name: str) -> list[int]:
        return np.where(leaf, 0, node[name]).astype(np.int64).tolist()

    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    return {
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_featureids": branches("feature_idx"),
        "nodes_values": np.where(leaf, np.float32(0), below(node["num_threshold"])).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": branches("left"),
        "nodes_falsenodeids": branches("right"),
        "nodes_missing_value_tracks_true": branches("missing_go_to_left"),
        "target_treeids": tree_ids[leaf].tolist(),
        "target_nodeids": node_ids[leaf].tolist(),
        "target_ids": np.repeat(np.asarray(targets), sizes)[leaf].tolist(),
        "target_weights": node["value"][leaf].astype(np.float32).tolist(),
        "n_targets": outputs,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
    }


def below(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each threshold: the same float32 values are at most that one."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
