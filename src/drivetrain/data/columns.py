"""One column of a frame, measured: what is missing, which values differ, which are numbers; and as a numpy array.

Text is read exactly as the codecs read it (trimming, words for "missing", how a number is written), but by polars
and a whole column at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.codecs.base import MISSING_WORDS, NO_NUMBER, absent_words
from drivetrain.codecs.date import FIRST, LAST, UNITS, parse_dates
from drivetrain.codecs.number import GROUPED, INFINITE, LARGEST, THOUSANDS, WRITTEN, numbers_among
from drivetrain.types import Array
from drivetrain.values import FORMS, WHOLE, as_text, canonical, is_exact

if TYPE_CHECKING:
    import polars as pl

WHITE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""What `str.strip` takes away."""
_DAY_AND_TIME = r"^(.*?[^\s\x1c-\x1f])(?:[Tt]|,? )([0-9]{1,2}:[0-9]{2}.*)$"
LOOKED_AT = 2_000


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column read as numbers: float64 (n,) with NaN where there is none, and the rows of what is neither number
    nor missing (`others`), infinite, or beyond 32 bits (counted with `others`). `thousands` groups the digits."""

    values: Array
    others: Array
    infinite: Array
    present: int
    thousands: str = ""

    @property
    def share(self) -> float:
        """Numbers among the cells that are not missing."""
        return 1 - len(self.others) / self.present if self.present else 0.0

    @cached_property
    def finite(self) -> Array:
        """The numbers that there are, in row order."""
        return self.values[np.isfinite(self.values)]

    @cached_property
    def different(self) -> int:
        return len(np.unique(self.finite))

    @cached_property
    def whole(self) -> bool:
        """True where every number is a whole one that float64 holds exactly."""
        numbers = self.finite
        return bool((np.abs(numbers) < WHOLE).all() and (numbers == np.floor(numbers)).all())

    def column(self) -> Array:
        """As a table has it: int64 where all are whole and none is missing, else float64 with NaN."""
        if self.whole and len(self.finite) == len(self.values):
            return self.values.astype(np.int64)
        return self.values


class Column:
    """A column of a `Frame`, measured when somebody asks. Text is trimmed.

    `typed` is true where the source has values and not only cells of text: a text is then a text, and only a number or a
    date may be written as a word for "missing". `given` are more texts that mean "no value"; an empty one among them
    takes the usual ones away.
    """

    def __init__(self, values: pl.Series, typed: bool = False, given: Sequence[str] = ()) -> None:
        import polars as pl

        self.name = values.name
        self.is_text = values.dtype == pl.String
        self.values = values.str.strip_chars(WHITE) if self.is_text else values
        self.typed = typed
        self.given = tuple(word.strip() for word in given)
        self._dates: dict[tuple[str, str], Array] = {}

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def kind(self) -> str:
        """ "text", "number", "bool", "date", "list" or "" for what can't be used."""
        import polars as pl

        dtype = self.values.dtype
        if isinstance(dtype, (pl.Date, pl.Datetime)):
            return "date"
        if isinstance(dtype, pl.List):
            return "list" if dtype.inner == pl.String else ""
        return {pl.String: "text", pl.Int64: "number", pl.Float64: "number", pl.Boolean: "bool"}.get(
            type(dtype), ""
        )

    @cached_property
    def levels(self) -> pl.Series:
        """The values as a category has them: text in its canonical form."""

        if not self.is_text:
            return self.values
        some = self.values.filter(self.values.str.contains(FORMS).fill_null(False)).unique()
        forms = {text: form for text in some.to_list() if (form := canonical(text)) != text}
        return self.values.replace(forms) if forms else self.values

    @cached_property
    def merged(self) -> dict[str, list[str]]:
        """Canonical text -> the ways in which it is written here, where there are several."""
        if self.levels is self.values:
            return {}
        pairs = dict(zip(self.known.to_list(), self.levels.filter(~self.missing).to_list()))
        found: dict[str, list[str]] = {}
        for text, form in pairs.items():
            found.setdefault(form, []).append(text)
        return {form: texts for form, texts in found.items() if len(texts) > 1}

    def absent(self, usual: frozenset[str]) -> tuple[str, ...] | None:
        """The field `absent` of a codec whose usual words for "missing" these are."""
        words = usual
        if self.typed and self.is_text and usual == MISSING_WORDS:
            told = self.values.str.to_lowercase().is_in(sorted(MISSING_WORDS - {""})).any()
            words = frozenset({""}) if told else usual
        if words == usual and not self.given:
            return None
        return (*sorted(words if "" not in self.given else {""}), *filter(None, self.given))

    @cached_property
    def missing(self) -> pl.Series:
        """True where there is no value, as a category has it."""
        return self.missing_as(MISSING_WORDS)

    def missing_as(self, usual: frozenset[str]) -> pl.Series:
        """True where there is no value to a codec whose usual words for it these are."""
        import polars as pl

        missing = self.values.is_null()
        absent = self.absent(usual)
        if self.is_text:
            pattern = "|".join(re.escape(word) for word in sorted(absent_words(absent, usual)))
            return missing | self.levels.str.contains(f"^(?i-u:{pattern})$").fill_null(True)
        if not absent:
            return missing
        if self.kind == "date":
            seconds = parse_dates(self.values.cast(pl.Datetime("us")).to_numpy())
            return missing | pl.Series(np.isin(seconds, parse_dates(np.array(absent, object))))
        if self.kind == "number":
            return missing | self.values.is_in(numbers_among(absent).tolist()).fill_null(False)
        return missing

    def taken_as_missing(self, usual: frozenset[str]) -> dict[str, int]:
        """What cells hold that count as missing by a word, and how many do; the most frequent first."""
        import polars as pl

        held = self.values.filter(self.missing_as(usual)).drop_nulls().cast(pl.String)
        counts = held.rename("text").value_counts(sort=True, name="count")
        return {text: count for text, count in counts.iter_rows() if text}

    @cached_property
    def known(self) -> pl.Series:
        """The values that are not missing."""
        return self.values.filter(~self.missing)

    @cached_property
    def sample(self) -> pl.Series:
        """Up to 2,000 of the values that are not missing, evenly spread: enough to rule out most kinds."""
        return self.known.gather_every(max(1, len(self.known) // LOOKED_AT))

    @cached_property
    def different(self) -> int:
        """How many different values there are, missing ones left aside."""
        return 0 if self.kind in ("", "list") else self.levels.filter(~self.missing).n_unique()

    @cached_property
    def counts(self) -> pl.DataFrame:
        """`value` and `count` of each value that is not missing, the most frequent first, of equals the first to come."""
        grouped = (
            self.levels.filter(~self.missing)
            .rename("value")
            .to_frame()
            .group_by("value", maintain_order=True)
            .len("count")
        )
        return grouped.sort("count", descending=True, maintain_order=True)

    @cached_property
    def present(self) -> int:
        """Cells that are not missing."""
        return len(self.known)

    @cached_property
    def may_be_numbers(self) -> bool:
        """False where most of a sample are no numbers, however they are grouped: then not all need be read."""
        if not self.is_text:
            return self.kind == "number"
        texts = self.sample
        return any(_plain_texts(texts, mark).is_not_null().sum() * 2 >= len(texts) for mark in THOUSANDS)

    @cached_property
    def rounded(self) -> str:
        """The first whole number that no float holds, as it is written; empty where there is none."""
        import polars as pl

        if self.kind not in ("text", "number") or not (np.abs(self.numbers.finite) >= WHOLE).any():
            return ""
        texts = (
            _plain_texts(self.values, self.numbers.thousands) if self.is_text else self.values.cast(pl.String)
        )
        whole = texts.str.extract(r"^([+-]?[0-9]{16,})(?:\.0*)?$", 1).drop_nulls().unique(maintain_order=True)
        return next((text for text in whole.to_list() if not is_exact(int(text))), "")

    def texts(self, usual: frozenset[str] = MISSING_WORDS) -> Array:
        """Objects (n,): the texts, None for those that mean "no value". Equal texts are one object."""
        import polars as pl

        kept = self.values.zip_with(~self.missing_as(usual), pl.Series([None], dtype=pl.String))
        different, codes = _coded(kept)
        known = np.empty(len(different), object)
        known[:] = different
        return known[codes]

    def classes(self) -> Array:
        """Objects (n,): the canonical text of each value, None where there is none, whatever type the source has."""
        import polars as pl

        known = self.levels.zip_with(~self.missing, pl.Series([None], dtype=self.levels.dtype))
        if not self.is_text:
            different = known.drop_nulls().unique()
            texts = [as_text(value, "class") for value in different.to_list()]
            known = known.replace_strict(different, texts, default=None, return_dtype=pl.String)
        different, codes = _coded(known)
        return np.array(different, object)[codes]

    def dates(self, order: str = "ymd", epoch: str = "") -> Array:
        """Seconds since 1970-01-01 UTC (n,), NaN where there is no date: what `Date(order, epoch)` reads."""
        key = (order, epoch)
        if key not in self._dates:
            seconds = self._read_dates(order, epoch)
            gaps = parse_dates(np.array(self.given, object), order, epoch)
            self._dates[key] = np.where(np.isin(seconds, gaps), np.nan, seconds)
        return self._dates[key]

    def _read_dates(self, order: str, epoch: str) -> Array:
        import polars as pl

        if epoch:
            return self.numbers.values / UNITS[epoch]
        if self.is_text:
            return _parse_dates(self.values, order)
        if self.kind == "date":
            return parse_dates(self.values.cast(pl.Datetime("us")).to_numpy())
        return parse_dates(self.numbers.values, order)

    @cached_property
    def numbers(self) -> Numbers:
        """The column read as numbers."""
        import polars as pl

        gaps = numbers_among(self.given)
        if not self.is_text:
            values = self.values.cast(pl.Float64).fill_null(np.nan).to_numpy()
            return _numbers(values, np.isnan(values) | np.isin(values, gaps), np.isinf(values), "")
        missing = self.missing_as(NO_NUMBER)
        infinite = self.values.str.contains(f"^(?i:{INFINITE.pattern})$").fill_null(False)
        texts, thousands = _plain_texts(self.values, ""), ""
        rest = self.values.filter(texts.is_null() & ~missing & ~infinite)
        if len(rest) and (thousands := _grouping(self.values.filter(~missing & ~infinite).unique())):
            texts = _plain_texts(self.values, thousands)
        values = texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        absent = missing.to_numpy() | np.isin(values, gaps)
        return _numbers(values, absent, infinite.to_numpy(), thousands)


def _coded(texts: pl.Series) -> tuple[list[str | None], Array]:
    """The different texts in order of appearance, then None, and for each row (n,) which of them it is."""
    import polars as pl

    known = texts.unique(maintain_order=True).drop_nulls()
    codes = texts.cast(pl.Enum(known)).to_physical().cast(pl.Int64).fill_null(len(known)).to_numpy()
    return [*known.to_list(), None], codes


def _parse_dates(texts: pl.Series, order: str) -> Array:
    """`parse_dates` of trimmed texts (n,), days and times of day apart: of each there are far fewer than of both."""
    days, day = _coded(texts.str.extract(_DAY_AND_TIME, 1).fill_null(texts))
    clocks, clock = _coded(texts.str.extract(_DAY_AND_TIME, 2))
    midnight = np.array(["1970-01-01" + (f" {time}" if time else "") for time in clocks], object)
    seconds = parse_dates(np.array(days, object), order)[day] + parse_dates(midnight)[clock]
    return np.where((seconds >= FIRST) & (seconds < LAST), seconds, np.nan)


def _plain_texts(texts: pl.Series, thousands: str) -> pl.Series:
    """Numbers without grouping signs, null where it is none: what `Number(thousands=...)` reads of each text."""
    import polars as pl

    table = THOUSANDS[thousands]
    if isinstance(table, dict) and table:
        texts = texts.str.replace_many([chr(key) for key in table], [chr(value) for value in table.values()])
    plain = texts.str.contains(f"^(?:{WRITTEN.pattern})$").fill_null(False)
    if thousands:
        grouped = texts.str.contains(f"^(?:{GROUPED.pattern})$").fill_null(False)
        texts = texts.zip_with(~grouped, texts.str.replace_all(",", "", literal=True))
        plain |= grouped
    return texts.zip_with(plain, pl.Series([None], dtype=pl.String))


def _grouping(different: pl.Series) -> str:
    """The sign that groups the digits, of different texts some of which are no plain numbers; "" where none does.

    It is the one by which most are numbers. Where a comma may as well be the decimal mark (1,234), it groups,
    unless some text begins with 0, as no grouped number does.
    """
    found = {mark: int(_plain_texts(different, mark).is_not_null().sum()) for mark in THOUSANDS}
    best = max(found, key=found.__getitem__)
    if best == "," and found["."] == found[","] and different.str.contains("^[+-]?0+,").any():
        return "."
    return best


def _numbers(values: Array, missing: Array, infinite: Array, thousands: str) -> Numbers:
    too_large = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)) > LARGEST
    infinite = infinite | np.isinf(values)
    values = np.where(infinite | too_large | missing, np.nan, values)
    others = np.flatnonzero(np.isnan(values) & ~missing & ~infinite)
    return Numbers(values, others, np.flatnonzero(infinite), int((~missing).sum()), thousands)
