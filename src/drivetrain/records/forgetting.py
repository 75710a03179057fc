"""Whose rows are not to be kept: told apart by a keyed digest, so that the list of those who were forgotten names nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

from drivetrain.errors import UsageError
from drivetrain.records import words
from drivetrain.records.frames import Line

Place = tuple[str, str, str]
"""Model ("": any), input ("": the key) and digest."""


class Forgetting:
    """Those who were forgotten, by rows of (model, field, digest, time); false where nobody was."""

    def __init__(self, salt: bytes, rows: Iterable[tuple[Any, ...]]) -> None:
        self._salt = salt
        self._until: dict[tuple[str, str], dict[str, int]] = {}
        for model, field, digest, until in rows:
            self._until.setdefault((model, field), {})[digest] = until
        self.dropped: dict[Place, int] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def drops(self, line: Line) -> bool:
        """Whether a record is of one of them, and was answered before they were forgotten; it is counted then."""
        inputs: Mapping[str, Any] | None = None
        for (model, field), until in self._until.items():
            if model not in ("", line.model):
                continue
            if field and inputs is None:
                inputs = _inputs(line.inputs)
            texts = (
                said(inputs.get(field)) if field and inputs else [line.key] if line.key and not field else []
            )
            for text in texts:
                digest = digest_of(self._salt, text)
                if line.time <= until.get(digest, -1):
                    place = (model, field, digest)
                    self.dropped[place] = self.dropped.get(place, 0) + 1
                    return True
        return False


def whose(key: str | None, inputs: tuple[str, str] | None) -> tuple[str, str]:
    """Input ("": the key) and value by which somebody is found. Raises UsageError where it is neither, or both."""
    if (key is None) == (inputs is None):
        raise UsageError(
            "whose rows?", where="forget", fix="Give a key, or an input and its value: one of the two."
        )
    return ("", key) if inputs is None else inputs  # type: ignore[return-value]


def digest_of(salt: bytes, value: str) -> str:
    return hashlib.blake2b(value.encode("utf-8", "backslashreplace"), key=salt, digest_size=16).hexdigest()


def matches(inputs: str | None, name: str, value: str) -> bool:
    """Whether an input, of those as JSON, has a value, as text."""
    return value in said(_inputs(inputs).get(name))


def _inputs(text: str | None) -> Mapping[str, Any]:
    found = None if text is None else words.loads(text)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def said(value: Any) -> list[str]:
    """The texts that a recorded value is called by: digits of a number, each of several tags, a file's SHA-256."""
    if isinstance(value, list):
        return [text for each in cast("list[Any]", value) for text in said(each)]
    if isinstance(value, Mapping):
        digest = cast("Mapping[str, Any]", value).get("sha256")
        return [digest] if isinstance(digest, str) else []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [] if value is None else [str(value)]
