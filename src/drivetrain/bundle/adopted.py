"""An ONNX graph that was made elsewhere, as a bundle has it: its inputs and outputs are called as the signature wants, the first
axis of each is the rows, and nothing is left in it that only people read (exporters write the paths of their machine there).

What the graph computes is not touched: the bytes of its nodes and weights are copied, field by field, without the onnx package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from drivetrain.bundle.graph import MOST_BYTES, checked_nodes
from drivetrain.bundle.protobuf import SCHEMA
from drivetrain.bundle.values import ELEMENTS, refuse

_NUMBERS = {kind: {name: number for number, (name, _) in fields.items()} for kind, fields in SCHEMA.items()}
_FOR_PEOPLE = ("producer_name", "producer_version", "domain", "model_version", "doc_string", "metadata_props")
_TYPES = {name: number for number, name in ELEMENTS.items()}


class GraphPort(NamedTuple):
    """An input or output as the graph has it: `dims` with the rows first, None where a side may be any; None: not even the
    number of sides is known."""

    name: str
    type: str
    dims: tuple[int | None, ...] | None


def ports_of(data: bytes) -> tuple[list[GraphPort], list[GraphPort]]:
    """What a graph takes and gives, when what it is made of may be run. Raises BundleError."""
    graph = checked_nodes(data)
    weights = {tensor.get("name", "") for tensor in graph.get("initializer", [])}
    # Before IR version 4 weights were named among the inputs.
    inputs = [_port(port) for port in graph.get("input", []) if port.get("name", "") not in weights]
    return inputs, [_port(port) for port in graph.get("output", [])]


def adopted(
    data: bytes, inputs: Sequence[GraphPort], outputs: Sequence[GraphPort], made: Mapping[str, str]
) -> bytes:
    """The model with these inputs and outputs, whose `dims` are those of a row here, called as `made` says; of the names of
    the graph itself none is changed."""
    found = bytearray()
    for number, wire, value in _fields(data):
        name = SCHEMA["Model"][number][0]
        if name == "graph":
            value = _graph(value, inputs, outputs, made)
        if name not in _FOR_PEOPLE:
            found += _field(number, wire, value)
    if len(found) > MOST_BYTES:
        raise refuse(f"it is larger than {MOST_BYTES:,} bytes")
    return bytes(found)


def _graph(
    data: memoryview | bytes,
    inputs: Sequence[GraphPort],
    outputs: Sequence[GraphPort],
    made: Mapping[str, str],
) -> bytes:
    number_of = _NUMBERS["Graph"]
    found = bytearray()
    for port in inputs:
        found += _field(number_of["node"], 2, _identity(made[port.name], port.name))
    for number, wire, value in _fields(data):
        name = SCHEMA["Graph"][number][0]
        if name == "node":
            value = _without(value, "Node", ("doc_string", "metadata_props", "name"))
        elif name == "initializer":
            value = _without(value, "Tensor", ("doc_string", "metadata_props"))
        if name not in ("input", "output", "value_info", "doc_string", "metadata_props"):
            found += _field(number, wire, value)
    for port in outputs:
        found += _field(number_of["node"], 2, _identity(port.name, made[port.name]))
    for side, ports in (("input", inputs), ("output", outputs)):
        for port in ports:
            found += _field(number_of[side], 2, _value_info(made[port.name], port))
    return bytes(found)


def _identity(given: str, taken: str) -> bytes:
    node = _NUMBERS["Node"]
    return (
        _field(node["input"], 2, given.encode())
        + _field(node["output"], 2, taken.encode())
        + _field(node["op_type"], 2, b"Identity")
    )


def _value_info(name: str, port: GraphPort) -> bytes:
    dims = _field(1, 2, _field(2, 2, b"rows"))
    for side in port.dims or ():
        dims += _field(1, 2, _field(1, 0, side or 0))
    tensor = _field(1, 0, _TYPES[port.type]) + _field(2, 2, dims)
    return _field(1, 2, name.encode()) + _field(2, 2, _field(1, 2, tensor))


def _without(data: memoryview | bytes, kind: str, names: Sequence[str]) -> bytes:
    fields = ((number, wire, value) for number, wire, value in _fields(data))
    return b"".join(_field(*each) for each in fields if SCHEMA[kind][each[0]][0] not in names)


def _port(record: Mapping[str, Any]) -> GraphPort:
    tensor = record.get("type", {}).get("tensor_type")
    if tensor is None:
        raise refuse(f"{record.get('name', '')!r} is no tensor")
    shape = tensor.get("shape")
    dims = None if shape is None else tuple(dim.get("dim_value") for dim in shape.get("dim", []))
    return GraphPort(record.get("name", ""), ELEMENTS[tensor["elem_type"]], dims)


# --- protobuf's wire format, as far as a checked model needs it ----------------------------------------------


def _fields(data: memoryview | bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and value of each field: a number, or bytes."""
    view, place = memoryview(data), 0
    while place < len(view):
        tag, place = _varint(view, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(view, place)
            yield number, wire, value
        else:
            size, place = (4, place) if wire == 5 else _varint(view, place)
            yield number, wire, view[place : place + size]
            place += size


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place


def _field(number: int, wire: int, value: Any) -> bytes:
    tag = _written(number << 3 | wire)
    if wire == 0:
        return tag + _written(value)
    return tag + bytes(value) if wire == 5 else tag + _written(len(value)) + bytes(value)


def _written(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
