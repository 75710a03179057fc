"""Targets of few whole numbers: they may count or grade, or be names of classes. Both readings are told, for nothing but
what they mean decides.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from drivetrain.data.faults import Fault
from drivetrain.data.kinds.base import (
    CATEGORY,
    MOSTLY,
    NUMBER,
    ColumnContext,
    ColumnKind,
    has_codes,
    words_of,
)
from drivetrain.data.read.columns import Column
from drivetrain.figures import grouped
from drivetrain.interface import column_option

FEW_NUMBERS = 20
"""A target of at most so many different whole numbers, each twice or more on average, is a category."""
LEAST_LEVELS, PEAKED = 6, 3
"""A scale has so many levels or more, and its most frequent one is so many times as frequent as its ends."""
_SCALE = re.compile(
    "quality|qual|ratings?|scores?|stars?|grades?|ranks?|levels?|counts?|cnt|age|rings|points|severity|stage"
    "|satisfaction|likelihood|children|rooms|bedrooms|visits|days|years|hours|times|cylinders",
    re.IGNORECASE,
)
_CLASS = re.compile("class|group|type|code|label|cluster|category|id|bin|range", re.IGNORECASE)


def is_few_numbers(column: Column) -> bool:
    """True for whole numbers of which there are few and more than two: they may count or grade, or be names of classes."""
    if column.kind not in ("text", "number") or column.numbers.share < MOSTLY or has_codes(column):
        return False
    numbers = column.numbers
    few = 2 < numbers.different <= FEW_NUMBERS and numbers.different * 2 <= len(numbers.finite)
    return few and numbers.whole and not column.rounded


def is_scale(name: str, column: Column) -> bool:
    """True for few whole numbers that are a scale or a count: their name says so, or they follow each other without a gap
    and are less and less frequent from the most frequent one on, as names of classes are only by chance."""
    if not is_few_numbers(column):
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


def asked(seen: ColumnContext, found: ColumnKind) -> ColumnKind:
    """The kind of few whole numbers, with both readings and what decides."""
    numbers = seen.column.numbers
    low, high = grouped(numbers.finite.min()), grouped(numbers.finite.max())
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
