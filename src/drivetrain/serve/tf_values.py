"""Values of TensorFlow Serving's REST API: JSON, nested and with {"b64": ...} for bytes, to arrays and back. Faults are worded as
in its util/json_tensor.cc."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from itertools import chain
from typing import Any, cast

import numpy as np

from drivetrain.serve import strict_json
from drivetrain.serve.tensors import DATATYPES, filled
from drivetrain.serve.types import Port, Refusal
from drivetrain.types import Array

B64 = "b64"
BINARY_SUFFIX = "_bytes"
"""Of the name of a tensor that holds bytes and no text."""
KINDS: Mapping[str, tuple[str, str]] = {
    "BOOL": ("bool", "DT_BOOL"), "BYTES": ("string", "DT_STRING"), "FP16": ("half", "DT_HALF"), "FP32": ("float", "DT_FLOAT"),
    "FP64": ("double", "DT_DOUBLE"),
    **{each.upper(): (each, f"DT_{each.upper()}") for each in (f"{sign}int{8 << n}" for sign in ("", "u") for n in range(4))},
}  # fmt: skip
"""A datatype, as TensorFlow's faults call it, and as its protos do."""
WORDS = {
    str: "String",
    dict: "Object",
    list: "Array",
    bool: "True",
    int: "Number",
    float: "Number",
    type(None): "Null",
}


# --- values -----------------------------------------------------------------------------------------------


def tensor_of(name: str, port: Port, value: Any, servable: Any) -> Array:
    """A nested value as an array of the input's datatype, or of texts and bytes where the input is read from such."""
    shape, flat = flattened(value)
    kinds, kind, limit = {*map(type, flat)}, KINDS[port.datatype][0], 0
    if kinds & {str, dict}:
        if port.datatype != "BYTES" and port.extra.get("raw") != "BYTES":
            raise _not(next(each for each in flat if type(each) in (str, dict)), kind)
        return filled(shape, [text_of(each) for each in flat])
    if port.datatype == "BYTES":
        if flat:
            raise _not(flat[0], kind)
        return filled(shape, flat)
    dtype = DATATYPES[port.datatype]
    allowed: set[type] = {bool} if dtype.kind == "b" else {int}
    if dtype.kind == "f":
        allowed = {int, float, type(None)} if _may_lack(servable, name) else {int, float}
        limit = 2 ** (np.finfo(dtype).nmant + 1) - 1
    for each in flat if kinds - allowed else ():
        if type(each) not in allowed:
            raise _not(each, kind)
    try:
        with np.errstate(over="ignore"):
            found = np.array(flat, dtype)
    except OverflowError:
        if dtype.kind == "f":
            raise _lossy(max(flat, key=abs), kind) from None
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        raise _not(next(each for each in flat if not low <= each <= high), kind) from None
    if dtype.kind == "f" and flat:
        _refuse_lossy(flat, found, limit, kind)
    return found.reshape(shape)


def _refuse_lossy(flat: list[Any], found: Array, limit: int, kind: str) -> None:
    """A whole number that a float doesn't hold exactly, and whatever is beyond its range."""
    if np.isinf(found).any():
        raise _lossy(flat[int(np.argmax(np.isinf(found)))], kind)
    for place in np.flatnonzero(np.abs(found) >= limit).tolist():
        if type(flat[place]) is int and abs(flat[place]) > limit:
            raise _lossy(flat[place], kind)


def flattened(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, by the first of each, and their leaves."""
    shape: list[int] = []
    level: list[Any] = [value]
    while level and isinstance(level[0], list):
        sizes = [len(cast("list[Any]", each)) if isinstance(each, list) else -1 for each in level]
        for each, size in zip(level, sizes) if len({*sizes}) > 1 else ():
            if size < 0:
                place = f"{len(shape) + 1} in the JSON DOM. Expected at level: {len(shape) + 1}"
                raise Refusal(400, f"JSON Value: {shown(each)} found at incorrect level: {place} or deeper")
            if size != sizes[0]:
                raise Refusal(
                    400,
                    f"Encountered list at unexpected size: {size} at level: {len(shape)} expected size: {sizes[0]}",
                )
        shape.append(sizes[0])
        level = list(chain.from_iterable(level))
    if any(isinstance(each, list) for each in level):
        raise Refusal(400, f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return tuple(shape), level


def text_of(value: Any) -> str | bytes:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise _not(value, "string")
    if not is_b64(value):
        raise Refusal(400, f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        return b64decode(cast("dict[str, str]", value)[B64], validate=True)
    except ValueError:
        raise Refusal(400, "Unable to base64 decode") from None


def is_b64(value: Any) -> bool:
    return isinstance(value, dict) and [*value] == [B64] and isinstance(value[B64], str)  # pyright: ignore


def is_record(value: Any) -> bool:
    return isinstance(value, dict) and not is_b64(value)


def _may_lack(servable: Any, name: str) -> bool:
    """Whether an input may be missing: then null says so. To a graph that was made elsewhere it doesn't, as it never did."""
    codec = servable.bundle.signature.inputs[name]
    return codec.from_text and "null" in codec.schema().get("type", ())


# --- rendering --------------------------------------------------------------------------------------------


def plain(name: str, array: Array) -> Any:
    """Numbers as an array, texts as lists; bytes as base64, where the name says that they are such or they are no text."""
    if array.dtype.kind not in "OSU":
        return np.ascontiguousarray(array)
    flat = [_said(name, value) for value in array.ravel().tolist()]
    return filled(array.shape, flat).tolist()


def _said(name: str, value: Any) -> Any:
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    if not name.endswith(BINARY_SUFFIX):
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return {B64: b64encode(data).decode()}


def dumps(value: Any) -> bytes:
    """JSON; with NaN, Infinity and -Infinity where there are such ("JSON conformance" in the original's documentation)."""
    return strict_json.dumps(value) if _is_finite(value) else json.dumps(_listed(value)).encode()


def _is_finite(value: Any) -> bool:
    if isinstance(value, (np.ndarray, np.floating)):
        array = cast("Array", value)
        return array.dtype.kind != "f" or bool(np.isfinite(array).all())
    if isinstance(value, dict):
        return all(map(_is_finite, cast("dict[str, Any]", value).values()))
    return not isinstance(value, list) or all(map(_is_finite, cast("list[Any]", value)))


def _listed(value: Any) -> Any:
    """The same in Python's own types; of a float the shortest one that stands for it."""
    if isinstance(value, np.ndarray):
        return [_listed(each) for each in cast("Array", value)]
    if isinstance(value, np.floating):
        return float(str(cast("Any", value)))
    if isinstance(value, np.generic):
        return cast("Any", value.item())
    if isinstance(value, dict):
        return {name: _listed(each) for name, each in cast("dict[str, Any]", value).items()}
    return [_listed(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


# --- faults -----------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    text = strict_json.dumps(value).decode()
    return text if len(text) <= 200 else f"{text[:200]}..."


def wrong(value: Any, words: str) -> Refusal:
    return Refusal(400, f"JSON Value: {shown(value)} {words}")


def _not(value: Any, kind: str) -> Refusal:
    word = "False" if value is False else WORDS[type(value)]
    more = ": base64 data are for inputs of bytes" if is_b64(value) else ""
    return Refusal(400, f"JSON Value: {shown(value)} Type: {word} is not of expected type: {kind}{more}")


def _lossy(value: Any, kind: str) -> Refusal:
    return Refusal(400, f"Cannot convert JSON value: {shown(value)} to {kind} without loss of precision.")
