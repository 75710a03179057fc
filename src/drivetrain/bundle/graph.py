"""What a graph may be, checked on its bytes before onnxruntime sees them.

onnxruntime trusts a graph: it opens the files that external data names and allocates what a tensor claims
to be. So the bytes are read here first (`protobuf.py`) and held against the tables of `operators.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.operators import (
    DOMAINS,
    FLOAT,
    GROWTH,
    INT32,
    INT64,
    IR_VERSIONS,
    MOST_EACH,
    MOST_MADE,
    MOST_MADE_PER_BYTE,
    MOST_STEP,
    OPERATORS,
    POSITIVE,
    POSITIVE_ATTRIBUTES,
    SIZE_ATTRIBUTES,
    SIZES,
    TREES,
)
from drivetrain.bundle.protobuf import parse
from drivetrain.bundle.tensors import made_names, own_names
from drivetrain.bundle.trees import tree_fault
from drivetrain.bundle.values import (
    ELEMENTS,
    SMALL,
    Scope,
    Value,
    check_tensor,
    constant,
    element_of,
    of_node,
    refuse,
)
from drivetrain.codecs import Codec, Signature
from drivetrain.errors import BundleError, DrivetrainError
from drivetrain.ragged import lengths_of

MOST_BYTES = 2**31 - 1
MOST_NODES = 100_000
MOST_SUBGRAPH_DEPTH = 4
_VALUES = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}
_LISTS = ("floats", "ints", "strings")


class Port(TypedDict):
    """One input or output of a graph, which calls it `tensor`: by its field where that isn't said, as in format 1. A
    dimension of None is dynamic. `lengths` is the input that has the lengths of its rows, where they vary."""

    tensor: NotRequired[str]
    lengths: NotRequired[str]
    dtype: str
    dims: list[int | None]


Interface = dict[str, dict[str, Port]]
"""`{"inputs": {field: Port}, "outputs": {field: Port}}`, in the graph's order; of a blend also `"parts": {tensor: Port}`."""
_PART = re.compile(r"part_(?:0|[1-9][0-9]?)_(output_[0-9]+)")
"""What a part of a blend says for an output (see `tensors.part_tensor`)."""


def check_graph(data: bytes, signature: Signature, *, made: bool = True, blend: bool = True) -> Interface:
    """The interface of a graph, when it may be run and fits the signature. Raises BundleError.

    Fields have the names that are `made` for them, or their own, as in format 1. Whether it may have outputs for the parts
    of a `blend`, as from format 3.
    """
    # A codec without its fitted state is named before its shape is looked at.
    for field, codec in signature.inputs.items():
        _row("input", field, codec)
    names, ports = made_names(signature) if made else own_names(signature), check_model(data)
    inputs = _by_field("input", ports["inputs"], names.inputs, signature.inputs)
    parts = _parts(ports["outputs"], names.outputs, signature.targets) if made and blend else {}
    whole = {name: port for name, port in ports["outputs"].items() if name not in parts}
    outputs = _by_field("output", whole, names.outputs, signature.targets)
    if made:
        for field, port in (*inputs.items(), *outputs.items()):
            port["tensor"] = {**names.inputs, **names.outputs}[field]
    return {"inputs": inputs, "outputs": outputs, **({"parts": parts} if parts else {})}


def input_ports(ports: Mapping[str, Port], signature: Signature) -> dict[str, Port]:
    """The inputs of a graph by field, when they fit the signature's."""
    names = made_names(signature).inputs
    inputs = _by_field("input", ports, names, signature.inputs)
    return {field: {"tensor": names[field], **port} for field, port in inputs.items()}


def check_model(data: bytes) -> Interface:
    """The interface of a graph by its own names, when it may be run. Raises BundleError."""
    graph = checked_nodes(data)
    inputs, outputs = _ports(graph, "input"), _ports(graph, "output")
    if shared := inputs.keys() & {tensor.get("name", "") for tensor in graph.get("initializer", [])}:
        raise refuse(f"the input {min(shared)!r} has a value of its own")
    return {"inputs": inputs, "outputs": outputs}


def checked_nodes(data: bytes) -> dict[str, Any]:
    """The graph of a model as `parse` gives it, when what it is made of may be run. Raises BundleError."""
    if len(data) > MOST_BYTES:
        raise refuse(f"it is larger than {MOST_BYTES:,} bytes")
    model = parse(data)
    if model.get("ir_version") not in IR_VERSIONS:
        raise refuse(
            f"its IR version {model.get('ir_version')} is not one of {IR_VERSIONS[0]} to {IR_VERSIONS[-1]}"
        )
    _check_opsets(model.get("opset_import", []))
    graph = model.get("graph")
    if graph is None:
        raise refuse("it has no graph")
    _Checker(MOST_MADE + MOST_MADE_PER_BYTE * len(data)).graph(graph, {}, 0)
    return graph


def _check_opsets(opsets: list[dict[str, Any]]) -> None:
    versions: dict[str, int] = {}
    for opset in opsets:
        domain = _domain(opset)
        if domain not in DOMAINS:
            raise refuse(f"the operator domain {domain!r} is not allowed")
        version = opset.get("version", 0)
        if domain in versions or version not in DOMAINS[domain]:
            of = f" of {domain}" if domain else ""
            raise refuse(f"opset {version}{of} is not one of {DOMAINS[domain][0]} to {DOMAINS[domain][-1]}")
        versions[domain] = version
    if not versions:
        raise refuse("it names no opset")


def _domain(record: Mapping[str, Any]) -> str:
    """The domain of an opset or a node; `ai.onnx` is the one without a name."""
    name = record.get("domain", "")
    return "" if name == "ai.onnx" else name


class _Checker:
    """Walks graphs and subgraphs; `left` is the number of elements that constant sizes may still make."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.nodes = 0

    def graph(self, graph: dict[str, Any], outer: Scope, depth: int) -> None:
        if depth > MOST_SUBGRAPH_DEPTH:
            raise refuse(f"subgraphs are nested more than {MOST_SUBGRAPH_DEPTH} deep")
        known = dict(outer)
        for tensor in graph.get("initializer", []):
            check_tensor(tensor)
            known[tensor.get("name", "")] = constant(tensor)
        for port in (*graph.get("input", []), *graph.get("output", []), *graph.get("value_info", [])):
            _check_type(port.get("type", {}), port.get("name", ""))
        for port in graph.get("input", []):
            known[port.get("name", "")] = Value(port.get("type", {}).get("tensor_type", {}).get("elem_type"))
        for node in graph.get("node", []):
            self.node(node, known, depth)

    def node(self, node: dict[str, Any], known: Scope, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise refuse(f"it has more than {MOST_NODES:,} nodes")
        operator, domain = node.get("op_type", ""), _domain(node)
        if operator not in OPERATORS.get(domain, ()):
            raise refuse(f"the operator {f'{domain}.' if domain else ''}{operator} is not allowed")
        if node.get("overload"):
            raise refuse(f"the operator {operator} names an overload")
        found: dict[str, tuple[int, Any]] = {}
        for attribute in node.get("attribute", []):
            name = attribute.get("name", "")
            if name in found:
                raise refuse(f"the attribute {name!r} of {operator} is given twice")
            value = _attribute_value(attribute, operator)
            found[name] = attribute["type"], value
            if attribute["type"] == 4:
                check_tensor(value)
            elif attribute["type"] == 5:
                self.graph(value, known, depth + 1)
            elif attribute["type"] in (2, 7) and (fault := _number_fault(name, np.atleast_1d(value))):
                raise refuse(f"{operator} has {name} {fault}")
        if domain == TREES and (fault := tree_fault(found)):
            raise refuse(fault)
        inputs = node.get("input", [])
        if fault := _input_fault(operator, inputs, known):
            raise refuse(fault)
        self.growth(operator, inputs, known)
        made = [Value(FLOAT)] if domain == TREES else of_node(operator, found, inputs, known)
        for place, name in enumerate(node.get("output", [])):
            known[name] = made[place] if place < len(made) else Value()

    def growth(self, operator: str, inputs: list[str], known: Scope) -> None:
        """A few bytes must not ask for gigabytes: constant sizes are bounded one by one and together."""
        for position, product in GROWTH.get(operator, ()):
            sizes = known.get(inputs[position], Value()).values if position < len(inputs) else None
            if sizes is None:
                continue
            if operator == "Range":
                sizes = _steps([known.get(name, Value()).values or [] for name in inputs]) or sizes
            if not all(abs(size) <= MOST_EACH for size in sizes):
                raise refuse(f"{operator} makes something of size {max(sizes, key=abs):,.0f}")
            made = 1.0 if product else sum(abs(size) for size in sizes)
            for size in sizes if product else ():
                made *= abs(size)
            self.left -= int(made) if made < MOST_BYTES else MOST_BYTES
            if self.left < 0 or made >= MOST_BYTES:
                raise refuse(f"{operator} makes {made:,.0f} elements out of nothing")


def _number_fault(name: str, numbers: npt.NDArray[np.int64]) -> str:
    """Why an attribute can't have these numbers; empty where it can."""
    if name in SIZE_ATTRIBUTES and (np.abs(numbers.astype(object)) > MOST_STEP).any():
        return f"of more than {MOST_STEP:,}"
    return "below 1" if name in POSITIVE_ATTRIBUTES and (numbers < 1).any() else ""


def _input_fault(operator: str, inputs: list[str], known: Scope) -> str:
    """Why a node can't have these inputs; empty where it can."""
    given = [known.get(name, Value()) for name in inputs]
    for place in SIZES.get(operator, ()):
        if place < len(given) and (given[place].size or 0) > SMALL:
            return f"{operator} takes {given[place].size:,} sizes or axes"
    for place in POSITIVE.get(operator, ()):
        if place < len(inputs) and inputs[place]:
            numbers = given[place].values
            if not numbers or not all(1 <= number <= MOST_EACH for number in numbers):
                return f"{operator} has a step, a length or a depth that is no constant from 1"
    if operator in ("Div", "Mod") and len(given) > 1:
        whole = {value.dtype for value in given} & {None, INT32, INT64}
        if whole and not given[1].divides:
            return f"{operator} divides whole numbers by what isn't constant, or by 0 or -1"
    return ""


def _steps(given: list[list[float]]) -> list[float] | None:
    """How many numbers a Range makes from start, limit and delta; None where they aren't constants."""
    if [len(values) for values in given] != [1, 1, 1]:
        return None
    (start,), (limit,), (delta,) = given
    return [abs(limit - start) / abs(delta)] if delta else [math.inf]


def _attribute_value(attribute: dict[str, Any], operator: str) -> Any:
    """The one value that an attribute has, in the field of its type."""
    name, type_ = attribute.get("name", ""), attribute.get("type", 0)
    field = _VALUES.get(type_)
    present = [other for other in _VALUES.values() if other in attribute]
    if field is None or present not in ([field], []) or (not present and field not in _LISTS):
        raise refuse(f"the attribute {name!r} of {operator} is not of one known type")
    return attribute.get(field, [])


def _check_type(type_: dict[str, Any], name: str) -> None:
    while "sequence_type" in type_:
        type_ = type_["sequence_type"].get("elem_type", {})
    tensor = type_.get("tensor_type")
    if tensor is None:
        return
    if tensor.get("elem_type") not in ELEMENTS:
        raise refuse(f"the value {name!r} has the type {tensor.get('elem_type')}, which is not allowed")
    if any(dim.get("dim_value", 0) < 0 for dim in tensor.get("shape", {}).get("dim", [])):
        raise refuse(f"the value {name!r} has a negative dimension")


def _ports(graph: dict[str, Any], side: str) -> dict[str, Port]:
    ports: dict[str, Port] = {}
    for port in graph.get(side, []):
        name, tensor = port.get("name", ""), port.get("type", {}).get("tensor_type", {})
        if name in ports or "shape" not in tensor:
            raise refuse(f"the {side} {name!r} is not one tensor of known rank")
        dims = [dim.get("dim_value") for dim in tensor["shape"].get("dim", [])]
        ports[name] = {"dtype": ELEMENTS[tensor["elem_type"]], "dims": dims}
    return ports


def _by_field(
    side: str, ports: Mapping[str, Port], names: Mapping[str, str], codecs: Mapping[str, Codec]
) -> dict[str, Port]:
    """The ports by field, when they fit its codecs."""
    if {*ports} != {*names.values()}:
        raise refuse(f"its {side}s are {sorted(ports)} and the signature's are {sorted(names.values())}")
    _fits(side, {field: ports[names[field]] for field in codecs}, codecs)
    fields = {names[field]: field for field in codecs}
    found = {fields[name]: port for name, port in ports.items() if name in fields}
    for field, port in found.items():
        if (name := names.get(lengths_of(field))) is not None:
            if ports[name] != {"dtype": "int64", "dims": [None]}:
                raise refuse(f"the input {name!r} is not int64 of any number of rows")
            port["lengths"] = name
    return found


def _parts(
    ports: Mapping[str, Port], names: Mapping[str, str], codecs: Mapping[str, Codec]
) -> dict[str, Port]:
    """By name the outputs of parts, each when it fits the target that it is for."""
    targets = {output: target for target, output in names.items()}
    found: dict[str, Port] = {}
    for name, port in ports.items():
        part = _PART.fullmatch(name)
        if part and (target := targets.get(part[1])):
            _fits("output", {target: port}, {target: codecs[target]})
            found[name] = port
    return found


def _fits(side: str, ports: Mapping[str, Port], codecs: Mapping[str, Codec]) -> None:
    for name, codec in codecs.items():
        shape, dtype = _row(side, name, codec)
        port = ports[name]
        if port["dtype"] != dtype:
            raise refuse(f"the {side} {name!r} is {port['dtype']} and the signature says {dtype}")
        if not port["dims"] or port["dims"][0] is not None:
            raise refuse(f"the {side} {name!r} has a fixed number of rows")
        sides = port["dims"][1:]
        if len(sides) != len(shape) or any(have not in (None, want) for have, want in zip(sides, shape)):
            raise refuse(
                f"a row of the {side} {name!r} has the shape {sides} and the signature says {list(shape)}"
            )


def _row(side: str, name: str, codec: Codec) -> tuple[tuple[Any, ...], str]:
    """Shape and dtype of a row of an input or output."""
    try:
        if side == "input":
            return codec.shape, element_of(codec.dtype)
        return codec.output_shape, element_of(codec.output_dtype)
    except DrivetrainError as fault:
        raise BundleError(f"the field {name!r}: {fault.error}", where="signature.json") from fault
