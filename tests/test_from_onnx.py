"""A plain ONNX graph becomes a bundle, without the onnx package: what it computes, its names and types are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from serving import a_server, run, simple

from drivetrain.bundle import open_bundle
from drivetrain.errors import BundleError, CheckFailed, DataError, FileError, UsageError
from drivetrain.runtime import Predictor, from_onnx
from drivetrain.serve.path import answer_tensors
from drivetrain.serve.servable import open_servable
from drivetrain.serve.types import Asked, Request

FLOAT = TensorProto.FLOAT


def graph(
    nodes: list[Any],
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    weights: dict[str, Any] | None = None,
    ir: int = 10,
    **more: Any,
) -> bytes:
    made = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, *port) for name, port in inputs.items()],
        [helper.make_tensor_value_info(name, *port) for name, port in outputs.items()],
        [numpy_helper.from_array(np.array(array, np.float32), name) for name, array in (weights or {}).items()],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=ir, **more)
    model.doc_string = "/home/somebody/train.py"
    model.graph.doc_string = model.graph.node[0].doc_string = "/home/somebody/model.py"
    return model.SerializeToString()


def linear(rows: Any = "n", side: Any = 3, ir: int = 10) -> bytes:
    inputs = {"x": (FLOAT, [rows, side])}
    if ir < 4:
        inputs["w"] = (FLOAT, [3, 2])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return graph([node], inputs, {"y": (FLOAT, None)}, {"w": [[1, 2], [3, 4], [5, 6]]}, ir)


def test_whole_numbers_and_texts_keep_their_names_and_types(tmp_path: Path) -> None:
    for texts in (False, True):
        bundle = from_onnx(simple(texts), tmp_path / f"{texts}.bundle")
        ports = [{**bundle.signature.inputs}["INPUT0"], {**bundle.signature.targets}["OUTPUT1"]]
        assert [(port.type, port.dims) for port in ports] == [("string" if texts else "int32", (16,))] * 2
        ones: list[Any] = ["1"] * 16 if texts else [1] * 16
        answer = Predictor(tmp_path / f"{texts}.bundle").predict({"INPUT0": ones, "INPUT1": ones})
        assert answer.targets["OUTPUT0"]["value"] == (["2"] * 16 if texts else [2] * 16)


def test_arrays_reach_it_through_the_server(tmp_path: Path) -> None:
    for texts, kind in ((False, np.int32), (True, object)):
        from_onnx(simple(texts), tmp_path / "m.bundle", force=True)
        server = a_server(open_servable(tmp_path / "m.bundle", "m", 1, threads=1))
        given = np.array([[b"3"] * 16] * 2, object) if texts else np.full((2, 16), 3, kind)
        found = run(
            answer_tensors(server, Asked("m"), {"INPUT0": given, "INPUT1": given}, Request("POST", "/"))
        )
        assert found.outputs["OUTPUT0"].tolist() == [["6" if texts else 6] * 16] * 2
        assert [port.datatype for port in server.router.lease(Asked("m")).servable.outputs] == [
            "BYTES" if texts else "INT32"
        ] * 2


def test_only_what_it_computes_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(linear())
    bundle = from_onnx(tmp_path / "model.onnx", tmp_path / "m.bundle", examples={"x": [[1, 0, 0], [0, 1, 1]]})
    assert b"somebody" not in bundle.graph
    assert [case.output["y"].tolist() for case in bundle.cases] == [[1, 2], [8, 10]]
    assert open_bundle(tmp_path / "m.bundle").hash == bundle.hash
    with pytest.raises(FileError):
        from_onnx(linear(), tmp_path / "m.bundle")


def test_rows_that_were_fixed_at_one_are_freed_where_the_graph_allows_it(tmp_path: Path) -> None:
    from_onnx(linear(rows=1), tmp_path / "m.bundle")
    shape = helper.make_node("Constant", [], ["s"], value_ints=[1, 2, 2])
    reshaped = [shape, helper.make_node("Reshape", ["x", "s"], ["y"])]
    with pytest.raises(CheckFailed, match="dynamic first axis"):
        from_onnx(graph(reshaped, {"x": (FLOAT, [1, 4])}, {"y": (FLOAT, [1, 2, 2])}), tmp_path / "r.bundle")
    assert not (tmp_path / "r.bundle").exists()


def test_what_cannot_be_drawn_has_to_be_given(tmp_path: Path) -> None:
    path = tmp_path / "m.bundle"
    with pytest.raises(UsageError, match="not how large a row is"):
        from_onnx(linear(side="wide"), path)
    from_onnx(linear(side="wide"), path, examples={"x": np.ones((2, 3))})
    with pytest.raises(UsageError, match="differ: 'x'"):
        from_onnx(linear(), path, examples={"z": [1]}, force=True)
    with pytest.raises(UsageError, match=r"the graph says \[\?, 3\]"):
        from_onnx(linear(), path, examples={"x": np.ones((2, 4))}, force=True)
    gather = graph(
        [helper.make_node("Gather", ["w", "x"], ["y"])],
        {"x": (TensorProto.INT64, ["n", 1])},
        {"y": (FLOAT, ["n", 1])},
        {"w": [1, 2]},
    )
    with pytest.raises(DataError, match="drawn by chance"):
        from_onnx(gather, path, force=True)
    from_onnx(gather, path, examples={"x": [[0], [1]]}, force=True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            graph(
                [helper.make_node("RandomNormalLike", ["x"], ["y"])],
                {"x": (FLOAT, ["n"])},
                {"y": (FLOAT, ["n"])},
            ),
            "RandomNormalLike",
        ),
        (
            graph(
                [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
                {"x": (FLOAT, ["n", 2])},
                {"y": (FLOAT, [])},
            ),
            "not one row",
        ),
        (linear(rows=4), "fixed number of rows"),
        (linear()[:-9], "can't be"),
        (b"no graph", "can't be read"),
    ],
)
def test_what_no_bundle_may_hold_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        from_onnx(data, tmp_path / "m.bundle")
    assert not [*tmp_path.iterdir()]
