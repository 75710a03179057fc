"""A net of ResNet-18's shape (He et al. 2015, arXiv 1512.03385) as ONNX, with seeded random weights: what it costs to run, not what
it knows. Normalization is folded into the convolutions, as exporters do."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))


def resnet(classes: int = 1000, seed: int = 0) -> bytes:
    """x float32 (rows, 3, 224, 224) -> y float32 (rows, classes): 11.7 million weights."""
    random = np.random.default_rng(seed)
    nodes: list[Any] = []
    weights: list[Any] = []

    def kept(name: str, array: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def conv(given: str, before: int, after: int, side: int, stride: int, relu: bool = True) -> str:
        name = f"c{len(nodes)}"
        scale = np.sqrt(2 / (before * side * side))
        inputs = [
            given, kept(f"{name}w", random.normal(0, scale, (after, before, side, side))), kept(f"{name}b", np.zeros(after))
        ]  # fmt: skip
        half = side // 2
        nodes.append(
            helper.make_node(
                "Conv", inputs, [name], kernel_shape=[side, side], strides=[stride] * 2, pads=[half] * 4
            )
        )
        if not relu:
            return name
        nodes.append(helper.make_node("Relu", [name], [f"{name}r"]))
        return f"{name}r"

    x = conv("x", 3, 64, 7, 2)
    nodes.append(helper.make_node("MaxPool", [x], ["p"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
    x, before = "p", 64
    for channels, first in STAGES:
        for stride in (first, 1):
            long = conv(conv(x, before, channels, 3, stride), channels, channels, 3, 1, relu=False)
            short = (
                x if (stride, before) == (1, channels) else conv(x, before, channels, 1, stride, relu=False)
            )
            nodes.append(helper.make_node("Add", [long, short], [f"{long}s"]))
            nodes.append(helper.make_node("Relu", [f"{long}s"], [f"{long}o"]))
            x, before = f"{long}o", channels
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["g"]))
    nodes.append(helper.make_node("Flatten", ["g"], ["f"]))
    head = kept("w", random.normal(0, 0.04, (classes, 512)))
    nodes.append(helper.make_node("Gemm", ["f", head, kept("b", np.zeros(classes))], ["l"], transB=1))
    nodes.append(helper.make_node("Softmax", ["l"], ["y"]))
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3, 224, 224]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", classes]),
    ]
    graph = helper.make_graph(nodes, "resnet", ports[:1], ports[1:], weights)
    return helper.make_model(
        graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]
    ).SerializeToString()
