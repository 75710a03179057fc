"""Strict JSON agrees with the standard library's reader wherever that is strict, and refuses the rest."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivetrain.errors import DataError
from drivetrain.serve import strict_json

_BAD = [
    b"", b" ", b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"[-1e999]", b'{"a":1,"a":2}',
    b'{"a" :1,"a"\t:2}', b'[{"b":{"a":1,"a":1}}]',
    b'{"a":1,"a":2,"b":"\\u003a"}', b'{"\\u0061":1,"a":2}', b'{":":1,":":2}', b'{"a":":","a":2}', b'{"a{":1,"a{":2}',
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"',
    b'"\xff"', b"\xef\xbb\xbf{}", b"{}{}", b"[1,]", b"01", b"'a'", b"{a:1}", b'"\x00"', b"[1]\x00", b"\x00", b"// a\n1",
    b"[" * 101 + b"]" * 101, b'{"a":' * 101 + b"1" + b"}" * 101,
    b"[" * 500_000, b'{"a":' * 500_000, b"[" * 500_000 + b"]" * 500_000,
    b'["[[["' + b",[" * 100 + b"]" * 101,
]  # fmt: skip


@pytest.mark.parametrize("text", _BAD, ids=lambda text: repr(text[:30]))
def test_what_is_no_json_is_refused(text: bytes):
    with pytest.raises(DataError):
        strict_json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100 + b"]" * 100,
        b'"' + b"[{" * 500 + b'"',
        b'["' + b'[{\\"' * 500 + b'", 1]',
        b"[" + b"[],".join([b""] * 500) + b"[]]",
        b'{"when":"12:30:00","a":{"b":"{:"}}',
        b'{"a":"\\":","b":"\\\\"}',
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_only_looks_bad_is_read(text: bytes):
    assert strict_json.loads(text) == json.loads(text)


def test_the_name_that_comes_twice_is_told():
    with pytest.raises(DataError, match="name 'b' twice"):
        strict_json.loads(b'{"a":{"x:":1},"c":[{"b":1,"b":2}]}')


class _Twice(Exception):
    pass


def _exact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Twice
    return dict(pairs)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(one) for one in value), default=0)
    return 0


def _reference(text: bytes, depth: int) -> Any:
    """The standard library's reader, made strict the slow and plain way."""

    def refuse(word: str) -> float:
        raise ValueError(word)

    def number(word: str) -> float:
        value = float(word)
        if math.isinf(value):
            raise ValueError(word)
        return value

    value = json.loads(text.decode(), object_pairs_hook=_exact, parse_constant=refuse, parse_float=number)
    json.dumps(value, ensure_ascii=False).encode()  # Lone surrogates can't be encoded.
    if _depth(value) > depth:
        raise ValueError("deep")
    return value


class _Pairs(list):
    """An object as its names and values, so that a name can come twice."""


_WORDS = st.sampled_from(
    ["{", "}", "[", "]", ":", ",", '"', '"a"', '"b"', '"a":', '"a" :', '":"', '"{"', '"\\""', "\\", " ",
     "1", "-0", "1e3", "null", "true", "é"]
)  # fmt: skip
_NAMES = st.sampled_from(["a", "b", ":", "{", "[", '"', "\\", "a:", '":', "é", ""])
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _NAMES,
    lambda inside: st.lists(inside, max_size=4) | st.lists(st.tuples(_NAMES, inside), max_size=4).map(_Pairs),
    max_leaves=20,
)


def _written(value: Any, between: str) -> str:
    if isinstance(value, _Pairs):
        return (
            "{"
            + ",".join(f"{json.dumps(name)}{between}:{_written(one, between)}" for name, one in value)
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(_written(one, between) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _agree(text: bytes, depth: int) -> None:
    try:
        wanted = _reference(text, depth)
    except (ValueError, _Twice, RecursionError):
        with pytest.raises(DataError):
            strict_json.loads(text, depth=depth)
    else:
        assert strict_json.loads(text, depth=depth) == wanted


@settings(max_examples=300, deadline=None)
@given(_VALUES, st.sampled_from(["", " ", "\n\t"]), st.integers(1, 6))
@example(_Pairs([("a", 1), ("a", 2)]), " ", 3)
def test_it_agrees_with_the_plain_way_on_values(value: Any, between: str, depth: int):
    _agree(_written(value, between).encode(), depth)


@settings(max_examples=300, deadline=None)
@given(st.lists(_WORDS, max_size=12).map("".join), st.integers(1, 4))
def test_it_agrees_with_the_plain_way_on_texts(text: str, depth: int):
    _agree(text.encode(), depth)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes):
    with contextlib.suppress(DataError):
        strict_json.loads(memoryview(data))


def test_the_levels_that_are_allowed_may_be_more_than_the_writer_has():
    assert strict_json.loads(b"[" * 400 + b"]" * 400, depth=1000)
