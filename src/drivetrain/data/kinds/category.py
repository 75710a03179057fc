"""Columns of categories: text, codes, yes or no; a target that is one of several classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.category import Category
from drivetrain.data.cell_text import Texts
from drivetrain.data.faults import Fault
from drivetrain.data.groups import Named
from drivetrain.data.kinds.base import (
    CATEGORY,
    ENOUGH,
    IGNORED,
    MANY,
    MOST_LEVELS,
    MOSTLY,
    YES_NO,
    ColumnContext,
    ColumnKind,
    gap_faults,
    levels_codec,
    place_of,
    refuse_unlearnable,
    refuse_unusable,
    unfit,
)  # fmt: skip
from drivetrain.data.kinds.few_numbers import asked, is_few_numbers
from drivetrain.data.kinds.rows import names_rows
from drivetrain.data.read.columns import Column
from drivetrain.errors import DataError
from drivetrain.types import Array
from drivetrain.values import as_text

FEW = 50
"""A column of more different values than this has many categories."""
MOST_CLASSES = 1_000
_YES_NO = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_UNITS = (
    r"^[+-]?[0-9][0-9.,]*\s*(?:[%‰]|°C|°F|[kmc]?m|[kmµ]?g|lbs?|[kM]?B|GB|m?[lL]|\p{Sc}|ft|in|h|min|ms|s)$"
)


def category(seen: ColumnContext, why: str = "") -> ColumnKind:
    """The column as a category, whatever else it could be."""
    column = seen.column
    kind = MANY if column.different > FEW else CATEGORY
    if column.kind == "bool" or _is_yes_no(column):
        kind = YES_NO
    numbers = seen.numbers if column.is_text and column.may_be_numbers and not why else None
    if numbers is not None and 0.5 <= numbers.share < MOSTLY:
        why = f"only {numbers.share:.0%} of the cells are numbers: "
    faults = (*spellings(seen), *_units(seen))
    return seen.is_(kind, why + seen.levels(), levels_codec(seen), faults)


def _units(seen: ColumnContext) -> Iterator[Fault]:
    """Numbers of several units, which can't be compared and are read as text."""
    sample = seen.column.sample
    if (
        seen.column.kind != "text"
        or not len(sample)
        or sample.str.contains(_UNITS).sum() < MOSTLY * len(sample)
    ):
        return
    units = sample.str.extract(r"([^0-9.,\s+-]+)$", 1).drop_nulls().value_counts(sort=True)
    if len(units) > 1:
        told = " and ".join(map(repr, units[units.columns[0]][:2].to_list()))
        message = f"{seen.name!r}: cells such as {sample[0]!r:.60} are numbers of several units ({told}), and read as text."
        yield Fault("units", "warning", message, [], "Bring them to one unit to have numbers.")


def _is_yes_no(column: Column) -> bool:
    if column.different != 2:
        return False
    return {str(value).lower() for value in column.known.unique().to_list()} in _YES_NO


def spellings(seen: ColumnContext) -> Iterator[Fault]:
    """Values that are one though they are written in several ways, and such as differ in case only."""
    if seen.column.kind != "text" or seen.column.different > MOST_LEVELS:
        return
    if merged := [" = ".join(map(repr, texts)) for texts in seen.column.merged.values()]:
        message = (
            f"{seen.name!r}: written in more than one way and taken for one: {len(merged):,} of the values."
        )
        yield Fault("same values", "note", message, merged, "Write them in one way; 02139 and 2139 are two.")
    groups: dict[str, list[str]] = {}
    for value in seen.column.counts["value"].to_list():
        groups.setdefault(" ".join(value.lower().split()), []).append(value)
    alike = [" = ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    if alike:
        message = f"{seen.name!r}: written in more than one way: {len(alike):,} of the values."
        yield Fault("spellings", "warning", message, alike, "Write them alike where they mean the same.")


def unread(seen: ColumnContext, what: str, reason: str, fix: str) -> ColumnKind:
    """Cells that no one way reads: text as it stands, of no use where it differs in nearly every row. `what` names the
    fault."""
    if names_rows(seen):
        fault = Fault(what, "warning", f"{seen.name!r} is left out: {reason}.", [], fix)
        return seen.is_(IGNORED, reason, faults=[fault])
    found = category(seen, f"{reason}: ")
    fault = Fault(what, "warning", f"{seen.name!r}: {reason}; they are read as text.", [], fix)
    return replace(found, faults=(*found.faults, fault))


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_unusable(seen, word)
    if seen.column.kind == "list":
        raise unfit(seen, word, "it holds lists")
    return category(seen)


def guess_target(seen: ColumnContext) -> ColumnKind:
    """What is learned as classes: all that is no number, and few numbers that look like names."""
    found = target(seen)
    return asked(seen, found) if is_few_numbers(seen.column) else found


def target(seen: ColumnContext) -> ColumnKind:
    """The column as the classes to choose from. Raises DataError where they can't be learned."""
    refuse_unlearnable(seen)
    column, place = seen.column, place_of(seen)
    different = column.different
    if different > MOST_CLASSES:
        raise DataError(
            f"the target has {different:,} classes, and {MOST_CLASSES:,} are the most.",
            where=place,
            fix="Choose another target, or join the rare classes.",
        )
    if different > ENOUGH and different * 2 > column.present:
        raise DataError(
            f"the target has {different:,} classes in {column.present:,} rows: most have one row only.",
            where=place,
            fix="Choose another target, or join the rare classes.",
        )
    top, count = column.counts.row(0)
    usual = as_text(top, "class")
    reason = f"{seen.levels()}; the most frequent, {usual!r:.60}, in {count / column.present:.1%}"
    faults = [*spellings(seen), *gap_faults(seen, np.flatnonzero(column.missing.to_numpy()))]
    return ColumnKind(seen.name, CATEGORY, reason, Category(), tuple(faults))


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.classes()


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    """A level that is no class of its own is told with what became of it: "Astronaut (other)"."""
    classes = cast("Category", codec).classes
    absent = len(classes) + 1
    return [
        classes[code] if code < len(classes) else None if code == absent else f"{value} (other)"
        for code, value in zip(encoded.tolist(), raw)
    ]


def spread(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return cell_texts(codec, encoded, raw)


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    category = cast("Category", codec)
    names = [f"= {name}" for name in category.classes]
    yield ([*names, "= another one", "is missing"] if category.open else names), encoded.astype(np.int64)


def amounts(codec: Codec, encoded: Array) -> Array:
    """(n, classes): 0 and 1."""
    classes, codes = np.unique(encoded, return_inverse=True)
    return np.eye(len(classes))[codes]


WORDS = (CATEGORY, MANY, YES_NO)
RULES = ((80, category),)
TARGET_RULES = ((80, guess_target),)
