"""Where training ends, and the origins of series that train, validate and test: see `series.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.forecasts import FUTURE, PAST
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.series import DECILES, Series
from drivetrain.data.kinds.base import ColumnContext
from drivetrain.data.kinds.guess import guess
from drivetrain.data.read.readers import read_frame
from drivetrain.data.split import Split
from drivetrain.errors import DataError
from drivetrain.figures import counted
from drivetrain.forecasting.bank import lookbacks
from drivetrain.timeline.grid import shown
from drivetrain.timeline.layout import Layout
from drivetrain.timeline.moments import Moments
from drivetrain.types import Array
from drivetrain.values import is_nothing

MOST_ORIGINS = 50_000
"""That validate, or test; of more every so many-th."""
TOLD = 5
LEAST = 2
"""Moments that are read: of one nobody knows how it goes on."""

Whole = npt.NDArray[np.int64]


def edges_of(
    layout: Layout, moments: Moments, valid: float, test: float, name: str
) -> tuple[tuple[int, int], list[str]]:
    """The numbers of the first moments that validate and that test, and what is to be told: shares of what was measured, each of
    a horizon at least. Raises DataError where too little is left to train on."""
    numbers = layout.beat.index(moments.stamps)
    known, counts = np.unique(numbers[moments.known], return_counts=True)
    total, horizon = int(counts.sum()), layout.horizon
    last = int(known[-1]) + 1
    before = counts.cumsum()
    notes: list[str] = []
    ends = last
    found: list[int] = []
    for part, share, behind in (("test", test, test), ("valid", valid, valid + test)):
        edge = ends
        if share:
            edge = int(
                known[min(int(np.searchsorted(before, total * (1 - behind) - 0.5)) + 1, len(known) - 1)]
            )
            if ends - edge < horizon:
                edge = ends - horizon
                notes.append(
                    f"{share:.0%} of the moments are fewer than the horizon: {part} is the last {horizon:,}"
                    + (" before test" if test and part == "valid" else "")
                )
        found.append(edge)
        ends = edge
    longest = int(np.bincount(moments.series[moments.known & (numbers < ends)], minlength=1).max(initial=0))
    if longest < horizon + LEAST:
        raise DataError(
            f"the history is too short: of {last - int(known[0]):,} moments {longest:,} are left to train on, and {horizon:,} "
            "are foretold.",
            where=name, fix="Give more history, or foretell less: --horizon.",
        )  # fmt: skip
    return (found[1], found[0]), notes


def usual_context(layout: Layout, moments: Moments, edge: int, seasons: Sequence[int]) -> int:
    """How many moments are read where nobody said: the most that is worth it for a series of the usual length."""
    early = layout.beat.index(moments.stamps) < edge
    sizes = np.bincount(moments.series[early], minlength=len(moments.sizes))
    return max(LEAST, lookbacks(int(np.median(sizes[sizes > layout.horizon])), layout.horizon, seasons)[-1])


def runs(moments: Moments) -> list[str]:
    """Of the longest stretch in which rows have no number."""
    gaps = ~moments.known & (moments.rows >= 0)
    places = np.flatnonzero(gaps)
    if not len(places):
        return []
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    longest = max(runs, key=len)
    of = f" of {moments.names[int(moments.series[longest[0]])]}" if len(moments.names) > 1 else ""
    return [
        f"{counted(len(places), 'row has', 'rows have')} no {moments.layout.target}, the longest stretch{of} is {len(longest):,} "
        f"from {shown(moments.local[longest[0]])} on: read as the last known, and measured against nothing"
    ]


def constant(moments: Moments) -> list[str]:
    """Series that are one number."""
    places, series = np.flatnonzero(moments.known), moments.series
    values = moments.truth[places, 0]
    low, high = np.full(len(moments.sizes), np.inf), np.full(len(moments.sizes), -np.inf)
    np.minimum.at(low, series[places], values)
    np.maximum.at(high, series[places], values)
    flat = np.flatnonzero(low == high)
    if not len(flat):
        return []
    if len(moments.names) == 1:
        return [f"{moments.layout.target} is {low[0]:g} at every moment: there is nothing to foretell"]
    return [
        f"{counted(len(flat), 'series is', 'series are')} one number at every moment, such as {moments.names[int(flat[0])]}"
    ]


def origins_of(layout: Layout, moments: Moments) -> tuple[Whole, Whole]:
    """The places of the first moments that are foretold, and of which series: where a whole context comes before and something
    of the horizon was measured."""
    counts = np.maximum(0, moments.sizes - layout.context - layout.horizon + 1)
    series = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    origin = moments.offsets[series] + layout.context + within
    known = np.concatenate([[0], moments.known.cumsum()])
    some = known[origin + layout.horizon] > known[origin]
    return origin[some], series[some]


def parted(layout: Layout, moments: Moments, origin: Whole, edges: tuple[int, int], name: str) -> Split:
    """Which origins train, validate and test: all that they foretell lies in their own part."""
    first = layout.beat.index(moments.stamps)[origin]
    after = first + layout.horizon
    train = np.flatnonzero(after <= edges[0])
    valid = np.flatnonzero((first >= edges[0]) & (after <= edges[1]))
    test = np.flatnonzero(first >= edges[1])
    if not len(train):
        longest = int(moments.sizes.max())
        raise DataError(
            f"no series is long enough to train on: the longest has {longest:,} moments, and {layout.context:,} are read to "
            f"foretell {layout.horizon:,}.", where=name,
            fix="Read or foretell fewer (--context, --horizon), or hold out less (--valid).",
        )  # fmt: skip
    notes: list[str] = []
    series = moments.series[origin]
    lacking = np.flatnonzero(np.bincount(series[train], minlength=len(moments.names)) == 0)
    if len(lacking):
        named = ", ".join(moments.names[int(place)] for place in lacking[:TOLD]) + (
            " ..." if len(lacking) > TOLD else ""
        )
        notes.append(
            f"{counted(len(lacking), 'series is', 'series are')} too short to train on ({named}): "
            f"{layout.context + layout.horizon:,} moments before the edge are needed"
        )
    if edges[0] < edges[1] and not len(valid):
        notes.append("no series has a whole horizon after its context in the part that validates")
    valid, test = (_thinned(rows, first, part, notes) for rows, part in ((valid, "validate"), (test, "test")))
    return Split(train, valid, test, "\n".join(notes))


def _thinned(rows: Whole, first: Whole, part: str, notes: list[str]) -> Whole:
    step = -(-len(rows) // MOST_ORIGINS)
    if step <= 1:
        return rows
    notes.append(f"of the origins that {part} one in {step:,} counts")
    return rows[(first[rows] - first[rows].min()) % step == 0]


def signature_of(layout: Layout, moments: Moments, edge: int, fitted: Signature | None) -> Signature:
    """The codecs, fitted to the moments before the edge; of `fitted` the target stays, but for its limits."""
    early = layout.beat.index(moments.stamps) < edge
    inputs: dict[str, Codec] = {
        PAST: Series(layout.channels, layout.context).fit_moments(moments.values[early])
    }
    if layout.ahead:
        inputs[FUTURE] = Series(layout.ahead, layout.horizon, ahead=True).fit_moments(moments.ahead[early])
    trained = np.unique(moments.series[early])
    if layout.series_field and len(moments.names) > 1:
        inputs[layout.series_field] = Category(open=True).fit(np.array(moments.names, object)[trained])
    for column in layout.static:
        inputs[column] = _static(moments.statics[column], column).fit(moments.statics[column][trained])
    known = moments.truth[early]
    target = (
        Series((layout.target,), layout.horizon, DECILES).fit_moments(known)
        if fitted is None
        else fitted.targets[layout.target]
    )
    # Not by what validates: answers would be measured by numbers that they were kept within. With `whole` these train too.
    return Signature(inputs, {layout.target: cast("Series", target).limited(known)})


def _static(values: Array, column: str) -> Codec:
    """The kind of what is the same for all of a series: a number where all are, else names."""
    frame = read_frame(
        {column: [None if is_nothing(value) else value for value in values.tolist()]}, name="table"
    )
    kind = guess(ColumnContext(frame.column(column), frame.origins))
    return kind.codec if isinstance(kind.codec, (Number, Category)) else Category(open=True)
