"""The data of `forecast`: moments of series on a regular grid, and windows of them; what follows a training is in `forecasted.py`.

A row of the dataset is an origin of a series: the moments before it are read, those from it on are foretold. Nothing of a window
is copied before its batch is made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle.forecasts import FUTURE, PAST
from drivetrain.codecs import Signature
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import Part
from drivetrain.data.digest import digest, encoded_digest
from drivetrain.data.faults import Report
from drivetrain.data.kinds.guess import names_of
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.recipe import task_named
from drivetrain.data.split import check_shares
from drivetrain.data.split_words import VALID_SHARE
from drivetrain.data.table import Origins, Table
from drivetrain.errors import UsageError
from drivetrain.figures import counted
from drivetrain.forecasting.decompose import decompose
from drivetrain.tasks.forecasted import Forecasted
from drivetrain.tasks.origins import (
    LEAST,
    Whole,
    constant,
    edges_of,
    origins_of,
    parted,
    runs,
    signature_of,
    usual_context,
)
from drivetrain.tasks.problem import Problem
from drivetrain.tasks.series_columns import (
    in_utc,
    layout_of,
    refuse_same_names,
    target_names,
    unread_times,
    with_hierarchy,
    zone_in,
)
from drivetrain.timeline.frequency import Frequency, parse
from drivetrain.timeline.grid import shown
from drivetrain.timeline.layout import Layout
from drivetrain.timeline.moments import Moments
from drivetrain.types import Array
from drivetrain.windows import Windows

if TYPE_CHECKING:
    from drivetrain.charts import Chart

_TASK = "forecast"
MOST_CONTEXT = 4_096
MOST_OF_EPOCH = 2**14
"""Windows that an epoch of a network has."""
LOOKED_AT, MOST_LOOKED_AT = 5, 20_000
"""Series in which seasons are looked for, and moments of each."""


class Forecasting(Problem):
    """Windows of series. `edges` are the numbers of the first moments that validate and that test (see `beat.index`)."""

    in_order: ClassVar[bool] = True
    conclusion: ClassVar[Conclusion | None] = Forecasted()
    layout: Layout
    moments: Moments
    edges: tuple[int, int]
    seasons: tuple[int, ...]
    origin: Whole
    """(rows,): the place among the moments of the first one that is foretold."""
    item_of: Whole
    """(rows,): which series each row is of."""
    row_numbers: Whole
    """(rows of the source,): their numbers as a person counts them."""

    # --- what models look at ------------------------------------------------------------------------------

    @property
    def values(self) -> Array:
        """float32 (moments, channels): what is read."""
        return self.moments.values

    @property
    def ahead(self) -> Array:
        """float32 (moments, channels known ahead)."""
        return self.moments.ahead

    @property
    def truth(self) -> Array:
        """float32 (moments, 1): what was measured, NaN where nothing was."""
        return self.moments.truth

    @property
    def stamps(self) -> Array:
        return self.moments.stamps

    @property
    def items(self) -> tuple[str, ...]:
        return self.moments.names

    @property
    def sizes(self) -> Whole:
        return self.moments.sizes

    @property
    def offsets(self) -> Whole:
        return self.moments.offsets

    @property
    def frequency(self) -> Frequency:
        return self.layout.beat

    @property
    def horizon(self) -> int:
        return self.layout.horizon

    @property
    def context(self) -> int:
        return self.layout.context

    @property
    def target(self) -> str:
        return self.layout.target

    @property
    def season(self) -> int:
        """How many moments the most usual season has; 1 where there is none."""
        return self.seasons[0] if self.seasons else 1

    @property
    def training_end(self) -> Whole:
        """(series,): the place before which a moment is in training."""
        return self.before(self.edges[0])

    def before(self, edge: int) -> Whole:
        """(series,): the place of the first moment of each whose number is not below an edge."""
        early = self.frequency.index(self.stamps) < edge
        return self.offsets + np.bincount(self.moments.series[early], minlength=len(self.sizes))

    # --- rows ---------------------------------------------------------------------------------------------

    @property
    def epoch_rows(self) -> int:
        return min(MOST_OF_EPOCH, len(self.rows("train")))

    def part_of_epoch(self, seed: int, epoch: int) -> Part | None:
        """Where there are many, some of them, drawn anew for each epoch: windows that overlap say much the same."""
        whole = self.part("train")
        if len(whole) <= MOST_OF_EPOCH:
            return None
        drawn = np.random.default_rng((seed, epoch)).choice(len(whole), MOST_OF_EPOCH, replace=False)
        return replace(whole, index=whole.index[np.sort(drawn)], rows=whole.rows[np.sort(drawn)])

    def _encode(self, rows: Array, name: str, enlarge: float) -> Part:
        del name, enlarge
        arrays: dict[str, Any] = {field: self._windows(field, rows) for field in self._fields}
        for field, codec in self.signature.inputs.items():
            if field not in arrays:
                encoded, _ = codec.encode_column(self._of_series(field))
                arrays[field] = np.asarray(encoded)[self.item_of[rows]]
        ordered = {field: arrays[field] for field in self.signature.fields}
        return Part(ordered, np.arange(len(rows)), np.asarray(rows))

    @property
    def _fields(self) -> tuple[str, ...]:
        """The fields that are windows."""
        return tuple(field for field in (PAST, FUTURE, self.target) if field in self.signature.fields)

    def _windows(self, field: str, rows: Array) -> Windows:
        origin, series = self.origin[rows], self.item_of[rows]
        if field == PAST:
            return Windows(self.values, series, origin - self.context, self.context)
        return Windows(self.ahead if field == FUTURE else self.truth, series, origin, self.horizon)

    def _of_series(self, field: str) -> Array:
        """(series,) raw values of what is the same for all of a series."""
        return (
            np.array(self.items, object) if field == self.layout.series_field else self.moments.statics[field]
        )

    def truths(self, name: str) -> dict[str, Array]:
        """float32 (rows, horizon, 1), NaN where nothing was measured."""
        return {self.target: self.part(name).column(self.target).gather()}

    def raw(self, column: str, row: int) -> Any:
        if column in self._fields:
            return self._windows(column, np.array([row])).gather()[0]
        return self._of_series(column)[self.item_of[row]]

    def digest(self, column: str, rows: Array) -> str:
        if column in self._fields:
            return encoded_digest(
                self._windows(column, rows).gather(slice(None, None, max(1, len(rows) // 1000)))
            )
        return digest(self._of_series(column)[self.item_of[rows]])

    def whole(self) -> Forecasting:
        """The dataset in which what validates trains too."""
        return _with_edges(self, (self.edges[1], self.edges[1]))

    def latest(self, count: int) -> Forecasting:
        """The same with a shorter history: so much of it that `count` origins train."""
        numbers = self.frequency.index(self.stamps)
        first = np.sort(numbers[self.origin[self.rows("train")]])[::-1]
        moments = self.moments.take(numbers >= first[min(count, len(first)) - 1] - self.context)
        return _with_edges(self, self.edges, moments)

    @public
    def show(self, n: int = 8, part: str = "train", seed: int = 0) -> Chart:
        """`n` series, with what validates and windows of a part: a chart for notebook, page or PNG."""
        from drivetrain.tasks.series_shown import show_series

        return show_series(self, n, part, seed)

    def overview(self, n: int, part: str, seed: int) -> Chart:
        """The same, and below it the parts of the longest series."""
        from drivetrain.charts import stacked
        from drivetrain.tasks.series_told import parts_chart

        shown, parts = self.show(n, part, seed), parts_chart(self)
        return (
            shown
            if parts is None
            else stacked(shown.title, [replace(shown, title=""), parts], constrained=True)
        )

    def findings(self) -> list[dict[str, Any]]:
        """What some series are made of, in words and numbers."""
        from drivetrain.tasks.series_told import findings

        return findings(self)

    # --- words --------------------------------------------------------------------------------------------

    def describe(self, left_out: bool = True) -> str:
        """The series in a few lines: frequency, span, season, gaps, and where training ends."""
        del left_out
        layout, moments = self.layout, self.moments
        many = f"{len(self.items):,} series of " if len(self.items) > 1 else ""
        moments_told = counted(len(moments), "moment", "moments")
        beat = f"{self.frequency.words} ({self.frequency})"
        lines = [f"{self.table.name}: {many}{layout.target}, {moments_told}, {beat}"]
        if layout.timestamp:
            zone = f", {layout.zone}" if layout.zone else ""
            lines.append(f"from {shown(moments.local.min())} to {shown(moments.local.max())}{zone}")
        lines.append(f"{self.horizon:,} ahead, from the last {self.context:,}; {self._seasons_told()}")
        parts = ", ".join(f"{name} {len(rows):,}" for name, rows in self.split.parts().items() if len(rows))
        until = "" if not len(self.split.valid) else f"; training ends before {self._edge(0)}"
        if len(self.split.test):
            until += f", validation before {self._edge(1)}"
        lines.append(f"origins: {parts}{until}")
        if covariates := [*layout.known, *(f"{name} (past)" for name in layout.past), *layout.static]:
            lines.append(f"beside it: {', '.join(covariates)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _seasons_told(self) -> str:
        """Which of the usual seasons are in the training moments."""
        found, others = [], []
        for season in self.seasons:
            (found if season in self.seasons_found else others).append(f"{season:,}")
        if not found and not others:
            return "no usual season"
        told = f"seasons: {' and '.join(found)}" if found else "no season"
        return told + (f" ({' and '.join(others)} not seen)" if others else "")

    @cached_property
    def seasons_found(self) -> tuple[int, ...]:
        """The usual seasons that are in most of some long series, as far as training goes."""
        longest = np.argsort(self.offsets - self.training_end, kind="stable")[:LOOKED_AT]
        votes = dict.fromkeys(self.seasons, 0)
        for each in longest.tolist():
            numbers = self.truth[self.offsets[each] : self.training_end[each], 0][-MOST_LOOKED_AT:]
            for season in decompose(numbers.astype(np.float64), self.seasons).seasons:
                votes[season.period] = votes.get(season.period, 0) + 1
        return tuple(season for season in self.seasons if 2 * votes[season] > len(longest))

    def _edge(self, place: int) -> str:
        number = self.edges[place]
        if self.frequency.kind == "count":
            return f"row {number + 1:,}"
        return shown(self.layout.local(self.frequency.stamp(np.array([number])))[0])


def _with_edges(data: Forecasting, edges: tuple[int, int], moments: Moments | None = None) -> Forecasting:
    """The same moments, or some of them, split elsewhere; the codecs of inputs are fitted anew."""
    notes = [note for note in data.notes if note not in data.split.note.split("\n")]
    return _dataset(
        data.layout,
        moments or data.moments,
        edges,
        data.seasons,
        data.row_numbers,
        data.table.name,
        None,
        notes,
        data.signature,
    )


# --- making it ------------------------------------------------------------------------------------------------------


@public
def from_csv(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    horizon: int,
    timestamp: str | None = None,
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    query: str | None = None,
    **options: Any,
) -> Forecasting:
    """Series from a file (CSV, TSV, Parquet, JSON lines), or from a database: its URL and a `query`. The other options are those
    of `from_frame`. Raises FileError, DataError and UsageError that name file, row and column."""
    frame = read_frame(path, query=query)
    given = {
        name: list(value) if isinstance(value, (list, tuple)) else value
        for name, value in options.items()
        if value is not None
    }
    recipe = task_named(_TASK).recipe(
        os.fspath(path) if query else os.path.abspath(path),
        target=target_names(target, frame), horizon=horizon, timestamp=timestamp, valid=valid, seed=seed, query=query, **given,
    )  # fmt: skip
    return from_frame(frame, target, horizon, timestamp, valid, seed, recipe=recipe, **options)


@public
def from_frame(
    frame: Any,
    target: str | Sequence[str],
    horizon: int,
    timestamp: str | None = None,
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    test: float = 0.0,
    item: str | None = None,
    known: str | Sequence[str] | None = (),
    past: str | Sequence[str] | None = (),
    static: str | Sequence[str] | None = (),
    hierarchy: str | Sequence[str] | None = (),
    freq: str | None = None,
    context: int | None = None,
    timezone: str | None = None,
    fill: Literal["last", "zero"] | None = None,
    join: Literal["mean", "sum", "last"] | None = None,
    recipe: dict[str, Any] | None = None,
    name: str = "table",
) -> Forecasting:
    """The same of a pandas or polars frame, or a mapping of columns.

    A row has a number of `target` at the time `timestamp` (without one rows follow each other), and is of the series `item`; of
    several targets each is a series of its own. `horizon` moments are foretold from the last `context`. `known` columns are known
    ahead too, `past` ones up to now only, `static` ones are the same for all of a series; each name among the first two becomes
    a channel of 0 and 1. `freq` is how far moments are apart, found where it isn't said; a moment without a row is `fill`ed with
    the last value or zero, several rows of one are `join`ed. `timezone` is that of the clock that the times are told by.

    The last share `valid` of the moments validates, and what comes after, `test`, is kept for evaluate: the same time for all
    series, and no moment that is foretold in training lies behind it. `hierarchy` are columns that say what a series is a part
    of, the largest part first ("region/store", of which the last is the item): the sums are foretold too, and all add up. `seed` is
    that of the training.
    """
    del seed
    zone = "" if timestamp is None else zone_in(frame, timestamp)
    frame = frame if isinstance(frame, Frame) else read_frame(frame, name=name)
    _refuse_numbers(horizon, context, valid, test)
    targets = target_names(target, frame)
    layout = layout_of(
        frame, targets, timestamp or "", item or "", names_of(known or ()), names_of(past or ()), names_of(static or ()),
        timezone or zone, fill or "last", join or "mean",
    )  # fmt: skip
    layout = replace(layout, horizon=horizon)
    if hierarchy:
        layout = with_hierarchy(layout, hierarchy, frame)
    columns = {column: frame.column(column).plain() for column in layout.columns}
    if zone:  # A frame read has its times in UTC, without saying so.
        columns[layout.timestamp] = in_utc(columns[layout.timestamp])
    rows = layout.rows(columns, frame.origins, frame.name, first=True).beating(freq or "")
    refuse_same_names(rows.layout)
    moments = rows.moments().begun()
    seasons = parse(freq).seasons if freq and rows.layout.beat.kind == "count" else rows.layout.beat.seasons
    layout = rows.layout
    edges, notes = edges_of(layout, moments, valid, test, frame.name)
    moments = moments.calendar_of(layout.beat.index(moments.stamps) < edges[0])
    layout = moments.layout
    layout = replace(layout, context=context or usual_context(layout, moments, edges[0], seasons))
    told = [
        *frame.notes,
        *unread_times(frame, layout),
        *moments.notes,
        *notes,
        *runs(moments),
        *constant(moments),
    ]
    return _dataset(layout, moments, edges, seasons, frame.numbers, frame.name, recipe, told)


def _refuse_numbers(horizon: int, context: int | None, valid: float, test: float) -> None:
    if not 1 <= horizon <= MOST_CONTEXT:
        raise UsageError(f"a horizon has 1 to {MOST_CONTEXT:,} moments, not {horizon}.", where="horizon")
    if context is not None and not LEAST <= context <= MOST_CONTEXT:
        raise UsageError(
            f"a context has {LEAST} to {MOST_CONTEXT:,} moments, not {context}.", where="context"
        )
    check_shares(float(valid), float(test), "moments")


def find_faults(data: Forecasting) -> Report:
    """What is wrong with the series."""
    from drivetrain.data.checks.series import SeriesData, check_series

    looked_at = SeriesData(
        data.table.name,
        data.layout,
        data.moments,
        data.training_end,
        data.seasons,
        data.row_numbers,
        data.notes,
    )
    return check_series(looked_at, len(data), data.things)


# --- windows ----------------------------------------------------------------------------------------------------------


def _dataset(
    layout: Layout, moments: Moments, edges: tuple[int, int], seasons: Sequence[int], row_numbers: Whole, name: str,
    recipe: dict[str, Any] | None, notes: Sequence[str], fitted: Signature | None = None,
) -> Forecasting:  # fmt: skip
    """The origins of all series with their parts. Of the answers the codec of `fitted` stays. Raises DataError where no series is
    long enough."""
    origin, series = origins_of(layout, moments)
    split = parted(layout, moments, origin, edges, name)
    places = np.maximum.accumulate(np.where(moments.rows >= 0, np.arange(len(moments)), 0))[origin]
    columns: dict[str, Array] = {PAST: origin - layout.context, layout.target: origin}
    if layout.ahead:
        columns[FUTURE] = origin
    if layout.series_field:
        columns[layout.series_field] = np.array(moments.names, object)[series]
    columns |= {column: values[series] for column, values in moments.statics.items()}
    table = Table(
        columns,
        Origins(name, row_numbers[moments.rows[places]]),
        name=name,
        source=(recipe or {}).get("source", ""),
    )
    signature = signature_of(layout, moments, edges[0], fitted)
    told = [*notes, *(split.note.split("\n") if split.note else [])]
    data = Forecasting(table, signature, split, task=task_named(_TASK), recipe=recipe, notes=told, telling=[])
    data.layout, data.moments, data.edges, data.seasons = layout, moments, edges, tuple(seasons)
    data.origin, data.item_of, data.row_numbers = origin, series, row_numbers
    return data
