"""What a column can be, and what the files of this room say of it.

A file named after a kind of column (its codec's name) has, of these, what it can say; nothing else knows the kind.

- `WORDS`: what a person may call such a column, the usual word first; `WRITTEN`: what may be said, after a colon, of how
  its cells are written, each with the pattern that it stands for.
- `RULES`: ((place, rule), ...). A `rule(seen)` gives the ColumnKind of an input, or None. Of all kinds they are asked by
  rising place, those of what is more special first: an extension's at 0, before all here. `TARGET_RULES`: the same of a
  target. A rule at 0 also sees columns that nothing here can use (`seen.column.kind` is "").
- `told(seen, word)` and `target(seen)`: an input, a target that is said to be one. They raise DataError where it can't be.
- `values(column, codec, folder)`: the raw values (n,) that a table has of the column.
- `cell_texts(codec, encoded, raw)`: see `data/cell_text.py`; `groupings(codec, encoded)`: see `data/groups.py`;
  `amounts(codec, encoded)`: see `data/association.py`; `spread(codec, encoded, raw)`: see `data/show.py`;
  `lengths(codec, raw)`: see `data/lengths.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivetrain.codecs import Codec
from drivetrain.codecs.base import MISSING_WORDS
from drivetrain.codecs.category import Category
from drivetrain.data.faults import Fault
from drivetrain.data.read.columns import Column, Numbers
from drivetrain.data.read.notation import DECIMALS
from drivetrain.data.table import Origins
from drivetrain.errors import DataError
from drivetrain.extensions import find
from drivetrain.interface import missing_option
from drivetrain.types import Array

NUMBER, YES_NO, CATEGORY, MANY, DATE, TEXT, TAGS, PICTURE = (
    "number", "yes/no", "category", "many categories", "date", "text", "tags", "picture",
)  # fmt: skip
IDENTIFIER, CONSTANT, IGNORED = LEFT_OUT = ("identifier", "constant", "ignored")
LOOKED_INTO = (NUMBER, YES_NO, CATEGORY, MANY, DATE, TEXT, TAGS, PICTURE)
"""What the checks know; of another kind they say that they don't."""

MOSTLY = 0.95
"""A column is what this share of its cells is; the cells that are not count as missing."""
ENOUGH = 20
"""In fewer rows all values may differ by chance: they don't name the rows."""
MOST_LEVELS = 10_000
_LEADING_ZERO = "^[+-]?0[0-9]+$"
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
    def alike(self) -> str:
        """What the checks take it for: the word of the kind that its codec says that it is like, or its own."""
        like = self.codec.like if self.codec else ""
        return getattr(find("data.kinds", like), "WORDS", (self.kind,))[0] if like else self.kind

    @property
    def looked_into(self) -> bool:
        """Whether the checks know what a column of this kind may hold, and not its gaps and equal values alone."""
        return self.alike in LOOKED_INTO or (self.codec is not None and self.codec.holds_texts)

    @property
    def left_out(self) -> str:
        """What is said of a column that is left out unasked; empty for the others."""
        return (
            f"{self.name!r} is left out: {self.reason}" if self.codec is None and self.kind != IGNORED else ""
        )


@dataclass(frozen=True, eq=False)
class ColumnContext:
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


def places(seen: ColumnContext, rows: Array) -> list[str]:
    """The first rows with what they hold."""
    return [f"{seen.origins[row]}: {seen.column.values[row]!r:.60}" for row in rows[:SHOWN].tolist()]


def levels_codec(seen: ColumnContext) -> Category:
    """How an input of categories is encoded: what is rare or unseen is one level, what is missing another."""
    rows = len(seen.column)
    rare = 2 if rows < 1_000 else 5 if rows < 100_000 else 10
    return Category(open=True, rare=rare, most=MOST_LEVELS)


def words_of(name: str) -> list[str]:
    """The words of a column's name: OverallQual and overall_qual have two."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)


def refuse_unusable(seen: ColumnContext, kind: str) -> None:
    """Refuse a kind where a column holds what none here reads, or nothing."""
    if not seen.column.kind:
        raise unfit(seen, kind, f"it holds {seen.column.type_name}")
    if not seen.column.present:
        raise unfit(seen, kind, "it has no value")


def refuse_most(seen: ColumnContext, kind: str, others: Array, share: float) -> None:
    """Refuse a kind that too many cells are not, naming the first of them."""
    if share < MOSTLY:
        row = int(others[0])
        raise DataError(
            f"{len(others):,} cells of {seen.name!r} are no {kind}, such as {seen.column.values[row]!r:.60}.",
            where=f"{seen.origins[row]}, column {seen.name}",
            fix=f"Mend them, or call the column a {CATEGORY} or {TEXT}.",
        )


def unfit(seen: ColumnContext, kind: str, why: str) -> DataError:
    return DataError(
        f"{seen.name!r} can't be {kind}: {why}.",
        where=f"column {seen.name}",
        fix="Name another kind, or none.",
    )


def refuse_no_text(seen: ColumnContext, word: str) -> None:
    """Raise DataError where a column that is said to be of texts, or of their like, holds none."""
    refuse_unusable(seen, word)
    if seen.column.kind != "text":
        raise unfit(seen, word, "it holds no text")


def refuse_unlearnable(seen: ColumnContext) -> None:
    """Refuse a target that no kind here is, or that is the same in all rows."""
    column, place = seen.column, place_of(seen)
    if column.kind in ("list", "date", ""):
        what = {"list": "lists", "date": "dates"}.get(column.kind, column.type_name)
        raise DataError(f"the target holds {what}.", where=place, fix=f"Make it a {NUMBER} or a {CATEGORY}.")
    if column.different < 2:
        what = f"one value only, {column.known[0]!r:.60}" if column.different else "no value at all"
        raise DataError(f"the target has {what}.", where=place, fix="To learn takes two or more.")


def place_of(seen: ColumnContext) -> str:
    return f"{seen.origins.name}, column {seen.name}"


def gap_faults(seen: ColumnContext, rows: Array) -> Iterator[Fault]:
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


def has_codes(column: Column) -> bool:
    """True for whole numbers with leading zeros, such as postal codes."""
    return column.is_text and bool(column.values.str.contains(_LEADING_ZERO).any())
