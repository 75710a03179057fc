"""What a column can be, and how that is told: the words of `kinds.py` and of the rules it calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from drivetrain.codecs import Codec
from drivetrain.codecs.base import MISSING_WORDS
from drivetrain.codecs.category import Category
from drivetrain.data.checks.faults import Fault
from drivetrain.data.read.columns import Column, Numbers
from drivetrain.data.read.notation import DECIMALS
from drivetrain.data.table import Origins
from drivetrain.types import Array

NUMBER, YES_NO, CATEGORY, MANY, DATE, TEXT, TAGS, PICTURE = (
    "number", "yes/no", "category", "many categories", "date", "text", "tags", "picture",
)  # fmt: skip
IDENTIFIER, CONSTANT, IGNORED = LEFT_OUT = ("identifier", "constant", "ignored")
KINDS = (NUMBER, YES_NO, CATEGORY, MANY, DATE, TEXT, TAGS, PICTURE, *LEFT_OUT)

MOSTLY = 0.95
"""A column is what this share of its cells is; the cells that are not count as missing."""
ENOUGH = 20
"""In fewer rows all values may differ by chance: they don't name the rows."""
MOST_LEVELS = 10_000
SHOWN = 3
"""So many cells are named where some are wrong."""


@dataclass(frozen=True)
class ColumnKind:
    """What a column is, a sentence that says why, and how it is encoded (None where it is left out).

    `faults` are what was found while looking: cells of another kind, infinities, gaps of a target.
    """

    name: str
    kind: str
    reason: str
    codec: Codec | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def left_out(self) -> str:
        """What is said of a column that is left out unasked; empty for the others."""
        return (
            f"{self.name!r} is left out: {self.reason}" if self.codec is None and self.kind != IGNORED else ""
        )


@dataclass(frozen=True, eq=False)
class Seen:
    """A column with what is around it: where its rows come from, the folder that paths are relative to, and what a person
    said of how its cells are written."""

    column: Column
    origins: Origins
    folder: str = ""
    written: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def numbers(self) -> Numbers:
        """The column read as numbers."""
        comma = next((DECIMALS[word] for word in self.written if word in DECIMALS), None)
        return self.column.numbers_by(self.column.way(comma))

    def is_(
        self, kind: str, reason: str, codec: Codec | None = None, faults: Iterable[Fault] = ()
    ) -> ColumnKind:
        return ColumnKind(self.name, kind, reason, codec, tuple(faults))

    def levels(self) -> str:
        """ "37 different values in 32,561 rows, 12 missing"."""
        different = self.column.different
        values = f"{different:,} different values" if different != 1 else "1 value"
        return f"{values} in {len(self.column):,} rows{self.gaps()}"

    def gaps(self, usual: frozenset[str] = MISSING_WORDS) -> str:
        """ ", 12 missing (of them 9 '?')": as a codec counts them whose usual words for it these are."""
        missing = int(self.column.missing_as(usual).sum())
        words = [f"{count:,} {text!r:.30}" for text, count in self.column.taken_as_missing(usual).items()]
        told = f" (of them {', '.join(words[:SHOWN])}{' ...' if len(words) > SHOWN else ''})" if words else ""
        return f", {missing:,} missing{told}" if missing else ""


def places(seen: Seen, rows: Array) -> list[str]:
    """The first rows with what they hold."""
    return [f"{seen.origins[row]}: {seen.column.values[row]!r:.60}" for row in rows[:SHOWN].tolist()]


def levels_codec(seen: Seen) -> Category:
    """How an input of categories is encoded: what is rare or unseen is one level, what is missing another."""
    rows = len(seen.column)
    rare = 2 if rows < 1_000 else 5 if rows < 100_000 else 10
    return Category(open=True, rare=rare, most=MOST_LEVELS)


def words_of(name: str) -> list[str]:
    """The words of a column's name: OverallQual and overall_qual have two."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
