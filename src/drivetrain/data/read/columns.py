"""One column of a frame, measured: what is missing, which values differ, which are numbers; and as a numpy array.

Text is read exactly as the codecs read it (trimming, words for "missing", how a number is written), but by polars
and a whole column at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.codecs.base import MISSING_WORDS, NO_NUMBER, absent_words
from drivetrain.codecs.date import FIRST, LAST, UNITS, Reading, parse_dates
from drivetrain.codecs.number import INFINITE, LARGEST, Number, numbers_among
from drivetrain.data.read.notation import LOOKED_AT, PLAIN, Doubt, find_doubt, find_way, plain_texts
from drivetrain.types import Array
from drivetrain.values import FORMS, WHOLE, as_text, canonical, is_exact

if TYPE_CHECKING:
    import polars as pl

WHITE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""What `str.strip` takes away."""
LONG, AT_ONCE = 64, 2**13
"""Texts of more bytes than this mostly differ, and are taken so many at a time."""
_COMPACT = "^[0-9]{8}[Tt]?[0-9]{4}"
_DAY_AND_TIME = r"^(.*?[^\s\x1c-\x1f])(?:[Tt]|,? )([0-9]{1,2}:[0-9]{2}.*)$"


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column read as numbers: float64 (n,) with NaN where there is none, and the rows of what is neither number
    nor missing (`others`), infinite, or beyond 32 bits (counted with `others`). `way` is how their texts are written."""

    values: Array
    others: Array
    infinite: Array
    present: int
    way: Number = PLAIN

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
        self.values = values
        if self.is_text:
            trimmed = values.str.strip_chars(WHITE)
            # Where nothing was to be taken off, a second copy of long texts goes again.
            self.values = values if trimmed.eq_missing(values).all() else trimmed
        self.typed = typed
        self.given = tuple(word.strip() for word in given)
        self._dates: dict[Reading, Array] = {}
        self._missing: dict[frozenset[str], pl.Series] = {}
        self._ways: dict[bool | None, Number] = {}
        self._numbers: dict[Number, Numbers] = {}

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

    @property
    def type_name(self) -> str:
        """What it holds, in words: of Python's own types the name of the first value's."""
        import polars as pl

        known = self.values.drop_nulls()
        own = self.values.dtype == pl.Object and len(known)
        return type(known[0]).__name__ if own else str(self.values.dtype)

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
        if usual not in self._missing:
            self._missing[usual] = self._find_missing(usual)
        return self._missing[usual]

    def _find_missing(self, usual: frozenset[str]) -> pl.Series:
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
            numbers = self.values.cast(pl.Float64)  # A column of whole numbers is compared with no fractions.
            return missing | numbers.is_in(numbers_among(absent).tolist()).fill_null(False)
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
        """False where most of a sample are no numbers, however they are written: then not all need be read."""
        if not self.is_text:
            return self.kind == "number"
        texts = self.sample
        read = plain_texts(texts, find_way(texts.unique(maintain_order=True))) if len(texts) else texts
        return read.null_count() * 2 <= len(texts)

    @cached_property
    def rounded(self) -> str:
        """The first whole number that no float holds, as it is written; empty where there is none."""
        import polars as pl

        if self.kind not in ("text", "number") or not (np.abs(self.numbers.finite) >= WHOLE).any():
            return ""
        texts = plain_texts(self.values, self.numbers.way) if self.is_text else self.values.cast(pl.String)
        whole = texts.str.extract(r"^([+-]?[0-9]{16,})(?:\.0*)?$", 1).drop_nulls().unique(maintain_order=True)
        return next((text for text in whole.to_list() if not is_exact(int(text))), "")

    def texts(self, usual: frozenset[str] = MISSING_WORDS) -> Array:
        """Objects (n,): the texts, None for those that mean "no value". Equal texts are one object."""
        import polars as pl

        kept = self.values.zip_with(~self.missing_as(usual), pl.Series([None], dtype=pl.String))
        if (kept.str.len_bytes().mean() or 0) > LONG:  # type: ignore[operator]
            return _one_by_one(kept)
        different, codes = _coded(kept)
        known = np.empty(len(different), object)
        known[:] = different
        return known[codes]

    def paths(self, folder: str) -> Array:
        """Objects (n,): the texts as paths from a folder, None where there is none."""
        texts = self.texts()
        paths = {text: None if text is None else os.path.join(folder, text) for text in set(texts)}
        return np.array([paths[text] for text in texts], object)

    def lists(self) -> Array:
        """Objects (n,): the values as Python has them."""
        values = np.empty(len(self), object)
        values[:] = self.values.to_list()
        return values

    def plain(self) -> Array:
        """(n,) the values as they are, whatever they mean."""
        if self.kind == "date":
            return self.values.to_numpy()
        if self.is_text:
            return self.texts()
        if self.kind == "number":
            return self.numbers.column()
        return self.lists() if self.kind == "list" or self.values.null_count() else self.values.to_numpy()

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

    def dates(self, order: str = "ymd", epoch: str = "", century: int = 0, clock: bool = False) -> Array:
        """Seconds since 1970-01-01 UTC (n,), NaN where there is no date: what a `Date` with this `Reading` reads."""
        key = Reading(order, epoch, century, clock)
        if key not in self._dates:
            seconds = self._read_dates(key)
            gaps = parse_dates(np.array(self.given, object), *key)
            self._dates[key] = np.where(np.isin(seconds, gaps), np.nan, seconds)
        return self._dates[key]

    def _read_dates(self, reading: Reading) -> Array:
        import polars as pl

        if reading.epoch:
            return self.numbers.values / UNITS[reading.epoch]
        if self.is_text:
            return _parse_dates(self.values, reading)
        if self.kind == "date":
            return parse_dates(self.values.cast(pl.Datetime("us")).to_numpy())
        return parse_dates(self.numbers.values, *reading)

    @property
    def numbers(self) -> Numbers:
        """The column read as numbers, in the way that reads most."""
        return self.numbers_by(self.way())

    def way(self, comma: bool | None = None) -> Number:
        """How its numbers are written; `comma` says, where a person has, whether the decimal mark is one."""
        if comma not in self._ways:
            self._ways[comma] = find_way(self._different_texts, comma) if self.is_text else PLAIN
        return self._ways[comma]

    @property
    def doubt(self) -> Doubt | None:
        """A number that may be written in another way than is taken."""
        return find_doubt(self._different_texts, self.way()) if self.is_text else None

    @cached_property
    def _different_texts(self) -> pl.Series:
        return self.values.filter(~self.missing_as(NO_NUMBER) & ~self._infinite).unique(maintain_order=True)

    @cached_property
    def _infinite(self) -> pl.Series:
        return self.values.str.contains(f"^(?i:{INFINITE.pattern})$").fill_null(False)

    def numbers_by(self, way: Number) -> Numbers:
        """The column read as numbers that are written so."""
        import polars as pl

        if way not in self._numbers:
            gaps = numbers_among(self.given)
            if self.is_text:
                values = (
                    plain_texts(self.values, way).cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
                )
                missing, infinite = self.missing_as(NO_NUMBER).to_numpy(), self._infinite.to_numpy()
            else:
                values = self.values.cast(pl.Float64).fill_null(np.nan).to_numpy()
                missing, infinite = np.isnan(values), np.isinf(values)
            self._numbers[way] = _numbers(values, missing | np.isin(values, gaps), infinite, way)
        return self._numbers[way]


def _one_by_one(texts: pl.Series) -> Array:
    """Objects (n,): the same as `_coded` finds, without a copy of all in polars."""
    known: dict[str | None, str | None] = {}
    found = np.empty(len(texts), object)
    for start in range(0, len(texts), AT_ONCE):
        found[start : start + AT_ONCE] = [
            known.setdefault(text, text) for text in texts[start : start + AT_ONCE].to_list()
        ]
    return found


def _coded(texts: pl.Series) -> tuple[list[str | None], Array]:
    """The different texts in order of appearance, then None, and for each row (n,) which of them it is."""
    import polars as pl

    known = texts.unique(maintain_order=True).drop_nulls()
    codes = texts.cast(pl.Enum(known)).to_physical().cast(pl.Int64).fill_null(len(known)).to_numpy()
    return [*known.to_list(), None], codes


def _parse_dates(texts: pl.Series, reading: Reading) -> Array:
    """`parse_dates` of trimmed texts (n,), days and times of day apart: of each there are far fewer than of both."""
    import polars as pl

    parted = ~(texts.str.contains(_COMPACT).fill_null(False))
    if reading.clock:
        parted &= False
    nothing = pl.Series([None], dtype=pl.String)
    days, day = _coded(texts.str.extract(_DAY_AND_TIME, 1).fill_null(texts).zip_with(parted, texts))
    clocks, clock = _coded(texts.str.extract(_DAY_AND_TIME, 2).zip_with(parted, nothing))
    midnight = np.array(["1970-01-01" + (f" {time}" if time else "") for time in clocks], object)
    seconds = parse_dates(np.array(days, object), *reading)[day] + parse_dates(midnight)[clock]
    return np.where((seconds >= FIRST) & (seconds < LAST), seconds, np.nan)


def _numbers(values: Array, missing: Array, infinite: Array, way: Number) -> Numbers:
    too_large = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)) > LARGEST
    infinite = infinite | np.isinf(values)
    values = np.where(infinite | too_large | missing, np.nan, values)
    others = np.flatnonzero(np.isnan(values) & ~missing & ~infinite)
    return Numbers(values, others, np.flatnonzero(infinite), int((~missing).sum()), way)
