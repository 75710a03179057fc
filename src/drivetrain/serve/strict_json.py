"""JSON as RFC 8259 has it and nothing beside: what two readers could understand differently is refused.

orjson reads, and refuses by itself what isn't UTF-8, NaN, Infinity, 1e999, lone surrogates, a byte order mark and signs after
the end. It takes two things that must not pass: an object that has a name twice (the last one wins, elsewhere the first), and
1,024 levels of brackets. Both are found by counting bytes, so that a request that is as it should be pays a microsecond or two:

- each name of an object has one ":" after it. As many ":" as there are names in what was read: no name came twice.
- at most as many levels as there are opening brackets.

Where a text holds ":" or brackets of its own the counts are upper bounds and prove nothing; then `_outside_strings` counts
exactly."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from drivetrain.errors import DataError
from drivetrain.extras import require

try:
    import orjson
except ImportError:  # The base install has none; `loads` and `dumps` say what to install.
    orjson = None

SHORT, WRITABLE = 2048, 200
"""Bytes that are quickly written again, and levels that orjson writes."""
_CONTAINERS = frozenset({dict, list})
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_MARKS = b'"[]{}:'
_OTHERS = bytes(set(range(256)) - set(_MARKS))


def loads(data: bytes | memoryview, *, depth: int = 100) -> Any:
    """The value of a JSON text. Raises DataError for what isn't one, for a name twice in one object, and for more than `depth`
    levels of arrays and objects. Whole numbers beyond 64 bits come as float."""
    if orjson is None:
        require("orjson", "Reading JSON over the network", "serve")
        raise AssertionError
    if not isinstance(data, bytes):
        data = bytes(data)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DataError(f"this is no JSON: {error}", fix="Send JSON as RFC 8259 has it, in UTF-8.") from None
    objects = data.count(b"{")
    levels, colons = objects + data.count(b"["), data.count(b":")
    # A short text proves itself in a third of the time: written again it has the same ":", in texts too, but for those of names
    # that were lost. (An escaped ":" would be written plainly, and could stand for a lost one.)
    if (
        len(data) <= SHORT
        and levels <= min(depth, WRITABLE)
        and b"\\" not in data
        and orjson.dumps(value).count(b":") == colons
    ):
        return value
    if levels > depth or (objects and _names(value, objects) != colons):
        _check(data, value, depth)
    return value


def dumps(value: Any) -> bytes:
    """A value as JSON; numpy's numbers and arrays too. NaN and infinity become null: JSON has no word for them."""
    if orjson is None:
        require("orjson", "Writing JSON over the network", "serve")
        raise AssertionError
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _names(value: Any, objects: int) -> int:
    """How many names the objects within a value have, at most `objects` of them. It goes level by level and ends with the last
    object, so that long arrays of numbers, which lie deeper than what describes them, aren't looked through."""
    found, level = 0, list[Any]((value,))
    while level:
        here: list[Any] = [one for one in level if type(one) is dict]
        found += sum(map(len, here))
        objects -= len(here)
        if objects <= 0:
            break
        deeper: list[Any] = [one for each in here for one in each.values() if type(one) in _CONTAINERS]
        for each in level:
            if type(each) is list:
                deeper += [one for one in each if type(one) in _CONTAINERS]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        level = deeper
    return found


def _outside_strings(data: bytes) -> np.ndarray:
    """uint8 (n,): the brackets and colons of a valid JSON text that stand outside of its strings, in order."""
    if b"\\" in data:
        data = _ESCAPED.sub(b"", data)
    marks = np.frombuffer(data.translate(None, _OTHERS), np.uint8)
    quotes = marks == ord('"')
    return marks[~quotes & (np.cumsum(quotes, dtype=np.int64) % 2 == 0)]


def _check(data: bytes, value: Any, depth: int) -> None:
    """Raise DataError for too many levels or a name that comes twice, exactly."""
    marks = _outside_strings(data)
    colon = marks == ord(":")
    brackets = marks[~colon]
    # The second bit is set in "[" and "{", and not in "]" and "}".
    levels = int(np.cumsum((brackets & 2).astype(np.int8) - 1, dtype=np.int64).max()) if len(brackets) else 0
    if levels > depth:
        raise DataError(
            f"this JSON has {levels} arrays and objects within each other", fix=f"At most {depth} are taken."
        )
    objects = int(np.count_nonzero(marks == ord("{")))
    if objects and _names(value, objects) != int(np.count_nonzero(colon)):
        raise DataError(
            f"an object of this JSON has the name {_twice(data)!r} twice", fix="Give each name once."
        )


def _twice(data: bytes) -> str:
    """The first name that an object has twice."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
            seen.add(name)

    json.loads(data, object_pairs_hook=look)
    return found[0][:100]
