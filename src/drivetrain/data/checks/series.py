"""`check` of series to be foretold: gaps, moments far off, levels that shift, stretches that never change, rows of one moment,
the same series twice, a clock that was set forward in a time without a zone, and columns that hold what is to be foretold.

The rates of false alarms are held by tests/test_data_check_series.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.data.faults import Fault, Report
from drivetrain.figures import counted, percent, rough
from drivetrain.forecasting.changes import change_points
from drivetrain.forecasting.decompose import decompose
from drivetrain.timeline.grid import shown
from drivetrain.timeline.layout import Layout
from drivetrain.timeline.moments import Moments
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]

MANY_GAPS = 0.05
"""Of a series' moments, where there is much to fill in."""
FAR = 8.0
"""Spreads (1.4826 median distances) by which the rest of a moment, beside trend and seasons, is off: of normal noise never."""
LEAST = 30
"""Moments of a shorter series say little."""
LOOKED_AT, LONGEST = 50, 20_000
"""Series that are taken apart, the longest; and of each the newest moments."""
STRETCH = 20
"""A value that stays for so many moments, and for twice the longest season that is no year, in a series that else changes."""
CHANGES = 0.5
TELLS_ALL, TELLS_MUCH = 0.999, 0.97
"""Of the changes of the target, by the square of their correlation with those of a column that should not tell them."""
LEAST_PAIRS = 30
DAY = 86_400
SUNDAY, MARCH, NOVEMBER = 6, 3, 11


@dataclass(frozen=True, eq=False)
class SeriesData:
    """What is looked at. `edge` (series,) is where each series' training ends, a place; `row_numbers` those of the table's rows
    as a person counts them."""

    name: str
    layout: Layout
    moments: Moments
    edge: Array
    seasons: Sequence[int]
    row_numbers: Array
    notes: Sequence[str]

    def place(self, moment: int) -> str:
        """Where a moment is, for people."""
        local, row = self.moments.local[moment], int(self.moments.rows[moment])
        names = self.moments.names
        of = f" of {names[int(self.moments.series[moment])]!r}" if len(names) > 1 else ""
        when = (
            shown(local)
            if np.asarray(local).dtype.kind == "M" and self.layout.beat.kind != "count"
            else f"moment {int(local) + 1:,}"
        )
        where = f"{self.name}, row {self.row_numbers[row]}" if row >= 0 else f"{self.name}, no row"
        return f"{where}: {when}{of}"


def check_series(data: SeriesData, rows: int, things: str) -> Report:
    """Report what is wrong with series."""
    faults = [
        *_gaps(data),
        *_several(data),
        *_clock(data),
        *_same_series(data),
        *_apart(data),
        *_leaks(data),
    ]
    counts = {"rows": rows, "series": len(data.moments.names), "moments": len(data.moments)}
    return Report(data.name, "", tuple(faults), counts=counts, things=things)


def _own(data: SeriesData) -> Iterator[tuple[int, slice]]:
    for each, (start, size) in enumerate(zip(data.moments.offsets.tolist(), data.moments.sizes.tolist())):
        yield each, slice(start, start + size)


def _gaps(data: SeriesData) -> Iterator[Fault]:
    moments = data.moments
    lacking = ~moments.known
    if not lacking.any():
        return
    shares = np.bincount(moments.series, lacking, len(moments.names)) / np.maximum(moments.sizes, 1)
    edges = np.flatnonzero(np.diff(np.r_[False, lacking, False].astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    longest = np.argsort(begins - ends, kind="stable")
    where = [
        data.place(int(begins[n]))
        + (f" and {ends[n] - begins[n] - 1:,} more" if ends[n] - begins[n] > 1 else "")
        for n in longest
    ]
    worst = int(np.argmax(shares))
    message = f"Moments without a known {data.layout.target}: {int(lacking.sum()):,} of {len(lacking):,}."
    if len(moments.names) > 1:
        message += f" Most of them in {moments.names[worst]!r}: {percent(float(shares[worst]))}."
    rule = "the last value stands for them" if data.layout.fill == "last" else "a moment without a row has 0"
    fix = f"For the model {rule} (--fill last or zero). They are measured against nothing."
    yield Fault("gaps", "warning" if float(shares.max()) > MANY_GAPS else "note", message, where, fix)


def _several(data: SeriesData) -> Iterator[Fault]:
    """What was told when rows were joined: it is a fault here."""
    for note in data.notes:
        if "several rows" in note:
            fix = "Are these rows of several series? Then say which column tells them apart: --item."
            yield Fault("rows of one moment", "warning", f"{note[0].upper()}{note[1:]}.", [], fix)


def _clock(data: SeriesData) -> Iterator[Fault]:
    """An hour that lacks at night on a Sunday in spring, in time without a zone: there clocks were set forward."""
    layout, moments = data.layout, data.moments
    beat = layout.beat
    if layout.zone or beat.on_the_wall or beat.kind == "count":
        return
    local = moments.local
    days = local.astype("datetime64[D]")
    seconds = (local - days).astype(np.int64)
    weekday = (days.astype(np.int64) + 3) % 7
    month = local.astype("datetime64[M]").astype(np.int64) % 12 + 1
    night = (seconds >= 3_600) & (seconds < 4 * 3_600)
    spring = np.isin(month, (MARCH, 9, 10))
    found = np.flatnonzero((moments.rows < 0) & (weekday == SUNDAY) & night & spring)
    # Of that day all else is there: else it is a gap like others.
    keys = moments.series * 2**32 + days.astype(np.int64)
    absent = np.flatnonzero(moments.rows < 0)
    alike, counts = np.unique(keys[absent], return_counts=True)
    least = max(1, 3_600 // beat.step)
    alone = np.array([counts[np.searchsorted(alike, key)] <= least for key in keys[found]], bool)
    found = found[alone] if len(found) else found
    if len(found):
        message = (
            f"Hours that lack on a night when clocks are set forward: {len(found):,}. The stamps have no zone, and in autumn an "
            "hour comes twice."
        )
        fix = "Say in which zone they are told: --timezone Europe/Berlin."
        yield Fault("daylight saving", "warning", message, [data.place(int(each)) for each in found], fix)


def _same_series(data: SeriesData) -> Iterator[Fault]:
    moments = data.moments
    seen: dict[bytes, int] = {}
    where: list[str] = []
    for each, own in _own(data):
        if moments.paths and each >= len(moments.paths):
            break  # A sum of one series is that.
        truth = moments.truth[own, 0]
        known = truth[np.isfinite(truth)]
        if len(known) < LEAST or np.ptp(known) == 0:
            continue
        first = seen.setdefault(truth.tobytes(), each)
        if first != each:
            where.append(f"{moments.names[first]!r} = {moments.names[each]!r}")
    if where:
        many = counted(len(where), "series has", "series have")
        yield Fault(
            "same series", "warning", f"{many} the very values of another.", where, "Leave one of each out."
        )


# --- one by one ---------------------------------------------------------------------------------------------


def _apart(data: SeriesData) -> Iterator[Fault]:
    """What is seen of each series beside its trend and seasons."""
    moments = data.moments
    order = np.argsort(-moments.sizes, kind="stable")[:LOOKED_AT].tolist()
    far: list[tuple[float, int]] = []
    shifts: list[tuple[str, int]] = []
    late = 0
    flat: list[tuple[int, str]] = []
    for each in order:
        end = int(moments.offsets[each] + moments.sizes[each])
        own = slice(max(int(moments.offsets[each]), end - LONGEST), end)
        values = moments.truth[own, 0].astype(np.float64)
        if np.isfinite(values).sum() < LEAST:
            continue
        flat += [(own.start + place, words) for place, words in _flat(values, data.seasons)]
        parts = decompose(values, data.seasons)
        spread = 1.4826 * float(np.nanmedian(np.abs(parts.rest)))
        if spread > 0:
            off = np.abs(parts.rest) / spread
            far += [(float(off[n]), own.start + n) for n in np.flatnonzero(off > FAR).tolist()]
        least = max([8, *(season.period for season in parts.seasons)])
        for change in change_points(values - parts.seasonal, least):
            if change.kind == "level":
                place = own.start + change.place
                way = "rises" if change.shift > 0 else "falls"
                shifts.append((f"{data.place(place)}: {way} by {rough(abs(change.shift))}", place))
                late += place >= int(data.edge[each])
    if far:
        far.sort(reverse=True)
        where = [f"{data.place(n)}: {rough(float(moments.truth[n, 0]))}" for _, n in far]
        message = f"Moments far off from trend and season: {len(far):,}."
        yield Fault(
            "far off", "warning", message, where, "Are they true? Mend what is not; a model learns from each."
        )
    if shifts:
        message = f"Breaks at which the level of a series shifts: {len(shifts):,}."
        if late:
            message += f" {counted(late, 'of them lies', 'of them lie')} after the training: what is measured is of another world."
        fix = "Was something else counted from there on? What is before may say little of what comes; more so the longer --context."
        yield Fault(
            "level shift", "warning" if late else "note", message, [words for words, _ in shifts], fix
        )
    if flat:
        message = f"Stretches in which a series that else changes stays the same: {len(flat):,}."
        where = [f"{data.place(place)}: {words}" for place, words in flat]
        fix = "Did a sensor stand still, or was something filled in? Empty these cells."
        yield Fault("stuck", "warning", message, where, fix)


def _flat(values: Floats, seasons: Sequence[int]) -> list[tuple[int, str]]:
    """Runs of one value, not the most frequent one: a shop that is closed sells nothing."""
    known = np.flatnonzero(np.isfinite(values))
    series = values[known]
    moved = np.diff(series) != 0
    if moved.mean() < CHANGES:
        return []
    alike, counts = np.unique(series, return_counts=True)
    usual = alike[np.argmax(counts)] if counts.max() > 0.1 * len(series) else np.nan
    least = max(STRETCH, *(2 * season for season in seasons if season < 50), 0)
    edges = np.flatnonzero(np.r_[True, moved, True])
    return [
        (int(known[a]), f"{b - a:,} times {rough(float(series[a]))}")
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist())
        if b - a >= least and series[a] != usual
    ]


# --- leaks --------------------------------------------------------------------------------------------------


def _leaks(data: SeriesData) -> Iterator[Fault]:
    """Columns that hold the target, at the same moment or at others: of what is known ahead any moment that is to be
    foretold, of what is known up to now one that is to come."""
    layout = data.layout
    channels = list(layout.channels)
    for column in (*layout.known, *layout.past):
        if column in layout.classes:
            continue
        ahead = column in layout.known
        # c(t) = y(t + k): what is known ahead tells of h steps on where k > -h; what is known now where k > 0.
        lags = range(-layout.horizon + 1, layout.horizon + 1) if ahead else range(1, layout.horizon + 1)
        found = _tells(data, channels.index(column), lags)
        if found is None:
            continue
        lag, share = found
        moments = counted(abs(lag), "moment", "moments")
        when = "of the same moment" if lag == 0 else f"{moments} {'later' if lag > 0 else 'before'}"
        sure = share >= TELLS_ALL
        what = "is" if sure else f"tells {percent(share, 1)} of"
        message = f"The column {column!r} {what} the {layout.target} {when}: its changes are the same, up to a scale."
        if not sure:
            message = f"The column {column!r} {what} the changes of the {layout.target} {when}."
        known = "will not be known ahead" if ahead else "is not known before its time"
        fix = f"Leave it out if it {known}: what is measured with it never comes true."
        yield Fault("leak", "error" if sure else "warning", message, [], fix)


def _tells(data: SeriesData, channel: int, lags: range) -> tuple[int, float] | None:
    """The lag at which the changes of a channel tell most of those of the target, by the square of their correlation; None where
    that is less than TELLS_MUCH."""
    moments = data.moments
    best: tuple[int, float] | None = None
    truth, values = moments.truth[:, 0].astype(np.float64), moments.values[:, channel].astype(np.float64)
    inside = np.r_[False, moments.series[1:] == moments.series[:-1]]
    target = np.where(inside, np.r_[np.nan, np.diff(truth)], np.nan)
    column = np.where(inside & (moments.rows >= 0), np.r_[np.nan, np.diff(values)], np.nan)
    for lag in lags:
        if abs(lag) >= len(truth):
            continue
        later = slice(max(lag, 0), len(truth) + min(lag, 0))
        sooner = slice(max(-lag, 0), len(truth) + min(-lag, 0))
        x, y = column[sooner], target[later]
        both = np.isfinite(x) & np.isfinite(y) & (moments.series[later] == moments.series[sooner])
        if both.sum() < LEAST_PAIRS or not x[both].std() > 0 or not y[both].std() > 0:
            continue
        # Of few changes, such as those of a price, chance may tell much.
        if min(np.count_nonzero(x[both]), np.count_nonzero(y[both])) < LEAST_PAIRS:
            continue
        share = float(np.corrcoef(x[both], y[both])[0, 1]) ** 2
        if share >= TELLS_MUCH and (best is None or share > best[1]):
            best = lag, share
    return best
