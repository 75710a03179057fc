"""Matrix factorisation as an ONNX graph: two codes in, the sum of the products of their rows out."""

from __future__ import annotations

from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder
from drivetrain.learn.recommend.factorise import Factors


def export_factors(factors: Factors, signature: Signature) -> bytes:
    """The serialised graph."""
    builder = Builder(signature)
    add = builder.add
    left, right = (
        add("Gather", builder.vectors(table, code), code)
        for table, code in zip((factors.left, factors.right), builder.inputs.values())
    )
    (output,) = builder.outputs.values()
    add("ReduceSum", add("Mul", left, right), builder.whole(1), keepdims=0, output=output)
    return builder.model("factors")
