"""Columns that name the rows and tell nothing of them: saved indexes, row numbers, ids.

What is left out wrongly is a useful column lost, and what is kept wrongly gives the target away where rows are sorted
by it. So a column is one of these by its values and its name together; only 0 or 1, 2, 3 ... down the rows needs no
name, and not even that is enough where the name is one of an amount or of a time.
"""

from __future__ import annotations

import re

import numpy as np

from drivetrain.data.kinds.base import (
    CONSTANT,
    ENOUGH,
    IDENTIFIER,
    IGNORED,
    LEFT_OUT,
    MOSTLY,
    YES_NO,
    ColumnContext,
    ColumnKind,
    levels_codec,
    words_of,
)
from drivetrain.data.read.columns import Numbers
from drivetrain.types import Array

_THINGS = "user|customer|client|patient|person|product|item|movie|order|account|session|device|store|shop"
ID_NAME = re.compile(
    rf"(?:^|[\W_])(?:[iI][dD]s?|[uU]{{2}}[iI][dD]|[gG][uU][iI][dD])$|[a-z0-9](?:Id|ID|UUID)$|(?:^|[\W_])(?:{_THINGS})id$"
)
_COUNTER_NAME = re.compile(r"(?:^|[\W_])(?:index|idx|key|nr|no|number|row)$", re.IGNORECASE)
_INDEX_NAME = re.compile(
    r"index|level_[0-9]+|Unnamed: ?[0-9]+|__index_level_[0-9]+__|column_1|\.\.\.1|row_?names?", re.IGNORECASE
)
"""What pandas, R and readr call an index that they save, and `column_names` a first column without a name."""
_AMOUNT = re.compile(
    "(?:dos(?:e|age)|year|yr|age|day|week|month|hour|minute|second|time|rank|price|cost|amount|temp|temperature|depth"
    "|height|weight|width|length|distance|speed|size|area|volume|concentration|level|score|point|count|quantity|qty"
    "|strength|load|pressure|voltage|power)s?",
    re.IGNORECASE,
)
"""Words for amounts and times: numbers that are called so may run from 1 to as many as there are rows."""


def guess_row_numbers(seen: ColumnContext, numbers: Numbers) -> ColumnKind | None:
    """Numbers that are a saved index, row numbers or ids; None where they may tell something."""
    if not numbers.whole or len(numbers.others) or len(numbers.infinite):
        return None
    values, rows = numbers.finite, len(seen.column)
    complete = len(values) == rows
    if complete and _INDEX_NAME.fullmatch(seen.name) and _are_positions(values, numbers.different):
        return seen.is_(
            IDENTIFIER, "its name and its numbers are those of a saved index, which numbers the rows"
        )
    if rows < ENOUGH:
        return None
    named = bool(ID_NAME.search(seen.name) or _COUNTER_NAME.search(seen.name))
    from_start = values.min() in (0, 1) and not any(map(_AMOUNT.fullmatch, words_of(seen.name)))
    if complete and numbers.different == rows and (named or from_start) and (told := _counts_rows(values)):
        return seen.is_(IDENTIFIER, f"{told}: a row number")
    if named and len(values) >= ENOUGH and numbers.different >= MOSTLY * len(values):
        every = "every" if numbers.different == rows else "nearly every"
        levels = "" if numbers.different == rows else f" ({seen.levels()})"
        return seen.is_(
            IDENTIFIER, f"{every} value is different{levels}, and its name says that it names the row"
        )
    return None


def _are_positions(values: Array, different: int) -> bool:
    """True where whole numbers (n,) may be the positions of rows: also with holes, shuffled or of tables put together.

    Most are different; or they rise, beginning again now and then; or they are several runs from 0 or 1 on without a gap,
    mixed: then the smaller numbers, which every run has, come at least as often as the larger ones.
    """
    if values.min() < 0:
        return False
    if different * 2 >= len(values):
        return True
    if different < ENOUGH:
        return False
    if np.mean(np.diff(values) >= 0) >= 1 - 1 / ENOUGH:
        return True
    found, counts = np.unique(values, return_counts=True)
    without_gap = found[0] in (0, 1) and found[-1] - found[0] + 1 == different
    return bool(without_gap and (np.diff(counts) <= 0).all())


def _counts_rows(values: Array) -> str:
    """How different whole numbers count the rows; empty where they do not."""
    steps = np.unique(np.diff(values))
    if len(steps) == 1 and abs(steps[0]) == 1:
        return f"every value is different, {'rising' if steps[0] > 0 else 'falling'} by one"
    if values.max() - values.min() + 1 == len(values):
        return f"every value is different, all of {values.min():,.0f} to {values.max():,.0f} without a gap"
    return ""


def names_rows(seen: ColumnContext) -> ColumnKind | None:
    """Text, or whole numbers that are none, different in nearly every row: it names the row."""
    column = seen.column
    if (
        column.kind not in ("text", "number")
        or column.present < ENOUGH
        or column.different < MOSTLY * column.present
    ):
        return None
    every = "every" if column.different == column.present else "nearly every"
    return seen.is_(IDENTIFIER, f"{every} value is different ({seen.levels()}): it names the row")


def unusable(seen: ColumnContext) -> ColumnKind | None:
    if seen.column.kind:
        return None
    return seen.is_(IGNORED, f"holds {seen.column.type_name}, which can't be used as it is")


def constant(seen: ColumnContext) -> ColumnKind | None:
    column, rows = seen.column, len(seen.column)
    if column.kind == "list" or column.sample.n_unique() > 1 or column.different > 1:
        return None
    if not column.different:
        return seen.is_(CONSTANT, f"no value in any of {rows:,} rows")
    value = f"{column.known[0]!r:.60}"
    if column.present == rows:
        return seen.is_(CONSTANT, f"{value} in all of {rows:,} rows")
    return seen.is_(YES_NO, f"one value, {value}, or none{seen.gaps()}, in {rows:,} rows", levels_codec(seen))


def told(seen: ColumnContext, word: str) -> ColumnKind:
    return seen.is_(word, "left out as asked")


WORDS = LEFT_OUT
RULES = ((1, unusable), (1, constant), (70, names_rows))
