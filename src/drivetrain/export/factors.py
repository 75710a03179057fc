"""Matrix factorisation as an ONNX graph: two codes in, the sum of the products of their rows out."""

from __future__ import annotations

import numpy as np

from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.learn.factorise import Factors

OPSET, IR_VERSION = 20, 10


def export_factors(factors: Factors, signature: Signature) -> bytes:
    """The serialised graph."""
    from onnx import TensorProto, checker, helper, numpy_helper

    ((_, output),) = made_names(signature).outputs.items()
    left, right = made_names(signature).inputs.values()
    nodes = [
        helper.make_node("Gather", ["lefts", left], ["of_left"]),
        helper.make_node("Gather", ["rights", right], ["of_right"]),
        helper.make_node("Mul", ["of_left", "of_right"], ["products"]),
        helper.make_node("ReduceSum", ["products", "axis"], [output], keepdims=0),
    ]
    values = {"lefts": factors.left, "rights": factors.right, "axis": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "factors",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows"]) for name in (left, right)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows"])],
        [numpy_helper.from_array(value, what) for what, value in values.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="drivetrain",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    checker.check_model(model)
    return model.SerializeToString()
