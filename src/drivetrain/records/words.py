"""JSON that keeps what it is given: NUL, halves of letters, numbers that are none.

JSON has no NaN. A float that is no finite number is written `{"$number": "nan"}`, "inf" or "-inf", and bytes `{"$bytes":
BASE64}`; an object with such a key, which nothing here makes otherwise, is read as that. What UTF-8 doesn't have, half of a
surrogate pair, is escaped, as RFC 8259 (section 8.2) allows. orjson does the work where it is installed, many times as fast.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from drivetrain.values import scalar

try:
    import orjson
except ModuleNotFoundError:
    orjson = None

NUMBER, BYTES = "$number", "$bytes"
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def dumps(value: Any) -> bytes:
    """The value as JSON in UTF-8."""
    if orjson is not None:
        try:
            text = orjson.dumps(value)
            # orjson writes null for NaN: where there is one, somebody has to look.
            return text if b"null" not in text else orjson.dumps(plain(value))
        except TypeError:
            pass
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError):
        return json.dumps(plain(value), allow_nan=False, separators=(",", ":")).encode()


def loads(text: str) -> Any:
    """What `dumps` was given. Raises ValueError for what is no JSON."""
    # orjson takes no half of a surrogate pair.
    found = json.loads(text) if orjson is None or "\\ud" in text else orjson.loads(text)
    return _restored(found) if '"$' in text else found


def plain(value: Any) -> Any:
    """The value of what JSON has."""
    value = scalar(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {NUMBER: repr(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {BYTES: base64.b64encode(cast("bytes", value)).decode()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in cast("list[Any]", value)]
    return str(value)


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    if len(found) == 1:
        ((name, only),) = found.items()
        if name == NUMBER and only in _NUMBERS:
            return _NUMBERS[only]
        if name == BYTES and isinstance(only, str):
            return base64.b64decode(only)
    return {name: _restored(each) for name, each in found.items()}
