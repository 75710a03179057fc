"""What is known of the values in a graph before it is run: the types, and those constants that are small.

onnxruntime ends its process where a whole number is divided by 0 or the least one by -1, and copies a shape for each node that
it is handed to. So a divisor of whole numbers and what a size is made of must be seen here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from drivetrain.bundle.operators import FLOAT, INT64, OUTPUT_TYPES
from drivetrain.errors import BundleError

MOST_RANK = 16
SMALL = 64
PLACE = "model.onnx"

# data type -> (name, bits per element, the field beside raw_data that may hold it)
TYPES: dict[int, tuple[str, int, str]] = {
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
ELEMENTS = {**{number: name for number, (name, _, _) in TYPES.items()}, 8: "string"}
"""What the inputs and outputs of a graph may hold: texts too, which no tensor in it can."""
_DATA = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")


class Value(NamedTuple):
    """A value of a graph: its data type (None: not known), and of a constant its `size`, all elements where they are
    few, and whether it `divides` whole numbers safely: no element is 0 or -1."""

    dtype: int | None = None
    size: int | None = None
    values: list[float] | None = None
    divides: bool = False


Scope = dict[str, Value]
Attributes = Mapping[str, tuple[int, Any]]
"""Name -> type and value."""


def element_of(dtype: np.dtype[Any]) -> str:
    """What a graph calls the type of an array."""
    return "string" if dtype.kind == "O" else dtype.name


def constant(tensor: Mapping[str, Any]) -> Value:
    """What is known of a checked tensor."""
    elements = 1
    for side in tensor.get("dims", []):
        elements *= side
    return Value(tensor["data_type"], elements, small_values(tensor), _divides(tensor))


def of_node(operator: str, attributes: Attributes, inputs: Sequence[str], scope: Scope) -> list[Value]:
    """What is known of the first two outputs of a node."""
    if operator == "Constant":
        return [_of_constant(attributes)]
    rule = OUTPUT_TYPES.get(operator, 0)
    if isinstance(rule, str):  # An attribute says it, or the first input where that is not given.
        given = attributes.get(rule)
        if given is None:
            first = scope.get(inputs[0], Value()).dtype if operator == "EyeLike" and inputs else FLOAT
            return [Value(first)]
        return [Value(given[1]["data_type"] if given[0] == 4 else int(given[1]))]
    if rule is None:
        return []
    if rule < 0:
        return [Value(-rule), Value(-rule)]
    first = scope.get(inputs[rule], Value()).dtype if rule < len(inputs) else None
    return [Value(first), Value(INT64 if operator in ("TopK", "MaxPool") else first)]


def _of_constant(attributes: Attributes) -> Value:
    if len(attributes) != 1:
        return Value()
    ((type_, value),) = attributes.values()
    if type_ == 4:
        return constant(value)
    if type_ not in (1, 2, 6, 7):
        return Value()
    numbers: list[float] = np.atleast_1d(value).tolist()
    whole, few = type_ in (2, 7), len(numbers) <= SMALL
    return Value(
        INT64 if whole else FLOAT, len(numbers), numbers if few else None, whole and not {0, -1} & {*numbers}
    )


def _divides(tensor: Mapping[str, Any]) -> bool:
    name = TYPES[tensor["data_type"]][0]
    if name not in ("int32", "int64"):
        return False
    if len(raw := tensor.get("raw_data", b"")):
        return not np.isin(np.frombuffer(raw, np.dtype(name).newbyteorder("<")), (0, -1)).any()
    values = small_values(tensor)
    return values is not None and not {0, -1} & {*values}


def check_tensor(tensor: Mapping[str, Any]) -> None:
    """Raise BundleError unless the tensor's data is inside the graph and exactly as long as its dims say."""
    name = tensor.get("name", "")
    if tensor.get("data_location", 0) != 0:
        raise refuse("its weights are in another file (external data)")
    if tensor.get("data_type") not in TYPES:
        raise refuse(f"the tensor {name!r} has the type {tensor.get('data_type')}, which is not allowed")
    _, bits, typed = TYPES[tensor["data_type"]]
    dims = tensor.get("dims", [])
    if len(dims) > MOST_RANK or any(not 0 <= side < 2**31 for side in dims):
        raise refuse(f"the tensor {name!r} has impossible dims")
    elements = 1
    for side in dims:
        elements *= side
    if len(dims) > 1 and not elements:  # Layers end the process over a side of 0.
        raise refuse(f"the tensor {name!r} is empty")
    held = [field for field in _DATA if len(tensor.get(field, b""))]
    if len(held) > 1 or any(field not in ("raw_data", typed) for field in held):
        raise refuse(f"the tensor {name!r} holds its data in the wrong field")
    if not held:
        fits = elements == 0
    elif held[0] == "raw_data":
        fits = len(tensor["raw_data"]) == (elements * bits + 7) // 8
    else:
        wanted = elements if bits >= 8 else (elements * bits + 7) // 8
        fits = _count(tensor[typed], typed) == wanted
    if not fits:
        raise refuse(f"the tensor {name!r} claims {elements:,} elements and holds another number")


def small_values(tensor: Mapping[str, Any]) -> list[float] | None:
    """The numbers of a checked tensor of at most 64 elements, of the types that sizes have; else None."""
    name, _, typed = TYPES[tensor["data_type"]]
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


def refuse(reason: str) -> BundleError:
    """The error for a graph."""
    return BundleError(f"the graph can't be accepted: {reason}.", where=PLACE)
