"""Tensors as the Open Inference Protocol has them on the wire, and arrays: JSON or bytes in, JSON or bytes out.

The words of the faults are those of Triton, which clients know; each is a Refusal(400). The types are in "Tensor Data Types" of the
protocol's specification, binary data and classification in Triton's extensions of these names.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, cast

import numpy as np

from drivetrain.serve.types import Port, Refusal
from drivetrain.types import Array

DATATYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(bool),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    "BYTES": np.dtype(object),
}
"""What the protocol calls the type of an element, and the array's dtype; BYTES are objects: bytes, or str if they came as JSON."""
MOST_ELEMENTS = 2**40
"""More than any body can hold: a shape of more is a lie, whatever follows it."""
MOST_DIMENSIONS = 32
LENGTH = struct.Struct("<I")
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
_WHOLE, _ANY = frozenset({int}), frozenset({int, float})
SHORT = 256
"""Elements that are quickly looked at one by one."""
_NO_RANGE: tuple[frozenset[type], float, float] = (frozenset(), 0, 0)
_RANGES: dict[str, tuple[frozenset[type], float, float]] = {
    **{
        f"FP{bits}": (_ANY, -float(np.finfo(f"f{bits // 8}").max), float(np.finfo(f"f{bits // 8}").max))
        for bits in (16, 32, 64)
    },
    **{f"INT{bits}": (_WHOLE, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (_WHOLE, 0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
"""Datatype -> which numbers of JSON it takes, from and to."""


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's word for a dtype; "BYTES" for objects and texts."""
    return "BYTES" if dtype.kind in "OSU" else _NAMES[dtype.newbyteorder("<")]


def dtype_of(name: str, datatype: Any) -> np.dtype[Any]:
    """The dtype of a datatype that an input, or output, is said to have."""
    if isinstance(datatype, str) and datatype in DATATYPES:
        return DATATYPES[datatype]
    if datatype == "BF16":
        raise _refused(f"BF16 tensors are not taken: numpy has no such type. Send input '{name}' as FP32")
    raise _refused(f"invalid datatype for input {name}")


def shape_of(name: str, shape: Any) -> tuple[int, ...]:
    """A shape of whole numbers from 0, whose product is no larger than memory could ever be."""
    if not isinstance(shape, (list, tuple)):
        raise _refused(f"Unable to parse 'shape' of input '{name}': it is no array")
    sides = cast("Sequence[Any]", shape)
    if len(sides) > MOST_DIMENSIONS:
        raise _refused(f"the shape of input '{name}' has more than {MOST_DIMENSIONS} dimensions")
    for side in sides:
        if type(side) is not int or side < 0:
            raise _refused(
                f"Unable to parse 'shape' of input '{name}': {side!r:.40} is not a whole number from 0 on"
            )
        if side > MOST_ELEMENTS:
            raise _refused(f"the shape of input '{name}' has too many elements")
    if math.prod(side for side in sides if side) > MOST_ELEMENTS:  # Also beside a 0, which would hide it.
        raise _refused(f"the shape of input '{name}' has too many elements")
    return tuple(sides)


def from_json(name: str, datatype: str, shape: Any, data: Any) -> Array:
    """An array of what JSON says, nested as its shape or flat.

    Numbers are what the datatype says, and within its range: whole ones in a field of whole numbers (1.0 is none), any in one of
    floats, where null is NaN; true and false in BOOL, texts in BYTES.
    """
    if (quick := _quick(datatype, shape, data)) is not None:
        return quick
    dtype, sides = dtype_of(name, datatype), shape_of(name, shape)
    if not isinstance(data, list):
        raise _refused(f"Unable to parse 'data' of input '{name}': it is no array")
    nested, flat = _flattened(name, cast("list[Any]", data))
    if len(nested) > 1 and _plain(nested) != _plain(sides):
        raise _refused(
            f"Unable to parse 'data': Shape does not match true shape of 'data' field: input '{name}' has shape "
            f"{written(sides)}, its data {written(nested)}"
        )
    return shaped(name, datatype, sides, _elements(name, datatype, dtype, flat))


def _quick(datatype: Any, shape: Any, data: Any) -> Array | None:
    """What most callers send, a short flat list of numbers that are all as they should be, in a tenth of the time; None for
    whatever else, which `from_json` looks at more closely."""
    if type(data) is not list or type(shape) is not list or type(datatype) is not str:
        return None
    elements: list[Any] = data  # pyright: ignore[reportUnknownVariableType]
    sides: list[Any] = shape  # pyright: ignore[reportUnknownVariableType]
    kinds, least, most = _RANGES.get(datatype, _NO_RANGE)
    if not 0 < len(elements) <= SHORT or not kinds.issuperset(map(type, elements)):
        return None
    if (
        not _WHOLE.issuperset(map(type, sides))
        or (sides and min(sides) < 1)
        or math.prod(sides) != len(elements)
    ):
        return None
    if not least <= min(elements) or not max(elements) <= most:
        return None
    return np.array(elements, DATATYPES[datatype]).reshape(sides)


def from_bytes(name: str, datatype: str, shape: Any, raw: bytes | memoryview) -> Array:
    """An array of raw bytes, little-endian, rows first: a view of them. Of BYTES each element has its length before it."""
    dtype, sides = dtype_of(name, datatype), shape_of(name, shape)
    if datatype == "BYTES":
        return shaped(name, datatype, sides, _texts(name, raw, math.prod(sides)))
    size = memoryview(raw).nbytes
    wanted = math.prod(sides) * dtype.itemsize
    if size != wanted:
        raise _refused(f"input byte size mismatch for input '{name}'. Expected {wanted}, got {size}")
    if datatype == "BOOL" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise _refused(f"input '{name}' is of type BOOL, and holds bytes other than 0 and 1")
    return np.frombuffer(raw, dtype).reshape(sides)


def shaped(name: str, datatype: str, shape: Sequence[int], flat: Any) -> Array:
    """Elements in a row, of the right type, as an array of a shape that has as many."""
    if len(flat) != math.prod(shape):
        raise _refused(
            f"Unable to parse 'data': Shape does not match true shape of 'data' field: input '{name}' has shape "
            f"{written(shape)}, its data {len(flat):,} elements"
        )
    if datatype != "BYTES":
        return np.asarray(flat, DATATYPES[datatype]).reshape(shape)
    return filled(shape, flat)


def filled(shape: Sequence[int], flat: Sequence[Any]) -> Array:
    """Texts or bytes in a row as an array of objects."""
    made = np.empty(len(flat), object)
    made[:] = flat
    return made.reshape(shape)


def to_bytes(array: Array) -> bytes:
    """What `from_bytes` reads."""
    if array.dtype.kind in "OSU":
        return b"".join(map(packed, array.ravel().tolist()))
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def to_json(array: Array) -> Any:
    """The elements in a row, as the JSON writer takes them: numbers as an array, texts as a list. (It writes null for NaN and
    infinity, which JSON has not.) Raises Refusal for bytes that are no text."""
    flat = array.reshape(-1)
    if flat.dtype.kind in "OSU":
        try:
            return [encoded(value).decode() for value in flat.tolist()]
        except UnicodeDecodeError:
            raise _refused(
                "the output holds bytes that are not UTF-8, which JSON can't say. Ask for it with 'binary_data'"
            ) from None
    return flat


def check_feeds(servable: Any, feeds: Mapping[str, Array]) -> None:
    """Refuse feeds that are not the inputs of a model: by name, datatype, shape and number of rows."""
    ports: dict[str, Port] = {port.name: port for port in servable.inputs}
    for name in feeds:
        if name not in ports:
            raise _refused(f"unexpected inference input '{name[:60]}' for model '{servable.name}'")
    required = [name for name, port in ports.items() if port.extra.get("required", True)]
    if lacking := [name for name in required if name not in feeds]:
        raise _refused(
            f"expected {len(required)} inputs but got {len(feeds)} inputs for model '{servable.name}'. Got input(s) "
            f"[{_quoted(feeds)}], but missing required input(s) [{_quoted(lacking)}]. Please provide all required input(s)."
        )
    rows = None
    for name, array in feeds.items():
        _check_feed(servable.name, ports[name], array)
        if rows is None:
            rows = len(array)
        elif len(array) != rows:
            raise _refused(
                f"input '{name}' batch size does not match other inputs for '{servable.name}': {len(array)} rows, not {rows}"
            )


def _check_feed(model: str, port: Port, array: Array) -> None:
    given, shape = datatype_of(array.dtype), port.shape
    if given != port.datatype:
        if given != "BYTES" or port.extra.get("raw") != "BYTES":
            raise _refused(
                f"inference input '{port.name}' data-type is '{given}', but model '{model}' expects '{port.datatype}'"
                + (" (or 'BYTES', raw)" if port.extra.get("raw") == "BYTES" else "")
            )
        shape = (-1, 1) if array.ndim == 2 else (-1,)
    if len(shape) != array.ndim or any(side not in (-1, have) for side, have in zip(shape, array.shape)):
        raise _refused(
            f"unexpected shape for input '{port.name}' for model '{model}'. Expected {written(shape)}, got "
            f"{written(array.shape)}"
        )
    if not array.size and not array.shape[0]:
        raise _refused(f"input '{port.name}' for model '{model}' has no rows")


def check_outputs(servable: Any, names: Iterable[str]) -> None:
    """Refuse outputs that a model does not have."""
    known = {port.name for port in servable.outputs}
    for name in names:
        if name not in known:
            raise _refused(f"unexpected inference output '{name[:60]}' for model '{servable.name}'")


def labels_of(servable: Any, name: str) -> Sequence[str] | None:
    """What the elements of an output are called, where they are classes."""
    return next(port.extra.get("labels") for port in servable.outputs if port.name == name)


def classified(array: Array, count: int, labels: Sequence[str] | None) -> Array:
    """BYTES (rows, count): of each row the greatest elements, as "VALUE:INDEX" or "VALUE:INDEX:LABEL"; of equal ones the first."""
    flat = array.reshape(len(array), -1)
    if flat.dtype.kind not in "fiub":
        raise _refused("a classification needs numbers, and the output has none")
    order = np.argsort(-flat.astype(np.float64), axis=1, kind="stable")[:, :count]
    made = np.empty(order.shape, object)
    for row, places in enumerate(order.tolist()):
        for rank, place in enumerate(places):
            label = f":{labels[place]}" if labels and place < len(labels) else ""
            made[row, rank] = f"{flat[row, place]!s}:{place}{label}".encode()
    return made


# --- elements ---------------------------------------------------------------------------------------------


def _flattened(name: str, data: list[Any]) -> tuple[list[int], list[Any]]:
    """The sides of nested lists, and what is in them. Refused where one is longer than its neighbour, or no list beside lists."""
    sides, level = [len(data)], data
    while level and isinstance(level[0], list):
        lengths = {len(cast("list[Any]", each)) if isinstance(each, list) else -1 for each in level}
        if len(lengths) != 1 or -1 in lengths:
            raise _refused(f"Unable to parse 'data': the lists of input '{name}' are not of the same length")
        sides.append(lengths.pop())
        level = list(chain.from_iterable(level))
        if len(sides) > MOST_DIMENSIONS:
            raise _refused(f"the data of input '{name}' has more than {MOST_DIMENSIONS} dimensions")
    return sides, level


def _elements(name: str, datatype: str, dtype: np.dtype[Any], flat: list[Any]) -> Any:
    kinds = {*map(type, flat)}
    if datatype == "BYTES":
        if kinds - {str}:
            raise _wrong(name, datatype, flat, str)
        return flat
    if datatype == "BOOL":
        if kinds - {bool}:
            raise _wrong(name, datatype, flat, bool)
        return np.array(flat, bool)
    if kinds - (_ANY | {type(None)} if dtype.kind == "f" else _WHOLE):
        raise _wrong(name, datatype, flat, *(_ANY if dtype.kind == "f" else _WHOLE))
    try:
        with np.errstate(over="ignore"):
            made = np.array(flat, dtype)
        if dtype.kind != "f" or not np.isinf(made).any():
            return made
    except (OverflowError, ValueError, TypeError):
        pass
    raise _refused(
        f"Unable to parse 'data': input '{name}' holds a number that is out of the range of {datatype}"
    )


def _wrong(name: str, datatype: str, flat: Sequence[Any], *kinds: type) -> Refusal:
    place = next(place for place, value in enumerate(flat) if type(value) not in kinds)
    return _refused(
        f"Unable to parse 'data': element {place} of input '{name}' is {flat[place]!r:.40}, which is no {datatype}"
    )


def _texts(name: str, raw: bytes | memoryview, count: int) -> list[bytes]:
    """As many byte strings as there have to be, each with its length before it, and nothing after."""
    data = bytes(raw)
    if count * LENGTH.size > len(data):
        raise _refused(
            f"incorrect element count for inference input '{name}': {len(data)} bytes hold no {count} elements"
        )
    found: list[bytes] = []
    place = 0
    while place < len(data):
        if place + LENGTH.size > len(data) or len(found) == count:
            break
        (length,) = LENGTH.unpack_from(data, place)
        place += LENGTH.size
        if place + length > len(data):
            raise _refused(
                f"incomplete string data for inference input '{name}', expecting string of length {length} but only "
                f"{len(data) - place} bytes available"
            )
        found.append(data[place : place + length])
        place += length
    if len(found) != count:
        raise _refused(f"expected {count} strings for inference input '{name}', got {len(found)}")
    if place != len(data):
        raise _refused(
            f"unexpected number of string elements for inference input '{name}', expecting {count}"
        )
    return found


def encoded(value: Any) -> bytes:
    """An element of BYTES."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace")


def packed(value: Any) -> bytes:
    """The same with its length before it."""
    data = encoded(value)
    return LENGTH.pack(len(data)) + data


def _plain(sides: Sequence[int]) -> list[int]:
    """A shape without what is only brackets."""
    return [side for side in sides if side != 1]


def written(shape: Iterable[int]) -> str:
    """A shape in the words of a fault."""
    return f"[{','.join(map(str, shape))}]"


def _quoted(names: Iterable[str]) -> str:
    return ",".join(f"'{name[:60]}'" for name in sorted(names)[:100])


def _refused(error: str) -> Refusal:
    return Refusal(400, error)
