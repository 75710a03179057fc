"""Typed contents of both protocols' tensors <-> arrays. Raw bytes are read by `drivetrain.serve.tensors`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.serve import tensors
from drivetrain.serve.grpc.messages import Message, message, value
from drivetrain.serve.types import Refusal
from drivetrain.types import Array

FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Datatype -> the field of inference.InferTensorContents that holds it. FP16 has none: it comes raw."""


def array_of(name: str, datatype: str, shape: list[int], contents: Message) -> Array:
    """The array of an input with typed contents. Raises Refusal."""
    sides, dtype = tensors.shape_of(name, shape), tensors.dtype_of(name, datatype)
    if datatype not in FIELDS:
        raise Refusal(
            400, f"input '{name}' is {datatype}, which has no typed contents: send raw_input_contents"
        )
    return tensors.shaped(
        name, datatype, sides, _within(name, datatype, getattr(contents, FIELDS[datatype]), dtype)
    )


def _within(name: str, datatype: str, given: Any, dtype: np.dtype[Any]) -> Any:
    """The elements, each in the range of its datatype: the field can be wider."""
    if datatype == "BYTES":
        return [*given]
    wide = np.array(given, np.int64 if dtype.kind in "iu" and dtype.itemsize < 8 else dtype)
    if dtype.kind not in "iu" or dtype.itemsize == 8:
        return wide
    limits = np.iinfo(dtype)
    if len(wide) and (wide.min() < limits.min or wide.max() > limits.max):
        raise Refusal(400, f"input '{name}' holds a number that is out of the range of {datatype}")
    return wide.astype(dtype)


# --- tensorflow.TensorProto -------------------------------------------------------------------------------

Tensor = message("tensorflow.TensorProto")
_TYPES: Mapping[str, tuple[str, str]] = {
    "BOOL": ("DT_BOOL", "bool_val"), "INT8": ("DT_INT8", "int_val"), "INT16": ("DT_INT16", "int_val"),
    "INT32": ("DT_INT32", "int_val"), "INT64": ("DT_INT64", "int64_val"), "UINT8": ("DT_UINT8", "int_val"),
    "UINT16": ("DT_UINT16", "int_val"), "UINT32": ("DT_UINT32", "uint32_val"), "UINT64": ("DT_UINT64", "uint64_val"),
    "FP16": ("DT_HALF", "half_val"), "FP32": ("DT_FLOAT", "float_val"), "FP64": ("DT_DOUBLE", "double_val"),
    "BYTES": ("DT_STRING", "string_val"),
}  # fmt: skip
NUMBERS = {datatype: value("tensorflow.DataType", name) for datatype, (name, _) in _TYPES.items()}
"""Datatype -> TensorFlow's number for it."""
_DATATYPES = {number: datatype for datatype, number in NUMBERS.items()}


def array_of_proto(name: str, proto: Message, most_bytes: int) -> Array:
    """The array of a TensorProto: of its raw content, or of its values, of which the last stands for all that are left out
    (tensorflow/core/framework/tensor.proto). Raises Refusal."""
    datatype = _DATATYPES.get(proto.dtype)
    if datatype is None:
        raise Refusal(400, f"input '{name}' has a dtype ({proto.dtype}) that is not taken")
    if proto.tensor_shape.unknown_rank:
        raise Refusal(400, f"input '{name}' has no shape")
    shape = tensors.shape_of(name, [side.size for side in proto.tensor_shape.dim])
    if proto.tensor_content:
        if datatype == "BYTES":
            raise Refusal(400, f"input '{name}' is DT_STRING: its elements belong in string_val")
        return tensors.from_bytes(name, datatype, shape, proto.tensor_content)
    dtype, count = tensors.DATATYPES[datatype], math.prod(shape)
    given = getattr(proto, _TYPES[datatype][1])
    if len(given) > count or (count and not given):
        raise Refusal(400, f"input '{name}' has {len(given):,} values, and a shape for {count:,}")
    if count * max(dtype.itemsize, 8 if datatype == "BYTES" else 1) > most_bytes:
        raise Refusal(413, f"input '{name}' has a shape for {count:,} values, which is too large")
    if datatype == "FP16":
        bits = _within(name, "UINT16", given, tensors.DATATYPES["UINT16"])
        flat: Any = bits.view(dtype)
    else:
        flat = _within(name, datatype, given, dtype)
    if len(flat) < count:
        flat = (
            [*flat, *([flat[-1]] * (count - len(flat)))]
            if datatype == "BYTES"
            else np.pad(flat, (0, count - len(flat)), "edge")
        )
    return tensors.shaped(name, datatype, shape, flat)


def proto_of(array: Array) -> Message:
    """A TensorProto of typed values, as TensorFlow Serving answers."""
    datatype = tensors.datatype_of(array.dtype)
    proto = Tensor(dtype=NUMBERS[datatype])
    for side in array.shape:
        proto.tensor_shape.dim.add(size=side)
    flat = array.ravel()
    if datatype == "BYTES":
        flat = [tensors.encoded(each) for each in flat]
    elif datatype == "FP16":
        flat = flat.view(np.uint16)
    getattr(proto, _TYPES[datatype][1]).extend(flat if isinstance(flat, list) else flat.tolist())
    return proto
