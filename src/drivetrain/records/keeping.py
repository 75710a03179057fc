"""From an answer to its record: what is kept of the inputs, and what never is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Container, Mapping
from typing import Any, Unpack, cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DrivetrainError
from drivetrain.records import words
from drivetrain.records.kept import Kept
from drivetrain.records.record import About, Record
from drivetrain.types import Answer, Array, Failure

MOST_BYTES = 1 << 20
"""Of one input's value; a longer text or list is kept by its digest and size, as a file is."""
MOST_ELEMENTS = 4096
"""Of an array that is kept as it is."""


def keep(
    kept: Kept, inputs: Mapping[str, Codec], item: Any, answer: Answer | Failure | Mapping[str, Any], *,
    files: Callable[[Any], Any] | None = None, **about: Unpack[About],
) -> Record:  # fmt: skip
    """The record of what was answered for one raw item, a mapping by the names of `inputs` or the only one's value.

    A redacted input is nowhere in it: neither among the inputs, nor in what is unusual, nor in an error's text; and the
    answer's short name of its input, which may hold any of them, never is. `files` gives the bytes of what came for a
    file over a network; without it a text is the path of one; `about` is what else a record has.
    """
    said, probability = answered(answer, kept)
    told = None if kept.inputs == "none" else _inputs(kept, inputs, item, files)
    return Record(inputs=told, answer=said, probability=probability, **about)


def _inputs(
    kept: Kept, inputs: Mapping[str, Codec], item: Any, files: Callable[[Any], Any] | None
) -> dict[str, Any]:
    values = cast("Mapping[str, Any]", item if isinstance(item, Mapping) else {})
    if len(inputs) == 1 and not inputs.keys() & values.keys():
        values = {next(iter(inputs)): cast("Any", item)}
    told: dict[str, Any] = {}
    for name, codec in inputs.items():
        if name in values and name not in kept.redact:
            raw = values[name]
            if kept.inputs == "summary":
                told[name] = _summary(codec.from_files, raw)
            elif codec.from_files:
                told[name] = of_file(raw if files is None else _bytes_of(files, raw))
            else:
                told[name] = _read(codec, raw)
    return told


def _bytes_of(files: Callable[[Any], Any], raw: Any) -> Any:
    """Of what came for a file its bytes; None where it was none, and never the path of one."""
    try:
        found = files(raw)
    except DrivetrainError:
        return None
    return None if isinstance(found, (str, os.PathLike)) else found


def keep_parts(
    kept: Kept, item: Mapping[str, Any], answer: Answer | Failure | Mapping[str, Any], *,
    quotes: Collection[str] = (), **about: Unpack[About],
) -> Record:  # fmt: skip
    """The same of an item that has parts beside its model's inputs, such as a history of which the columns are: a redacted
    name is left out of it and of its parts, and a part that is a text, where anything is redacted. `quotes` are the parts of
    the answer that say again what came, such as whose history it was: they are kept where all inputs are."""
    said, probability = answered(answer, kept)
    if quotes and not kept.is_open:
        said = cast("dict[str, Any]", _without(said, quotes))
    told: dict[str, Any] | None = None
    if kept.inputs != "none":
        told = {
            name: _summary(False, value) if kept.inputs == "summary" else _part(value, kept)
            for name, value in item.items()
            if name not in kept.redact
        }
    return Record(inputs=told, answer=said, probability=probability, **about)


def keep_arrays(
    kept: Kept, inputs: Mapping[str, Codec], targets: Mapping[str, Codec], feeds: Mapping[str, Array],
    outputs: Mapping[str, Array], **about: Unpack[About],
) -> Record:  # fmt: skip
    """The same of one row of encoded inputs and of outputs: inputs as they are encoded, but codes by their names; the answer as
    its codecs decode it, or as it was put out where it isn't finite."""
    told: dict[str, Any] | None = None
    if kept.inputs != "none":
        told = {
            name: _summary(False, array) if kept.inputs == "summary" else _encoded(inputs.get(name), array)
            for name, array in feeds.items()
            if name not in kept.redact
        }
    decoded = {name: _decoded(targets.get(name), array) for name, array in outputs.items()}
    one = decoded[next(iter(decoded))] if len(decoded) == 1 else None
    said = cast("dict[str, Any]", one) if isinstance(one, dict) else decoded
    probability = said.get("probability")
    sure = float(probability) if isinstance(probability, (int, float)) else None
    return Record(inputs=told, answer=said, probability=sure, **about)


def _encoded(codec: Codec | None, array: Array) -> Any:
    if codec is not None and not array.shape and array.dtype.kind in "iu":
        names, code = codec.code_names, int(array)
        if 0 <= code < len(names):
            return names[code]
    return of_array(np.asarray(array))


def _decoded(codec: Codec | None, array: Array) -> Any:
    if codec is None or array.dtype.kind != "f" or not np.isfinite(array).all():
        return of_array(array)
    return codec.decode(array)


def _part(value: Any, kept: Kept) -> Any:
    """A part without what is redacted; by its digest where it is long."""
    if isinstance(value, str) and kept.redact:
        return {"kind": "text", "characters": len(value)}
    left: Any = _without(value, kept.redact)
    text = b"" if left is None or isinstance(left, (int, float)) else words.dumps(left)
    return (
        left
        if len(text) <= MOST_BYTES
        else {"sha256": hashlib.sha256(text).hexdigest(), "characters": len(text)}
    )


def _without(value: Any, names: Container[str]) -> Any:
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        return {name: _without(each, names) for name, each in found.items() if name not in names}
    return [_without(each, names) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def answered(answer: Answer | Failure | Mapping[str, Any], kept: Kept) -> tuple[dict[str, Any], float | None]:
    """The answer as JSON without what is redacted, and the probability of what was answered where it has one."""
    if isinstance(answer, Failure):
        # An error quotes the value that it is about.
        return {"error": answer.error.error if kept.is_open else "not answered"}, None
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
    """A raw value as the codec reads it; what is long, and bytes, by digest and size."""
    if isinstance(raw, (bytes, bytearray, memoryview, os.PathLike)):
        return of_file(raw)
    if isinstance(raw, np.ndarray):
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


def _summary(file: bool, raw: Any) -> Any:
    """What kind of value it is, and how much."""
    if isinstance(raw, np.ndarray):
        array = cast("Array", raw)
        return {"kind": "array", "dtype": str(array.dtype), "shape": list(array.shape)}
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return {"kind": "bytes", "bytes": memoryview(cast("bytes", raw)).nbytes}
    if isinstance(raw, str) and not file:
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
    if isinstance(raw, str) or hasattr(raw, "__fspath__"):
        try:
            with open(cast("str", raw), "rb") as file:
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
