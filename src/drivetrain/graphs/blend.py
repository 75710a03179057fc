"""Several graphs over the same fields as one: each output is the weighted sum of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.bundle.operators import WRITTEN
from drivetrain.bundle.tensors import part_tensor
from drivetrain.codecs import Signature
from drivetrain.errors import UsageError
from drivetrain.graphs.builder import Builder


def blend(
    graphs: Mapping[str, bytes], weights: Mapping[str, Mapping[str, float]], signature: Signature
) -> bytes:
    """The serialised graph. `graphs` are serialised ones by name, whose inputs and outputs have made names; they may lack
    inputs. `weights` are target -> name -> weight: not below 0, and 1 together. What has none is left out.

    What part P says for output K is an output too, `part_P_output_K`; P is its place in `graphs`. Probabilities and
    numbers in natural units are added alike. Raises UsageError for weights that are none.
    """
    builder = Builder(signature)
    for place, (name, data) in enumerate(graphs.items()):
        if any(found.get(name) for found in weights.values()):
            _take(builder, name, data, part_tensor(place, ""))
    for target, output in builder.outputs.items():
        _check(weights[target], graphs, target)
        terms: list[str] = []
        for place, name in enumerate(graphs):
            if weight := weights[target].get(name):
                part = part_tensor(place, output)
                builder.parts[part] = target
                terms.append(builder.add("Mul", part, builder.constant(weight)))
        builder.add("Sum", *terms, output=output)
    _prune(builder)
    return builder.model("blend")


def _check(weights: Mapping[str, float], graphs: Mapping[str, bytes], target: str) -> None:
    if not weights.keys() <= graphs.keys():
        raise UsageError(f"there is no graph {min(weights.keys() - graphs.keys())!r}.", where=target)
    if any(weight < 0 for weight in weights.values()) or abs(sum(weights.values()) - 1) > 1e-5:
        raise UsageError("the weights of a blend are not below 0, and 1 together.", where=target)


def _take(builder: Builder, name: str, data: bytes, prefix: str) -> None:
    """All of a graph, its names but those of the inputs behind `prefix`."""
    from onnx import compose, load_from_string

    model = compose.add_prefix(load_from_string(data), prefix, rename_inputs=False, rename_outputs=True)
    versions = {opset.domain: opset.version for opset in model.opset_import}
    if versions.items() - WRITTEN.items():
        raise UsageError(f"a graph of the opsets {versions} can't be blended.", where=name)
    builder.nodes += model.graph.node
    builder.initializers += model.graph.initializer


def _prune(builder: Builder) -> None:
    """Leave out what no output needs: of a part that has no weight for one of several targets."""
    needed = set(builder.outputs.values())
    nodes: list[Any] = []
    for node in reversed(builder.nodes):
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed |= _uses(node)
    builder.nodes = nodes[::-1]
    builder.initializers = [tensor for tensor in builder.initializers if tensor.name in needed]


def _uses(node: Any) -> set[str]:
    """What a node and its subgraphs take, their own values among it."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    inner = [_uses(deep) for graph in graphs for deep in graph.node]
    return {*node.input, *(port.name for graph in graphs for port in graph.output)}.union(*inner)
