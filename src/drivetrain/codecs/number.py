"""number@1: one real number, or none where that is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import (
    LARGEST,
    NEVER_MISSING,
    NO_NUMBER,
    Cell,
    Errors,
    FieldError,
    Quantity,
    absent_words,
    by_row,
    distinct,
    errors_by_row,
    is_missing,
)
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array
from drivetrain.values import scalar, short

Floats = npt.NDArray[np.float64]

RESOLUTION = float(np.finfo(np.float32).eps)
WRITTEN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""Numbers as every language writes them; Python alone would also take 1_000 and digits of other scripts.
No digit can be matched in two ways, so what is no number is found out in one pass."""
GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
"""Numbers whose digits are grouped by threes, once the grouping sign is a comma and the decimal mark a point."""
THOUSANDS: dict[str, dict[int, int]] = {
    "": {},
    ",": {},
    ".": str.maketrans(".,", ",."),
    "'": str.maketrans("'\u2019,", ",,'"),
    " ": str.maketrans(" \u00a0\u202f,", ",,, "),
}
"""Grouping sign -> what brings a text to a comma as that sign and a point as the decimal mark."""
INFINITE = re.compile(r"[+-]?(?:inf|infinity|\u221e)", re.IGNORECASE)
MOST_PLACES, MOST_TIMES = 64, 1e6
"""A range has at most so many places at which its width is told, and is nowhere more times as wide."""
SPACES = r"[\s\x1c-\x1f]*"
"""White space, in every regular expression's dialect: what `str.strip` takes away."""
PARENTHESES = rf"\({SPACES}(.*?){SPACES}\)"
"""How accountants write what is below zero."""
UNIT = re.compile(r"[^\s\d.,'\u2019+()\-]{1,12}(?: [^\s\d.,'\u2019+()\-]{1,12})?")
SCALINGS = ("standard", "robust", "none")
NORMAL_QUARTILES = 1.349
"""The 25 % and 75 % quantiles of a normal distribution are this many standard deviations apart."""

AT_A_LIMIT, SHARE_AT_A_LIMIT = 10, 0.01
"""So many numbers that are the very largest or smallest, and such a share of all, show that there is a limit."""


def limits_of(known: Floats) -> tuple[float | None, float | None]:
    """The lowest and the highest number that an answer may be, by known ones (n,), of which NaN do not count: an end at which many
    lie exactly, and 0 where all are on one side of it; None where nothing speaks for a limit."""
    known = known[~np.isnan(known)]
    if not known.size:
        return None, None
    low, high = float(known.min()), float(known.max())
    least = max(AT_A_LIMIT, SHARE_AT_A_LIMIT * known.size)
    # What was the same everywhere doesn't show how far it may go.
    found = (end if low < high and np.count_nonzero(known == end) >= least else None for end in (low, high))
    lowest, highest = found
    if lowest is None and low >= 0 < max(high, -low):
        lowest = 0.0
    if highest is None and high <= 0 < max(high, -low):
        highest = 0.0
    return lowest, highest


def refuse_limits(lowest: float | None, highest: float | None) -> None:
    """Raises FieldError where these are none."""
    ends = [end for end in (lowest, highest) if end is not None]
    if not all(math.isfinite(end) for end in ends) or ends != sorted(ends):
        raise FieldError("lowest and highest must be finite, the one not above the other")


@dataclass(frozen=True)
class Number(Quantity):
    """A number. Encodes to float32 (), unscaled, NaN where missing; decodes float32 () or (1,).

    `center` and `spread` are learned from the training values, of z = sign(x) log(1 + |x|) where `log` is set, else of
    z = x; the graph works on (z - center) / spread unless `scaling` is "none". With `missing` there may be no
    value; `absent` are the texts and numbers that say so, instead of the usual texts. In text, `thousands` is the sign
    that may group digits, `decimal` the decimal mark (a comma too where points group), `unit` what may stand before or
    after the number, and with `accounting` (5) is -5. `interval`, half its width in units of `spread`, makes a target's
    answer a range that holds the truth in a share `coverage` of cases. It is wider or narrower by the answer: `local`
    are places on the scale that the graph works on, rising, each with the factor of the width there; between them it is
    interpolated. No range goes below `lowest` or above `highest`; and no answer leaves `scale`, the ends of a scale such
    as that of ratings.
    """

    op: ClassVar[str] = "number@1"
    called: ClassVar[str] = "a number"
    learned: ClassVar[tuple[str, ...]] = ("center", "spread")
    scaling: str = "standard"
    log: bool = False
    missing: bool = False
    thousands: str = ""
    center: float | None = None
    spread: float | None = None
    interval: float | None = None
    coverage: float = 0.9
    absent: tuple[str, ...] | None = None
    local: tuple[tuple[float, float], ...] = ()
    lowest: float | None = None
    highest: float | None = None
    decimal: str = "."
    unit: str = ""
    accounting: bool = False
    scale: tuple[float, float] | None = None
    no_value: ClassVar[frozenset[str]] = NO_NUMBER

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise FieldError(f"scaling must be one of {', '.join(SCALINGS)}")
        if self.thousands not in THOUSANDS:
            raise FieldError("thousands must be a comma, a point, an apostrophe, a space, or empty")
        if self.decimal not in (".", ",") or self.decimal == self.thousands == ",":
            raise FieldError("decimal must be a point or a comma, and not the sign of thousands")
        if self.unit and not UNIT.fullmatch(self.unit):
            raise FieldError("unit must be a word or two without digits and signs of numbers, or empty")
        if self.spread is not None and not (math.isfinite(self.spread) and self.spread > 0):
            raise FieldError("spread must be a number above 0")
        if self.center is not None and not math.isfinite(self.center):
            raise FieldError("center must be a finite number")
        if self.interval is not None and not (math.isfinite(self.interval) and self.interval >= 0):
            raise FieldError("interval must be a number of at least 0")
        if not 0 < self.coverage < 1:
            raise FieldError("coverage must lie between 0 and 1")
        places, factors = [place for place, _ in self.local], [factor for _, factor in self.local]
        if len(places) > MOST_PLACES or not all(a < b for a, b in pairwise(places)):
            raise FieldError(f"local must have at most {MOST_PLACES} places, each above the one before")
        if not all(math.isfinite(place) for place in places) or not all(
            0 <= x <= MOST_TIMES for x in factors
        ):
            raise FieldError(f"local must hold finite places and factors from 0 to {MOST_TIMES:g}")
        refuse_limits(self.lowest, self.highest)
        if self.scale is not None and not (
            len(self.scale) == 2 and all(map(math.isfinite, self.scale)) and self.scale[0] <= self.scale[1]
        ):
            raise FieldError("scale must be two finite numbers, the first not above the second")

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    @cached_property
    def _absent_numbers(self) -> Floats:
        return numbers_among(self.absent)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.center is not None and self.spread is not None:
            return self
        numbers, faults = self._read_column(values)
        if faults:
            raise next(iter(faults.values()))
        numbers = self.transform(numbers[~np.isnan(numbers)])
        if not numbers.size:
            raise DataError("there are no numbers to fit to.", fix="Check that the column has values.")
        center, width = float(numbers.mean()), float(numbers.std())
        if self.scaling == "robust":
            lower, center, upper = np.quantile(numbers, (0.25, 0.5, 0.75)).tolist()
            quartiles = (upper - lower) / NORMAL_QUARTILES
            width = quartiles if quartiles > RESOLUTION * abs(center) else width
        if width <= RESOLUTION * abs(center):
            width = 1.0  # A constant column's rounding, or what float32 can't resolve: nothing to divide by.
        kept = center if self.center is None else self.center
        return replace(self, center=kept, spread=width if self.spread is None else self.spread)

    def read(self, raw: Any) -> float:
        raw = scalar(raw)
        if self.missing and is_missing(raw, self._absent):
            return math.nan
        if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
            raise DataError(f"{raw!r:.60} is not a number.")
        try:
            value = float(cast("float", self._plain_text(raw) if isinstance(raw, str) else raw))
        except OverflowError:  # A whole number beyond float64, which may be too long to print.
            raise DataError("the number is too large for 32 bits.", fix="Leave the row out.") from None
        if value in self._absent_numbers:
            if self.missing:
                return math.nan
            raise DataError(f"the number is missing: {raw!r:.60} says so.", fix="Leave the row out.")
        if abs(value) <= LARGEST:
            return value
        if self.missing and math.isinf(value):
            return math.nan
        raise DataError(
            f"{raw!r:.60} is not a finite 32-bit number.", fix="Leave the row out or mend the value."
        )

    def _plain_text(self, raw: str) -> str:
        """The number without unit and grouping signs. Raises DataError where it is none."""
        text = raw.strip()
        if INFINITE.fullmatch(text):
            return "-inf" if text[0] == "-" else "inf"
        text = _without_unit(text, self.unit)
        if self.accounting and (inner := re.fullmatch(PARENTHESES, text, re.DOTALL)):
            text = "-" + _without_unit(inner[1], self.unit)
        text = text.translate(self.signs)
        if self.thousands and GROUPED.fullmatch(text):
            return text.replace(",", "")
        if not WRITTEN.fullmatch(text):
            example = "12,5" if self.marks_by_comma else "12.5"
            raise DataError(f"{raw!r:.60} is not a number.", fix=f"Write it like {example} or 1e-3.")
        return text

    @property
    def marks_by_comma(self) -> bool:
        """Whether the decimal mark of a text is a comma."""
        return self.decimal == "," or self.thousands == "."

    @property
    def signs(self) -> dict[int, int]:
        """What brings a text to a comma as the grouping sign and a point as the decimal mark."""
        signs = THOUSANDS[self.thousands]
        if self.decimal == "." or self.thousands == ".":
            return signs
        return {code: ord(",") for code in signs if code != ord(",")} | str.maketrans(",.", ". ")

    def encode(self, value: float) -> Array:
        return np.array(value, dtype=np.float32)

    def encode_column(self, values: Array) -> tuple[Array, Errors]:
        numbers, faults = self._read_column(values)
        return numbers.astype(np.float32), faults

    def truths(self, values: Array, encoded: Array) -> Floats:
        """float64 (n,): an error smaller than float32's step must not be measured as none."""
        del encoded
        return self._read_column(values)[0]

    def rounding(self, values: Iterable[Any]) -> float:
        """Float32's largest step among these numbers; 0 where the fitted codec says without looking that it is none."""
        known = not self.log and self.center is not None and self.spread is not None
        if known and float(np.spacing(np.float32(self.center))) <= self.spread / 1000:  # type: ignore[operator]
            return 0.0
        numbers, _ = self._read_column(values)
        numbers = numbers[~np.isnan(numbers)]
        width = float(numbers.std()) if numbers.size else 0.0
        return float(np.spacing(np.float32(np.abs(numbers).max()))) / width if width else 0.0

    def _read_column(self, values: Iterable[Any]) -> tuple[Floats, Errors]:
        """What `read` gives of each value (n,), 0 where it raises, and the errors by row."""
        column = _numeric(values)
        if column is None:
            different, which = distinct(values)
            numbers, faults = self._read_each(different, np.arange(len(different)))
            return by_row(numbers, which), errors_by_row(faults, which)
        numbers, raws = column
        nothing = np.isinf(numbers)
        absent = np.isin(numbers, self._absent_numbers)
        if self.missing and (nothing | absent).any():
            numbers = np.where(nothing | absent, np.nan, numbers)
        wrong = ~(np.abs(numbers) <= LARGEST) | absent
        if self.missing:
            wrong &= ~np.isnan(numbers)
        if not wrong.any():
            return numbers, {}
        rows = np.flatnonzero(wrong)
        numbers = np.where(wrong, 0.0, numbers)
        return numbers, self._read_each([raws[row] for row in rows.tolist()], rows)[1]

    def _read_each(self, raws: list[Any], rows: Array) -> tuple[Floats, Errors]:
        numbers = np.zeros(len(raws))
        faults: Errors = {}
        for place, (raw, row) in enumerate(zip(raws, rows.tolist())):
            try:
                numbers[place] = self.read(raw)
            except DrivetrainError as fault:
                faults[row] = fault
        return numbers, faults

    def transform(self, values: Array) -> Floats:
        """z of values x: what `center` and `spread` are of."""
        numbers = np.asarray(values, np.float64)
        return np.copysign(np.log1p(np.abs(numbers)), numbers) if self.log else numbers

    def inverse(self, transformed: Array) -> Floats:
        """x of z; what would be beyond 32 bits is the largest that is not."""
        numbers = np.asarray(transformed, np.float64)
        if self.log:
            numbers = np.copysign(np.expm1(np.minimum(np.abs(numbers), 89.0)), numbers)
        return np.clip(numbers, -LARGEST, LARGEST)

    def bounds(self, outputs: Array) -> tuple[Floats, Floats]:
        """Low and high ends of the range for each output (n,). Raises DrivetrainError without `interval`."""
        if self.interval is None:
            raise DrivetrainError("number@1 has no interval.", fix="Set one, in units of spread.")
        z = self.transform(self.within(outputs))
        center, spread = self.graph_scale
        half = self.interval * spread * self.factors((z - center) / spread)
        lowest = -LARGEST if self.lowest is None else self.lowest
        highest = LARGEST if self.highest is None else self.highest
        low, high = (np.clip(self.inverse(end), lowest, highest) for end in (z - half, z + half))
        return self.within(low), self.within(high)

    def within(self, values: Array) -> Array:
        """The values, on the scale where there is one."""
        return values if self.scale is None else np.clip(values, *self.scale)

    def factors(self, places: Array) -> Floats:
        """How many times `interval` the range is wide at places on the scale that the graph works on."""
        if not self.local:
            return np.ones(np.shape(places))
        known = np.array(self.local, np.float64)
        return np.interp(places, known[:, 0], known[:, 1])

    def scaled(self, values: Array) -> Floats:
        """Natural units to the scale that the graph works on."""
        center, spread = self.graph_scale
        return (self.transform(values) - center) / spread

    @property
    def graph_scale(self) -> tuple[float, float]:
        """The center and the spread of the scale that a graph works on, in z."""
        if self.scaling == "none":
            return 0.0, 1.0
        return self.center or 0.0, self.spread or 1.0

    def without_interval(self) -> Self:
        """The codec as it was before its answers had ranges."""
        return replace(self, interval=None, local=(), lowest=None, highest=None)

    def decode(self, output: Array) -> dict[str, Any]:
        """The number; with `interval` also the ends of the range that it lies in."""
        value = self.within(np.asarray(output).reshape(()))
        decoded = {"value": float(value)}
        if self.interval is not None:
            low, high = self.bounds(value)
            decoded |= {"low": float(low), "high": float(high)}
        return decoded

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        columns = ("value",) if brief or self.interval is None else ("value", "low", "high")
        return {column: None if answer is None else short(answer.get(column)) for column in columns}

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How many there are and are missing, mean, standard deviation and quantiles."""
        values = encoded.reshape(-1).astype(np.float64)
        known = values[~np.isnan(values)]
        counts = {"n": int(values.size)}
        if self.missing:
            counts["missing"] = int(values.size - known.size)
        if not known.size:
            return counts
        levels = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
        quantiles = np.quantile(known, levels)
        return {
            **counts,
            "mean": float(known.mean()),
            "std": float(known.std()),
            "quantiles": {str(level): float(value) for level, value in zip(levels, quantiles)},
        }

    def unusual(self, values: Array, encoded: Array, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """What lies farther outside the training range than the middle 90 % of it are wide (on the log scale with `log`),
        and gaps where training had none."""
        found = [(NEVER_MISSING, np.isnan(encoded))] if profile.get("missing") == 0 else []
        ends = _training_range(profile)
        if ends is None:
            return found
        least, low, high, most = self.transform(np.array(ends)).tolist()
        width = high - low or most - least
        z = self.transform(encoded)
        span = f"{_short(ends[0])} to {_short(ends[-1])}"
        return [
            *found,
            (f"far below the training range of {span}", z < least - width),
            (f"far above the training range of {span}", z > most + width),
        ]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        return ()

    def input_words(self) -> str:
        none = ", or none," if self.missing else ","
        return f"a finite number{none} in the units of the training data; scaled inside the graph."

    def answer_words(self) -> str:
        held = (
            "" if self.interval is None else f", with a range that holds it in {self.coverage:.0%} of cases"
        )
        return f"a number, in the units of the training data{held}."

    def schema(self) -> dict[str, Any]:
        return {"type": ["number", "null"] if self.missing else "number"}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        examples: list[tuple[str, Any]] = [
            ("zero", 0),
            ("minus", -1.5),
            ("text", " 3.25 "),
            ("exponent", "1e-3"),
        ]
        if self.missing:
            examples += [("missing", None), ("a word for missing", " N/A ")]
        if self.marks_by_comma:
            examples[2] = ("text", " 3,25 ")
        if self.thousands:
            examples.append(("grouped", f"-1{self.thousands}234{self.thousands}567"))
        if self.unit:
            examples += [("unit after", f"-7 {self.unit}"), ("unit before", f"-{self.unit}7")]
        if self.accounting:
            examples.append(("in parentheses", f"({self.unit} 7)"))
        return examples


def numbers_among(words: Sequence[str] | None) -> Floats:
    """The numbers that are written among words for "no value": -200, "-200" and "-200.0" are one."""
    return np.array([float(word) for word in map(str.strip, words or ()) if WRITTEN.fullmatch(word)])


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def _training_range(profile: Mapping[str, Any]) -> list[float] | None:
    """The least, 5 % quantile, 95 % quantile and greatest of a profile; None where it doesn't hold them."""
    quantiles = profile.get("quantiles")
    if not isinstance(quantiles, Mapping):
        return None
    known = cast("Mapping[str, Any]", quantiles)
    ends = [known.get(level) for level in ("0.0", "0.05", "0.95", "1.0")]
    numbers = [float(end) for end in ends if isinstance(end, (int, float)) and abs(end) <= LARGEST]
    return numbers if len(numbers) == len(ends) and numbers == sorted(numbers) else None


@lru_cache
def unit_patterns(unit: str) -> tuple[str, str]:
    """What finds a unit before a number, perhaps with its sign first, and after it; the groups are what is left."""
    written = re.escape(unit)
    return rf"([+-]?){SPACES}{written}{SPACES}(.*)", rf"(.*?){SPACES}{written}"


def _without_unit(text: str, unit: str) -> str:
    if not unit:
        return text
    before, after = unit_patterns(unit)
    if found := re.fullmatch(before, text, re.DOTALL):
        text = found[1] + found[2]
    if found := re.fullmatch(after, text, re.DOTALL):
        text = found[1]
    return text


def _numeric(values: Iterable[Any]) -> tuple[Floats, Array] | None:
    """A column of numbers as float64 (n,), and as it was; None where it holds anything but numbers and None."""
    if not isinstance(values, np.ndarray):
        return None
    column = cast("Array", values)
    if column.ndim != 1:
        return None
    if column.dtype.kind in "iuf":
        return column.astype(np.float64), column
    if column.dtype != object or not {*map(type, column)} <= {int, float, np.float64, type(None)}:
        return None
    try:
        return column.astype(np.float64), column
    except OverflowError:
        return None
