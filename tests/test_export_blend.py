"""One graph made of several: it says the weighted sum of what they say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.operators import TREES
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import UsageError
from drivetrain.graphs.blend import blend
from drivetrain.graphs.builder import Builder
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array

SIGNATURE = Signature(
    {"age": Number(), "town": Category(classes=("Ulm", "Bonn"))},
    {"price": Number(), "sold": Category(classes=("no", "yes"))},
)
WEIGHTS = {"price": {"plain": 0.25, "steep": 0.75}, "sold": {"steep": 1.0}}


def part(slope: float, townless: bool = False) -> bytes:
    """price = slope * age, sold = softmax of (0, slope * town); with names of nodes that all such graphs share."""
    builder = Builder(SIGNATURE)
    steep = builder.constant(slope)
    builder.add("Mul", builder.inputs["age"], steep, output=builder.outputs["price"])
    town = builder.column(builder.floats(builder.inputs["age" if townless else "town"]))
    scores = builder.beside([builder.add("Mul", town, builder.constant(0)), builder.add("Mul", town, steep)])
    builder.add("Softmax", scores, output=builder.outputs["sold"], axis=1)
    return builder.model("part")


def rows(count: int) -> dict[str, Array]:
    draw = np.random.default_rng(count)
    return {"age": draw.normal(size=count).astype(np.float32), "town": draw.integers(0, 3, count)}


def answers(graph: bytes, batch: dict[str, Array]) -> dict[str, Array]:
    return OnnxSession(graph, made_names(SIGNATURE)).run(batch)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_a_blend_says_the_weighted_sum(count: int) -> None:
    graphs = {"plain": part(1), "steep": part(5)}
    graph = blend(graphs, WEIGHTS, SIGNATURE)
    check_graph(graph, SIGNATURE)
    batch = rows(count)
    plain, steep, found = (answers(each, batch) for each in (*graphs.values(), graph))
    np.testing.assert_allclose(found["price"], 0.25 * plain["price"] + 0.75 * steep["price"], rtol=1e-6)
    np.testing.assert_allclose(found["sold"], steep["sold"], rtol=1e-6)
    assert graph == blend(graphs, WEIGHTS, SIGNATURE)


def test_a_part_without_weight_is_left_out_even_for_one_target() -> None:
    graphs = {"plain": part(1), "steep": part(5), "idle": part(9)}
    model = onnx.load_from_string(blend(graphs, WEIGHTS, SIGNATURE))
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Softmax") == 1  # steep's; what plain says of sold is in nothing.
    assert not [name for node in model.graph.node for name in node.output if name.startswith("part_2")]
    used = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= used


def test_a_part_may_lack_an_input_and_a_blend_has_them_all() -> None:
    townless = onnx.load_from_string(part(2, townless=True))
    del townless.graph.input[1]
    graph = blend({"a": townless.SerializeToString()}, {"price": {"a": 1}, "sold": {"a": 1}}, SIGNATURE)
    assert list(check_graph(graph, SIGNATURE)["inputs"]) == ["age", "town"]
    np.testing.assert_allclose(answers(graph, rows(9))["price"], 2 * rows(9)["age"], rtol=1e-6)


def test_a_blend_with_trees_has_their_operators() -> None:
    from drivetrain.learn.trees.graph import ensemble

    builder = Builder(SIGNATURE)
    leaf = builder.add(
        "TreeEnsembleRegressor", builder.column(builder.inputs["age"]), domain=TREES, **ensemble([], [], 1)
    )
    builder.add("Reshape", leaf, builder.whole(-1), output=builder.outputs["price"])
    builder.add("Softmax", builder.beside([leaf, leaf]), output=builder.outputs["sold"])
    weights = {"price": {"a": 0.5, "trees": 0.5}, "sold": {"a": 0.5, "trees": 0.5}}
    graph = blend({"a": part(1), "trees": builder.model("trees")}, weights, SIGNATURE)
    check_graph(graph, SIGNATURE)
    np.testing.assert_allclose(answers(graph, rows(9))["price"], rows(9)["age"] / 2, rtol=1e-6)


@pytest.mark.parametrize("wrong", [{"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 0.5, "c": 0.5}, {}])
def test_weights_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    graphs = {"a": part(1), "b": part(2)}
    with pytest.raises(UsageError, match=r"weights|graph 'c'"):
        blend(graphs, {"price": wrong, "sold": {"a": 1}}, SIGNATURE)


def test_graphs_of_other_versions_are_refused() -> None:
    model = onnx.load_from_string(part(1))
    model.opset_import[0].version = 18
    with pytest.raises(UsageError, match="18"):
        blend({"a": model.SerializeToString()}, {"price": {"a": 1}, "sold": {"a": 1}}, SIGNATURE)
