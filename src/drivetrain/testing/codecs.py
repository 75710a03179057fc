"""The contract of a codec as one call: `check_codec(Category(), ["cat", "dog", "cat"])`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.codecs.base import Codec, from_spec
from drivetrain.errors import DrivetrainError
from drivetrain.files import from_json, to_json
from drivetrain.ragged import Column, Ragged
from drivetrain.types import Array


def check_codec(codec: Codec, values: Sequence[Any]) -> Codec:
    """Show that a codec keeps its contract on these raw values, and give it fitted to them.

    `codec` may be fitted or not; `values` are training values that it must accept. Raises AssertionError that
    says what does not hold, and for which value.
    """
    assert len(values), "check_codec needs some values"
    fitted = _check_fit(codec, values)
    _check_shape(fitted)
    for each in (codec, fitted):
        _check_spec(each)
        _check_frozen(each)
        _check_schema(each)
    encoded = [_check_value(fitted, f"value {place}", raw) for place, raw in enumerate(values)]
    for name, raw in fitted.nasty_examples():
        _check_value(fitted, f"nasty example {name!r}", raw)
    _check_column(fitted, values, encoded)
    _check_profile(fitted, encoded)
    _check_decode(fitted)
    return fitted


def _check_shape(codec: Codec) -> None:
    assert None not in codec.shape[1:], f"only the first axis may be None, not those of {codec.shape}"
    assert not codec.varies or codec.longest >= 1, f"the longest row is {codec.longest}"


def _check_fit(codec: Codec, values: Sequence[Any]) -> Codec:
    before = codec.spec()
    fitted = codec.fit(iter(values))
    assert codec.spec() == before, f"fit changed the codec that it was called on: {before} -> {codec.spec()}"
    assert type(fitted) is type(codec), f"fit gave a {type(fitted).__name__}, not a {type(codec).__name__}"
    assert fitted == codec or fitted is not codec, "fit learned something, but gave no new object"
    for field in dataclasses.fields(codec):  # type: ignore[arg-type]
        given, kept = getattr(codec, field.name), getattr(fitted, field.name)
        by_user = given != field.default
        assert not by_user or kept == given, f"fit replaced the user's {field.name}={given!r} by {kept!r}"
    again = fitted.fit(iter(values))
    assert again == fitted, f"fitting twice changes the codec: {fitted.spec()} -> {again.spec()}"
    return fitted


def _check_spec(codec: Codec) -> None:
    spec = codec.spec()
    text = _json(spec, "spec")
    assert spec.get("op") == codec.op, f"the spec's op is {spec.get('op')!r}, the codec's {codec.op!r}"
    again = from_spec(from_json(text))
    assert again == codec, f"the codec read from its own spec differs: {spec} -> {again.spec()}"
    assert to_json(again.spec()) == text, f"the spec changes on its way through JSON: {text}"
    assert hash(again) == hash(codec), "equal codecs have different hashes"


def _check_frozen(codec: Codec) -> None:
    for field in dataclasses.fields(codec):  # type: ignore[arg-type]
        try:
            setattr(codec, field.name, getattr(codec, field.name))
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(f"the field {field.name} can be set: make the codec a frozen dataclass")


def _check_schema(codec: Codec) -> None:
    schema = codec.schema()
    _json(schema, "schema")
    kinds = {"string", "number", "integer", "boolean", "array", "object", "null"}
    kind = schema.get("type")
    named = set(kind) if isinstance(kind, list) else {kind}
    assert named <= kinds or {"enum", "oneOf", "anyOf"} & schema.keys(), (
        f"the schema has no JSON type: {schema}"
    )


def _check_value(codec: Codec, name: str, raw: Any) -> Array:
    """Read, encode and carry one raw value as bytes; its encoded array."""
    try:
        value = codec.read(raw)
        unread = _copy(value)
        encoded = codec.encode(value)
        again = codec.encode(value)
    except DrivetrainError as fault:
        raise AssertionError(f"{name} is refused: {fault}") from fault
    assert _same(value, unread), f"encode changed what was read of {name}"
    assert isinstance(encoded, np.ndarray), f"{name} encodes to a {type(encoded).__name__}, not an array"
    assert encoded.dtype == codec.dtype, f"{name} encodes to {encoded.dtype}, the codec says {codec.dtype}"
    shape = (None, *encoded.shape[1:]) if codec.varies else encoded.shape
    assert shape == codec.shape, f"{name} encodes to shape {encoded.shape}, the codec says {codec.shape}"
    assert not codec.varies or len(encoded) <= codec.longest, f"{name} is longer than the codec's longest"
    assert _same(encoded, again), f"{name} encodes differently the second time"
    assert not _shared(encoded, value), f"{name} encodes to memory shared with what was read: copy it"
    assert not _shared(encoded, again), f"{name} encodes to the same memory each time: make a new array"
    assert _same(codec.read(raw), unread), f"{name} reads differently the second time"
    assert _same(codec.encode_raw(raw), encoded), f"{name} encodes differently by encode_raw"
    rebuilt = from_spec(codec.spec())
    assert _same(rebuilt.encode(rebuilt.read(raw)), encoded), (
        f"{name} encodes differently after a spec round trip"
    )
    _check_bytes(codec, name, raw, unread)
    return encoded


def _check_bytes(codec: Codec, name: str, raw: Any, value: Any) -> None:
    """Bytes read the same, or, where a codec reduces what is too large for a golden case, they change no more."""
    data = codec.to_bytes(raw)
    assert isinstance(data, bytes), f"to_bytes of {name} is a {type(data).__name__}"
    restored = codec.read(codec.from_bytes(data))
    reduced = isinstance(value, np.ndarray) and value.size > np.size(restored)
    assert reduced or _same(restored, value), f"{name} reads differently after to_bytes and from_bytes"
    again = codec.to_bytes(codec.from_bytes(data))
    assert _same(codec.read(codec.from_bytes(again)), restored), (
        f"{name} changes with each to_bytes and from_bytes"
    )


def _check_column(codec: Codec, values: Sequence[Any], encoded: list[Array]) -> None:
    """A whole column encodes as its values do, one of which can't be encoded; that one's row is zeros."""
    column = np.empty(2 * len(values) + 2, object)
    for row, raw in enumerate((*values, *values)):
        column[row] = raw
    column[-2:] = b""  # No codec can read it.
    array, errors = codec.encode_column(column)
    assert _column_shape(array) == (len(column), *codec.shape), f"a column encodes to {_column_shape(array)}"
    assert array.dtype == codec.dtype, f"a column encodes to {array.dtype}, the codec says {codec.dtype}"
    for row, want in enumerate((*encoded, *encoded)):
        assert _same(array[row], want), f"value {row % len(values)} encodes differently in a column"
    last = [len(column) - 2, len(column) - 1]
    assert sorted(errors) == last, f"the rows in error are {sorted(errors)}, not {last}"
    assert errors[last[0]] is not errors[last[1]], "rows share one error, which can be at one place only"
    assert not any(array[row].any() or (codec.varies and len(array[row])) for row in last), (
        "a row in error is not zeros, or not empty where rows are of different lengths"
    )
    empty, errors = codec.encode_column(column[:0])
    assert _column_shape(empty) == (0, *codec.shape), (
        f"a column without rows encodes to {_column_shape(empty)}"
    )


def _column_shape(column: Column) -> tuple[int | None, ...]:
    if isinstance(column, Ragged):
        return (len(column), None, *column.values.shape[1:])
    return column.shape


def _check_profile(codec: Codec, encoded: list[Array]) -> None:
    rows = codec.together(encoded)
    for some in (rows[:0], rows[:1], rows):
        _json(codec.profile(some), f"profile of {len(some)} rows")
    assert codec.profile(rows) == codec.profile(codec.together(encoded)), "the profile is not deterministic"


def _check_decode(codec: Codec) -> None:
    """A plausible output (shares that sum to one, or a number) decodes to JSON; an input-only codec says so."""
    try:
        shape = codec.output_shape
    except DrivetrainError:
        try:
            codec.decode(np.zeros((), np.float32))
        except DrivetrainError:
            return
        raise AssertionError("decode works, but output_shape says that there is nothing to decode") from None
    output = np.arange(1, 1 + np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    output = (output / output.sum()).astype(np.float32)
    before = output.copy()
    decoded = codec.decode(output)
    assert isinstance(decoded, dict), f"decode gives a {type(decoded).__name__}, not a dict"
    assert from_json(_json(decoded, "decoded output")) == decoded, (
        f"the decoded output is not plain JSON: {decoded}"
    )
    assert _same(output, before), "decode changed the output"


def _json(value: Any, what: str) -> str:
    try:
        return to_json(value)
    except (TypeError, ValueError) as fault:
        raise AssertionError(f"the {what} is not JSON ({fault}): {value}") from fault


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        return bool(a.dtype == b.dtype and a.shape == b.shape and ((a == b) | ((a != a) & (b != b))).all())
    return bool(type(a) is type(b) and (a == b or (a != a and b != b)))


def _shared(a: Any, b: Any) -> bool:
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.shares_memory(a, b)
