"""Forecasts with a bundle: the history of some series in, the moments that follow it out, each with a band; and which moments of a
history lay outside of what the model would have foretold."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.bundle.forecasts import Alarms
from drivetrain.bundle.program import Forecast
from drivetrain.bundle.reader import Bundle
from drivetrain.errors import DataError, UsageError
from drivetrain.files import file_error
from drivetrain.forecasting.bands import widths
from drivetrain.runtime.contexts import History, local_of, stamp_texts
from drivetrain.runtime.frames import column_of, library_of, names_of
from drivetrain.runtime.programs.forecast import Engine, Foretold, told
from drivetrain.runtime.session import OnnxSession
from drivetrain.runtime.vetting import open_vetted
from drivetrain.types import Array

RATE = 0.01
"""Of usual moments the share that is called odd where nobody said."""
MOST_PASSES = 1_000
ECHO = 3
"""After so many odd moments in a row the level has moved: from then on they are read as they are."""
MOST_BYTES = 2**30

Places = npt.NDArray[np.int64]
Given = Any
"""A history: the path of a CSV, a frame of pandas, polars or pyarrow, or a mapping of columns."""


@dataclass(frozen=True, eq=False)
class ForecastOf:
    """The forecast of a series: `stamps` of the moments, `value` (h,) the point forecasts, `low` and `high` the ends of the band,
    `quantiles` (h, levels); `history` and `history_stamps` what was known. `notes` are what a person should know."""

    series: str
    stamps: list[str]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    quantiles: npt.NDArray[np.float64]
    levels: tuple[float, ...]
    history: npt.NDArray[np.float64] = field(repr=False)
    history_stamps: Array = field(repr=False)
    ahead: Array = field(repr=False)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """`{"series", "forecast": [{"stamp", "value", "low", "high"}], "notes"}`."""
        rows = zip(self.stamps, self.value.tolist(), self.low.tolist(), self.high.tolist())
        made = [dict(zip(("stamp", "value", "low", "high"), row)) for row in rows]
        return {"series": self.series, "forecast": made, "notes": list(self.notes)}


@dataclass(frozen=True, eq=False)
class Odd:
    """A moment that lay outside: its value, what was foretold of it a moment before and the band beyond which it is odd; `by` is
    how many times as far off as the end of that band it lies. `place` is where it is in the history of its series."""

    series: str
    stamp: str
    value: float
    foretold: float
    low: float
    high: float
    by: float
    place: int
    origin: str

    def to_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in ("series", "stamp", "value", "foretold", "low", "high", "by", "origin")
        }


@dataclass(frozen=True, eq=False)
class Anomalies:
    """What is odd in a history: `found`, of `looked` moments, where `rate` of usual ones would be called so, and `observed` were in
    validation (None: too few to say). `histories`: series -> stamps and values."""

    found: list[Odd]
    looked: int
    rate: float
    observed: float | None
    histories: dict[str, tuple[Array, npt.NDArray[np.float64]]] = field(repr=False)
    notes: tuple[str, ...] = ()

    def words(self) -> str:
        """One sentence with the false-alarm rate."""
        usual = (
            f"about {self.rate * self.looked:,.1f} of them by chance alone ({self.rate:.1%} of usual moments"
        )
        seen = "" if self.observed is None else f"; {self.observed:.1%} were in validation"
        return f"{len(self.found):,} of {self.looked:,} moments are odd, {usual}{seen})."

    def to_json(self) -> dict[str, Any]:
        return {
            "anomalies": [odd.to_json() for odd in self.found], "moments": self.looked, "rate": self.rate,
            "observed": self.observed, "expected": self.rate * self.looked, "notes": list(self.notes),
        }  # fmt: skip


class Forecaster:
    """Forecasts from a bundle, without torch.

    It is opened, vetted and verified as by `Predictor`. A history is the path of a CSV, a frame of pandas, polars or pyarrow, or a
    mapping of columns, with the columns of the training: a row for each moment, in any order. New rows need no new training.
    """

    @public
    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        verify: bool = True,
        *,
        threads: int | None = None,
        trusted: bool = False,
    ) -> None:
        opened, _ = open_vetted(
            bundle, Forecast, "this bundle forecasts nothing.", "Use drivetrain.runtime.Predictor.", verify=verify, trusted=trusted
        )  # fmt: skip
        self.engine = Engine.of(opened, OnnxSession(opened.graph, opened.tensors, threads=threads))
        self.signature, self.manifest, self.card = opened.signature, opened.manifest, opened.card
        self.hash, self.name, self.layout = opened.hash, opened.name, self.engine.layout

    def __repr__(self) -> str:
        return f"<Forecaster {self.name}: {self.layout.horizon} moments of {self.layout.target}, {self.layout.beat.words}>"

    @public
    def forecast(
        self, history: Given, horizon: int | None = None, *, future: Given = None
    ) -> list[ForecastOf]:
        """What follows the last known moment of each series of `history`: `horizon` moments, by default as many as the model was
        trained for; of more it goes on from what it foretold itself, and says so.

        Covariates that are known ahead come in `future`, or in rows of `history` without a target. Raises DataError that names
        column and stamp where one is missing, where a history is too short, and for rows that can't be read; UsageError for
        columns that are not there and a horizon that is too long.
        """
        return self.forecast_of(self.read(history, future), horizon)

    def forecast_of(self, history: History, horizon: int | None = None) -> list[ForecastOf]:
        """The same of a history that `read` has made."""
        return [self._forecast_of(history, found) for found in self.engine.answer(history, horizon)]

    @public
    def anomalies(self, history: Given, rate: float = RATE) -> Anomalies:
        """The moments of a history that lay outside of the band foretold one moment before, of which usual ones do with a chance of
        `rate`, as measured in validation. Raises what `forecast` does, and UsageError where a bundle has measured nothing."""
        return odd_moments(self.engine, self.read(history), rate)

    def read(
        self, history: Given, future: Given = None, name: str = "", origins: Sequence[str] = ()
    ) -> History:
        """A history, and what is known of its future, as moments. `name` is what it is called in errors, and `origins` where
        its rows come from, and then those of the future."""
        columns, places, found = columns_in(history, name or "history")
        name = name or found
        unread = future is not None and not self.layout.known
        if future is not None and self.layout.known:
            columns, places = self._joined(columns, places, future)
        for target in self.layout.targets:
            if target not in columns:
                raise UsageError(
                    f"there is no column {target!r}.", where=name, fix="Give the history of what is foretold."
                )
        made = self.engine.history(columns, origins or places, name)
        if not unread:
            return made
        note = "the model knows nothing ahead: what is given of the future is not read"
        return replace(made, moments=replace(made.moments, notes=(*made.moments.notes, note)))

    def _joined(
        self, columns: dict[str, Array], origins: list[str], future: Given
    ) -> tuple[dict[str, Array], list[str]]:
        more, places, _ = columns_in(future, "future")
        count = len(places)
        joined: dict[str, Array] = {}
        for column, cells in columns.items():
            added = np.full(count, None, object)
            if column in more and column not in self.layout.targets:
                added[:] = more[column]
            joined[column] = np.concatenate([cells.astype(object), added])
        return joined, [*origins, *places]

    def _forecast_of(self, history: History, found: Foretold) -> ForecastOf:
        moments, outputs = history.moments, found.outputs
        series = moments.names.index(found.series)
        own = slice(int(moments.offsets[series]), found.origin)
        plain = told(self.engine.codec, found)
        value, low, high = (np.array(plain[key]) for key in ("value", "low", "high"))
        return ForecastOf(
            found.series, found.stamps, value, low, high, outputs[:, 1:], self.engine.codec.levels,
            moments.truth[own, 0].astype(np.float64), moments.local[own], local_of(self.layout, found.numbers),
            (*found.notes, *moments.notes),
        )  # fmt: skip

    @public
    def forecast_frame(self, frame: Any, horizon: int | None = None, *, future: Given = None) -> Any:
        """The same as a frame of the history's library: a row for each moment that is foretold, with the columns of series and
        time, `value`, `low` and `high`."""
        if not library_of(frame):
            raise UsageError(f"{type(frame).__name__} is no frame.", where="frame", fix="Use forecast.")
        columns = as_columns(self.forecast(frame, horizon, future=future), self.layout)
        made = cast("Any", type(frame))
        return made.from_pydict(columns) if library_of(frame) == "pyarrow" else made(columns)


def as_columns(found: Sequence[ForecastOf], layout: Any) -> dict[str, list[Any]]:
    """Forecasts as columns of a table: series (where there are several), time, value, low and high."""
    columns: dict[str, list[Any]] = {}
    if layout.series_field:
        columns[layout.series_field] = [each.series for each in found for _ in each.stamps]
    columns[layout.timestamp or "moment"] = [stamp for each in found for stamp in each.stamps]
    for name in ("value", "low", "high"):
        columns[name] = [value for each in found for value in getattr(each, name).tolist()]
    return columns


def odd_moments(engine: Engine, history: History, rate: float = RATE) -> Anomalies:
    """See `Forecaster.anomalies`."""
    alarms = engine.forecasts.alarms
    if alarms is None:
        raise UsageError(
            "this bundle has measured nothing that says what is odd.",
            fix="Train it with a part that validates.",
        )
    if not 0 < rate < 1:
        raise UsageError(f"{rate} is no share of moments.", where="rate", fix="Such as 0.01.")
    moments, context = history.moments, engine.layout.context
    firsts, ends = moments.offsets + context, moments.ends
    counts = np.maximum(ends - firsts, 0)
    series = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(int(counts.sum())) + np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    if not len(places):
        raise DataError(
            f"no series of it has more than the {context:,} moments that the model reads before it says anything.",
            fix="Give a longer history.",
        )
    low, high = alarms.ends(rate)
    truth = moments.truth[:, 0].astype(np.float64)
    said = _without_echo(engine, history, series, places, (low, high))
    off = _beyond(truth[places], said)
    found = [_odd(engine, history, int(series[n]), int(places[n]), said[n]) for n in np.flatnonzero(off)]
    looked = int((~np.isnan(truth[places])).sum())
    histories = {
        name: (moments.local[start:stop], truth[start:stop])
        for name, start, stop in zip(moments.names, moments.offsets.tolist(), ends.tolist())
    }
    notes = list(moments.notes)
    if (expected := alarms.expected(rate)) > rate:
        many = f"{alarms.count:,} moments of validation tell no rate of {rate:.2%}"
        notes.append(f"{many}: odd is what lies beyond all of them, {expected:.1%} of usual moments")
    return Anomalies(found, looked, expected, _observed(alarms, rate), histories, tuple(notes))


def _observed(alarms: Alarms, rate: float) -> float | None:
    return alarms.observed if abs(alarms.rate - rate) < 1e-12 else None


def _said(
    engine: Engine, history: History, series: Places, places: Places, low: float, high: float
) -> npt.NDArray[np.float64]:
    """(n, 3): of each moment the point forecast from the moment before, and the ends beyond which it is odd."""
    outputs = engine.run(history, series, places)[:, :1]
    point, width = outputs[:, 0, 0], widths(outputs)[:, 0]
    return engine.codec.within(np.stack([point, point + low * width, point + high * width], axis=1))


def _beyond(truth: Array, said: Array) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return (truth < said[:, 1]) | (truth > said[:, 2])


def _without_echo(
    engine: Engine, history: History, series: Places, places: Places, ends: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """As `_said`, where each odd moment, in order of time, is read as what was foretold of it by what follows: its echo is not odd.
    After ECHO of them in a row the level has moved, and is read as it is."""
    said = _said(engine, history, series, places, *ends)
    truth = history.moments.truth[places, 0].astype(np.float64)
    mended = replace(history.moments, values=history.moments.values.copy())
    read = History(mended, history.columns, history.origins, history.numbers)
    off = _beyond(truth, said)
    done = np.full(len(history.moments.sizes), -1)
    run = np.zeros(len(done), np.int64)
    for _ in range(MOST_PASSES):
        waiting = np.flatnonzero(off & (places > done[series]))
        if not len(waiting):
            break
        which, firsts = np.unique(series[waiting], return_index=True)
        rows = waiting[firsts]
        run[which] = np.where(places[rows] == done[which] + 1, run[which] + 1, 1)
        done[which] = places[rows]
        rows = rows[run[which] <= ECHO]
        if not len(rows):
            continue
        mended.values[places[rows], 0] = said[rows, 0]
        until = np.full(len(done), -1)
        until[series[rows]] = places[rows] + engine.layout.context
        again = np.flatnonzero((places > done[series]) & (places <= until[series]))
        if len(again):
            said[again] = _said(engine, read, series[again], places[again], *ends)
            off[again] = _beyond(truth[again], said[again])
    return said


def _odd(engine: Engine, history: History, series: int, place: int, said: Array) -> Odd:
    moments = history.moments
    value, row = float(str(moments.truth[place, 0])), int(moments.rows[place])
    (stamp,) = stamp_texts(engine.layout, history.numbers[place : place + 1])
    point, low, high = (float(each) for each in said)
    reach = (high - point) if value > point else (point - low)
    return Odd(
        moments.names[series], stamp, value, point, low, high, abs(value - point) / max(reach, 1e-12),
        place - int(moments.offsets[series]), history.origins[row] if row >= 0 else "",
    )  # fmt: skip


# --- reading ----------------------------------------------------------------------------------------------


def columns_in(given: Given, what: str) -> tuple[dict[str, Array], list[str], str]:
    """Columns of raw cells, where each row comes from, and a name, of a CSV, a frame or a mapping of columns. Raises UsageError,
    FileError and DataError."""
    if isinstance(given, (str, os.PathLike)):
        return _file(os.fspath(cast("str", given)))
    if library_of(given):
        names = names_of(given)
        lists = {name: column_of(given, name) for name in names}
    elif isinstance(given, Mapping):
        lists = {str(name): list(cells) for name, cells in cast("Mapping[Any, Any]", given).items()}
    else:
        raise UsageError(
            f"a {what} can't be taken from {type(given).__name__}.", where=what,
            fix="Give the path of a CSV, a frame, or a mapping of columns.",
        )  # fmt: skip
    sizes = {len(cells) for cells in lists.values()}
    if len(sizes) != 1 or min(sizes) < 1:
        raise UsageError("its columns don't have equally many rows, one at least.", where=what)
    (count,) = sizes
    columns: dict[str, Array] = {}
    for name, cells in lists.items():
        columns[name] = np.empty(count, object)
        columns[name][:] = cells
    return columns, [f"{what}, row {number}" for number in range(1, count + 1)], what


def _file(path: str) -> tuple[dict[str, Array], list[str], str]:
    """A CSV in UTF-8 with a header, parted by commas, semicolons or tabs."""
    name = Path(path).name
    if Path(path).suffix.lower() not in (".csv", ".tsv", ".tab", ".txt"):
        raise UsageError(
            f"{Path(path).suffix or 'such a'} file can't be read here.", where=path,
            fix="Give a CSV, or its table as a frame. drivetrain predict reads other files too.",
        )  # fmt: skip
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise file_error(fault, path) from fault
    except UnicodeDecodeError as fault:
        raise DataError(
            "it is not UTF-8.", where=path, fix="Save it as UTF-8, or give its table as a frame."
        ) from fault
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names: list[str] = []
    cells: list[list[str]] = []
    origins: list[str] = []
    try:
        for row in rows:
            if not row:
                continue
            if not names:
                names = [field.strip() for field in row]
            elif len(row) != len(names):
                raise DataError(
                    f"there are {len(row)} cells, and {len(names)} columns.", where=f"{name}, line {rows.line_num}"
                )  # fmt: skip
            else:
                cells.append(row)
                origins.append(f"{name}, row {len(cells) + 1}")  # The header is the first.
    except csv.Error as fault:
        raise DataError(f"it is no CSV: {fault}.", where=f"{name}, line {rows.line_num}") from fault
    if not cells:
        raise DataError(
            "there are no rows in it.", where=path, fix="Give a header, and a row for each moment."
        )
    if len({*names}) < len(names):
        twice = next(each for n, each in enumerate(names) if each in names[:n])
        raise DataError(f"two columns are called {twice!r}.", where=path)
    table = np.empty((len(cells), len(names)), object)
    table[:] = cells
    return {column: table[:, place] for place, column in enumerate(names)}, origins, name
