"""Mappings and lists as YAML that people read: blocks, and texts in quotes where YAML would take them for something else."""

from __future__ import annotations

import json
import re
from typing import Any, cast

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
"""What some readers of YAML take for no text."""


def as_yaml(*documents: Any) -> str:
    """Documents of dicts, lists, texts, numbers, booleans and None, one after the other."""
    return "---\n".join("".join(f"{line}\n" for line in _lines(document)) for document in documents)


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [
            line
            for key, inner in cast("dict[str, Any]", value).items()
            for line in _entry(f"{_text(key)}:", inner)
        ]
    if isinstance(value, list) and value:
        return [line for inner in cast("list[Any]", value) for line in _item(inner)]
    return [_scalar(value)]


def _entry(key: str, inner: Any) -> list[str]:
    found = _lines(inner)
    if not (isinstance(inner, (dict, list)) and inner):
        return [f"{key} {found[0]}"]
    return [key, *(f"  {line}" for line in found)]


def _item(inner: Any) -> list[str]:
    first, *others = _lines(inner)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _scalar(value: Any) -> str:
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    """Quoted as JSON, which YAML reads, unless it is a plain word."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)
