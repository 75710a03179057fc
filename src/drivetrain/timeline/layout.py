"""How the rows of a table become moments: which column says when, which series a row is of, what is foretold, what is known
ahead. A bundle holds the same record, so that a history is read as the training data were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import from_spec
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.errors import DataError, DrivetrainError, UsageError, nearest
from drivetrain.figures import counted
from drivetrain.timeline.calendar import CHANNELS, calendar_channels, features
from drivetrain.timeline.cells import At, read_numbers, texts_of
from drivetrain.timeline.cells import absent as absent_in
from drivetrain.timeline.frequency import Frequency, find_count, find_frequency, parse
from drivetrain.timeline.grid import Fill, Grid, Join, make_grid, shown
from drivetrain.timeline.moments import Moments
from drivetrain.timeline.stamps import Clock, Stamps, read_stamps
from drivetrain.timeline.sums import Paths, with_sums
from drivetrain.types import Array
from drivetrain.values import as_text, canonical

When = Literal["date", "year", "count", ""]
COARSE = 0.01
"""Where float32's step is more of a series' standard deviation than this, it is refused."""
CHANGES = (3, 4, 9, 10, 11)
"""Months in which clocks are set forward or back, on a Sunday."""
WRITTEN_SO = {"ymd": "2019-12-31", "dmy": "31.12.2019", "mdy": "12/31/2019"}
"""The last day of 2019 in each order of a date's parts."""
JOINER = " / "
"""Between the parts of a series' name."""
POOLED = "value"
"""What is foretold is called so where several columns are series of one model."""


_LISTS = ("targets", "known", "past", "static", "calendar", "hierarchy")
MOST_MOMENTS = 65_536


@dataclass(frozen=True)
class Layout:
    """The columns of a table of series, and what is done with their rows.

    `timestamp` says when; `when` is how: "date" with the codec `date`, whole "year"s, a whole "count", or "" (no such column: the
    rows follow each other). `zone` is that of the wall clock. `item` says which series a row is of; of several `targets` each is a
    series of its own. `known` columns are known ahead, `past` ones up to now, `static` ones are the same for all of a series.
    `numbers` and `classes` say how columns are read: a codec's spec, or the names that become a channel of 0 and 1 each. Of gaps
    and of several rows of a moment see `fill` and `join`. `calendar` are channels that the stamps give. `hierarchy` are columns
    that say what each series is a part of, the largest part first: the sums are series too (see `sums.py`).
    """

    targets: tuple[str, ...]
    timestamp: str = ""
    when: When = ""
    date: dict[str, Any] = field(default_factory=dict[str, Any])
    zone: str = ""
    frequency: str = ""
    item: str = ""
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    fill: Fill = "last"
    join: Join = "mean"
    calendar: tuple[str, ...] = ()
    context: int = 0
    horizon: int = 0
    hierarchy: tuple[str, ...] = ()

    # --- names --------------------------------------------------------------------------------------------

    @property
    def target(self) -> str:
        """What is foretold."""
        return self.targets[0] if len(self.targets) == 1 else POOLED

    @property
    def series_field(self) -> str:
        """What the name of a series is called; empty where there is one series only."""
        return self.item or ("series" if len(self.targets) > 1 else "")

    def channels_of(self, column: str) -> tuple[str, ...]:
        """The channels of a covariate: itself, or one for each of its classes."""
        if column in self.classes:
            return tuple(f"{column} = {name}" for name in self.classes[column])
        return (column,)

    @property
    def ahead(self) -> tuple[str, ...]:
        """The channels that are known ahead."""
        return (*(name for column in self.known for name in self.channels_of(column)), *self.calendar)

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels of the past: target, known and past covariates, calendar."""
        covariates = (name for column in (*self.known, *self.past) for name in self.channels_of(column))
        return (self.target, *covariates, *self.calendar)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table that it looks at."""
        named = (
            self.timestamp,
            self.item,
            *self.targets,
            *self.known,
            *self.past,
            *self.static,
            *self.hierarchy,
        )
        return tuple(dict.fromkeys(name for name in named if name))

    @cached_property
    def beat(self) -> Frequency:
        """The frequency."""
        return parse(self.frequency)

    @cached_property
    def clock(self) -> Clock:
        return Clock(self.zone)

    def local(self, stamps: Array) -> Array:
        """What the wall clock shows at moments that the frequency counts so, datetime64[s] (n,); of counted rows their numbers."""
        return stamps if self.beat.kind == "count" or self.beat.on_the_wall else self.clock.local(stamps)

    # --- JSON ---------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The layout that `to_json` wrote. Raises DrivetrainError for anything else, whoever wrote it."""
        try:
            if value.keys() != (names := {each.name for each in fields(cls)}):
                raise ValueError(f"its fields are not {', '.join(sorted(names))}")
            lists = {name: _names(value[name]) for name in _LISTS}
            classes = {column: _names(found) for column, found in value["classes"].items()}
            made = cls(**{**value, **lists, "classes": classes})
            made._check()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as fault:
            raise DrivetrainError(f"this is no layout of series: {fault}.") from fault
        return made

    def _check(self) -> None:
        """Raises ValueError or DrivetrainError for what no training writes."""
        texts = (self.timestamp, self.zone, self.frequency, self.item)
        if not all(type(text) is str for text in texts) or not self.targets:
            raise ValueError("a name is no text, or there is no target")
        if self.when not in ("date", "year", "count", "") or bool(self.when) != bool(self.timestamp):
            raise ValueError("'when' doesn't say how its times are written")
        if self.fill not in ("last", "zero") or self.join not in ("mean", "sum", "last"):
            raise ValueError("gaps and rows of one moment are not filled and joined so")
        if not all(type(size) is int and 1 <= size <= MOST_MOMENTS for size in (self.context, self.horizon)):
            raise ValueError("its windows have no length")
        if not {*self.calendar} <= {*CHANNELS}:
            raise ValueError("there is no such calendar")
        if self.hierarchy and (not self.item or len(self.targets) > 1 or self.static):
            raise ValueError("its series can't be summed up")
        covariates = {*self.known, *self.past}
        if {*self.numbers} != {*self.targets} | (covariates - {*self.classes}) or not {
            *self.classes
        } <= covariates:
            raise ValueError("not every column is read in one way")
        if self.when == "date" and not isinstance(from_spec(self.date), Date):
            raise ValueError("its times are no dates")
        if not all(isinstance(from_spec(spec), Number) for spec in self.numbers.values()):
            raise ValueError("its numbers are none")
        _ = self.beat, self.clock

    # --- rows ---------------------------------------------------------------------------------------------

    def rows(
        self, columns: Mapping[str, Array], origins: Sequence[str], name: str, first: bool = False
    ) -> Rows:
        """The rows of a table: when each is, and of which series. Those that have no time are left out, which is told. With
        `first` a layout without a zone takes that of the stamps. Raises DataError that names row and column."""
        for column in self.columns:
            if column not in columns:
                fix = nearest(column, columns) or f"The columns are {', '.join(list(columns)[:20])}."
                raise UsageError(f"there is no column {column!r}.", where=name, fix=fix)
        count = len(columns[self.targets[0]])
        kept = np.arange(count)
        notes: list[str] = []
        if self.timestamp:
            absent = absent_in(columns[self.timestamp])
            if absent.all():
                raise DataError(
                    "there is no time in any row.",
                    where=f"{name}, column {self.timestamp!r}",
                    fix="Name another column.",
                )
            kept = np.flatnonzero(~absent)
            if absent.any():
                many = counted(int(absent.sum()), "row has", "rows have")
                notes.append(
                    f"{many} no {self.timestamp}, the first is {origins[int(np.argmax(absent))]}: left out"
                )
        where = At(origins, kept, self.timestamp)
        items, codes = self._items(columns, kept, origins)
        stamps = self._stamps(columns, kept, codes, where, first)
        if first and not self.zone:
            return Rows(
                replace(self, zone=stamps.clock.zone),
                columns,
                origins,
                name,
                kept,
                items,
                codes,
                stamps,
                (*notes, *stamps.notes),
            )
        return Rows(self, columns, origins, name, kept, items, codes, stamps, (*notes, *stamps.notes))

    def _items(
        self, columns: Mapping[str, Array], kept: Array, origins: Sequence[str]
    ) -> tuple[tuple[str, ...], Array]:
        """The names of the series of the item column, by first appearance, and which of them each row is of."""
        if not self.item:
            return ("",), np.zeros(len(kept), np.int64)
        values = columns[self.item][kept]
        texts, which = texts_of(values)
        if "" in texts:
            row = int(kept[int(np.argmax(which == texts.index("")))])
            raise DataError(
                "this row is of no series: it is empty.",
                where=f"{origins[row]}, column {self.item!r}",
                fix="Fill it in, or leave the row out.",
            )
        return tuple(texts), which

    def _stamps(
        self, columns: Mapping[str, Array], kept: Array, series: Array, where: At, first: bool
    ) -> Stamps:
        if not self.timestamp:
            order = np.zeros(len(kept), np.int64)
            for code in np.unique(series):
                order[series == code] = np.arange(np.count_nonzero(series == code))
            return Stamps(order.astype("datetime64[s]"), order.astype("datetime64[s]"), Clock())
        values = columns[self.timestamp][kept]
        if self.when == "date":
            date = cast("Date", from_spec(self.date))
            try:
                read = read_stamps(values, date, where, series, self.zone)
            except DataError as fault:
                if first:
                    raise
                # How they are read was said in the training, and can't be now.
                such = str(WRITTEN_SO.get(date.order, WRITTEN_SO["ymd"]))
                fix = f"Write all of them as those of the training were, such as {such}."
                raise DataError(fault.error, where=fault.where, fix=fix) from fault
            return read if first or self.zone else read.without_zone()
        numbers = read_numbers(values, Number(missing=True), where)
        if (odd := numbers != np.floor(numbers)).any():
            raise DataError(
                "this is no whole number.",
                where=where[int(np.argmax(odd))],
                fix="Number the moments, or write dates.",
            )
        if self.when == "year":
            years = (numbers.astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[s]")
            return Stamps(years, years, Clock(self.zone))
        counts = numbers.astype(np.int64).astype("datetime64[s]")
        return Stamps(counts, counts, Clock())


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table that have a time: `kept` (rows,) are their places in `columns`, `codes` (rows,) which of `items` each is
    of, `stamps` when."""

    layout: Layout
    columns: Mapping[str, Array]
    origins: Sequence[str]
    name: str
    kept: Array
    items: tuple[str, ...]
    codes: Array
    stamps: Stamps
    notes: tuple[str, ...]

    def beating(self, frequency: str = "") -> Rows:
        """With the frequency that is named, or found; and all channels of its calendar. Raises DataError, UsageError."""
        layout = self.layout
        where = At(self.origins, self.kept, layout.timestamp)
        counts = layout.when in ("", "count")
        if counts:
            # Without times a name says how many moments usual seasons have.
            found = find_count(self.stamps.local.astype(np.int64), self.codes)
        else:
            found = (
                parse(frequency, self.stamps) if frequency else find_frequency(self.stamps, self.codes, where)
            )
        return replace(self, layout=replace(layout, frequency=str(found), calendar=calendar_channels(found)))

    def number(self, column: str) -> npt.NDArray[np.float64]:
        """float64 (rows,) of a column of numbers, NaN where there is none. Raises DataError that names the row."""
        codec = cast("Number", from_spec(self.layout.numbers[column]))
        return read_numbers(self.columns[column][self.kept], codec, At(self.origins, self.kept, column))

    def moments(self, options: bool = True) -> Moments:
        """The regular moments of every series. Notes name the `options` of a training, or not: a trained model has none."""
        layout, beat = self.layout, self.layout.beat
        one = make_grid(
            beat,
            beat.times(self.stamps),
            self.codes,
            self.items or ("",),
            At(self.origins, self.kept, ""),
            layout.join,
            layout.fill,
            options,
        )
        names = self._names()
        many = len(layout.targets)
        # Of several targets each is a series of its own, on the same moments.
        grid = (
            one
            if many == 1
            else replace(
                one,
                sizes=np.repeat(one.sizes, many),
                first=np.repeat(one.first, many),
                rows=_repeated(one, one.rows, many),
            )
        )
        targets = [self._target(one, column) for column in layout.targets]
        truth = (
            targets[0]
            if many == 1
            else np.concatenate(
                [
                    column[start : start + size]
                    for start, size in zip(one.offsets, one.sizes)
                    for column in targets
                ]
            )
        )
        stamps = grid.stamps
        local = layout.local(stamps)
        covariates = {
            column: _repeated(one, self._channels(one, column), many)
            for column in (*layout.known, *layout.past)
        }
        calendar = (
            features(layout.calendar, local) if layout.calendar else np.zeros((len(truth), 0), np.float32)
        )
        known = [covariates[column] for column in layout.known]
        ahead = np.concatenate([np.zeros((len(truth), 0), np.float32), *known, calendar], axis=1)
        past = [covariates[column] for column in layout.past]
        values = np.concatenate([_continued(grid, truth)[:, None], *known, *past, calendar], axis=1).astype(
            np.float32
        )
        rows = np.where(grid.rows >= 0, self.kept[np.maximum(grid.rows, 0)], -1)
        made = Moments(
            layout, names, grid.sizes, local, stamps, values, ahead.astype(np.float32), truth.astype(np.float32)[:, None], rows,
            self._statics(many), (*self.notes, *one.notes, *(self._clocks(one) if options else [])),
        )  # fmt: skip
        return with_sums(made, self._paths()) if layout.hierarchy else made

    def _paths(self) -> Paths:
        """(series,) what each is a part of, the largest part first, and its own name. Raises DataError where that isn't always the
        same, or isn't said."""
        found: list[list[Any]] = []
        for column in self.layout.hierarchy:
            values = self.columns[column][self.kept]
            if (lacking := absent_in(values)).any():
                raise DataError(
                    "it is empty: what is this series a part of?",
                    where=At(self.origins, self.kept, column)[int(np.argmax(lacking))], fix="Fill it in.",
                )  # fmt: skip
            found.append(
                [canonical(as_text(value, "name")) for value in values[self._rows_of_series(column)]]
            )
        return tuple(zip(*found, self.items))

    def _rows_of_series(self, column: str) -> npt.NDArray[np.int64]:
        """(series,) the first row of each that has a value in a column which is the same for all of a series; -1 where none has.
        Raises DataError where others say otherwise: the last would be what a model can't know yet."""
        values = self.columns[column][self.kept]
        texts, which = texts_of(values)
        known = np.flatnonzero(~absent_in(values))
        found = np.full(len(self.items), -1)
        found[self.codes[known[::-1]]] = known[::-1]
        odd = known[which[known] != which[found[self.codes[known]]]]
        if len(odd):
            row = int(odd[0])
            series = int(self.codes[row])
            of = f" of {self.items[series]!r}" if self.items[series] else ""
            raise DataError(
                f"{column}{of} is {texts[which[row]]!r:.60} here, and {texts[which[found[series]]]!r:.60} before.",
                where=At(self.origins, self.kept, column)[row],
                fix="It must be the same in all rows of a series. What changes with time is known ahead (--known) or up to now "
                "(--past).",
            )  # fmt: skip
        return found

    def _clocks(self, grid: Grid) -> list[str]:
        """That times look like those of a clock that is set forward and back, where nobody named its zone."""
        beat = self.layout.beat
        if self.layout.zone or beat.on_the_wall or beat.kind != "seconds":
            return []
        twice = np.flatnonzero(np.bincount(grid.place, minlength=len(grid.rows)) > 1)
        stamps = grid.stamps[twice]
        days = stamps.astype("datetime64[D]")
        sundays = (days.astype(np.int64) + 3) % 7 == 6
        autumn = np.isin(days.astype("datetime64[M]").astype(np.int64) % 12 + 1, CHANGES)
        early = (stamps - days).astype(np.int64) < 4 * 3_600
        if not len(twice) or not (sundays & autumn & early).all():
            return []
        return [
            f"{shown(stamps[0])} is there twice, as where clocks are set back: name their zone, such as --timezone Europe/Berlin, "
            "and no hour is joined with another nor missing"
        ]

    def _names(self) -> tuple[str, ...]:
        layout = self.layout
        if len(layout.targets) == 1:
            return self.items
        return tuple(
            f"{item}{JOINER}{target}" if item else target for item in self.items for target in layout.targets
        )

    def _target(self, grid: Grid, column: str) -> npt.NDArray[np.float64]:
        """float64 (moments,), NaN where nothing is known. Raises DataError where that is nowhere."""
        found = grid.joined(self.number(column), self.layout.join)
        if self.layout.fill == "zero":
            found = np.where((grid.rows < 0) & np.isnan(found), 0.0, found)
        if np.isnan(found).all():
            raise DataError(
                "no row has a number.", where=f"{self.name}, column {column!r}", fix="Name another target."
            )
        self._refuse_coarse(grid, found, column)
        return found

    def _refuse_coarse(self, grid: Grid, numbers: npt.NDArray[np.float64], column: str) -> None:
        """Raises DataError where the numbers of a series lie too near each other for a model's 32 bits."""
        places = np.flatnonzero(~np.isnan(numbers))
        series, values = grid.series[places], numbers[places]
        count = len(grid.sizes)
        counts = np.maximum(np.bincount(series, minlength=count), 1)
        means = np.bincount(series, values, minlength=count) / counts
        spreads = np.sqrt(np.bincount(series, (values - means[series]) ** 2, minlength=count) / counts)
        steps = np.spacing(np.abs(means).astype(np.float32)).astype(np.float64)
        coarse = np.flatnonzero(
            (steps > COARSE * spreads) & (spreads > np.finfo(np.float64).eps * np.abs(means))
        )
        if len(coarse):
            each = int(coarse[0])
            of = f" of {self.items[each]!r}" if len(self.items) > 1 else ""
            low = f"{np.floor(means[each]):,.0f}"
            raise DataError(
                f"the numbers{of} lie around {low}, where a model's 32 bits tell apart only what is {steps[each]:,.6g} or more "
                "away.",
                where=f"{self.name}, column {column!r}",
                fix=f"Take {low} off the column, and add it to the answers.",
            )

    def _channels(self, grid: Grid, column: str) -> npt.NDArray[np.float32]:
        """float32 (moments, channels) of a covariate: what is not known is what was last known, and before the first 0; of a
        class that is none, and one that is not among `classes`, all are 0."""
        if column not in self.layout.classes:
            found = _continued(grid, grid.joined(self.number(column), "mean"))
            return found.astype(np.float32)[:, None]
        names = self.layout.classes[column]
        texts, which = texts_of(self.columns[column][self.kept])
        place = {name: code for code, name in enumerate(names)}
        codes = np.array([place.get(text, -1) for text in texts], np.int64)[which]
        return (grid.last(codes)[:, None] == np.arange(len(names))).astype(np.float32)

    def _statics(self, many: int) -> dict[str, Array]:
        """(series,) what each static column says of a series, raw; None where it says nothing."""
        found: dict[str, Array] = {}
        for column in self.layout.static:
            rows = self._rows_of_series(column)
            made = np.full(len(rows), None, object)
            made[rows >= 0] = self.columns[column][self.kept][rows[rows >= 0]]
            found[column] = np.repeat(made, many)
        return found


def _names(value: Any) -> tuple[str, ...]:
    """Texts, all different. Raises ValueError."""
    found: list[Any] = list(value) if isinstance(value, (list, tuple)) else [None]  # pyright: ignore[reportUnknownArgumentType]
    if not all(type(name) is str for name in found) or len({*found}) < len(found):
        raise ValueError(f"{value!r:.60} are no names")
    return tuple(found)


def _continued(grid: Grid, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(moments,) without gaps: of each series what was last known, before the first known 0."""
    places = np.where(np.isnan(numbers), -1, np.arange(len(numbers)))
    begins = np.repeat(grid.offsets, grid.sizes)
    last = np.maximum.accumulate(places)
    return np.where(last >= begins, numbers[np.maximum(last, 0)], 0.0)


def _repeated(grid: Grid, values: Array, many: int) -> Array:
    """What the moments of each series have, for each of `many` series on the same moments."""
    if many == 1:
        return values
    return np.concatenate(
        [values[start : start + size] for start, size in zip(grid.offsets, grid.sizes) for _ in range(many)]
    )
