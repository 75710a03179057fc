"""Groups of rows by what a column holds: levels, ranges, parts of dates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import MISSING as NO_DATE
from drivetrain.codecs.date import Date
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.data.cell_text import date_text, number_text
from drivetrain.types import Array

RANGES = 5
"""Numbers are cut into so many ranges of about equally many rows."""
FEW = 10
"""Up to so many different numbers each is a group of its own."""
MOST_TAGS = 50
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CALENDAR = {
    "month": (1, [f"in {name}" for name in MONTHS]),
    "weekday": (0, [f"on a {name}" for name in DAYS]),
    "hour": (0, [f"at {hour} h" for hour in range(24)]),
}
"""Parts of dates: the first value, and the names from there on."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Rows told apart by what `column` holds: `codes` int64 (n,) are positions in `names`.

    A name goes on where the column's name ends: "= Private", "from 37 to 47", "is missing".
    """

    column: str
    names: Sequence[str]
    codes: npt.NDArray[np.int64]

    def words(self, code: int) -> str:
        """ "age from 37 to 47"."""
        return f"{self.column} {self.names[code]}"


def groupings(column: str, codec: Codec, encoded: Array) -> list[Grouping]:
    """The ways in which a column of encoded values (n, *shape) tells rows apart: none, one or, for dates, several."""
    make = _GROUPINGS.get(codec.op.split("@")[0])
    found = make(codec, encoded) if make and len(encoded) else ()
    return [Grouping(column, names, codes) for names, codes in found if len(names) > 1]


Named = tuple[Sequence[str], npt.NDArray[np.int64]]


def _categories(codec: Codec, encoded: Array) -> Iterator[Named]:
    category = cast("Category", codec)
    names = [f"= {name}" for name in category.classes]
    yield ([*names, "= another one", "is missing"] if category.open else names), encoded.astype(np.int64)


def _numbers(codec: Codec, encoded: Array) -> Iterator[Named]:
    yield _ranged(encoded.reshape(-1).astype(np.float64))


def _ranged(
    values: npt.NDArray[np.float64], text: Callable[[float], str] | None = None, form: str = "{}"
) -> Named:
    """Numbers (n,), NaN where missing, in ranges; or each by itself where there are few. `form` holds a range's name."""
    text = text or _short_number
    known = values[~np.isnan(values)]
    different = np.unique(known)
    if len(different) <= FEW:
        edges = different
    else:
        # The least value of each range but the first: no value is in two, however many are equal.
        upper = np.quantile(known, np.arange(1, RANGES) / RANGES, method="inverted_cdf")
        edges = np.unique(
            [different[0], *(different[different > edge].min(initial=np.inf) for edge in upper)]
        )
        edges = edges[np.isfinite(edges)]
    codes = np.searchsorted(edges, values, side="right") - 1
    highest = [different[different < edge][-1] for edge in edges[1:]] + list(different[-1:])
    names = [form.format(_range_name(text(low), text(high))) for low, high in zip(edges.tolist(), highest)]
    codes[np.isnan(values)] = len(names)
    return [*names, "is missing"], codes


def _short_number(value: float) -> str:
    return number_text(value) if value == round(value) else f"{value:.4g}"


def _range_name(low: str, high: str) -> str:
    return f"= {low}" if low == high else f"from {low} to {high}"


def _dates(codec: Codec, encoded: Array) -> Iterator[Named]:
    absent = encoded[:, 0] == NO_DATE
    elapsed = np.where(absent, np.nan, encoded[:, 0].astype(np.float64))
    clock = cast("Date", codec).clock
    yield _ranged(elapsed, lambda seconds: date_text(int(seconds), clock))
    for place, part in enumerate(cast("Date", codec).parts or (), start=1):
        if part in CALENDAR:
            first, names = CALENDAR[part]
            codes = encoded[:, place].astype(np.int64)
            codes -= first
            codes[absent] = len(names)
            yield [*names, "is missing"], codes


def _tags(codec: Codec, encoded: Array) -> Iterator[Named]:
    tags = cast("Tags", codec).tags
    for place in np.argsort(-encoded.sum(axis=0, dtype=np.int64), kind="stable")[:MOST_TAGS].tolist():
        yield [f"without {tags[place]}", f"with {tags[place]}"], encoded[:, place].astype(np.int64)
    yield ["with a tag", "without any tag"], (encoded.max(axis=1) == 0).astype(np.int64)


def _words(codec: Codec, encoded: Array) -> Iterator[Named]:
    words = encoded[:, : cast("Text", codec).length]  # What follows are n-grams.
    sizes = np.count_nonzero(words, axis=1).astype(np.float64)
    sizes[sizes == 0] = np.nan
    yield _ranged(sizes, form="{} words")


def _pictures(codec: Codec, encoded: Array) -> Iterator[Named]:
    """By brightness from 0 to 1, to two decimals: finer differences nobody sees."""
    flat = encoded.reshape(len(encoded), -1)
    brightness = flat.mean(axis=1, dtype=np.float64) / 255
    yield _ranged(brightness.round(2), form="brightness {}")


_GROUPINGS: dict[str, Callable[[Codec, Array], Iterator[Named]]] = {
    "category": _categories,
    "number": _numbers,
    "date": _dates,
    "tags": _tags,
    "text": _words,
    "image": _pictures,
}
