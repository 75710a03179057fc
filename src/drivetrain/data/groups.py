"""Groups of rows by what a column holds: levels, ranges, parts of dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec
from drivetrain.extensions import facet
from drivetrain.figures import by_hand, percent
from drivetrain.types import Array

RANGES = 5
"""Numbers are cut into so many ranges of about equally many rows."""
FEW = 10
"""Up to so many different numbers each is a group of its own."""


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


def may_be_grouped(codec: Codec) -> bool:
    """Whether values of a kind tell rows apart in a way that has a name."""
    return hasattr(facet("data.kinds", codec), "groupings")


def groupings(column: str, codec: Codec, encoded: Array) -> list[Grouping]:
    """The ways in which a column of encoded values (n, *shape) tells rows apart: none, one or, for dates, several."""
    make = getattr(facet("data.kinds", codec), "groupings", None)
    found = make(codec, encoded) if make and len(encoded) else ()
    return [Grouping(column, names, codes) for names, codes in found if len(names) > 1]


Named = tuple[Sequence[str], npt.NDArray[np.int64]]


def ranged(
    values: npt.NDArray[np.float64], text: Callable[[float], str] | None = None, form: str = "{}"
) -> Named:
    """Numbers (n,), NaN where missing, in ranges; or each by itself where there are few. `form` holds a range's name."""
    text = text or (lambda value: by_hand(value, 4))
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


def shares(values: npt.NDArray[np.float64], form: str = "{}") -> Named:
    """Shares (n,), NaN where there is none, in ranges that are told in whole percents."""
    return ranged(np.round(values, 2), lambda share: percent(share, 0), form)


def _range_name(low: str, high: str) -> str:
    return f"= {low}" if low == high else f"from {low} to {high}"
