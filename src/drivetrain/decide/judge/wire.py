"""Dataclasses as JSON and back, by their types: what a file says is looked at before anything is made of it."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from drivetrain.errors import DataError

T = TypeVar("T")


def to_wire(value: Any) -> Any:
    """As JSON values: dataclasses by their fields, tuples as lists, what is no finite number as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_wire(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_wire(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [to_wire(each) for each in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_wire(kind: type[T], value: Any, where: str) -> T:
    """A dataclass of what `to_wire` made. Raises DataError that names the key where that can't be. Keys that it doesn't know are
    those of a newer version, and passed over; null where a number must be is nan."""
    return cast("T", _made(kind, value, where))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _of_union(inner, value, where)
    if dataclasses.is_dataclass(kind):
        return _of_fields(cast("type[Any]", kind), value, where)
    if origin is Literal:
        if value in inner:
            return value
    elif origin is tuple:
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return tuple(_made(inner[0], each, f"{where}[{at}]") for at, each in enumerate(items))
    elif origin is not None and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value)
            return {str(name): _made(inner[1], each, f"{where}.{name}") for name, each in named.items()}
    elif kind is float:
        if value is None:
            return math.nan
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise DataError(
        "this isn't what a decision has here.", where=where, fix="Make the decision anew from its plan."
    )


def _of_fields(kind: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise DataError("an object is missing here.", where=where)
    given, hints = cast("Mapping[str, Any]", value), _hints(kind)
    made: dict[str, Any] = {}
    for each in dataclasses.fields(kind):
        if each.name in given:
            made[each.name] = _made(hints[each.name], given[each.name], f"{where}.{each.name}")
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise DataError(f"there is no {each.name!r} in it.", where=where)
    return kind(**made)


def _of_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    fault: DataError | None = None
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _made(kind, value, where)
        except DataError as this:
            fault = this
    raise fault or DataError("null isn't expected here.", where=where)
