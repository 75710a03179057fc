"""EASE as an ONNX graph: histories in, a score for each item out."""

from __future__ import annotations

import numpy as np

from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.learn.items import NOT_AGAIN
from drivetrain.types import Array

OPSET, IR_VERSION = 20, 10


def export_ease(weights: Array, shares: Array, signature: Signature) -> bytes:
    """The serialised graph: the sum of the weights of what somebody has had; where that is nothing, the `shares` (items,)
    of people that had each item; and for what was had -1."""
    from onnx import TensorProto, checker, helper, numpy_helper

    (target,) = signature.targets
    fields = made_names(signature)
    values = {
        "weights": weights, "shares": shares, "not_again": np.float32(NOT_AGAIN), "zero": np.float32(0), "axis": np.array([1]),
    }  # fmt: skip
    nodes = []

    def add(operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or f"{operator.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    had = [add("Cast", name, to=TensorProto.FLOAT) for name in fields.inputs.values()]
    history = had[list(signature.inputs).index("history")]
    anything = add("Greater", add("ReduceMax", history, "axis", keepdims=1), "zero")
    scores = add("Where", anything, add("MatMul", history, "weights"), "shares")
    scores = add("Max", scores, "not_again")
    any_had = had[0] if len(had) == 1 else add("Max", *had)
    add("Where", add("Greater", any_had, "zero"), "not_again", scores, output=fields.outputs[target])
    items = len(shares)
    graph = helper.make_graph(
        nodes,
        "ease",
        [
            helper.make_tensor_value_info(name, TensorProto.UINT8, ["rows", items])
            for name in fields.inputs.values()
        ],
        [helper.make_tensor_value_info(fields.outputs[target], TensorProto.FLOAT, ["rows", items])],
        [numpy_helper.from_array(np.asarray(value), what) for what, value in values.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="drivetrain",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    checker.check_model(model)
    return model.SerializeToString()
