"""Arguments of the public functions against their annotations: a wrong one is a `UsageError` and no traceback from within."""

from __future__ import annotations

import builtins
import collections.abc as abc
import dataclasses
import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from drivetrain.errors import UsageError, nearest

P = ParamSpec("P")
R = TypeVar("R")

WORDS: dict[Any, str] = {
    bool: "True or False", int: "a whole number", float: "a number", str: "a text", os.PathLike: "a path",
    type(None): "None",
}  # fmt: skip
NAMED = {
    "Splitter": "a split, such as drivetrain.split.random(0.2)",
    "Codec": "a codec, such as drivetrain.Image()",
    "Hook": "an object of a class derived from drivetrain.Hook",
}
"""What a class of ours is called, and how one is had."""
OWN = ("hooks", "model")
"""Arguments that are checked where they are used, in better words than those of a type."""
MANY = {
    "a text": "texts", "a whole number": "whole numbers", "a number": "numbers", "a path": "paths",
    NAMED["Codec"]: "codecs, such as drivetrain.Image()",
    NAMED["Hook"]: "objects, each of a class derived from drivetrain.Hook",
    "a function": "functions", "something": "values",
}  # fmt: skip


def public(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which refuses arguments that it has no name for, lacks, or that are not of their annotated type."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            raise _unbound(function.__name__, signature, args, kwargs) from None
        _check(given, _hints(function))
        return function(*args, **kwargs)

    return call


def check_fields(record: Any) -> None:
    """The same for the fields of a dataclass."""
    _check(
        {field.name: getattr(record, field.name) for field in dataclasses.fields(record)},
        _hints(type(record)),
    )


def _check(given: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in hints and not fits(value, hints[name]):
            shown = f"the class {value.__name__}" if isinstance(value, type) else f"{value!r:.60}"
            raise UsageError(f"this must be {words(hints[name])}, not {shown}.", where=name)


def _unbound(
    name: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> UsageError:
    """The error for arguments that a function can't be called with."""
    kinds = inspect.Parameter
    taken = {
        key: part for key, part in signature.parameters.items()
        if key != "self" and part.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    }  # fmt: skip
    places = [key for key, part in taken.items() if part.kind is not kinds.KEYWORD_ONLY]
    unknown = [key for key in kwargs if key not in taken]
    without_name = len(args) - ("self" in signature.parameters)
    listed = f"It takes {', '.join(taken)}." if taken else "It takes none."
    if unknown:
        return UsageError(
            f"{name} has no argument {unknown[0]!r}.",
            where=unknown[0],
            fix=nearest(unknown[0], taken) or listed,
        )
    if without_name > len(places):
        return UsageError(f"{name} was given too many arguments: {without_name}.", where=name, fix=listed)
    if twice := [key for key in places[:without_name] if key in kwargs]:
        return UsageError(f"{name} was given {twice[0]} twice.", where=twice[0])
    lacking = [
        key for key, part in taken.items()
        if part.default is kinds.empty and key not in kwargs and key not in places[:without_name]
    ]  # fmt: skip
    return UsageError(f"{name} needs {', '.join(lacking)}.", where=name)


class _Names(dict[str, Any]):
    """Names in annotations; those that are imported for type checkers alone stand for anything."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        super().__init__()
        self.module = module

    def __missing__(self, name: str) -> Any:
        if name in self.module or hasattr(builtins, name):
            raise KeyError(name)
        return Any


@functools.cache
def _hints(thing: Any) -> dict[str, Any]:
    module = vars(inspect.getmodule(thing)) if isinstance(thing, type) else thing.__globals__
    found = typing.get_type_hints(thing, globalns=dict(module), localns=_Names(module))
    catches_all = {
        name for name, part in inspect.signature(thing).parameters.items()
        if part.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }  # fmt: skip
    return {name: hint for name, hint in found.items() if name not in ("return", *OWN, *catches_all)}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type. numpy's numbers are numbers, and what has no order and length is no list."""
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if hint is None or hint is type(None):
        return value is None
    if origin is float or origin is int:
        number = (int, np.integer) if origin is int else (int, float, np.integer, np.floating)
        return isinstance(value, number) and not isinstance(value, bool)
    if origin is bool:
        return isinstance(value, bool | np.bool_)
    if origin is tuple:
        wanted = parts[:1] * len(value) if isinstance(value, list | tuple) and parts[1:] == (...,) else parts
        return isinstance(value, list | tuple) and len(value) == len(wanted) and all(map(fits, value, wanted))
    if origin is abc.Mapping:
        return isinstance(value, abc.Mapping) and all(
            fits(key, parts[0]) and fits(one, parts[1]) for key, one in value.items()
        )
    if origin is abc.Sequence:
        listed = hasattr(value, "__len__") and hasattr(value, "__iter__")
        if not listed or isinstance(value, str | bytes | abc.Mapping):
            return False
        return all(fits(one, parts[0]) for one in value) if parts else True
    if origin is abc.Callable:
        return callable(value)
    return isinstance(value, origin) if isinstance(origin, type) else True


def words(hint: Any) -> str:
    """An annotated type in words."""
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        said = list(dict.fromkeys(words(part) for part in parts if part is not Any))
        return " or ".join(said) if len(said) < 3 else f"{', '.join(said[:-1])} or {said[-1]}"
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is tuple:
        return f"({', '.join(words(part) for part in parts if part is not ...)})"
    if origin is abc.Mapping:
        return f"a mapping of {_many(parts[0])} to {_many(parts[1])}"
    if origin is abc.Sequence:
        return f"a list of {_many(parts[0])}" if parts else "a list"
    if origin is abc.Callable:
        return "a function"
    if origin in WORDS:
        return WORDS[origin]
    name = getattr(origin, "__name__", "")
    return (
        "something"
        if origin is Any or not name
        else NAMED.get(name, f"a{'n' if name[0] in 'AEIOU' else ''} {name}")
    )


def _many(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_many(part) for part in typing.get_args(hint) if part is not Any))
    said = words(hint)
    return MANY.get(said, said)
