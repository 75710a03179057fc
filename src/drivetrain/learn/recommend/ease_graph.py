"""EASE as an ONNX graph: histories in, a score for each item out."""

from __future__ import annotations

from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder
from drivetrain.learn.recommend.items import NOT_AGAIN
from drivetrain.types import Array


def export_ease(weights: Array, shares: Array, signature: Signature) -> bytes:
    """The serialised graph: the sum of the weights of what somebody has had; where that is nothing, the `shares` (items,)
    of people that had each item; and for what was had -1."""
    builder = Builder(signature)
    add = builder.add
    zero, not_again = builder.constant(0), builder.constant(NOT_AGAIN)
    had = {field: builder.floats(name) for field, name in builder.inputs.items()}
    anything = add("Greater", add("ReduceMax", had["history"], builder.whole(1), keepdims=1), zero)
    scores = add("MatMul", had["history"], builder.constant(weights))
    scores = add("Max", add("Where", anything, scores, builder.constant(shares)), not_again)
    any_had = add("Max", *had.values())
    (output,) = builder.outputs.values()
    add("Where", add("Greater", any_had, zero), not_again, scores, output=output)
    return builder.model("ease")
