"""Columns of numbers, and what only looks like numbers: codes, two values.

A column that holds numbers in 95 of 100 cells that are not missing is a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.base import NO_NUMBER
from drivetrain.codecs.number import Number
from drivetrain.data.cell_text import Texts
from drivetrain.data.faults import Fault
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import (
    CONSTANT,
    ENOUGH,
    MOSTLY,
    NUMBER,
    YES_NO,
    ColumnContext,
    ColumnKind,
    gap_faults,
    has_codes,
    levels_codec,
    place_of,
    places,
    refuse_most,
    refuse_unlearnable,
    refuse_unusable,
    unfit,
)  # fmt: skip
from drivetrain.data.kinds.category import category, unread
from drivetrain.data.kinds.date import moment
from drivetrain.data.kinds.far_values import has_far_values
from drivetrain.data.kinds.few_numbers import asked, is_few_numbers, is_scale
from drivetrain.data.kinds.rows import ID_NAME, guess_row_numbers, names_rows
from drivetrain.data.read.columns import Column, Numbers
from drivetrain.data.read.notation import DECIMALS, find_way, plain_texts, written_as
from drivetrain.errors import DataError
from drivetrain.figures import by_hand, grouped
from drivetrain.interface import column_option
from drivetrain.types import Array

SKEWED = 2.0
"""Beyond this skewness a number of more than 20 values is taken by its logarithm, where that at least halves it."""
FAR = 30.0
"""A number this many standard deviations (by quartiles) from the middle one makes the scaling robust."""


def guess_number(seen: ColumnContext) -> ColumnKind | None:
    """A column of numbers that are amounts, times, two values or row numbers; None where it holds codes or none."""
    column = seen.column
    if not column.may_be_numbers:
        return None
    numbers = seen.numbers
    if numbers.share < MOSTLY:
        return None
    if not numbers.different:
        return seen.is_(CONSTANT, f"no finite number in any of {len(column):,} rows")
    if has_codes(column) or _are_lettered(numbers):
        why = f"whole numbers with {'a letter' if numbers.way.unit else 'leading zeros'} are codes: "
        return names_rows(seen) or category(seen, why)
    if found := moment(seen, numbers):
        return found
    if column.rounded:
        why = f"a number would round whole ones such as {column.rounded}, so they name things: "
        return names_rows(seen) or category(seen, why)
    if found := guess_row_numbers(seen, numbers):
        return found
    if ID_NAME.search(seen.name) and numbers.whole:
        return category(seen, "its name says that the numbers name things: ")
    if numbers.different <= 2 and not len(numbers.others):
        return _two_numbers(seen, numbers)
    return number(seen)


def _two_numbers(seen: ColumnContext, numbers: Numbers) -> ColumnKind:
    values = np.unique(numbers.finite).tolist()
    told = " and ".join(map(grouped, values))
    reason = f"the {'numbers' if len(values) > 1 else 'number'} {told} only, in {len(seen.column):,} rows{seen.gaps()}"
    if {*seen.column.classes()} - {None} <= {str(int(value)) for value in values}:
        return seen.is_(YES_NO, reason, levels_codec(seen), number_faults(seen, numbers))
    # 0.5 and ".50", or 1 and "1,0", are two texts and one number.
    return seen.is_(
        YES_NO, reason + _way(numbers.way), replace(numbers.way, missing=True), number_faults(seen, numbers)
    )


def number(seen: ColumnContext) -> ColumnKind:
    """The column as a number, whatever else it could be."""
    numbers = seen.numbers
    scaling, log, why = scale(numbers.finite)
    low, high = grouped(numbers.finite.min()), grouped(numbers.finite.max())
    reason = f"numbers from {low} to {high}, {numbers.different:,} different in {len(seen.column):,} rows"
    reason += seen.gaps(NO_NUMBER) + _way(numbers.way)
    codec = replace(numbers.way, scaling=scaling, log=log, missing=True)
    faults = [*number_faults(seen, numbers)]
    if not seen.written and (doubt := seen.column.doubt):
        option = column_option(seen.name, f"{NUMBER}:{doubt.said}")
        reason += f", {doubt.text!r} taken for {doubt.taken} (or {doubt.other}: {option})"
        if doubt.likely:
            message = f"{seen.name!r}: {doubt.text!r} is taken for {doubt.taken}, and may be {doubt.other}."
            faults.append(Fault("two readings", "warning", message, [], f"If it is that, say {option}."))
    return seen.is_(NUMBER, reason + why, codec, faults)


def two_ways(seen: ColumnContext) -> str:
    """Words for numbers of which some have a decimal comma and some a decimal point; empty where they are not so."""
    column = seen.column
    if column.kind != "text" or not len(column.sample):
        return ""
    some = column.sample.unique(maintain_order=True)
    by_point, by_comma = (plain_texts(some, find_way(some, comma)).is_not_null() for comma in (False, True))
    shares = [read.sum() / len(some) for read in (by_point, by_comma, by_point | by_comma)]
    if max(shares[:2]) >= MOSTLY or shares[2] < MOSTLY:
        return ""
    return f"{some.filter(by_point & ~by_comma)[0]!r} and {some.filter(by_comma & ~by_point)[0]!r}"


def guess_two_ways(seen: ColumnContext) -> ColumnKind | None:
    """Numbers that are written in two ways: text as it stands, and of no use where it differs in nearly every row."""
    if not (told := two_ways(seen)):
        return None
    fix = "Write all of them with the same decimal mark."
    reason = f"numbers written in two ways, such as {told}"
    return unread(seen, "two ways", reason, fix)


def _way(way: Number) -> str:
    """Words for how numbers are written, where that isn't plain."""
    told = ", a comma as the decimal mark" if way.marks_by_comma else ""
    if way.thousands and way.thousands != ".":
        told += f", digits grouped by {way.thousands!r}"
    told += f", in {way.unit}" if way.unit else ""
    return told + (", in parentheses where below zero" if way.accounting else "")


def scale(values: Array) -> tuple[str, bool, str]:
    """Scaling, whether the logarithm is taken, and words for it. `values` are finite numbers (n,)."""
    skewness = _skewness(values)
    if abs(skewness) > SKEWED and len(np.unique(values)) > ENOUGH:
        logarithm = _skewness(np.copysign(np.log1p(np.abs(values)), values))
        if abs(logarithm) < abs(skewness) / 2:
            return (
                "standard",
                True,
                f"; taken by its logarithm (skewness {skewness:.1f}, then {logarithm:.1f})",
            )
    lower, middle, upper = np.quantile(values, (0.25, 0.5, 0.75))
    if upper > lower and np.abs(values - middle).max() > FAR * (upper - lower) / 1.349:
        return "robust", False, "; some lie far out: scaled by quartiles"
    return "standard", False, ""


def _skewness(values: Array) -> float:
    centred = values - values.mean()
    largest = np.abs(centred).max()
    if largest < np.finfo(np.float32).tiny:
        return 0.0
    centred = centred / largest  # So that a cube is neither too small nor too large.
    squares = centred * centred
    return float((squares * centred).mean() / squares.mean() ** 1.5)


def number_faults(seen: ColumnContext, numbers: Numbers) -> Iterator[Fault]:
    """Cells that are no numbers, and infinite ones."""
    for kind, rows, told in (
        ("mixed cells", numbers.others, "no numbers"),
        ("infinite numbers", numbers.infinite, "infinite"),
    ):
        if len(rows):
            message = f"{seen.name!r}: {len(rows):,} of {len(seen.column):,} cells are {told}; they count as missing."
            yield Fault(
                kind, "warning", message, places(seen, rows), "Mend them, or call the column a category."
            )


def _are_lettered(numbers: Numbers) -> bool:
    """True for long whole numbers of one length that end with the same letter, such as 1234567A: no unit has one."""
    low, high = numbers.finite.min(), numbers.finite.max()
    return (
        len(numbers.way.unit) == 1
        and numbers.way.unit.isalpha()
        and numbers.whole
        and low >= 1e5
        and high < 1e9
        and (len(f"{low:.0f}") == len(f"{high:.0f}"))
    )


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_unusable(seen, word)
    column, numbers = seen.column, seen.numbers
    if column.kind not in ("number", "text") or not len(numbers.finite):
        raise unfit(seen, word, "it has no numbers")
    refuse_most(seen, word, numbers.others, numbers.share)
    if column.rounded:
        raise unfit(seen, word, f"it would round whole numbers such as {column.rounded}")
    return number(seen)


def guess_target(seen: ColumnContext) -> ColumnKind | None:
    """A target of amounts, and one of few whole numbers that look like a scale. Raises DataError where they are written
    in two ways."""
    refuse_unlearnable(seen)
    if ways := two_ways(seen):
        raise DataError(
            f"the target's numbers are written in two ways, such as {ways}.",
            where=place_of(seen),
            fix="Write all of them with the same decimal mark.",
        )
    if _is_amount(seen.column):
        return target(seen)
    return asked(seen, target(seen)) if is_scale(seen.name, seen.column) else None


def target(seen: ColumnContext) -> ColumnKind:
    """The column as the number to learn. Raises DataError where it can't be."""
    refuse_unlearnable(seen)
    found = told(seen, NUMBER)
    numbers = seen.numbers
    if numbers.different < 2:
        raise DataError(
            "the target has fewer than two different numbers.", where=place_of(seen), fix="Name another."
        )
    reason = found.reason.partition("; ")[0]
    gaps = gap_faults(seen, np.flatnonzero(np.isnan(numbers.values)))
    faults = tuple(
        replace(fault, message=fault.message.replace("they count as missing", "the rows are left out"))
        for fault in found.faults
    )
    codec = numbers.way
    if has_far_values(numbers.finite):  # One of them would make the scale, and all others one value on it.
        codec, reason = replace(codec, scaling="robust"), f"{reason}; some lie far out: scaled by quartiles"
    return ColumnKind(seen.name, NUMBER, reason, codec, (*faults, *gaps))


def _is_amount(column: Column) -> bool:
    """True for a target that is a number, and not a category of few numbers or of codes."""
    if (
        column.kind not in ("text", "number")
        or column.numbers.share < MOSTLY
        or has_codes(column)
        or column.rounded
    ):
        return False
    return column.numbers.different > 2 and not is_few_numbers(column)


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.numbers_by(written_as(cast("Number", codec))).column()


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [None if value != value else by_hand(value) for value in encoded.reshape(-1).tolist()]


def spread(codec: Codec, encoded: Array, raw: Array) -> Array:
    return np.asarray(encoded, float).reshape(-1)


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    yield ranged(encoded.reshape(-1).astype(np.float64))


def amounts(codec: Codec, encoded: Array) -> Array:
    """(n, 1): in the units it is learned in."""
    return cast("Number", codec).transform(encoded.reshape(-1, 1))


WORDS = (NUMBER,)
WRITTEN = {word: word for word in DECIMALS}
RULES = ((10, guess_number), (50, guess_two_ways))
TARGET_RULES = ((10, guess_target),)
