"""ONNX bytes to plain dictionaries: a strict reader of protobuf's wire format, without the onnx package.

Stricter than protobuf, so that no two readers can understand the same bytes differently: an unknown field, a
singular field given twice, two members of a `oneof`, a group or text that isn't UTF-8 is refused. Field
numbers are those of onnx.proto (IR version 13). Bulk data stays a view of the bytes; nothing in it is
copied or decoded. The numbers of attributes, of which trees have hundreds of thousands, are decoded many at a time.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import BundleError

MOST_FIELDS = 2_000_000
MOST_NUMBERS = 2**24
"""Numbers in the attributes of a graph, together."""
MOST_DEPTH = 40

# message -> field number -> (name, kind). Kinds: int, float, text, bytes (a view); `bulk` is a packed array
# left as a view; `ints` and `floats` are decoded to an array; a capital letter begins a message; `*` means
# repeated; `!` begins the reason why the field is refused.
_NO_DEVICES = "!it places parts of the graph on devices"
_PROPERTIES = ("metadata_props", "Entry*")
SCHEMA: dict[str, dict[int, tuple[str, str]]] = {
    "Model": {
        1: ("ir_version", "int"),
        2: ("producer_name", "text"),
        3: ("producer_version", "text"),
        4: ("domain", "text"),
        5: ("model_version", "int"),
        6: ("doc_string", "text"),
        7: ("graph", "Graph"),
        8: ("opset_import", "OperatorSet*"),
        14: _PROPERTIES,
        20: ("training_info", "!it holds training steps"),
        25: ("functions", "!it defines functions of its own"),
        26: ("configuration", _NO_DEVICES),
    },
    "OperatorSet": {1: ("domain", "text"), 2: ("version", "int")},
    "Entry": {1: ("key", "text"), 2: ("value", "text")},
    "Graph": {
        1: ("node", "Node*"),
        2: ("name", "text"),
        5: ("initializer", "Tensor*"),
        10: ("doc_string", "text"),
        11: ("input", "ValueInfo*"),
        12: ("output", "ValueInfo*"),
        13: ("value_info", "ValueInfo*"),
        14: ("quantization_annotation", "!it carries quantization annotations; use QuantizeLinear nodes"),
        15: ("sparse_initializer", "!it holds sparse tensors"),
        16: _PROPERTIES,
    },
    "Node": {
        1: ("input", "text*"),
        2: ("output", "text*"),
        3: ("name", "text"),
        4: ("op_type", "text"),
        5: ("attribute", "Attribute*"),
        6: ("doc_string", "text"),
        7: ("domain", "text"),
        8: ("overload", "text"),
        9: _PROPERTIES,
        10: ("device_configurations", _NO_DEVICES),
    },
    "Attribute": {
        1: ("name", "text"),
        2: ("f", "float"),
        3: ("i", "int"),
        4: ("s", "bytes"),
        5: ("t", "Tensor"),
        6: ("g", "Graph"),
        7: ("floats", "floats"),
        8: ("ints", "ints"),
        9: ("strings", "bytes*"),
        10: ("tensors", "!it holds a list of tensors in an attribute"),
        11: ("graphs", "!it holds a list of graphs in an attribute"),
        13: ("doc_string", "text"),
        14: ("tp", "!it holds a type in an attribute"),
        15: ("type_protos", "!it holds types in an attribute"),
        20: ("type", "int"),
        21: ("ref_attr_name", "!it refers to the attribute of a function"),
        22: ("sparse_tensor", "!it holds a sparse tensor"),
        23: ("sparse_tensors", "!it holds sparse tensors"),
    },
    "Tensor": {
        1: ("dims", "int*"),
        2: ("data_type", "int"),
        3: ("segment", "!it holds a tensor in segments"),
        4: ("float_data", "bulk"),
        5: ("int32_data", "bulk"),
        6: ("string_data", "!it holds a tensor of text"),
        7: ("int64_data", "bulk"),
        8: ("name", "text"),
        9: ("raw_data", "bytes"),
        10: ("double_data", "bulk"),
        11: ("uint64_data", "bulk"),
        12: ("doc_string", "text"),
        13: ("external_data", "!its weights are in another file (external data)"),
        14: ("data_location", "int"),
        16: _PROPERTIES,
    },
    "ValueInfo": {1: ("name", "text"), 2: ("type", "Type"), 3: ("doc_string", "text"), 4: _PROPERTIES},
    "Type": {
        1: ("tensor_type", "TensorType"),
        4: ("sequence_type", "SequenceType"),
        5: ("map_type", "!it uses maps"),
        6: ("denotation", "text"),
        7: ("opaque_type", "!it uses opaque types"),
        8: ("sparse_tensor_type", "!it uses sparse tensors"),
        9: ("optional_type", "!it uses optional values"),
    },
    "TensorType": {1: ("elem_type", "int"), 2: ("shape", "Shape")},
    "SequenceType": {1: ("elem_type", "Type")},
    "Shape": {1: ("dim", "Dimension*")},
    "Dimension": {1: ("dim_value", "int"), 2: ("dim_param", "text"), 3: ("denotation", "text")},
}
_ONE_OF = {
    "Type": ("tensor_type", "sequence_type"),
    "Dimension": ("dim_value", "dim_param"),
}
_WIRES = {"int": 0, "float": 5}
_RUNS = {
    "ints": re.compile(rb"(?:\x40[\x80-\xff]{0,9}+[\x00-\x7f])++"),
    "floats": re.compile(rb"(?:\x3d.{4})++", re.DOTALL),
}
"""One number after the other, each behind its tag: field 8 as a varint, field 7 as four bytes."""

Numbers = npt.NDArray[Any]


def parse(data: bytes) -> dict[str, Any]:
    """A serialized ONNX ModelProto as dictionaries: only the fields that are present. Raises BundleError."""
    return _Parser(memoryview(data)).message("Model", 0, len(data), 0)


class _Parser:
    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.fields = self.decoded = 0

    def message(self, kind: str, position: int, end: int, depth: int) -> dict[str, Any]:
        if depth > MOST_DEPTH:
            raise _malformed("it is nested too deeply")
        schema, result = SCHEMA[kind], dict[str, Any]()
        numbers: dict[str, list[Numbers]] = {}
        while position < end:
            tag, position = self.varint(position, end)
            number, wire = tag >> 3, tag & 7
            name, type_ = schema.get(number, ("", ""))
            if not name:
                raise _malformed(f"field {number} of {kind} is not known")
            if type_[0] == "!":
                raise BundleError(f"the graph can't be accepted: {type_[1:]}.", where="model.onnx")
            if type_ in _RUNS:
                found, position = self.numbers(type_, wire, position, end)
                numbers.setdefault(name, []).append(found)
                continue
            repeated, type_ = type_.endswith("*"), type_.rstrip("*")
            if name in result and not repeated:
                raise _malformed(f"{kind}.{name} is given twice")
            value, position = self.value(type_, wire, position, end, depth, repeated)
            if repeated:
                result.setdefault(name, []).extend(value)
            else:
                result[name] = value
        if sum(name in result for name in _ONE_OF.get(kind, ())) > 1:
            raise _malformed(f"{kind} is two things at once")
        return result | {name: np.concatenate(parts) for name, parts in numbers.items()}

    def value(
        self, kind: str, wire: int, position: int, end: int, depth: int, repeated: bool
    ) -> tuple[Any, int]:
        """The value that begins at `position` (a list where repeated), and where the next field begins."""
        self.count()
        if wire == _WIRES.get(kind, 2) != 2:
            value, position = self.scalar(kind, position, end)
            return ([value] if repeated else value), position
        if wire != 2 or (kind in _WIRES and not repeated):
            raise _malformed("a field is encoded in another way than its type")
        size, start = self.varint(position, end)
        stop = start + size
        if stop > end:
            raise _malformed("it is cut off")
        if kind in _WIRES:
            return self.packed(kind, start, stop), stop
        if kind in ("bytes", "bulk"):
            value = self.view[start:stop]
        elif kind == "text":
            try:
                value = str(self.view[start:stop], "utf-8")
            except UnicodeDecodeError:
                raise _malformed("a name is not UTF-8") from None
        else:
            value = self.message(kind, start, stop, depth + 1)
        return ([value] if repeated else value), stop

    def scalar(self, kind: str, position: int, end: int) -> tuple[int | float, int]:
        if kind == "float":
            if position + 4 > end:
                raise _malformed("it is cut off")
            return struct.unpack_from("<f", self.view, position)[0], position + 4
        value, position = self.varint(position, end)
        return (value - (1 << 64) if value >> 63 else value), position

    def packed(self, kind: str, position: int, end: int) -> list[int | float]:
        values: list[int | float] = []
        while position < end:
            self.count()
            value, position = self.scalar(kind, position, end)
            values.append(value)
        return values

    def numbers(self, kind: str, wire: int, position: int, end: int) -> tuple[Numbers, int]:
        """The numbers of a packed field, or of it and all of its kind that follow, and where the next field
        begins. `position` is behind the tag."""
        self.count()
        if wire == 2:
            size, start = self.varint(position, end)
            stop = start + size
            if stop > end:
                raise _malformed("it is cut off")
            data = np.frombuffer(self.view[start:stop], np.uint8)
            if kind == "floats" and len(data) % 4:
                raise _malformed("it is cut off")
            found = _varints(data) if kind == "ints" else data.view("<f4")
        elif run := _RUNS[kind].match(self.view, position - 1, end):
            stop = run.end()
            data = np.frombuffer(self.view[position - 1 : stop], np.uint8)
            found = _varints(data)[1::2] if kind == "ints" else data.reshape(-1, 5)[:, 1:].copy().view("<f4")
        else:
            raise _malformed("it is cut off, or a field is encoded in another way than its type")
        self.decoded += found.size
        if self.decoded > MOST_NUMBERS:
            raise _malformed(f"its attributes hold more than {MOST_NUMBERS:,} numbers")
        return found.reshape(-1), stop

    def varint(self, position: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if position >= end:
                raise _malformed("it is cut off")
            byte = self.view[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    break
                return value, position
        raise _malformed("a number is longer than 64 bits")

    def count(self) -> None:
        self.fields += 1
        if self.fields > MOST_FIELDS:
            raise _malformed(f"it has more than {MOST_FIELDS:,} parts")


def _varints(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The numbers of varints, one after the other. Raises BundleError."""
    last = np.flatnonzero(data < 0x80)
    if len(data) and (not len(last) or last[-1] != len(data) - 1):
        raise _malformed("it is cut off")
    first = np.concatenate([last[:0], [0], last[:-1] + 1])[: len(last)]
    sizes = last - first + 1
    values = np.zeros(len(last), np.uint64)
    for place in range(int(sizes.max(initial=0))):
        longer = sizes > place
        bits = data[first[longer] + place]
        if place > 9 or (place == 9 and (bits > 1).any()):
            raise _malformed("a number is longer than 64 bits")
        values[longer] |= (bits & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return values.view(np.int64)


def _malformed(reason: str) -> BundleError:
    return BundleError(
        f"the graph can't be read: {reason}.", where="model.onnx", fix="Export the model again."
    )
