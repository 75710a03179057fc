"""Columns of text: categories, pictures, tags and written language."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from drivetrain.codecs.image import EXTENSIONS, Image
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.data.checks.faults import Fault
from drivetrain.data.kinds.rows import names_rows
from drivetrain.data.kinds.types import (
    CATEGORY,
    IGNORED,
    MANY,
    MOST_LEVELS,
    MOSTLY,
    PICTURE,
    TAGS,
    TEXT,
    YES_NO,
    ColumnKind,
    Seen,
    levels_codec,
)  # fmt: skip
from drivetrain.data.read.columns import Column

FEW = 50
"""A column of more different values than this has many categories."""
TAG_SEPARATORS = ("|", ";", ",")
GRAMS = 18
"""Bits of the buckets that the n-grams of texts are counted in: with 20 they tell no more (docs/decisions/tables.md)."""
_MOST_TAGS = 1_000
_MOST_ROWS = 100_000
_YES_NO = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_UNITS = (
    r"^[+-]?[0-9][0-9.,]*\s*(?:[%‰]|°C|°F|[kmc]?m|[kmµ]?g|lbs?|[kM]?B|GB|m?[lL]|\p{Sc}|ft|in|h|min|ms|s)$"
)


def category(seen: Seen, why: str = "") -> ColumnKind:
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


def _units(seen: Seen) -> Iterator[Fault]:
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


def spellings(seen: Seen) -> Iterator[Fault]:
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


def unread(seen: Seen, what: str, reason: str, fix: str) -> ColumnKind:
    """Cells that no one way reads: text as it stands, of no use where it differs in nearly every row. `what` names the
    fault."""
    if names_rows(seen):
        fault = Fault(what, "warning", f"{seen.name!r} is left out: {reason}.", [], fix)
        return seen.is_(IGNORED, reason, faults=[fault])
    found = category(seen, f"{reason}: ")
    fault = Fault(what, "warning", f"{seen.name!r}: {reason}; they are read as text.", [], fix)
    return replace(found, faults=(*found.faults, fault))


def guess_picture(seen: Seen) -> ColumnKind | None:
    """A column of paths of pictures; a category or names with a warning where the files are not there."""
    if seen.column.kind != "text":
        return None
    some = seen.column.sample.unique(maintain_order=True).to_list()
    named = [value for value in some if value.lower().endswith(EXTENSIONS)]
    if len(named) < MOSTLY * len(some):
        return None
    there = [value for value in named if os.path.isfile(os.path.join(seen.folder, value))]
    if len(there) >= 0.5 * len(named):
        return picture(seen)
    message = f"{seen.name!r} is named like pictures, and there are no such files ({named[0]!r:.60})."
    fix = "Put the pictures where the table says, or leave the column out."
    found = names_rows(seen) or category(seen)
    return replace(found, faults=(*found.faults, Fault("missing file", "warning", message, [], fix)))


def picture(seen: Seen) -> ColumnKind:
    """The column as paths of pictures, from the table's folder."""
    reason = f"paths of pictures, {seen.levels()}"
    return seen.is_(PICTURE, reason, Image())


def guess_tags(seen: Seen) -> ColumnKind | None:
    """Lists of text, or text that holds several of few words: Action|Comedy."""
    if seen.column.kind == "list":
        return tags(seen)
    if seen.column.kind != "text":
        return None
    separator, count = separator_of_tags(seen)
    return tags(seen, separator, count) if count else None


def separator_of_tags(seen: Seen) -> tuple[str, int]:
    """What parts the tags of a cell, and how many different ones there are; 0 where they are no tags.

    In a tenth of the cells or more there are several; of all there are no more than of cells that differ (half as many
    where commas part them), and most come in two or more of these: so places and persons, Ulm, DE, are no tags.
    """
    sample = seen.column.sample
    cells = {mark: int(sample.str.contains(mark, literal=True).sum()) for mark in TAG_SEPARATORS}
    different = seen.column.known.head(_MOST_ROWS).unique(maintain_order=True)
    for separator in TAG_SEPARATORS:
        if cells[separator] < 0.1 * len(sample):
            continue
        several = different.filter(different.str.contains(separator, literal=True))
        parts = several.str.split(separator).explode().str.strip_chars()
        tally = parts.filter(parts != "").value_counts()["count"].to_numpy()
        length = parts.str.len_chars().mean()
        few = len(tally) * (1 + (separator == ",")) <= len(several) and len(tally) <= _MOST_TAGS
        if few and len(tally) and np.median(tally) >= 2 and isinstance(length, float) and length <= 30:
            return separator, len(tally)
    return max(cells, key=cells.__getitem__), 0


def tags(seen: Seen, separator: str = "", count: int = 0) -> ColumnKind:
    """The column as tags, whatever else it could be."""
    if separator and seen.column.kind == "text":
        reason = f"{count:,} tags parted by {separator!r}, {seen.levels()}" if count else seen.levels()
    else:
        reason, separator = f"lists of text in {len(seen.column):,} rows{seen.gaps()}", ""
    return seen.is_(TAGS, reason, Tags(separator=separator, open=True, rare=levels_codec(seen).rare))


def guess_text(seen: Seen) -> ColumnKind | None:
    """Written language: four words or more in cells that mostly differ, or eight where a tenth of them do."""
    column = seen.column
    if column.kind != "text" or column.sample.n_unique() < 3:
        return None
    words = float(column.sample.str.count_matches(r"\S+").to_numpy().mean())
    if words < 4:
        return None
    share = column.different / column.present
    return text(seen, words) if share > 0.5 or (words >= 8 and share > 0.1) else None


def text(seen: Seen, words: float = 0.0) -> ColumnKind:
    """The column as free text, whatever else it could be."""
    told = f"about {words:.0f} words each, " if words else ""
    return seen.is_(TEXT, told + seen.levels(), Text(grams=GRAMS))
