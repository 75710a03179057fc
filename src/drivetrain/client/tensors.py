"""Arrays as the Open Inference Protocol's binary tensor extension sends them: a JSON header, and after it the bytes.

The source is the protocol's text, https://github.com/kserve/open-inference-protocol, and of the extension Triton's
docs/protocol/extension_binary_data.md: numbers are little-endian and in row-major order; an element of BYTES has its length before
it, as uint32.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from drivetrain.errors import DataError, DrivetrainError
from drivetrain.files import from_json, to_json
from drivetrain.types import Array

HEADER_LENGTH = "Inference-Header-Content-Length"
_NAMES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8", "int16": "INT16",
    "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip
_DTYPES = {name: np.dtype(dtype).newbyteorder("<") for dtype, name in _NAMES.items()}
BROKEN = "the server's tensors can't be read"


def to_request(feeds: Mapping[str, Array], outputs: Sequence[str] | None) -> tuple[bytes, int]:
    """The body, and how much of it is JSON. Raises DataError for an array that no tensor can be."""
    inputs: list[dict[str, Any]] = []
    blocks: list[bytes] = []
    for name, given in feeds.items():
        array = np.asarray(given)
        datatype, data = _packed(name, array)
        blocks.append(data)
        inputs.append(
            {
                "name": name,
                "datatype": datatype,
                "shape": list(array.shape),
                "parameters": {"binary_data_size": len(data)},
            }
        )
    head: dict[str, Any] = {"inputs": inputs}
    if outputs is None:
        head["parameters"] = {"binary_data_output": True}
    else:
        head["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    text = to_json(head).encode()
    return b"".join([text, *blocks]), len(text)


def from_reply(body: bytes, header: int | None) -> dict[str, Array]:
    """Output name -> array. `header` is how many bytes of the body are JSON; None: all. Raises DrivetrainError."""
    size = len(body) if header is None else header
    told = from_json(body[:size], where="the server's reply")
    found: dict[str, Array] = {}
    rest = memoryview(body)[size:]
    try:
        for output in told["outputs"]:
            shape = tuple(int(side) for side in output["shape"])
            count = cast("dict[str, Any]", output).get("parameters", {}).get("binary_data_size")
            if count is None:
                found[output["name"]] = _listed(output["datatype"], output["data"]).reshape(shape)
            else:
                if not 0 <= count <= len(rest):
                    raise DrivetrainError(f"{BROKEN}: {output['name']!r:.60} is cut off.")
                found[output["name"]] = _unpacked(output["datatype"], rest[:count]).reshape(shape)
                rest = rest[count:]
    except (KeyError, TypeError, ValueError, struct.error) as fault:
        raise DrivetrainError(f"{BROKEN}: {fault}.") from fault
    return found


def _packed(name: str, array: Array) -> tuple[str, bytes]:
    if array.dtype.kind in "OSU":
        texts = [each if isinstance(each, bytes) else str(each).encode() for each in array.ravel().tolist()]
        return "BYTES", b"".join(struct.pack("<I", len(text)) + text for text in texts)
    if array.dtype.name not in _NAMES:
        raise DataError(
            f"{array.dtype} is no datatype of the protocol.", where=name, fix="Give float32, int64, or texts."
        )
    datatype = _NAMES[array.dtype.name]
    return datatype, np.ascontiguousarray(array, _DTYPES[datatype]).tobytes()


def _unpacked(datatype: str, data: memoryview) -> Array:
    if datatype != "BYTES":
        return np.frombuffer(data, _DTYPES[datatype]).copy()
    found: list[bytes] = []
    start = 0
    while start < len(data):
        (length,) = struct.unpack_from("<I", data, start)
        start += 4 + length
        found.append(bytes(data[start - length : start]))
    array = np.empty(len(found), object)
    array[:] = found
    return array


def _listed(datatype: str, data: Any) -> Array:
    if datatype != "BYTES":
        return np.asarray(data, _DTYPES[datatype])
    return np.array([str(each).encode() for each in data], object)
