"""Trees in a graph: only what is certainly trees is let through to onnxruntime, which follows any number that it reads.

Of the files here onnxruntime 1.22 reads foreign memory for a negative column and, for a large one, ends with a
segmentation fault; 1.31 still ends so while it loads the deep chain, and answers wrongly where trees are interleaved.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from drivetrain.bundle.graph import check_model
from drivetrain.bundle.protobuf import parse
from drivetrain.bundle.trees import MOST_DEPTH
from drivetrain.errors import BundleError
from drivetrain.runtime import OnnxSession

LEQ, LEAF = "BRANCH_LEQ", "LEAF"
Values = dict[str, Any]


def two_trees() -> Values:
    """x0 <= 0.5 or missing ? 1 : 2, and x1 <= -1 ? (x0 <= 2 ? 10 : 20) : 30."""
    return {
        "nodes_treeids": [0, 0, 0, 1, 1, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2, 3, 4],
        "nodes_featureids": [0, 0, 0, 1, 0, 0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0, -1.0, 2.0, 0.0, 0.0, 0.0],
        "nodes_modes": [LEQ, LEAF, LEAF, LEQ, LEQ, LEAF, LEAF, LEAF],
        "nodes_truenodeids": [1, 0, 0, 1, 2, 0, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 4, 3, 0, 0, 0],
        "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 0, 0, 0],
        "target_treeids": [0, 0, 1, 1, 1],
        "target_nodeids": [1, 2, 2, 3, 4],
        "target_ids": [0, 0, 0, 0, 0],
        "target_weights": [1.0, 2.0, 10.0, 20.0, 30.0],
        "n_targets": 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
    }


def model(version: int = 3, operator: str = "TreeEnsembleRegressor", **changes: Any) -> bytes:
    """The graph of the two trees with attributes changed; None leaves one out."""
    values = {name: value for name, value in {**two_trees(), **changes}.items() if value is not None}
    node = helper.make_node(operator, ["x"], ["y"], domain="ai.onnx.ml", **values)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def at(name: str, place: int, value: Any) -> Values:
    """One attribute with one element changed."""
    changed = list(two_trees()[name])
    changed[place] = value
    return {name: changed}


def chain(branches: int, shared: bool = False) -> Values:
    """A tree as deep as it has branches; `shared`: both children of each are the next one, 2 ** branches paths."""
    step = 1 if shared else 2
    count = step * branches + 1
    branch = [node % step == 0 and node < count - 1 for node in range(count)]
    leaves = [node for node in range(count) if not branch[node]]
    return {
        "nodes_treeids": [0] * count,
        "nodes_nodeids": list(range(count)),
        "nodes_featureids": [0] * count,
        "nodes_values": [0.0] * count,
        "nodes_modes": [LEQ if is_branch else LEAF for is_branch in branch],
        "nodes_truenodeids": [node + 1 if branch[node] else 0 for node in range(count)],
        "nodes_falsenodeids": [node + step if branch[node] else 0 for node in range(count)],
        "nodes_missing_value_tracks_true": [0] * count,
        "target_treeids": [0] * len(leaves),
        "target_nodeids": leaves,
        "target_ids": [0] * len(leaves),
        "target_weights": [1.0] * len(leaves),
    }


def test_trees_are_accepted_and_answer_as_they_are_written() -> None:
    x = np.array([[0.5, -1], [0.6, 0], [np.nan, np.nan], [3, -2]], np.float32)
    for version in (1, 3):
        changes: Values = {} if version == 3 else {"nodes_missing_value_tracks_true": [1] + [0] * 7}
        data = model(version, **changes)
        assert check_model(data)["outputs"]["y"]["dims"] == [None, 1]
        answered = OnnxSession(data).run({"x": x})["y"].ravel()
        assert answered.tolist() == [11.0, 32.0, 31.0, 22.0]


def test_what_may_be_left_out_may_be_left_out() -> None:
    optional = ("nodes_missing_value_tracks_true", "aggregate_function", "post_transform")
    assert check_model(model(**dict.fromkeys(optional)))


CIRCLES: dict[str, Values] = {
    "a node is its own child": at("nodes_truenodeids", 0, 0),
    "a child leads back to the root": at("nodes_falsenodeids", 4, 0),
    "a child leads back to its parent": at("nodes_truenodeids", 4, 1),
    "a child beyond the tree": at("nodes_truenodeids", 0, 3),
    "a child beyond all": at("nodes_truenodeids", 4, 99),
    "a negative child": at("nodes_truenodeids", 0, -1),
    "a child that is 0 in 32 bits": at("nodes_truenodeids", 0, 2**32),
    "the largest child": at("nodes_truenodeids", 0, 2**63 - 1),
    "the smallest child": at("nodes_truenodeids", 0, -(2**63)),
    "a child of two": at("nodes_falsenodeids", 3, 3),
    "one child twice": at("nodes_falsenodeids", 0, 1),
    "paths without number": chain(60, shared=True),
}


@pytest.mark.parametrize("changes", CIRCLES.values(), ids=CIRCLES)
def test_circles_and_children_out_of_range_are_refused(changes: Values) -> None:
    with pytest.raises(BundleError, match="child"):
        check_model(model(**changes))


@pytest.mark.parametrize("branches", [MOST_DEPTH + 1, 100_000])
def test_trees_deeper_than_a_stack_are_refused(branches: int) -> None:
    check_model(model(**chain(MOST_DEPTH)))
    with pytest.raises(BundleError, match="deeper than"):
        check_model(model(**chain(branches)))


INTERLEAVED: Values = {
    "nodes_treeids": [0, 1, 0, 1, 0, 1],
    "nodes_nodeids": [0, 0, 1, 1, 2, 2],
    "nodes_featureids": [0] * 6,
    "nodes_values": [0.0] * 6,
    "nodes_modes": [LEQ, LEQ, LEAF, LEAF, LEAF, LEAF],
    "nodes_truenodeids": [1, 1, 0, 0, 0, 0],
    "nodes_falsenodeids": [2, 2, 0, 0, 0, 0],
    "nodes_missing_value_tracks_true": [0] * 6,
    "target_treeids": [0, 0, 1, 1],
    "target_nodeids": [1, 2, 1, 2],
    "target_ids": [0] * 4,
    "target_weights": [1.0, 2.0, 10.0, 20.0],
}
TENSOR = numpy_helper.from_array(np.zeros(8), "t")
REFUSED: dict[str, tuple[Values, str]] = {
    "a negative column": (at("nodes_featureids", 0, -(2**29)), "column"),
    "a column far off": (at("nodes_featureids", 0, 2**30), "column"),
    "a leaf's column": (at("nodes_featureids", 1, -1), "column"),
    "trees interleaved": (INTERLEAVED, "numbered"),
    "trees not from 0": ({"nodes_treeids": [1, 1, 1, 2, 2, 2, 2, 2]}, "numbered"),
    "a tree left out": ({"nodes_treeids": [0, 0, 0, 2, 2, 2, 2, 2]}, "numbered"),
    "a node twice": (at("nodes_nodeids", 2, 1), "numbered"),
    "nodes not from 0": (at("nodes_nodeids", 0, 5), "numbered"),
    "an unknown mode": (at("nodes_modes", 0, "BRANCH_XX"), "neither"),
    "a mode that is not used": (at("nodes_modes", 0, "BRANCH_MEMBER"), "neither"),
    "a leaf that should branch": (at("nodes_modes", 3, LEAF), "child"),
    "missing values nowhere": (at("nodes_missing_value_tracks_true", 0, 2), "missing"),
    "a target out of range": (at("target_ids", 0, 1), "adds to a target"),
    "a negative target": (at("target_ids", 0, -3), "adds to a target"),
    "a target far off": (at("target_ids", 0, 2**40), "adds to a target"),
    "a weight at a branch": (at("target_nodeids", 0, 0), "one weight"),
    "a weight of no tree": (at("target_treeids", 0, 7), "one weight"),
    "a leaf twice": (at("target_nodeids", 3, 2), "one weight"),
    "a leaf without weight": (
        {name: values[:-1] for name, values in two_trees().items() if name.startswith("target_")}, "one weight",
    ),
    "targets without number": ({"n_targets": 2**40}, "targets"),
    "no target": ({"n_targets": 0}, "targets"),
    "base values": ({"base_values": [1.0]}, "base_values"),
    "thresholds as a tensor": ({"nodes_values_as_tensor": TENSOR}, "nodes_values_as_tensor"),
    "another sum": ({"aggregate_function": "AVERAGE"}, "aggregate_function"),
    "another end": ({"post_transform": "SOFTMAX"}, "post_transform"),
    "an attribute of another type": ({"nodes_featureids": [0.0] * 8}, "nodes_featureids"),
    "an unknown attribute": ({"nodes_hitrates": [1.0] * 8}, "nodes_hitrates"),
    **{
        f"{name} too short": ({name: two_trees()[name][:-1]}, "differ in length")
        for name in two_trees() if name.startswith("nodes_")
    },
    **{f"no {name}": ({name: None}, f"no {name}") for name in ("nodes_treeids", "target_ids", "n_targets")},
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_certainly_trees_is_refused(changes: Values, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        check_model(model(**changes))


def test_empty_lists_are_refused() -> None:
    proto = onnx.load_from_string(model())
    for attribute in proto.graph.node[0].attribute:
        if attribute.name.startswith("nodes_"):
            for field in ("ints", "floats", "strings"):
                attribute.ClearField(field)
    with pytest.raises(BundleError, match="are empty"):
        check_model(proto.SerializeToString())


@pytest.mark.parametrize("operator", ["TreeEnsembleClassifier", "TreeEnsemble", "SVMRegressor", "Scaler"])
def test_other_operators_of_the_domain_are_refused(operator: str) -> None:
    with pytest.raises(BundleError, match=f"operator ai.onnx.ml.{operator}"):
        check_model(model(operator=operator))


def test_the_operator_in_the_standard_domain_and_later_opsets_are_refused() -> None:
    proto = onnx.load_from_string(model())
    proto.graph.node[0].domain = ""
    with pytest.raises(BundleError, match="operator TreeEnsembleRegressor"):
        check_model(proto.SerializeToString())
    with pytest.raises(BundleError, match=r"opset 5 of ai\.onnx\.ml"):
        check_model(model(version=5))


def test_a_column_beyond_the_input_is_refused_when_it_is_run() -> None:
    """How wide the input is only onnxruntime knows; it looks at each run (1.22 does, too)."""
    data = model(**at("nodes_featureids", 0, 7))
    check_model(data)
    with pytest.raises(BundleError, match="can't be run"):
        OnnxSession(data).run({"x": np.zeros((3, 2), np.float32)})


def attributes(data: bytes) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in parse(data)["graph"]["node"][0]["attribute"]}


def test_the_numbers_of_attributes_are_read_as_onnx_reads_them() -> None:
    """As they are usually written, each behind its tag, and packed, as newer writers may."""
    chance = np.random.default_rng(0)
    edges = [0, 1, 63, 64, 127, 128, -1, 2**31, -(2**31), 2**63 - 1, -(2**63)]
    ints = edges + chance.integers(-(2**63), 2**63 - 1, 500).tolist() + chance.integers(0, 300, 500).tolist()
    floats = [0.0, -0.0, 1e-45, 3.4e38, *chance.normal(size=500).astype(np.float32).tolist()]
    node = helper.make_node("Anything", [], ["y"], ints=ints, floats=floats, one=[7], text=["@@", "=a"])
    graph = helper.make_graph([node], "g", [], [])
    found = attributes(helper.make_model(graph).SerializeToString())
    assert found["ints"]["ints"].tolist() == ints
    assert found["floats"]["floats"].tolist() == [np.float32(value) for value in floats]
    assert found["one"]["ints"].tolist() == [7]
    packed = b"\x0a\x01p\x42\x03\x01\xac\x02\x3a\x04\x00\x00\x80\x3f\x40\x05\xa0\x01\x07"
    message = b"\x2a" + bytes([len(packed)]) + packed
    node_bytes = b"\x3a" + bytes([len(message) + 2]) + b"\x0a" + bytes([len(message)]) + message
    (read,) = parse(node_bytes)["graph"]["node"][0]["attribute"]
    assert read["ints"].tolist() == [1, 300, 5]
    assert read["floats"].tolist() == [1.0]


@pytest.mark.parametrize(
    "field",
    [
        b"\x40",
        b"\x40\x80",
        b"\x42\x01\x80",
        b"\x42\x02\x01",
        b"\x3d\x00\x00\x00",
        b"\x3a\x03\x00\x00\x00",
        b"\x40" + b"\xff" * 9 + b"\x02",
        b"\x40" + b"\x80" * 10 + b"\x00",
        b"\x42\x0b" + b"\x80" * 10 + b"\x00",
        b"\xc0\x00\x01",
        b"\x45\x00\x00\x00\x00",
        b"\x38\x01",
    ],
)
def test_damaged_numbers_of_attributes_are_refused(field: bytes) -> None:
    message = b"\x2a" + bytes([len(field)]) + field
    with pytest.raises(BundleError, match="can't be read"):
        parse(b"\x3a" + bytes([len(message) + 2]) + b"\x0a" + bytes([len(message)]) + message)


def test_too_many_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.bundle.protobuf.MOST_NUMBERS", 50)
    with pytest.raises(BundleError, match="more than 50 numbers"):
        check_model(model())


def forest(trees: int) -> Values:
    """Many copies of the second tree."""
    firsts = {"nodes": 3, "target": 2}
    lists = {name: firsts[name.split("_")[0]] for name in two_trees() if name.split("_")[0] in firsts}
    many = {name: two_trees()[name][first:] * trees for name, first in lists.items()}
    many["nodes_treeids"] = np.repeat(np.arange(trees), 5).tolist()
    many["target_treeids"] = np.repeat(np.arange(trees), 3).tolist()
    return many


def test_large_forests_are_checked_in_a_moment() -> None:
    """100,000 nodes: some 0.3 s here, most of it for the names of their modes."""
    data = model(**forest(20_000))
    start = time.process_time()
    check_model(data)
    assert time.process_time() - start < 3
