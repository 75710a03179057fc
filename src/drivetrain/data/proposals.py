"""A better split than a random one, where the table shows that one is needed: by time, by a repeated thing, or by position.

A model that will be asked about later days, or about persons that it has never seen, is measured on such days and
persons only if the split keeps them apart.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.codecs.base import distinct
from drivetrain.data.checks.row_order import row_order
from drivetrain.data.kinds.base import CATEGORY, DATE, IDENTIFIER, LEFT_OUT, MANY, MOSTLY, NUMBER, ColumnKind
from drivetrain.data.kinds.date import TIME_NAME
from drivetrain.data.kinds.rows import ID_NAME
from drivetrain.data.split import Splitter, by_group, by_position, by_time
from drivetrain.data.split_words import to_words
from drivetrain.data.table import Table, missing
from drivetrain.types import Array

VALID = 0.2
LEAST_TIMES, LEAST_YEARS = 10, 3
LEAST_GROUPS = 20
"""Fewer things than this are a category, not things of which new ones come."""
FEWEST, MOST = 2, 50
"""Mean rows of a thing: more than so many, unless its name says that it is one, make it a category."""
_BIRTH = re.compile(r"birth|born|dob", re.IGNORECASE)
_YEAR = re.compile(
    r"(?:^|[\W_])(?:year|yr|fiscal_year)s?(?:$|[\W_])|(?:Year|Yr)(?:Sold|$)|^Yr[A-Z]|[a-z]year$"
)
_UNITS = re.compile("months?|mnth|mo|weeks?|wk|days?")
_ENTITY = re.compile(
    r"(?:^|[\W_])(?:patient|subject|person|user|customer|client|member|student|employee|driver|player|speaker|author"
    r"|household|family|store|shop|merchant|account|card|device|machine|sensor|vehicle|session|visit|movie|film)s?"
    r"(?:[\W_]?(?:id|no|nr|number|key|code|name))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Proposal:
    """A split, the column it goes by ("" for one by position), and a sentence that says why."""

    splitter: Splitter
    column: str
    reason: str

    @property
    def option(self) -> str:
        """The split as the command line takes it."""
        return f"--split {shlex.quote(to_words(self.splitter))}"


def propose_split(
    table: Table, kinds: Mapping[str, ColumnKind], target: str | Sequence[str] = (), valid: float = VALID
) -> Proposal | None:
    """A split by time, group or position where the table speaks for one; else None. A column with gaps is not proposed."""
    targets = [target] if isinstance(target, str) else target
    names = [name for name in kinds if name not in targets and name in table and len(table)]
    by_column = _by_time(table, kinds, names, valid) or _by_group(table, kinds, names, valid)
    return by_column or _by_position(table, kinds, targets, valid)


def _by_time(
    table: Table, kinds: Mapping[str, ColumnKind], names: list[str], valid: float
) -> Proposal | None:
    """By a date that rises down the rows, else by one that is named so; else by a year that rises."""
    dates = [name for name in names if kinds[name].alike == DATE and not _BIRTH.search(name)]
    dates = [name for name in dates if not getattr(kinds[name].codec, "clock", False)]
    dates = [name for name in dates if not missing(table[name]).any()]
    dates = [name for name in dates if len(np.unique(table[name])) >= LEAST_TIMES]
    rising = [name for name in dates if rises(table[name])]
    for name in (*rising, *(name for name in dates if TIME_NAME.search(name))):
        first, last = (str(moment)[:10] for moment in (table[name].min(), table[name].max()))
        told = "rises down the rows" if name in rising else "is the time of a row"
        reason = (
            f"{name!r} {told}, from {first} to {last}: a model is asked about later rows than it has learned from, "
            f"and a random split would measure it on rows between those."
        )
        return Proposal(by_time(name, valid=valid), name, reason)
    for name in names:
        if kinds[name].alike == NUMBER and _YEAR.search(name) and not missing(table[name]).any():
            years = np.unique(table[name])
            if (
                len(years) >= LEAST_YEARS
                and years.min() >= 1900
                and years.max() <= 2100
                and _is_time(table, kinds, name)
            ):
                reason = (
                    f"{name!r} is the year of a row, {years.min():.0f} to {years.max():.0f}: a model is asked about later "
                    f"rows than it has learned from."
                )
                return Proposal(by_time(name, valid=valid), name, reason)
    return None


def rises(values: Array) -> bool:
    """True where hardly any row is earlier than the one before it."""
    return len(values) > 1 and bool(np.mean(values[1:] >= values[:-1]) > MOSTLY)


def _is_time(table: Table, kinds: Mapping[str, ColumnKind], year: str) -> bool:
    """A year is the time of the row where it rises, or where a month, week or day stands beside it: YrSold and MoSold."""
    if rises(table[year]):
        return True
    rest = re.sub("year|yr", "", year.lower()).strip("_ ")
    others = {_UNITS.sub("", name.lower()).strip("_ ") for name in kinds if name != year}
    return bool(rest) and rest in others


def _by_group(
    table: Table, kinds: Mapping[str, ColumnKind], names: list[str], valid: float
) -> Proposal | None:
    """By the column that names things which come again, of several the one with the fewest things.

    Keeping the larger things apart (a store) keeps the smaller ones in them apart as well, more often than not.
    """
    found: list[tuple[int, str, float]] = []
    for name in names:
        kind = kinds[name].alike
        named = bool(ID_NAME.search(name) or _ENTITY.search(name))
        if not named or kind not in (CATEGORY, MANY, NUMBER, *LEFT_OUT) or kind == IDENTIFIER:
            continue
        if missing(table[name]).any() or table[name].dtype.kind == "f":
            continue
        groups = len(distinct(table[name])[0])
        if groups >= LEAST_GROUPS and FEWEST <= len(table) / groups <= max(MOST, len(table) / LEAST_GROUPS):
            found.append((groups, name, len(table) / groups))
    if not found:
        return None
    groups, name, rows = min(found)
    reason = (
        f"{name!r} has {groups:,} values, each in {rows:.1f} rows on average: a model is asked about ones that it has "
        f"not seen, and a random split would show it rows of the same ones."
    )
    return Proposal(by_group(name, valid=valid), name, reason)


def _by_position(
    table: Table, kinds: Mapping[str, ColumnKind], targets: Sequence[str], valid: float
) -> Proposal | None:
    """By position where rows that follow each other are alike, and each class of the last rows is among the first."""
    found = row_order(table, kinds, targets)
    if found is None:
        return None
    splitter = by_position(valid)
    parts = splitter(table)
    for name in targets:
        if kinds[name].alike == CATEGORY:
            codes = distinct(table[name])[1]
            if not np.isin(codes[parts.valid], codes[parts.train]).all():
                return None
    named = ", ".join(map(repr, found.columns[:3]))
    more = f" and {len(found.columns) - 3:,} more" if len(found.columns) > 3 else ""
    reason = (
        f"rows that follow each other are alike in {named}{more} ({len(found.columns):,} of {found.of:,} columns), as where "
        "they are in order of time: a model is then asked about rows after those it has learned from."
    )
    return Proposal(splitter, "", reason)
