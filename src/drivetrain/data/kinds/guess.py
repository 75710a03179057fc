"""Kinds: what each column of a frame is, guessed or told, and the table that follows from it.

What is asked of a kind is in its own file of this room (see `data/kinds/base.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from drivetrain import extensions
from drivetrain.data.kinds.base import IGNORED, LEFT_OUT, ColumnContext, ColumnKind, has_codes, place_of
from drivetrain.data.read.columns import Column
from drivetrain.data.read.frame import Frame
from drivetrain.data.table import Table
from drivetrain.errors import UsageError, nearest
from drivetrain.types import Array

ROOM = "data.kinds"


def kind_words() -> dict[str, ModuleType]:
    """What a column may be called, each word with the file of its kind."""
    return {
        word: extensions.offering(file, "told") for file in _files() for word in getattr(file, "WORDS", ())
    }


def _files() -> list[ModuleType]:
    found = (extensions.find(ROOM, name) for name in extensions.names(ROOM))
    return [file for file in found if file is not None]


def _by_rules(seen: ColumnContext, which: str) -> ColumnKind:
    """What the first rule says that fits."""
    rules = sorted((rule for file in _files() for rule in getattr(file, which, ())), key=lambda rule: rule[0])
    return next(found for _, rule in rules if (found := rule(seen)))


def guess_kinds(
    frame: Frame,
    target: str | Sequence[str] = (),
    overrides: Mapping[str, str] | None = None,
    ignore: str | Sequence[str] = (),
) -> dict[str, ColumnKind]:
    """The kind of every column, in the frame's order, with the codec of those that are used.

    `overrides` says what a column is, by one of `kind_words`, and perhaps how it is written: "number:decimal-comma".
    `ignore` names columns to leave out. Raises UsageError for unknown columns and kinds, DataError where a column can't
    be what it is said to be, and where a target can't be learned.
    """
    targets, ignore = names_of(target), names_of(ignore)
    overrides = overrides or {}
    for name in (*targets, *overrides, *ignore):
        frame.column(name)
    said = {name: _said(name, kind) for name, kind in overrides.items()}
    for name in ignore:
        if name in targets:
            raise UsageError(
                f"{name!r} is the target and can't be ignored.", where="ignore", fix="Leave it there."
            )
    folder = os.path.dirname(frame.source)
    kinds: dict[str, ColumnKind] = {}
    for name in frame.columns:
        told, written = said.get(name, ("", ()))
        seen = ColumnContext(frame.column(name), frame.origins, folder, written)
        if name in targets:
            kinds[name] = as_target(seen, told)
        elif name in ignore:
            kinds[name] = seen.is_(IGNORED, "left out as asked")
        elif told:
            kinds[name] = as_told(seen, told)
        else:
            kinds[name] = guess(seen)
        kinds[name] = _knowing_gaps(seen.column, kinds[name])
    return kinds


def _said(name: str, told: str) -> tuple[str, tuple[str, ...]]:
    """The kind that a person named, and how the cells are written, where they said so. Raises UsageError."""
    kind, *written = told.split(":")
    words = kind_words()
    if kind not in words:
        codec = extensions.find("codecs", kind)
        if codec and not extensions.is_ours(codec.__name__):
            raise UsageError(
                f"{kind} can't be said of a column.", where=f"column {name}",
                fix=f"It takes a data/kinds/{kind}.py beside its codec, with WORDS and told.",
            )  # fmt: skip
        fix = nearest(kind, words) or f"There are: {', '.join(words)}."
        raise UsageError(f"there is no kind {kind!r}.", where=f"column {name}", fix=fix)
    known: Mapping[str, str] = getattr(words[kind], "WRITTEN", {})
    for word in written:
        if not any(re.fullmatch(pattern, word) for pattern in known.values()):
            fix = nearest(word, known) or (
                f"There are: {', '.join(known)}." if known else f"Say {kind} alone."
            )
            raise UsageError(f"there is no way to write a {kind} {word!r}.", where=f"column {name}", fix=fix)
    return kind, tuple(written)


def names_of(given: str | Sequence[str]) -> list[str]:
    """One name, or several."""
    return [given] if isinstance(given, str) else list(given)


def _knowing_gaps(column: Column, kind: ColumnKind) -> ColumnKind:
    """The kind, its codec with the words for "missing" that this column has, where they are not the usual ones."""
    codec: Any = kind.codec
    absent = column.absent(codec.no_value) if hasattr(codec, "absent") else None
    return kind if absent is None else replace(kind, codec=replace(codec, absent=absent))


def guess(seen: ColumnContext) -> ColumnKind:
    """The kind of an input column, by the first rule that fits."""
    return _by_rules(seen, "RULES")


def as_told(seen: ColumnContext, word: str) -> ColumnKind:
    """The column as the kind that it is said to be. Raises DataError where it can't be."""
    found = kind_words()[word].told(seen, word)
    return found if word in LEFT_OUT else replace(found, kind=word, reason=f"as told: {found.reason}")


def as_target(seen: ColumnContext, word: str) -> ColumnKind:
    """The kind of a target, as told or guessed. Raises DataError where it can't be learned."""
    if not word:
        return _by_rules(seen, "TARGET_RULES")
    words = kind_words()
    if not hasattr(words[word], "target"):
        known = dict.fromkeys(file.WORDS[0] for file in words.values() if hasattr(file, "target"))
        fix = f"It is a {' or a '.join(known)}."
        raise UsageError(f"a target can't be {word} yet.", where=place_of(seen), fix=fix)
    found = words[word].target(seen)
    return replace(found, reason=f"as told: {found.reason}")


def to_table(frame: Frame, kinds: Mapping[str, ColumnKind]) -> Table:
    """The frame as numpy columns, as their kinds say; columns that are left out are there too, where they can be.

    Numbers are float64 with NaN or int64, dates datetime64 in microseconds (UTC), texts objects with None where
    missing, tags lists, pictures absolute paths. What a codec would refuse is missing.
    """
    folder = os.path.dirname(frame.source)
    columns: dict[str, Array] = {}
    for name in frame.columns:
        column = frame.column(name)
        if column.kind or kinds[name].codec:
            columns[name] = _as_array(column, kinds[name], folder)
    notes = [kind.left_out for kind in kinds.values() if kind.left_out]
    return Table(columns, frame.origins, frame.name, frame.source, notes=(*frame.notes, *notes))


def _as_array(column: Column, kind: ColumnKind, folder: str) -> Array:
    if kind.codec is not None and (made := getattr(extensions.facet(ROOM, kind.codec), "values", None)):
        return made(column, kind.codec, folder)
    return column.numbers.column() if _is_all_numbers(column) else column.plain()


def _is_all_numbers(column: Column) -> bool:
    if column.kind == "number":
        return True
    return column.is_text and not has_codes(column) and column.present > 0 and column.numbers.share == 1
