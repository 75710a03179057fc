"""A network as an ONNX graph, written by its own modules: torch's exporter takes seconds for what is known beforehand.

A module of ours has beside `forward` a `write_graph(graph, *names)`: it adds to the graph what `forward` computes when
the network answers, and gives the name of that. Where one module lacks it (a pretrained body, somebody's own), the
whole network goes through torch's exporter (`torch_export.py`). Of torch's own modules those in LAYERS are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder


class NotWritten(Exception):
    """A module that doesn't know how to write itself."""


def write_network(network: nn.Module, signature: Signature) -> bytes:
    """The serialised graph, checked. Raises NotWritten."""
    graph = NetworkGraph(signature)
    graph.write(network)
    return graph.model("network")


class NetworkGraph(Builder):
    """A graph to which modules are written. `places` are what encoders have written beside rows of features, by input, for the
    heads that ask for it."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.places: dict[str, Any] = {}

    def write(self, module: nn.Module, *given: Any) -> Any:
        """What the module writes of what it is given: the name of its output, or what else it gives. Raises NotWritten."""
        if module._forward_hooks or module._forward_pre_hooks:
            raise NotWritten(f"{type(module).__name__} with hooks")
        if layer := LAYERS.get(type(module)):
            return layer(self, module, *given)
        if not _writes_what_it_computes(type(module)):
            raise NotWritten(type(module).__name__)
        return module.write_graph(self, *given)  # type: ignore[operator]

    def tensor(self, values: Tensor) -> str:
        """A constant of weights: float32, or int64 where they are whole."""
        array = values.detach().cpu()
        return (
            self.constant(array.float().numpy())
            if array.is_floating_point()
            else self.constant(array.numpy(), "i8")
        )

    def table(self, weights: Tensor, *inputs: str) -> str:
        """The vectors of the values of inputs (see `vectors`)."""
        return self.vectors(weights.detach().cpu().float().numpy(), *inputs)


def _writes_what_it_computes(kind: type) -> bool:
    """Whether a class has `write_graph`, and it is not that of a base class with another `forward`."""
    names = next(
        (vars(each).keys() for each in kind.__mro__ if {"forward", "write_graph"} & vars(each).keys()), ()
    )
    return "write_graph" in names


def _nothing(graph: NetworkGraph, module: nn.Module, name: str) -> str:
    del graph, module
    return name


def _one_by_one(graph: NetworkGraph, module: Any, name: str) -> str:
    for part in module:
        name = graph.write(part, name)
    return name


def _linear(graph: NetworkGraph, module: Any, name: str) -> str:
    """The last axis of two or more."""
    product = graph.add("MatMul", name, graph.tensor(module.weight.T))
    return product if module.bias is None else graph.add("Add", product, graph.tensor(module.bias))


def _layer_norm(graph: NetworkGraph, module: Any, name: str) -> str:
    if len(module.normalized_shape) != 1 or module.weight is None or module.bias is None:
        raise NotWritten("LayerNorm of several axes, or without weights")
    weights = (graph.tensor(module.weight), graph.tensor(module.bias))
    return graph.add("LayerNormalization", name, *weights, axis=-1, epsilon=module.eps)


def _gelu(graph: NetworkGraph, module: Any, name: str) -> str:
    return graph.add("Gelu", name, approximate=module.approximate)


def _relu(graph: NetworkGraph, module: nn.Module, name: str) -> str:
    del module
    return graph.add("Relu", name)


def _flatten(graph: NetworkGraph, module: Any, name: str) -> str:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise NotWritten("Flatten of other axes")
    return graph.add("Flatten", name, axis=1)


def _convolution(graph: NetworkGraph, module: Any, name: str) -> str:
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise NotWritten("Conv2d with another padding")
    weights = [graph.tensor(part) for part in (module.weight, module.bias) if part is not None]
    return graph.add(
        "Conv", name, *weights, kernel_shape=module.kernel_size, strides=module.stride, pads=[*module.padding] * 2,
        dilations=module.dilation, group=module.groups,
    )  # fmt: skip


def _max_pooling(graph: NetworkGraph, module: Any, name: str) -> str:
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    if (
        _pair(module.padding) != [0, 0]
        or _pair(module.dilation) != [1, 1]
        or module.ceil_mode
        or module.return_indices
    ):
        raise NotWritten("MaxPool2d with padding or dilation")
    return graph.add("MaxPool", name, kernel_shape=kernel, strides=stride)


def _pair(sides: Any) -> list[int]:
    return [sides, sides] if isinstance(sides, int) else [*sides]


LAYERS: dict[type, Callable[..., str]] = {
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
    nn.Sequential: _one_by_one,
    nn.Linear: _linear,
    nn.ReLU: _relu,
    nn.LayerNorm: _layer_norm,
    nn.GELU: _gelu,
    nn.Flatten: _flatten,
    nn.Conv2d: _convolution,
    nn.MaxPool2d: _max_pooling,
}
"""By their very class: one derived from them may compute something else."""
