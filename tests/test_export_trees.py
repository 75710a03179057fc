"""The graph of trees says what the library says that grew them: the same leaf for each row, the same outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingRegressor

from drivetrain.bundle.graph import check_graph, check_model
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import MISSING, Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.learn.trees import lightgbm
from drivetrain.learn.trees import scikit as sklearn_trees
from drivetrain.learn.trees.graph import below, ensemble, export_trees
from drivetrain.learn.trees.model import TreeModel, fit_trees
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array, Batch

FLOATS = np.float32


def test_the_threshold_of_32_bits_parts_the_same_values() -> None:
    chance = np.random.default_rng(0)
    bits = chance.integers(0, 2**32, 200_000, dtype=np.uint32).view(FLOATS)
    values = np.concatenate(
        [bits[np.isfinite(bits)], chance.normal(size=50_000).astype(FLOATS), FLOATS([0, -0.0])]
    )
    above, under = np.nextafter(values, FLOATS(np.inf)), np.nextafter(values, FLOATS(-np.inf))
    middles = (values.astype(np.float64) + above) / 2
    for threshold in (middles, values.astype(np.float64), np.nextafter(values.astype(np.float64), -np.inf)):
        small = below(threshold)
        for x in (values, above, under):
            assert np.array_equal(x <= small, x.astype(np.float64) <= threshold)
    ends = np.array([np.inf, -np.inf, 1e300, -1e300, 1e-300, -1e-300])
    assert below(ends).tolist() == [
        np.inf,
        -np.inf,
        np.finfo(FLOATS).max,
        -np.inf,
        0,
        -np.finfo(FLOATS).tiny * 2**-23,
    ]


def leaves(estimator: HistGradientBoostingRegressor, features: Array) -> Array:
    """(n, trees): the place of the leaf that each row comes to, followed by hand through scikit-learn's nodes."""
    found = np.zeros((len(features), estimator.n_iter_), np.int64)
    for number, (tree,) in enumerate(estimator._predictors):
        nodes, at = tree.nodes, np.zeros(len(features), np.int64)
        for _ in range(int(nodes["depth"].max())):
            node = nodes[at]
            x = features[np.arange(len(features)), node["feature_idx"]].astype(np.float64)
            left = np.where(np.isnan(x), node["missing_go_to_left"] == 1, x <= node["num_threshold"])
            at = np.where(node["is_leaf"] == 1, at, np.where(left, node["left"], node["right"]))
        found[:, number] = at
    return found


def tree_by_tree(estimator: HistGradientBoostingRegressor, width: int) -> OnnxSession:
    """A graph with an output for each tree, which is the place of the leaf."""
    trees = [tree.nodes.copy() for (tree,) in estimator._predictors]
    for nodes in trees:
        nodes["value"] = np.arange(len(nodes))
    return session_of(trees, width)


def session_of(trees: list[Array], width: int) -> OnnxSession:
    """A graph with an output for each tree."""
    attributes = ensemble(trees, range(len(trees)), len(trees))
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["leaf"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info("leaf", TensorProto.FLOAT, ["rows", len(trees)])],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    data = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    check_model(data)
    return OnnxSession(data)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_row_comes_to_the_same_leaf_of_every_tree(missing: float) -> None:
    """Random rows, rows with gaps where training had none, ties, and rows that lie on a threshold or just beside it."""
    chance = np.random.default_rng(1)
    features = chance.normal(size=(3000, 5)).astype(FLOATS)
    features[:, 1] = np.round(features[:, 1])  # Ties.
    features[:, 2] = np.exp(8 * features[:, 2])
    target = features[:, 0] * features[:, 1] + np.sin(features[:, 3]) + chance.normal(size=3000)
    features[chance.random(features.shape) < missing] = np.nan
    estimator = HistGradientBoostingRegressor(max_iter=25, random_state=0).fit(features, target)
    asked = [features, chance.normal(size=(2000, 5)).astype(FLOATS) * 3]
    for (tree,) in estimator._predictors:
        branches = tree.nodes[tree.nodes["is_leaf"] == 0]
        on = below(branches["num_threshold"])
        for values in (on, np.nextafter(on, FLOATS(np.inf)), branches["num_threshold"].astype(FLOATS)):
            rows = features[chance.integers(0, 3000, len(values))].copy()
            rows[np.arange(len(values)), branches["feature_idx"]] = np.where(np.isfinite(values), values, 0)
            asked.append(rows)
    rows = np.concatenate(asked)
    rows[chance.random(rows.shape) < 0.05] = np.nan
    answered = tree_by_tree(estimator, 5).run({"x": rows})["leaf"]
    assert np.array_equal(answered, leaves(estimator, rows))
    assert len(np.unique(answered[:, 0])) > 10


INPUTS = {
    "size": Number(missing=True),
    "constant_1": Number(),
    "kind": Category(classes=tuple("abcdef"), open=True),
    "plain": Category(classes=("x", "y")),
    "day": Date(parts=("month", "hour"), missing=True, center=1.6e9, spread=1e8),
    "bare day": Date(parts=(), center=1.6e9, spread=1e8),
    "tags": Tags(tags=tuple("pqr")),
    "words": Text(words=("a", "b"), length=4),
}


def rows_of(n: int, seed: int) -> dict[str, Array]:
    chance = np.random.default_rng(seed)
    size = chance.normal(50, 10, n).astype(FLOATS)
    size[chance.random(n) < 0.2] = np.nan
    seconds = chance.integers(15 * 10**8, 17 * 10**8, n)
    day = np.stack([seconds, chance.integers(1, 13, n), chance.integers(0, 24, n)], axis=1)
    day[chance.random(n) < 0.1] = [MISSING, -1, -1]
    kind = chance.choice([0, 1, 2, 3, 4, 6], n)  # 5 and 7, a class and "missing", are never seen in training.
    noise = chance.normal(0, 0.3, n)
    score = np.isnan(size) + 0.5 * (kind == 2) + (day[:, 2] > 12) + noise
    return {
        "size": size,
        "constant_1": np.full(n, 3, FLOATS),
        "kind": kind,
        "plain": chance.integers(0, 2, n),
        "day": day,
        "bare day": seconds[:, None],
        "tags": chance.integers(0, 2, (n, 3)).astype(np.uint8),
        "words": chance.integers(0, 4, (n, 4)).astype(np.int32),
        "price": np.expm1(5 * np.abs(score)).astype(FLOATS),
        "loss": (1e6 + 1e5 * score).astype(FLOATS),
        "two": (score > 0.8).astype(np.int64),
        "four": np.clip(score * 2, 0, 2).astype(np.int64) + (score > 1.5),  # 0 to 3
        "five": np.clip(score * 2, 0, 2).astype(np.int64) * 2,  # 1 and 3 of 5 never occur.
        "never": np.ones(n, np.int64),
        "still": np.full(n, 7, FLOATS),
    }


TARGETS = {
    "price": Number(log=True),
    "loss": Number(scaling="none"),
    "two": Category(classes=("no", "yes")),
    "four": Category(classes=tuple("1234")),
    "five": Category(classes=tuple("12345")),
    "never": Category(classes=tuple("123")),
    "still": Number(),
}


@pytest.fixture(scope="module", params=[sklearn_trees.grow, lightgbm.grow], ids=["scikit-learn", "LightGBM"])
def fitted(request: pytest.FixtureRequest) -> tuple[Signature, dict[str, TreeModel]]:
    if request.param is lightgbm.grow:
        pytest.importorskip("lightgbm")
    signature, train = Signature(INPUTS, TARGETS), rows_of(3000, 0)
    return signature, {
        name: fit_trees(signature, train, name, most_rounds=30, grow=request.param) for name in TARGETS
    }


def strange(batch: Batch) -> dict[str, Array]:
    """Rows with what training did not have: other levels, gaps, far dates."""
    changed = {name: array.copy() for name, array in batch.items()}
    changed["kind"][::3] = 5
    changed["kind"][1::3] = 7
    changed["constant_1"][::4] = FLOATS([1e30])
    changed["day"][::5, 0] = -(10**10)
    changed["day"][1::5, 0] = 2 * 10**11
    return changed


def test_all_targets_answer_as_they_were_grown(fitted: tuple[Signature, dict[str, TreeModel]]) -> None:
    signature, models = fitted
    graph = export_trees(models, signature)
    check_graph(graph, signature)
    session = OnnxSession(graph, made_names(signature))
    for batch in (rows_of(3000, 0), rows_of(1000, 1), strange(rows_of(1000, 2))):
        answered = session.run({name: batch[name] for name in INPUTS})
        for name, model in models.items():
            ours = model.predict(batch)
            assert answered[name].dtype == ours.dtype == FLOATS
            assert answered[name].shape == ours.shape
            scale = np.maximum(np.abs(ours), np.median(np.abs(ours)) + 1e-30)
            assert (np.abs(answered[name] - ours) / scale).max() < 1e-5, name
            if ours.ndim == 2:
                np.testing.assert_allclose(answered[name].sum(axis=1), 1, atol=1e-6)
    assert models["never"].grown is None
    assert (answered["never"] == [0, 1, 0]).all()
    assert (answered["five"][:, [1, 3]] == 0).all()
    np.testing.assert_allclose(answered["still"], 7, rtol=1e-6)
    np.testing.assert_allclose(
        models["loss"].predict(rows_of(3000, 0)).mean(), rows_of(3000, 0)["loss"].mean(), rtol=1e-3
    )


def test_the_last_stage_is_the_answer(fitted: tuple[Signature, dict[str, TreeModel]]) -> None:
    models = fitted[1]
    batch = strange(rows_of(200, 3))
    for name in ("price", "two", "five"):
        stages = list(models[name].staged(batch, [1, 2, models[name].rounds]))
        assert len(stages) == 3
        assert np.abs(stages[0] - stages[1]).max() > 0
        np.testing.assert_allclose(stages[-1], models[name].predict(batch), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_row_comes_to_the_same_leaf_of_lightgbms_trees(missing: float) -> None:
    """Gaps where training had none count as 0; thresholds, and the float32 beside them, part rows as LightGBM does."""
    library = pytest.importorskip("lightgbm")
    chance = np.random.default_rng(1)
    features = chance.normal(size=(3000, 5)).astype(FLOATS)
    features[:, 1] = np.round(features[:, 1])
    features[:, 2] = np.exp(8 * features[:, 2])
    target = features[:, 0] * features[:, 1] + np.sin(features[:, 3]) + chance.normal(size=3000)
    features[chance.random(features.shape) < missing] = np.nan
    options = {"verbosity": -1, "num_threads": 1, "extra_trees": True}
    booster = library.train(options, library.Dataset(features, target), 25)
    trees = lightgbm.read_trees(booster.model_to_string())
    asked = [features, chance.normal(size=(2000, 5)).astype(FLOATS) * 3]
    for nodes in trees:
        branches = nodes[nodes["is_leaf"] == 0]
        on = below(branches["num_threshold"])
        for values in (on, np.nextafter(on, FLOATS(np.inf)), branches["num_threshold"].astype(FLOATS)):
            rows = features[chance.integers(0, 3000, len(values))].copy()
            rows[np.arange(len(values)), branches["feature_idx"]] = np.where(np.isfinite(values), values, 0)
            asked.append(rows)
        nodes["value"] = np.arange(len(nodes)) - len(branches)  # The place among its leaves.
    rows = np.concatenate(asked)
    rows[chance.random(rows.shape) < 0.05] = np.nan
    answered = session_of(trees, 5).run({"x": rows})["leaf"]
    assert np.array_equal(answered, booster.predict(rows, pred_leaf=True))
    assert len(np.unique(answered[:, 0])) > 10


def test_a_tree_that_is_one_leaf_is_read() -> None:
    library = pytest.importorskip("lightgbm")
    features, target = np.zeros((50, 1), FLOATS), np.arange(50.0)
    booster = library.train({"verbosity": -1, "num_threads": 1}, library.Dataset(features, target), 2)
    trees = lightgbm.read_trees(booster.model_to_string())
    assert {len(nodes) for nodes in trees} == {1}
    total = sum(nodes["value"][0] for nodes in trees)
    np.testing.assert_allclose(booster.predict(features)[0], total)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_any_number_of_rows_at_once(fitted: tuple[Signature, dict[str, TreeModel]], rows: int) -> None:
    signature, models = fitted
    session = OnnxSession(export_trees(models, signature), made_names(signature))
    batch = rows_of(20, 3)
    whole = session.run({name: batch[name] for name in INPUTS})
    part = session.run({name: batch[name][:rows] for name in INPUTS})
    for name in TARGETS:
        np.testing.assert_allclose(part[name], whole[name][:rows], rtol=1e-6, atol=1e-6)


def test_names_of_fields_are_kept_and_none_is_used_twice() -> None:
    """A column may be called like a node of the graph."""
    inputs = {name: Number() for name in ("concat_1", "constant_1", "reshape_1", "a: ü/?")}
    signature = Signature(inputs, {"treeensembleregressor_1": Number(), "add_1": Number()})
    chance = np.random.default_rng(0)
    batch = {name: chance.normal(size=200).astype(FLOATS) for name in signature.fields}
    models = {name: fit_trees(signature, batch, name, most_rounds=5) for name in signature.targets}
    graph = export_trees(models, signature)
    interface = check_graph(graph, signature)
    assert list(interface["inputs"]) == list(inputs)
    answered = OnnxSession(graph, made_names(signature)).run({name: batch[name] for name in inputs})
    for name, model in models.items():
        np.testing.assert_allclose(answered[name], model.predict(batch), atol=1e-5)
    words = str(onnx.load_from_string(graph))
    assert "/" not in words
    assert "sklearn" not in words
    assert "lightgbm" not in words
