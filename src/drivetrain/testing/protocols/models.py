"""The small models that the cases ask, as ONNX graphs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivetrain.extras import require
from drivetrain.files import write_bytes
from drivetrain.testing.protocols.rest_infer import VALUES

OPSET, IR_VERSION = 20, 9
_TYPES = {
    "BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64", "INT8": "INT8", "INT16": "INT16",
    "INT32": "INT32", "INT64": "INT64", "FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING",
}  # fmt: skip
"""What ONNX calls each datatype."""


def graphs() -> dict[str, bytes]:
    """Model -> its ONNX graph: `simple` and `simple_string` (sum and difference of two (n, 16)), `half_plus_three` of scalars, and
    an identity (n, 4) of each datatype. Raises NotInstalled where onnx isn't."""
    require("onnx", "making the models", "train")
    from onnx import helper

    pair, out = ("INPUT0", "INPUT1"), ("OUTPUT0", "OUTPUT1")
    text = [
        *(helper.make_node("Cast", [name], [f"{name}_number"], to=_type("INT32")) for name in pair),
        helper.make_node("Add", ["INPUT0_number", "INPUT1_number"], ["sum"]),
        helper.make_node("Sub", ["INPUT0_number", "INPUT1_number"], ["difference"]),
        helper.make_node("Cast", ["sum"], ["OUTPUT0"], to=_type("BYTES")),
        helper.make_node("Cast", ["difference"], ["OUTPUT1"], to=_type("BYTES")),
    ]
    number = [helper.make_node("Add", pair, ["OUTPUT0"]), helper.make_node("Sub", pair, ["OUTPUT1"])]
    half = [
        helper.make_node("Mul", ["x", "half"], ["halved"]),
        helper.make_node("Add", ["halved", "three"], ["y"]),
    ]
    constants = {"half": 0.5, "three": 3.0}
    found = {
        "simple": _graph("simple", number, pair, out, "INT32", [16]),
        "simple_string": _graph("simple_string", text, pair, out, "BYTES", [16]),
        "half_plus_three": _graph("half_plus_three", half, ["x"], ["y"], "FP32", [], constants),
    }
    same = helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])
    for datatype in VALUES:
        name = f"identity_{datatype.lower()}"
        found[name] = _graph(name, [same], ["INPUT0"], ["OUTPUT0"], datatype, [4])
    return found


def _type(datatype: str) -> int:
    from onnx import TensorProto

    return TensorProto.DataType.Value(_TYPES[datatype])


def _graph(
    name: str,
    nodes: Sequence[Any],
    inputs: Sequence[str],
    outputs: Sequence[str],
    datatype: str,
    shape: Sequence[int],
    constants: Mapping[str, float] | None = None,
) -> bytes:
    from onnx import helper

    def ports(names: Sequence[str]) -> list[Any]:
        return [helper.make_tensor_value_info(each, _type(datatype), ["rows", *shape]) for each in names]

    kept = [helper.make_tensor(each, _type("FP32"), [], [value]) for each, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, name, ports(inputs), ports(outputs), initializer=kept)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets).SerializeToString()


def write_models(folder: str | os.PathLike[str]) -> list[str]:
    """FOLDER/NAME/1/model.onnx for each, as Triton reads a repository (`half_plus_three` as version 123, as in TensorFlow Serving's
    documentation). Gives the names."""
    found = graphs()
    for name, graph in found.items():
        version = Path(folder) / name / ("123" if name == "half_plus_three" else "1")
        version.mkdir(parents=True, exist_ok=True)
        write_bytes(version / "model.onnx", graph)
    return list(found)
