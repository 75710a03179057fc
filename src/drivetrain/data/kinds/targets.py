"""What a target is. A category where it is text, has at most two values, or at most 20 whole ones that look like names of
classes; else a number. Of few whole numbers both readings are told, for nothing but what they mean decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from drivetrain.codecs.category import Category
from drivetrain.data.checks.far_values import has_far_values
from drivetrain.data.checks.faults import Fault
from drivetrain.data.kinds.number import figure, has_codes, two_ways
from drivetrain.data.kinds.text import spellings
from drivetrain.data.kinds.told import as_
from drivetrain.data.kinds.types import (
    CATEGORY,
    ENOUGH,
    MANY,
    MOSTLY,
    NUMBER,
    SHOWN,
    YES_NO,
    ColumnKind,
    Seen,
    words_of,
)
from drivetrain.data.read.columns import Column
from drivetrain.errors import DataError, UsageError
from drivetrain.interface import column_option, missing_option
from drivetrain.types import Array
from drivetrain.values import as_text

FEW_NUMBERS = 20
"""A target of at most so many different whole numbers, each twice or more on average, is a category."""
MOST_CLASSES = 1_000
LEAST_LEVELS, PEAKED = 6, 3
"""A scale has so many levels or more, and its most frequent one is so many times as frequent as its ends."""
_SCALE = re.compile(
    "quality|qual|ratings?|scores?|stars?|grades?|ranks?|levels?|counts?|cnt|age|rings|points|severity|stage"
    "|satisfaction|likelihood|children|rooms|bedrooms|visits|days|years|hours|times|cylinders",
    re.IGNORECASE,
)
_CLASS = re.compile("class|group|type|code|label|cluster|category|id|bin|range", re.IGNORECASE)


def as_target(seen: Seen, told: str) -> ColumnKind:
    """The kind of a target. Raises DataError where it can't be learned."""
    column = seen.column
    place = f"{seen.origins.name}, column {seen.name}"
    if told not in ("", NUMBER, CATEGORY, YES_NO, MANY):
        raise UsageError(
            f"a target can't be {told} yet.",
            where=place,
            fix=f"It is a {NUMBER} or a {CATEGORY}.",
        )
    if column.kind in ("list", "date", ""):
        what = {"list": "lists", "date": "dates"}.get(column.kind, column.type_name)
        raise DataError(f"the target holds {what}.", where=place, fix=f"Make it a {NUMBER} or a {CATEGORY}.")
    if column.different < 2:
        what = f"one value only, {column.known[0]!r:.60}" if column.different else "no value at all"
        raise DataError(f"the target has {what}.", where=place, fix="To learn takes two or more.")
    if not told and (ways := two_ways(seen)):
        raise DataError(
            f"the target's numbers are written in two ways, such as {ways}.",
            where=place,
            fix="Write all of them with the same decimal mark.",
        )
    amount = told == NUMBER or (not told and _is_amount(column))
    scale = not told and not amount and _is_scale(seen.name, column)
    found = _number_target(seen, bool(told)) if amount or scale else _category_target(seen, bool(told), place)
    return _asked(seen, found) if scale or (not told and _is_few_numbers(column)) else found


def _is_amount(column: Column) -> bool:
    """True for a target that is a number, and not a category of few numbers or of codes."""
    if (
        column.kind not in ("text", "number")
        or column.numbers.share < MOSTLY
        or has_codes(column)
        or column.rounded
    ):
        return False
    return column.numbers.different > 2 and not _is_few_numbers(column)


def _is_few_numbers(column: Column) -> bool:
    """True for whole numbers of which there are few and more than two: they may count or grade, or be names of classes."""
    if column.kind not in ("text", "number") or column.numbers.share < MOSTLY or has_codes(column):
        return False
    numbers = column.numbers
    few = 2 < numbers.different <= FEW_NUMBERS and numbers.different * 2 <= len(numbers.finite)
    return few and numbers.whole and not column.rounded


def _is_scale(name: str, column: Column) -> bool:
    """True for few whole numbers that are a scale or a count: their name says so, or they follow each other without a gap
    and are less and less frequent from the most frequent one on, as names of classes are only by chance."""
    if not _is_few_numbers(column):
        return False
    values, counts = np.unique(column.numbers.finite, return_counts=True)
    words = words_of(name)
    if any(map(_CLASS.fullmatch, words)):
        return False
    if any(map(_SCALE.fullmatch, words)):
        return True
    if len(values) < LEAST_LEVELS or values[-1] - values[0] + 1 != len(values):
        return False
    mode = int(np.argmax(counts))
    steps = np.diff(counts) * np.where(np.arange(len(counts) - 1) < mode, 1, -1)
    by_chance = 2 * np.sqrt(counts[1:] + counts[:-1])
    ends = counts[-1] if mode == 0 else max(counts[0], counts[-1])
    return bool((steps >= -by_chance).all() and ends * PEAKED <= counts[mode])


def _asked(seen: Seen, found: ColumnKind) -> ColumnKind:
    """The kind of few whole numbers, with both readings and what decides."""
    numbers = seen.column.numbers
    low, high = figure(numbers.finite.min()), figure(numbers.finite.max())
    what = f"{numbers.different} whole numbers from {low} to {high}"
    if found.kind == NUMBER:
        taken, other, option = (
            "a number, for they look like a scale",
            "classes",
            column_option(seen.name, CATEGORY),
        )
    else:
        taken, other, option = "classes, without an order", "a number", column_option(seen.name, NUMBER)
    message = f"The target {seen.name!r} has {what}: they are taken for {taken}."
    fault = Fault("number or classes", "warning", message, [], f"If they are {other}, say {option}.")
    reason = f"{found.reason}; taken for {taken} ({other}: {option})"
    return replace(found, reason=reason, faults=(fault, *found.faults))


def _number_target(seen: Seen, told: bool) -> ColumnKind:
    found = as_(seen, NUMBER)
    numbers = seen.numbers
    if numbers.different < 2:
        place = f"{seen.origins.name}, column {seen.name}"
        raise DataError("the target has fewer than two different numbers.", where=place, fix="Name another.")
    reason = found.reason.partition("; ")[0]
    gaps = _gaps(seen, np.flatnonzero(np.isnan(numbers.values)))
    faults = tuple(
        replace(fault, message=fault.message.replace("they count as missing", "the rows are left out"))
        for fault in found.faults
    )
    told_so = "as told: " if told else ""
    codec = numbers.way
    if has_far_values(numbers.finite):  # One of them would make the scale, and all others one value on it.
        codec, reason = replace(codec, scaling="robust"), f"{reason}; some lie far out: scaled by quartiles"
    return ColumnKind(seen.name, NUMBER, told_so + reason, codec, (*faults, *gaps))


def _category_target(seen: Seen, told: bool, place: str) -> ColumnKind:
    column = seen.column
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
    faults = [*spellings(seen), *_gaps(seen, np.flatnonzero(column.missing.to_numpy()))]
    return ColumnKind(seen.name, CATEGORY, ("as told: " if told else "") + reason, Category(), tuple(faults))


def _gaps(seen: Seen, rows: Array) -> Iterator[Fault]:
    """Rows that have no target."""
    if len(rows):
        holds = [
            value for value in dict.fromkeys(seen.column.values[rows[:1000].tolist()].to_list()) if value
        ]
        words = f" (or {' or '.join(map(repr, holds[:3]))})" if holds else ""
        message = f"The target {seen.name!r} has no value{words} in {len(rows):,} of {len(seen.column):,} rows: they are left out."
        where = [seen.origins[row] for row in rows[:SHOWN].tolist()]
        fix = "Fill them in where the value is known"
        if holds and not seen.column.given:
            fix += f", or with {missing_option('', seen.name)} take words for 'missing' as they are"
        yield Fault("target gaps", "warning", message, where, fix + ".")
