"""The rules by which a column's kind is guessed, and how an input column of that kind is encoded.

In order, the first that fits: no value or one (constant); numbers, unless they are codes or name the rows; dates;
pictures; tags; free text; names of rows (identifier); categories. A column that holds numbers in 95 of 100 cells that
are not missing is a number, and the others count as missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.base import NO_NUMBER
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import ORDERS, UNITS, Date, parse_dates
from drivetrain.codecs.image import EXTENSIONS, Image
from drivetrain.codecs.number import Number
from drivetrain.data.columns import Column, Numbers
from drivetrain.data.faults import Fault
from drivetrain.data.table import Origins
from drivetrain.types import Array

NUMBER, YES_NO, CATEGORY, MANY, DATE, TEXT, TAGS, PICTURE = (
    "number", "yes/no", "category", "many categories", "date", "text", "tags", "picture",
)  # fmt: skip
IDENTIFIER, CONSTANT, IGNORED = LEFT_OUT = ("identifier", "constant", "ignored")
KINDS = (NUMBER, YES_NO, CATEGORY, MANY, DATE, TEXT, TAGS, PICTURE, *LEFT_OUT)

MOSTLY = 0.95
"""A column is what this share of its cells is; the cells that are not count as missing."""
FEW = 50
"""A column of more different values than this has many categories."""
MOST_LEVELS = 10_000
SKEWED = 2.0
"""Beyond this skewness a number is taken by its logarithm, where that at least halves it."""
FAR = 30.0
"""A number this many standard deviations (by quartiles) from the middle one makes the scaling robust."""
ENOUGH = 20
"""In fewer rows all values may differ by chance: they don't name the rows."""
SHOWN = 3
_YES_NO = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_ID_NAME = re.compile(r"(?:^|[\W_])(?:[iI][dD]s?|[uU]{2}[iI][dD]|[gG][uU][iI][dD])$|[a-z0-9](?:Id|ID|UUID)$")
_COUNTER_NAME = re.compile(r"(?:^|[\W_])(?:index|idx|key|nr|no|number|row)$", re.IGNORECASE)
TIME_NAME = re.compile(
    r"(?:^|[\W_])(?:date|day|time|timestamp|datetime|epoch|created|updated|when|dt|at)(?:$|[\W_])|dteday|[a-z](?:Date|Time|At)$|timestamp",
    re.IGNORECASE,
)
_LEADING_ZERO = "^[+-]?0[0-9]+$"
FROM_1990, TO_2050 = 631_152_000, 2_524_608_000
EPOCHS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
LOOKED_AT = 500
"""So many different values are looked at where all would take long."""
TAG_SEPARATORS = ("|", ";", ",")
MOST_TAGS = 1_000


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


@dataclass(frozen=True, eq=False)
class Seen:
    """A column with what is around it: where its rows come from and the folder that paths are relative to."""

    column: Column
    origins: Origins
    folder: str = ""

    @property
    def name(self) -> str:
        return self.column.name

    def is_(
        self, kind: str, reason: str, codec: Codec | None = None, faults: Iterator[Fault] | None = None
    ) -> ColumnKind:
        return ColumnKind(self.name, kind, reason, codec, tuple(faults or ()))

    def levels(self) -> str:
        """ "37 different values in 32,561 rows, 12 missing"."""
        different = self.column.different
        values = f"{different:,} different values" if different != 1 else "1 value"
        return f"{values} in {len(self.column):,} rows{self.gaps()}"

    def gaps(self) -> str:
        missing = len(self.column) - self.column.present
        return f", {missing:,} missing" if missing else ""


def guess(seen: Seen) -> ColumnKind:
    """The kind of an input column."""
    if not seen.column.kind:
        return seen.is_(IGNORED, f"holds {seen.column.values.dtype}, which can't be used as it is")
    rules = (_constant, _list, _number, _date, _picture, _tags, _text, _named)
    return next((found for rule in rules if (found := rule(seen))), None) or category(seen)


def _constant(seen: Seen) -> ColumnKind | None:
    column, rows = seen.column, len(seen.column)
    if column.kind == "list":
        return None
    if column.different == 0:
        return seen.is_(CONSTANT, f"no value in any of {rows:,} rows")
    if column.different > 1:
        return None
    if column.present == rows:
        return seen.is_(CONSTANT, f"{column.counts['value'][0]!r:.60} in all of {rows:,} rows")
    return seen.is_(
        YES_NO,
        f"one value, {column.counts['value'][0]!r:.60}, or none ({rows - column.present:,} missing)",
        _levels(seen),
    )


def _list(seen: Seen) -> ColumnKind | None:
    return tags(seen) if seen.column.kind == "list" else None


def _number(seen: Seen) -> ColumnKind | None:
    column = seen.column
    if column.kind not in ("number", "text"):
        return None
    numbers = column.numbers
    if numbers.share < MOSTLY:
        return None
    if not numbers.different:
        return seen.is_(CONSTANT, f"no finite number in any of {len(column):,} rows")
    if has_codes(column):
        return _named(seen) or category(seen, "whole numbers with leading zeros are codes: ")
    if found := moment(seen, numbers):
        return found
    unique = numbers.whole and numbers.different == len(column) and len(column) >= ENOUGH
    if unique and (told := _counts_rows(numbers.values)):
        return seen.is_(IDENTIFIER, told)
    called_id = bool(_ID_NAME.search(seen.name))
    if unique and (called_id or _COUNTER_NAME.search(seen.name)):
        return seen.is_(IDENTIFIER, "every value is different, and its name says that it names the row")
    if called_id and numbers.whole:
        return category(seen, "its name says that the numbers name things: ")
    if numbers.different <= 2 and not len(numbers.others):
        return _two_numbers(seen, numbers)
    return number(seen)


def _counts_rows(values: Array) -> str:
    """Why different whole numbers are row numbers; empty where they are not."""
    steps = np.unique(np.diff(values))
    if len(steps) == 1 and abs(steps[0]) == 1:
        return f"every value is different, {'rising' if steps[0] > 0 else 'falling'} by one: a row number"
    if values.max() - values.min() + 1 == len(values):
        return f"every value is different, all of {values.min():,.0f} to {values.max():,.0f} without a gap: a row number"
    return ""


def _two_numbers(seen: Seen, numbers: Numbers) -> ColumnKind:
    values = np.unique(numbers.finite).tolist()
    told = " and ".join(f"{value:g}" for value in values)
    reason = f"the {'numbers' if len(values) > 1 else 'number'} {told} only, in {len(seen.column):,} rows{seen.gaps()}"
    texts = {str(value) for value in seen.column.counts["value"].to_list()}
    if texts <= {str(int(value)) for value in values}:
        return seen.is_(YES_NO, reason, _levels(seen), number_faults(seen, numbers))
    # 1, 1.0 and "1.0" are three texts and one number.
    return seen.is_(
        YES_NO, reason, Number(missing=True, thousands=numbers.thousands), number_faults(seen, numbers)
    )


def number(seen: Seen) -> ColumnKind:
    """The column as a number, whatever else it could be."""
    numbers = seen.column.numbers
    scaling, log, why = scale(numbers.finite)
    low, high = numbers.finite.min(), numbers.finite.max()
    reason = f"numbers from {low:,.6g} to {high:,.6g}, {numbers.different:,} different in {len(seen.column):,} rows"
    missing = len(seen.column) - numbers.present
    reason += f", {missing:,} missing" if missing else ""
    if numbers.thousands:
        reason += (
            ", a comma as the decimal mark"
            if numbers.thousands == "."
            else f", digits grouped by {numbers.thousands!r}"
        )
    codec = Number(scaling=scaling, log=log, missing=True, thousands=numbers.thousands)
    return seen.is_(NUMBER, reason + why, codec, number_faults(seen, numbers))


def scale(values: Array) -> tuple[str, bool, str]:
    """Scaling, whether the logarithm is taken, and words for it. `values` are finite numbers (n,)."""
    skewness = _skewness(values)
    if abs(skewness) > SKEWED:
        logarithm = _skewness(np.copysign(np.log1p(np.abs(values)), values))
        if abs(logarithm) < abs(skewness) / 2:
            return (
                "standard",
                True,
                f"; skewness {skewness:.1f}, of the logarithm {logarithm:.1f}: taken by it",
            )
    lower, middle, upper = np.quantile(values, (0.25, 0.5, 0.75))
    if upper > lower and np.abs(values - middle).max() > FAR * (upper - lower) / 1.349:
        return "robust", False, "; some lie far out: scaled by quartiles"
    return "standard", False, ""


def _skewness(values: Array) -> float:
    centred = values - values.mean()
    deviation = centred.std()
    return float((centred / deviation).__pow__(3).mean()) if deviation > 0 else 0.0


def number_faults(seen: Seen, numbers: Numbers) -> Iterator[Fault]:
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


def places(seen: Seen, rows: Array) -> list[str]:
    """The first rows with what they hold."""
    return [f"{seen.origins[row]}: {seen.column.values[row]!r:.60}" for row in rows[:SHOWN].tolist()]


def has_codes(column: Column) -> bool:
    """True for whole numbers with leading zeros, such as postal codes."""
    return column.is_text and bool(column.values.str.contains(_LEADING_ZERO).any())


def category(seen: Seen, why: str = "") -> ColumnKind:
    """The column as a category, whatever else it could be."""
    column = seen.column
    kind = MANY if column.different > FEW else CATEGORY
    if column.kind == "bool" or _is_yes_no(column):
        kind = YES_NO
    numbers = column.numbers if column.kind == "text" and not why else None
    if numbers is not None and 0.5 <= numbers.share < MOSTLY:
        why = f"only {numbers.share:.0%} of the cells are numbers: "
    return seen.is_(kind, why + seen.levels(), _levels(seen), spellings(seen))


def _is_yes_no(column: Column) -> bool:
    if column.different != 2:
        return False
    return {str(value).lower() for value in column.counts["value"].to_list()} in _YES_NO


def _levels(seen: Seen) -> Category:
    rows = len(seen.column)
    rare = 2 if rows < 1_000 else 5 if rows < 100_000 else 10
    return Category(open=True, rare=rare, most=MOST_LEVELS)


def spellings(seen: Seen) -> Iterator[Fault]:
    """Values that differ in case only."""
    if seen.column.kind != "text" or seen.column.different > MOST_LEVELS:
        return
    groups: dict[str, list[str]] = {}
    for value in seen.column.counts["value"].to_list():
        groups.setdefault(" ".join(value.lower().split()), []).append(value)
    alike = [" = ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    if alike:
        message = f"{seen.name!r}: written in more than one way: {len(alike):,} of the values."
        yield Fault("spellings", "warning", message, alike, "Write them alike where they mean the same.")


def _named(seen: Seen) -> ColumnKind | None:
    """Text that is different in nearly every row names the row."""
    column = seen.column
    if column.kind != "text" or column.present < ENOUGH or column.different < MOSTLY * column.present:
        return None
    every = "every" if column.different == column.present else "nearly every"
    return seen.is_(IDENTIFIER, f"{every} value is different ({seen.levels()}): it names the row")


def _date(seen: Seen) -> ColumnKind | None:
    if seen.column.kind == "date":
        return date(seen, *date_order(seen.column))
    if seen.column.kind != "text" or seen.column.different < 3:
        return None
    order, share, sure = date_order(seen.column)
    return date(seen, order, share, sure) if share >= MOSTLY else None


def date(seen: Seen, order: str, share: float, sure: bool = True, epoch: str = "") -> ColumnKind:
    """The column as a date, whatever else it could be."""
    seconds = seen.column.dates(order, epoch)
    known = seconds[~np.isnan(seconds)]
    first, last = np.array([known.min(), known.max()]).astype("datetime64[s]").astype(str).tolist()
    whole_days = bool((known % 86_400 == 0).all())
    first, last = (moment[:10] if whole_days else moment.replace("T", " ") for moment in (first, last))
    reason = f"dates from {first} to {last}, {len(np.unique(known)):,} different in {len(seconds):,} rows{seen.gaps()}"
    if order != "ymd":
        reason += f", {'the day' if order == 'dmy' else 'the month'} written first"
    reason += f", in {EPOCHS[epoch]} since 1970" if epoch else ""
    faults = []
    if len(others := np.flatnonzero(np.isnan(seconds) & ~seen.column.missing_as(NO_NUMBER).to_numpy())):
        message = (
            f"{seen.name!r}: {len(others):,} of {len(seconds):,} cells are no dates; they count as missing."
        )
        faults.append(
            Fault(
                "mixed cells",
                "warning",
                message,
                places(seen, others),
                "Mend them, or call the column a category.",
            )
        )
    if not sure:
        message = f"{seen.name!r}: the day and the month can't be told apart; {'the day' if order == 'dmy' else 'the month'} is taken to come first."
        faults.append(Fault("order of dates", "warning", message, [], "Write the dates like 2019-12-31."))
    return seen.is_(DATE, reason, Date(order=order, epoch=epoch, missing=True), iter(faults))


def date_order(column: Column) -> tuple[str, float, bool]:
    """The order of written dates, the share of cells that are dates by it, and whether no other fits as well."""
    if not column.is_text:
        return "ymd", 1.0, True
    some = column.counts["value"][:LOOKED_AT].to_numpy()
    likely = [order for order in ORDERS if np.mean(~np.isnan(parse_dates(some, order))) >= 0.5]
    present = max(1, len(column) - int(column.missing_as(NO_NUMBER).sum()))
    shares = {order: int((~np.isnan(column.dates(order))).sum()) / present for order in likely}
    if not shares:
        return "ymd", 0.0, True
    best = max(shares, key=shares.__getitem__)
    equal = [order for order in shares if shares[order] == shares[best]]
    if len(equal) == 1 or "ymd" in equal:
        return equal[0], shares[best], True
    rising = [order for order in equal if _mostly_rises(column.dates(order))]
    return (rising or equal)[0], shares[best], len(rising) == 1


def _mostly_rises(seconds: Array) -> bool:
    known = seconds[~np.isnan(seconds)]
    return bool(np.mean(np.diff(known) >= 0) > MOSTLY)


def moment(seen: Seen, numbers: Numbers, named: bool = False) -> ColumnKind | None:
    """Numbers that are days such as 20191231 or seconds since 1970, where the name says time, or a person does."""
    if not ((named or TIME_NAME.search(seen.name)) and len(numbers.finite) and not numbers.thousands):
        return None
    low, high = numbers.finite.min(), numbers.finite.max()
    if low >= 19_000_101 and high <= 21_001_231:
        dates = seen.column.dates("ymd")
        if np.isnan(dates).sum() == len(seen.column) - len(numbers.finite):
            return date(seen, "ymd", 1.0)
    for unit, per in UNITS.items():
        if FROM_1990 * per <= low and high <= TO_2050 * per:
            return date(seen, "ymd", 1.0, epoch=unit)
    return None


def _picture(seen: Seen) -> ColumnKind | None:
    if seen.column.kind != "text":
        return None
    some = seen.column.counts["value"][:LOOKED_AT].to_list()
    named = [value for value in some if value.lower().endswith(EXTENSIONS)]
    if len(named) < MOSTLY * len(some):
        return None
    there = [value for value in named if os.path.isfile(os.path.join(seen.folder, value))]
    if len(there) >= 0.5 * len(named):
        return picture(seen)
    message = f"{seen.name!r} is named like pictures, and there are no such files ({named[0]!r:.60})."
    fix = "Put the pictures where the table says, or leave the column out."
    found = _named(seen) or category(seen)
    return replace(found, faults=(*found.faults, Fault("missing file", "warning", message, [], fix)))


def picture(seen: Seen) -> ColumnKind:
    """The column as paths of pictures, from the table's folder."""
    reason = f"paths of pictures, {seen.levels()}"
    return seen.is_(PICTURE, reason, Image())


def _tags(seen: Seen) -> ColumnKind | None:
    if seen.column.kind != "text":
        return None
    separator, count = separator_of_tags(seen)
    return tags(seen, separator, count) if count else None


def separator_of_tags(seen: Seen) -> tuple[str, int]:
    """What parts the tags of a cell, and how many different ones there are; 0 where they are no tags.

    In a tenth of the cells or more there are several, of all there are at most half as many as different cells, and
    most come in two or more of these: so names of places and of persons, Ulm, DE, are no tags.
    """
    import polars as pl

    counts = seen.column.counts.head(MOST_LEVELS)
    for separator in TAG_SEPARATORS:
        several = counts.filter(pl.col("value").str.contains(separator, literal=True))
        if several["count"].sum() < 0.1 * seen.column.present:
            continue
        parts = (
            several.select(pl.col("value").str.split(separator)).explode("value")["value"].str.strip_chars()
        )
        tally = parts.filter(parts != "").value_counts()
        length = parts.str.len_chars().mean()
        few = len(tally) * 2 <= len(several) and len(tally) <= MOST_TAGS
        if few and tally["count"].median() >= 2 and isinstance(length, float) and length <= 30:
            return separator, len(tally)
    return TAG_SEPARATORS[0], 0


def tags(seen: Seen, separator: str = "", count: int = 0) -> ColumnKind:
    """The column as tags, whatever else it could be."""
    from drivetrain.codecs.tags import Tags

    told = f"{count:,} tags parted by {separator!r}, in" if separator else "lists of text,"
    return seen.is_(TAGS, f"{told} {seen.levels()}", Tags())


def _text(seen: Seen) -> ColumnKind | None:
    column = seen.column
    if column.kind != "text" or column.different < 3:
        return None
    share = column.different / column.present
    counted = column.counts["value"].head(LOOKED_AT).str.count_matches(r"\S+").to_numpy()
    words = float(counted.mean())
    if (words >= 4 and share > 0.5) or (words >= 8 and share > 0.1):
        return text(seen, words)
    return None


def text(seen: Seen, words: float = 0.0) -> ColumnKind:
    """The column as free text, whatever else it could be."""
    from drivetrain.codecs.text import Text

    told = f"about {words:.0f} words each, " if words else ""
    return seen.is_(TEXT, told + seen.levels(), Text())
