"""From an answer to its record: what is kept of the inputs, and what never is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DrivetrainError
from drivetrain.records.kept import Kept
from drivetrain.records.record import Record
from drivetrain.types import Answer, Array, Failure

MOST_BYTES = 1 << 20
"""Of one input's value; a longer text or list is kept by its digest and size, as a file is."""
MOST_ELEMENTS = 4096
"""Of an array that is kept as it is."""


def keep(
    kept: Kept, inputs: Mapping[str, Codec], item: Any, answer: Answer | Failure | Mapping[str, Any], *, model: str,
    version: int, bundle: str, latency_ms: float | None = None, request: str = "", key: str = "", source: str = "http",
) -> Record:  # fmt: skip
    """The record of what was answered for one raw item, a mapping by the names of `inputs` or the only one's value.

    A redacted input is nowhere in it: neither among the inputs, nor in what is unusual, nor in an error's text; and the answer's
    short name of its input, which may hold any of them, never is.
    """
    names = list(inputs)
    values: Mapping[str, Any] = (
        cast("Mapping[str, Any]", item) if isinstance(item, Mapping) and (len(names) != 1 or names[0] in item)
        else {names[0]: item} if names else {}
    )  # fmt: skip
    told: dict[str, Any] | None = None
    if kept.inputs != "none":
        form = _read if kept.inputs == "read" else _summary
        told = {
            name: form(inputs[name], values[name])
            for name in names
            if name in values and name not in kept.redact
        }
    said, probability = answered(answer, kept)
    return Record(
        model, version, bundle, told, said, probability, latency_ms, request, key, source
    )  # fmt: skip


def answered(answer: Answer | Failure | Mapping[str, Any], kept: Kept) -> tuple[dict[str, Any], float | None]:
    """The answer as JSON without what is redacted, and the probability of what was answered where it has one."""
    if isinstance(answer, Failure):
        # An error quotes the value that it is about.
        open = not kept.redact and kept.inputs == "read"
        return {"error": answer.error.error if open else "not answered"}, None
    if isinstance(answer, Mapping):
        said = {name: value for name, value in answer.items() if name not in ("input", "unusual")}
    else:
        said = answer.to_json()
        del said["input"]
        if unusual := said.pop("unusual", None):
            # What is unusual quotes values too.
            shown: dict[str, str] = (
                unusual if kept.inputs == "read" else {name: answer.unusual[name].reason for name in unusual}
            )
            left = {name: text for name, text in shown.items() if name not in kept.redact}
            said |= {"unusual": left} if left else {}
    probability = said.get("probability")
    return said, float(probability) if isinstance(probability, (int, float)) else None


def _read(codec: Codec, raw: Any) -> Any:
    """A raw value as the codec reads it; a file, and what is long, by its digest and size."""
    if codec.from_files or isinstance(raw, (bytes, bytearray, memoryview, os.PathLike)):
        return of_file(raw)
    if isinstance(raw, np.ndarray):  # Encoded by the caller.
        return of_array(cast("Array", raw))
    if isinstance(raw, str) and len(raw) > MOST_BYTES:
        return of_text(raw)
    try:
        value = codec.read(raw)
    except (DrivetrainError, TypeError, ValueError, OverflowError, OSError):
        value = raw  # It could not be answered either.
    if isinstance(value, float):
        return None if value != value else value
    return of_array(cast("Array", value)) if isinstance(value, np.ndarray) else value


def _summary(codec: Codec, raw: Any) -> Any:
    """What kind of value it is, and how much."""
    if isinstance(raw, np.ndarray):
        array = cast("Array", raw)
        return {"kind": "array", "dtype": str(array.dtype), "shape": list(array.shape)}
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return {"kind": "bytes", "bytes": memoryview(cast("bytes", raw)).nbytes}
    if isinstance(raw, str) and not codec.from_files:
        return {"kind": "text", "characters": len(raw)}
    if isinstance(raw, (list, tuple, Mapping)):
        return {"kind": "list", "length": len(cast("list[Any]", raw))}
    return {"kind": "none" if raw is None else "number" if isinstance(raw, (int, float)) else "file"}


def of_file(raw: Any) -> dict[str, Any]:
    """The digest and size of bytes, or of the file at a path; only the kind of what is neither."""
    if isinstance(raw, np.ndarray):
        return _digest(cast("Array", raw))
    if isinstance(raw, (bytes, bytearray, memoryview)):
        data = memoryview(cast("bytes", raw))
        return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": data.nbytes}
    if isinstance(raw, (str, os.PathLike)):
        try:
            with open(cast("str | os.PathLike[str]", raw), "rb") as file:
                found = hashlib.file_digest(file, "sha256")
                return {"sha256": found.hexdigest(), "bytes": file.tell()}
        except (OSError, ValueError):
            pass
    if isinstance(raw, tuple):  # (samples, rate)
        first, *rest = cast("tuple[Any, ...]", raw)
        return {**of_file(first), "with": rest}
    return {"kind": type(raw).__name__}


def of_array(array: Array) -> Any:
    """A small array as lists; a large one by its digest."""
    return array.tolist() if array.size <= MOST_ELEMENTS else _digest(array)


def _digest(array: Array) -> dict[str, Any]:
    whole = np.ascontiguousarray(array)
    data = whole.astype(str).tobytes() if whole.dtype == object else whole.tobytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "dtype": str(array.dtype), "shape": list(array.shape)}


def of_text(text: str) -> dict[str, Any]:
    data = text.encode("utf-8", "surrogatepass")
    return {"sha256": hashlib.sha256(data).hexdigest(), "characters": len(text)}
