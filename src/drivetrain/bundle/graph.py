"""What a graph may be, checked on its bytes before onnxruntime sees them.

onnxruntime trusts a graph: it opens the files that external data names and allocates what a tensor claims
to be. So the bytes are read here first (`protobuf.py`) and held against the tables of `operators.py`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import numpy as np

from drivetrain.bundle.operators import (
    DOMAINS,
    GROWTH,
    IR_VERSIONS,
    MOST_EACH,
    MOST_MADE,
    MOST_MADE_PER_BYTE,
    MOST_STEP,
    OPERATORS,
    SIZE_ATTRIBUTES,
    TREES,
)
from drivetrain.bundle.protobuf import parse
from drivetrain.bundle.tensors import made_names, own_names
from drivetrain.bundle.trees import tree_fault
from drivetrain.codecs import Codec, Signature
from drivetrain.errors import BundleError, DrivetrainError

MOST_BYTES = 2**31 - 1
MOST_NODES = 100_000
MOST_RANK = 16
MOST_SUBGRAPH_DEPTH = 4
SMALL = 64

# data type -> (name, bits per element, the field beside raw_data that may hold it)
_TYPES: dict[int, tuple[str, int, str]] = {
    1: ("float32", 32, "float_data"),
    2: ("uint8", 8, "int32_data"),
    3: ("int8", 8, "int32_data"),
    4: ("uint16", 16, "int32_data"),
    5: ("int16", 16, "int32_data"),
    6: ("int32", 32, "int32_data"),
    7: ("int64", 64, "int64_data"),
    9: ("bool", 8, "int32_data"),
    10: ("float16", 16, "int32_data"),
    11: ("float64", 64, "double_data"),
    12: ("uint32", 32, "uint64_data"),
    13: ("uint64", 64, "uint64_data"),
    16: ("bfloat16", 16, "int32_data"),
    21: ("uint4", 4, "int32_data"),
    22: ("int4", 4, "int32_data"),
}
_DATA = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")
_VALUES = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}
_LISTS = ("floats", "ints", "strings")
_PLACE = "model.onnx"
Scope = dict[str, list[float]]


class Port(TypedDict):
    """One input or output of a graph, which calls it `tensor`: by its field where that isn't said, as in format 1. A
    dimension of None is dynamic."""

    tensor: NotRequired[str]
    dtype: str
    dims: list[int | None]


Interface = dict[str, dict[str, Port]]
"""`{"inputs": {field: Port}, "outputs": {field: Port}}`, in the graph's order."""


def check_graph(data: bytes, signature: Signature, *, made: bool = True) -> Interface:
    """The interface of a graph, when it may be run and fits the signature. Raises BundleError.

    Fields have the names that are `made` for them, or their own, as in format 1.
    """
    names, ports = made_names(signature) if made else own_names(signature), check_model(data)
    inputs = _by_field("input", ports["inputs"], names.inputs, signature.inputs)
    outputs = _by_field("output", ports["outputs"], names.outputs, signature.targets)
    if made:
        for field, port in (*inputs.items(), *outputs.items()):
            port["tensor"] = {**names.inputs, **names.outputs}[field]
    return {"inputs": inputs, "outputs": outputs}


def check_model(data: bytes) -> Interface:
    """The interface of a graph by its own names, when it may be run. Raises BundleError."""
    if len(data) > MOST_BYTES:
        raise _refuse(f"it is larger than {MOST_BYTES:,} bytes")
    model = parse(data)
    if model.get("ir_version") not in IR_VERSIONS:
        raise _refuse(
            f"its IR version {model.get('ir_version')} is not one of {IR_VERSIONS[0]} to {IR_VERSIONS[-1]}"
        )
    _check_opsets(model.get("opset_import", []))
    graph = model.get("graph")
    if graph is None:
        raise _refuse("it has no graph")
    _Checker(MOST_MADE + MOST_MADE_PER_BYTE * len(data)).graph(graph, {}, 0)
    inputs, outputs = _ports(graph, "input"), _ports(graph, "output")
    if shared := inputs.keys() & {tensor.get("name", "") for tensor in graph.get("initializer", [])}:
        raise _refuse(f"the input {min(shared)!r} has a value of its own")
    return {"inputs": inputs, "outputs": outputs}


def _check_opsets(opsets: list[dict[str, Any]]) -> None:
    versions: dict[str, int] = {}
    for opset in opsets:
        domain = (
            opset.get("domain", "").removeprefix("ai.onnx")
            if opset.get("domain") == "ai.onnx"
            else opset.get("domain", "")
        )
        if domain not in DOMAINS:
            raise _refuse(f"the operator domain {domain!r} is not allowed")
        version = opset.get("version", 0)
        if domain in versions or version not in DOMAINS[domain]:
            of = f" of {domain}" if domain else ""
            raise _refuse(f"opset {version}{of} is not one of {DOMAINS[domain][0]} to {DOMAINS[domain][-1]}")
        versions[domain] = version
    if not versions:
        raise _refuse("it names no opset")


class _Checker:
    """Walks graphs and subgraphs; `left` is the number of elements that constant sizes may still make."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.nodes = 0

    def graph(self, graph: dict[str, Any], outer: Scope, depth: int) -> None:
        if depth > MOST_SUBGRAPH_DEPTH:
            raise _refuse(f"subgraphs are nested more than {MOST_SUBGRAPH_DEPTH} deep")
        constants = dict(outer)
        for tensor in graph.get("initializer", []):
            constants.pop(tensor.get("name", ""), None)
            check_tensor(tensor)
            if (values := small_values(tensor)) is not None:
                constants[tensor.get("name", "")] = values
        for port in (*graph.get("input", []), *graph.get("output", []), *graph.get("value_info", [])):
            _check_type(port.get("type", {}), port.get("name", ""))
        for node in graph.get("node", []):
            self.node(node, constants, depth)

    def node(self, node: dict[str, Any], constants: Scope, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise _refuse(f"it has more than {MOST_NODES:,} nodes")
        operator, domain = node.get("op_type", ""), node.get("domain", "")
        domain = "" if domain == "ai.onnx" else domain
        if operator not in OPERATORS.get(domain, ()):
            raise _refuse(f"the operator {f'{domain}.' if domain else ''}{operator} is not allowed")
        if node.get("overload"):
            raise _refuse(f"the operator {operator} names an overload")
        for name in node.get("output", []):
            constants.pop(name, None)
        found: dict[str, tuple[int, Any]] = {}
        for attribute in node.get("attribute", []):
            name = attribute.get("name", "")
            if name in found:
                raise _refuse(f"the attribute {name!r} of {operator} is given twice")
            value = _attribute_value(attribute, operator)
            found[name] = attribute["type"], value
            if attribute["type"] == 4:
                check_tensor(value)
            elif attribute["type"] == 5:
                self.graph(value, constants, depth + 1)
            elif (
                name in SIZE_ATTRIBUTES
                and attribute["type"] == 7
                and any(abs(int(size)) > MOST_STEP for size in value)
            ):
                raise _refuse(f"{operator} has {name} of more than {MOST_STEP:,}")
            if (
                operator == "Constant"
                and node.get("output")
                and (values := _constant(attribute, value)) is not None
            ):
                constants[node["output"][0]] = values
        if domain == TREES and (fault := tree_fault(found)):
            raise _refuse(fault)
        self.growth(operator, node.get("input", []), constants)

    def growth(self, operator: str, inputs: list[str], constants: Scope) -> None:
        """A few bytes must not ask for gigabytes: constant sizes are bounded one by one and together."""
        for position, product in GROWTH.get(operator, ()):
            sizes = constants.get(inputs[position]) if position < len(inputs) else None
            if sizes is None:
                continue
            if operator == "Range":
                sizes = _steps([constants.get(name, []) for name in inputs]) or sizes
            if not all(abs(size) <= MOST_EACH for size in sizes):
                raise _refuse(f"{operator} makes something of size {max(sizes, key=abs):,.0f}")
            made = 1.0 if product else sum(abs(size) for size in sizes)
            for size in sizes if product else ():
                made *= abs(size)
            self.left -= int(made) if made < MOST_BYTES else MOST_BYTES
            if self.left < 0 or made >= MOST_BYTES:
                raise _refuse(f"{operator} makes {made:,.0f} elements out of nothing")


def check_tensor(tensor: dict[str, Any]) -> None:
    """Raise BundleError unless the tensor's data is inside the graph and exactly as long as its dims say."""
    name = tensor.get("name", "")
    if tensor.get("data_location", 0) != 0:
        raise _refuse("its weights are in another file (external data)")
    if tensor.get("data_type") not in _TYPES:
        raise _refuse(f"the tensor {name!r} has the type {tensor.get('data_type')}, which is not allowed")
    _, bits, typed = _TYPES[tensor["data_type"]]
    dims = tensor.get("dims", [])
    if len(dims) > MOST_RANK or any(not 0 <= side < 2**31 for side in dims):
        raise _refuse(f"the tensor {name!r} has impossible dims")
    elements = 1
    for side in dims:
        elements *= side
    held = [field for field in _DATA if len(tensor.get(field, b""))]
    if len(held) > 1 or any(field not in ("raw_data", typed) for field in held):
        raise _refuse(f"the tensor {name!r} holds its data in the wrong field")
    if not held:
        fits = elements == 0
    elif held[0] == "raw_data":
        fits = len(tensor["raw_data"]) == (elements * bits + 7) // 8
    else:
        wanted = elements if bits >= 8 else (elements * bits + 7) // 8
        fits = _count(tensor[typed], typed) == wanted
    if not fits:
        raise _refuse(f"the tensor {name!r} claims {elements:,} elements and holds another number")


def small_values(tensor: dict[str, Any]) -> list[float] | None:
    """The numbers of a checked tensor of at most 64 elements, of the types that sizes have; else None."""
    name, _, typed = _TYPES[tensor["data_type"]]
    if name not in ("int32", "int64", "float32", "float64"):
        return None
    if len(raw := tensor.get("raw_data", b"")):
        return (
            np.frombuffer(raw, np.dtype(name).newbyteorder("<")).tolist() if len(raw) <= SMALL * 8 else None
        )
    data = tensor.get(typed, b"")
    if len(data) > SMALL * 10:
        return None
    if typed in ("float_data", "double_data"):
        return np.frombuffer(data, np.dtype(name).newbyteorder("<")).tolist()
    values: list[float] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value - (1 << 64) if value >> 63 else value)
            value = shift = 0
    return values


def _count(data: memoryview, field: str) -> int:
    """How many numbers a packed field holds; -1 where it doesn't end with a whole one."""
    if field in ("float_data", "double_data"):
        size = struct.calcsize("f" if field == "float_data" else "d")
        return len(data) // size if len(data) % size == 0 else -1
    ends = np.frombuffer(data, np.uint8) < 0x80
    return int(np.count_nonzero(ends)) if ends[-1] else -1


def _constant(attribute: dict[str, Any], value: Any) -> list[float] | None:
    if attribute["type"] == 4:
        return small_values(value)
    if attribute["type"] in (1, 2):
        return [value]
    return (
        [number.item() for number in value] if attribute["type"] in (6, 7) and len(value) <= SMALL else None
    )


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
        raise _refuse(f"the attribute {name!r} of {operator} is not of one known type")
    return attribute.get(field, [])


def _check_type(type_: dict[str, Any], name: str) -> None:
    while "sequence_type" in type_:
        type_ = type_["sequence_type"].get("elem_type", {})
    tensor = type_.get("tensor_type")
    if tensor is None:
        return
    if tensor.get("elem_type") not in _TYPES:
        raise _refuse(f"the value {name!r} has the type {tensor.get('elem_type')}, which is not allowed")
    if any(dim.get("dim_value", 0) < 0 for dim in tensor.get("shape", {}).get("dim", [])):
        raise _refuse(f"the value {name!r} has a negative dimension")


def _ports(graph: dict[str, Any], side: str) -> dict[str, Port]:
    ports: dict[str, Port] = {}
    for port in graph.get(side, []):
        name, tensor = port.get("name", ""), port.get("type", {}).get("tensor_type", {})
        if name in ports or "shape" not in tensor:
            raise _refuse(f"the {side} {name!r} is not one tensor of known rank")
        dims = [dim.get("dim_value") for dim in tensor["shape"].get("dim", [])]
        ports[name] = {"dtype": _TYPES[tensor["elem_type"]][0], "dims": dims}
    return ports


def _by_field(
    side: str, ports: Mapping[str, Port], names: Mapping[str, str], codecs: Mapping[str, Codec]
) -> dict[str, Port]:
    """The ports by field, when they fit its codecs."""
    if {*ports} != {*names.values()}:
        raise _refuse(f"its {side}s are {sorted(ports)} and the signature's are {sorted(names.values())}")
    _fits(side, {field: ports[name] for field, name in names.items()}, codecs)
    fields = {name: field for field, name in names.items()}
    return {fields[name]: port for name, port in ports.items()}


def _fits(side: str, ports: Mapping[str, Port], codecs: Mapping[str, Codec]) -> None:
    for name, codec in codecs.items():
        try:
            shape, dtype = (
                (codec.shape, codec.dtype.name) if side == "input" else (codec.output_shape, "float32")
            )
        except DrivetrainError as fault:
            raise BundleError(f"the field {name!r}: {fault.error}", where="signature.json") from fault
        port = ports[name]
        if port["dtype"] != dtype:
            raise _refuse(f"the {side} {name!r} is {port['dtype']} and the signature says {dtype}")
        if not port["dims"] or port["dims"][0] is not None:
            raise _refuse(f"the {side} {name!r} has a fixed number of rows")
        sides = port["dims"][1:]
        if len(sides) != len(shape) or any(have not in (None, want) for have, want in zip(sides, shape)):
            raise _refuse(
                f"a row of the {side} {name!r} has the shape {sides} and the signature says {list(shape)}"
            )


def _refuse(reason: str) -> BundleError:
    return BundleError(f"the graph can't be accepted: {reason}.", where=_PLACE)
