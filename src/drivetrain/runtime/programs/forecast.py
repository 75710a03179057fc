"""The program `forecast`: the graph run once for each origin, on what came before it (FORMAT.md, section 5.6)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.forecasts import FUTURE, PAST, Forecasts, HistoryCase, columns_of
from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.verify import HISTORIES, StageTally, VerifyReport, value_difference, verify
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.series import Series
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.figures import counted
from drivetrain.forecasting.bands import adapted, shifted, widths
from drivetrain.forecasting.hierarchy import Tree, bottom_up, reconcile
from drivetrain.runtime.contexts import History, stamp_texts
from drivetrain.runtime.session import OnnxSession
from drivetrain.types import Array, Session

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AT_ONCE = 512
"""Windows of one run of the graph."""
REPLAYED, REPLAYED_IN_ALL = 300, 60_000
"""Origins of a series that its band is adapted by at most, the newest, and of all together."""
NAMED = 5
FARTHEST = 20
"""A forecast goes so many times as far as the model at most: what it says of what it said itself is worth little."""
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Foretold:
    """What is foretold of a series: `numbers` (h,) of the moments, their `stamps` as text, `outputs` float64 (h, 1 + levels), the
    point first; and where it begins in the history. `notes` are what a person should know of it."""

    series: str
    numbers: Places
    stamps: list[str]
    outputs: Floats
    origin: int
    notes: tuple[str, ...]
    exact: bool = False


class Engine:
    """Forecasts of a bundle's graph in a session. `answer` is what a golden history repeats."""

    @classmethod
    def of(cls, bundle: Bundle, session: Session) -> Engine:
        """The engine of a bundle that forecasts."""
        return cls(cast("Forecasts", bundle.forecasts), bundle.signature, session, bundle.profile)

    def __init__(
        self,
        forecasts: Forecasts,
        signature: Signature,
        session: Session,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        self.forecasts, self.layout = forecasts, forecasts.layout
        self.inputs: Mapping[str, Codec] = signature.inputs
        ((self.target, codec),) = signature.targets.items()
        self.codec = cast("Series", codec)
        self.session = session
        known = (profile or {}).get(PAST)
        self._profile: Mapping[str, Any] = cast("Any", known) if isinstance(known, Mapping) else {}

    def history(self, columns: Mapping[str, Array], origins: Sequence[str], name: str) -> History:
        """The history that a table's rows are; columns that only training needs may be missing."""
        return History.of(self.layout, columns, origins, name)

    def run(self, history: History, series: Places, origins: Places) -> Floats:
        """float64 (n, horizon, 1 + levels): what the graph says at origins (n,), places in the history, of series (n,)."""
        found = [
            self._run(
                {PAST: history.before(series[rows], origins[rows]), FUTURE: history.after(series[rows], origins[rows])},
                history, series[rows],
            )
            for rows in np.split(np.arange(len(series)), range(AT_ONCE, len(series), AT_ONCE))
        ]  # fmt: skip
        return np.concatenate(found)

    def _run(self, made: Mapping[str, Array], history: History, series: Places) -> Floats:
        feeds = {
            name: made[name] if name in made else self._of_series(name, codec, history)[series]
            for name, codec in self.inputs.items()
        }
        found = self.session.run(feeds)[self.target].astype(np.float64)
        if not np.isfinite(found).all():
            row = int(np.argmin(np.isfinite(found).all(axis=(1, 2))))
            raise DataError(f"what the model foretells of {history.moments.names[series[row]]!r} is no finite number.")  # fmt: skip
        return found

    def _of_series(self, name: str, codec: Codec, history: History) -> Array:
        """A field that is the same for all of a series, encoded (series, ...)."""
        moments = history.moments
        if name == self.layout.series_field:
            values = np.array(moments.names, object)
        else:
            values = moments.statics[name]
        encoded, faults = codec.encode_column(values)
        if faults:
            row = min(faults)
            raise faults[row].in_column(name).at(f"series {moments.names[row]!r}")
        return np.asarray(encoded)

    # --- answers ------------------------------------------------------------------------------------------

    def answer(self, history: History, horizon: int | None = None) -> list[Foretold]:
        """What follows the last known moment of each series, with a band that has learned from what the training has not seen."""
        horizon = self.layout.horizon if horizon is None else horizon
        if not 1 <= horizon <= FARTHEST * self.layout.horizon:
            most = f"{self.layout.horizon:,} moments at once, and up to {FARTHEST} times as many"
            raise UsageError(
                f"the model foretells {most}: not {horizon:,}.",
                where="horizon",
                fix="Ask for fewer, or train one with a longer --horizon.",
            )
        moments = history.moments
        ends = moments.ends
        series = np.flatnonzero(ends > moments.offsets)
        if not len(series):
            raise DataError(
                f"no {' or '.join(self.layout.targets)} is known in it.", fix="Give the history of a series."
            )
        series, left_out = self._answerable(history, series, ends, horizon)
        notes = {int(each): self._notes(history, int(each), int(ends[each]), horizon) for each in series}
        last = history.numbers[ends[series] - 1]
        for each in series[last < last.max()].tolist():
            (when,) = stamp_texts(self.layout, history.numbers[ends[each] - 1 : ends[each]])
            notes[each].append(
                f"{moments.names[each]!r} ends at {when}, before others: it goes on from there"
            )
        for each, unlike in self._unlike(history, series, ends[series]):
            notes[each].append(unlike)
        outputs = self.run(history, series, ends[series])
        shifts, adapting = self._shifts(history, series, ends)
        outputs = shifted(outputs, shifts) if adapting.any() else outputs
        for each, learned in zip(series.tolist(), adapting.tolist()):
            if learned:
                notes[each].append(f"its band has learned from {learned:,} moments that training had not")
        if horizon > self.layout.horizon:
            outputs = self._farther(history, series, ends[series], outputs, shifts, horizon)
        if moments.paths:
            series, outputs = self._adding_up(history, series, ends, outputs[:, :horizon])
            outputs[:, :, 1:] = self.codec.within(outputs[:, :, 1:])  # The points are so, and add up.
        else:
            outputs = self.codec.within(outputs)
        found: list[Foretold] = []
        for row, each in enumerate(map(int, series)):
            numbers = history.numbers[ends[each] - 1] + 1 + np.arange(horizon)
            texts = stamp_texts(self.layout, numbers)
            name, own = moments.names[each], notes[each]
            found.append(
                Foretold(
                    name,
                    numbers,
                    texts,
                    outputs[row, :horizon],
                    int(ends[each]),
                    (*own, *left_out),
                    bool(moments.paths),
                )
            )
        return found

    def _adding_up(
        self, history: History, series: Places, ends: Places, outputs: Floats
    ) -> tuple[Places, Floats]:
        """The series with the sums first, and what is foretold of them moved so that all add up: by weighted least squares, the
        variance of each the mean square of its band. A series that has ended more than a horizon before is none of them any more.
        Raises DataError where the others don't end together."""
        moments, paths = history.moments, history.moments.paths
        last = history.numbers[ends[series] - 1]
        newest = int(last.max())
        alive = last + self.layout.horizon > newest
        late = np.flatnonzero(alive & (last < newest))
        if len(late):
            names = [moments.names[int(each)] for each in series]
            when = stamp_texts(self.layout, np.array([last[late[0]], newest]))
            raise DataError(
                f"the series end at different moments, {names[int(late[0])]!r} at {when[0]} and others at {when[1]}, and sums need "
                "the same.", fix="Give the rows that lack, or leave the last ones of the others out.",
            )  # fmt: skip
        order = [*range(len(paths), len(moments.names)), *range(len(paths))]
        row = {int(each): n for n, each in enumerate(series.tolist()) if alive[n]}
        chosen = [place for place in order if place in row]
        tree = Tree.of([paths[place] for place in chosen if place < len(paths)])
        by_name = {moments.names[place]: place for place in chosen if place >= len(paths)}
        upper = tree.nodes - tree.leaves
        chosen = [*(by_name[name] for name in tree.names[:upper]), *(p for p in chosen if p < len(paths))]
        made = outputs[[row[place] for place in chosen]]
        variances = (widths(made) ** 2).mean(axis=1)
        point = reconcile(tree, made[:, :, 0], variances)
        if (self.codec.within(point[upper:]) != point[upper:]).any():
            # What fell below is at its end, and so are the sums made anew (Di Fonzo and Girolimetto 2023, Spatio-temporal
            # reconciliation of solar forecasts, Solar Energy 251:13-29, "set negative to zero").
            point = bottom_up(tree, self.codec.within(point[upper:]))
        moved = made + (point - made[:, :, 0])[:, :, None]
        moved[:, :, 0] = point
        return np.array(chosen, np.int64), moved

    def _answerable(
        self, history: History, series: Places, ends: Places, horizon: int
    ) -> tuple[Places, list[str]]:
        """The series with so much of a past and, where the model needs one, of a known future that something can be foretold, and
        notes of the others. Raises DataError where there is none, and of sums, which need all of their parts."""
        layout = self.layout
        short, sparse, endless = (np.zeros(len(series), np.bool_) for _ in range(3))
        for row, each in enumerate(map(int, series)):
            end = int(ends[each])
            short[row] = history.is_short(each, end)
            sparse[row] = not short[row] and history.is_short(each, end, self._seen(history, each))
            endless[row] = not (short[row] or sparse[row]) and history.lacks_rows(each, end, horizon)
        out = short | sparse | endless
        if history.moments.paths or out.all():
            return series, []  # What can't be answered is refused where it is looked at.
        told = (
            (short, f"fewer than {history.least:,} of the {layout.context:,} moments that are read"),
            (sparse, f"hardly any known one of the {layout.context:,} moments that are read"),
            (endless, f"no row with {', '.join(layout.known)} for all of the {horizon:,} moments to come"),
        )
        notes: list[str] = []
        for which, words in told:
            names = [repr(history.moments.names[int(each)]) for each in series[which]]
            shown = ", ".join(names[:NAMED]) + (" ..." if len(names) > NAMED else "")
            if names:
                many = counted(len(names), "series has", "series have")
                notes.append(f"{many} {words}, and no forecast: {shown}")
        return series[~out], notes

    def _seen(self, history: History, series: int) -> int | None:
        """The number of the first moment of a series that training has not seen; None where it has seen nothing of it."""
        return self.forecasts.seen.get(history.moments.names[series])

    def _unlike(self, history: History, series: Places, origins: Places) -> list[tuple[int, str]]:
        """Series whose history, as it is read, is like nothing in the training, and what of it."""
        past = history.before(series, origins)
        found: list[tuple[int, str]] = []
        for reason, rows in self.inputs[PAST].unusual(past, past, self._profile):
            for each in series[rows].tolist():
                of = f" of {history.moments.names[each]!r}" if len(history.moments.names) > 1 else ""
                found.append((each, f"the history{of} is unlike the training: {reason}"))
        return found

    def _notes(self, history: History, series: int, end: int, horizon: int) -> list[str]:
        seen = self._seen(history, series)
        own = (history.refuse_unknown(series, end, horizon), history.refuse_short(series, end, seen))
        notes = [note for note in own if note]
        name = history.moments.names[series]
        if self.layout.series_field and name not in self.forecasts.seen:
            where = "" if self.layout.series_field in self.inputs else ", which the model doesn't ask for"
            notes.append(
                f"{name!r} was not in the training{where}: it is foretold as what all series have in common"
            )
        if horizon > self.layout.horizon:
            notes.append(
                f"beyond {self.layout.horizon:,} moments the model goes on from what it foretold itself, and its band widens"
            )
        return notes

    def _shifts(self, history: History, series: Places, ends: Places) -> tuple[Floats, Places]:
        """What the bands (n, horizon, levels) have to be moved by, in widths, as the moments since the training would have it; and
        by how many moments each has learned."""
        moments, layout = history.moments, self.layout
        found = np.zeros((len(series), layout.horizon, len(self.codec.levels)))
        learned = np.zeros(len(series), np.int64)
        most = max(20, min(REPLAYED, REPLAYED_IN_ALL // len(series)))
        which, origins = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for row, each in enumerate(map(int, series)):
            begin, end = int(moments.offsets[each]), int(ends[each])
            fresh = self.forecasts.seen.get(moments.names[each], -(2**62)) - int(history.numbers[begin])
            first = max(begin + max(fresh, 0), begin + layout.context, end - most)
            which.append(np.full(max(0, end - first), row))
            origins.append(np.arange(first, end))
        rows, places = np.concatenate(which), np.concatenate(origins)
        if not len(rows):
            return found, learned
        outputs = self.run(history, series[rows], places)
        truths = self._truths(history, ends[series[rows]], places)
        for row in np.unique(rows).tolist():
            own = np.flatnonzero(rows == row)
            # One more origin, whose outcomes nobody knows: that which is asked for.
            said = np.concatenate([outputs[own], outputs[own[-1:]]])
            came = np.concatenate([truths[own], np.full((1, layout.horizon), np.nan)])
            positions = np.append(places[own], ends[series[row]])
            found[row] = adapted(said, came, self.codec.levels, positions)[-1]
            learned[row] = int((~np.isnan(truths[own, 0])).sum())
        return found, learned

    def _truths(self, history: History, ends: Places, origins: Places) -> Floats:
        """(n, horizon) of what came after origins, NaN from `ends` (n,) on and where nothing was measured."""
        places = origins[:, None] + np.arange(self.layout.horizon)
        truth = history.moments.truth[:, 0].astype(np.float64)
        return np.where(places < ends[:, None], truth[np.minimum(places, len(truth) - 1)], np.nan)

    def _farther(
        self, history: History, series: Places, origins: Places, outputs: Floats, shifts: Floats, horizon: int
    ) -> Floats:
        """(n, blocks x horizon, 1 + levels): the model again and again, each time from its own point forecasts. How far the band
        reaches on either side of the point adds up as the squares of errors that don't know of each other."""
        layout = self.layout
        step, ahead = layout.horizon, len(layout.ahead)
        past = history.before(series, origins)
        blocks = [outputs]
        reach = outputs[:, :, 1:] - outputs[:, :, :1]
        behind = reach[:, -1:] ** 2
        known = [1 + place for place in range(ahead - len(layout.calendar))]
        for block in range(1, -(-horizon // step)):
            earlier = history.after(series, origins + (block - 1) * step)
            added = np.repeat(past[:, -1:], step, axis=1)
            added[:, :, 0] = self.codec.within(blocks[-1][:, :, 0])
            if known:
                added[:, :, known] = earlier[:, :, : len(known)]
            if layout.calendar:
                added[:, :, -len(layout.calendar) :] = earlier[:, :, len(known) :]
            past = np.concatenate([past, added], axis=1)[:, step:]
            made = {
                PAST: past[:, -layout.context :],
                FUTURE: history.after(series, origins + block * step),
            }
            said = shifted(self._run(made, history, series), shifts)
            reach = said[:, :, 1:] - said[:, :, :1]
            wide = np.sign(reach) * np.sqrt(reach**2 + behind)
            blocks.append(np.concatenate([said[:, :, :1], said[:, :, :1] + np.sort(wide, axis=2)], axis=2))
            behind = behind + reach[:, -1:] ** 2
        return np.concatenate(blocks, axis=1)


def told(codec: Series, found: Foretold) -> dict[str, Any]:
    """`{"series", "stamps", "value", "low", "high"}` of a forecast, plain."""
    outputs = found.outputs
    return {
        "series": found.series,
        "stamps": found.stamps,
        # What adds up does so to the last digit.
        "value": outputs[:, 0].tolist() if found.exact else _plain(outputs[:, 0]),
        "low": _plain(outputs[:, 1] if codec.levels else outputs[:, 0]),
        "high": _plain(outputs[:, -1]),
    }


def _plain(values: Floats) -> list[float]:
    """As float32 has them, in as few digits as say that."""
    return [float(str(np.float32(value))) for value in values]


# --- proof ------------------------------------------------------------------------------------------------


def case_of(engine: Engine, name: str, rows: dict[str, list[Any]], horizon: int) -> HistoryCase:
    """A golden history of rows, with the answers of this runtime."""
    history = engine.history(
        columns_of(rows), [f"row {n}" for n in range(1, 1 + len(next(iter(rows.values()))))], name
    )
    answers = [told(engine.codec, found) for found in engine.answer(history, horizon)]
    return HistoryCase(name, rows, horizon, answers)


def verified(bundle: Bundle) -> VerifyReport:
    """Every golden case in this runtime, rows and whole histories. Raises BundleError where a graph makes no session."""
    session = OnnxSession(bundle.graph, bundle.tensors)
    report = verify(bundle, session)
    if not report.ok:
        return report
    engine = Engine.of(bundle, session)
    tally = StageTally(HISTORIES, len(bundle.histories))
    for case in bundle.histories:
        place = f"history {case.name!r}"
        try:
            own = case_of(engine, case.name, case.rows, case.horizon).answers
        except DrivetrainError as fault:
            tally.add(math.inf, TOLERANCE, place, fault.error)
            continue
        tally.add(_difference(own, case.answers), TOLERANCE, place)
    return VerifyReport([*report.stages, tally.stage_report()])


def _difference(own: list[dict[str, Any]], golden: list[dict[str, Any]]) -> float:
    """The largest difference of what is foretold, as a share of the largest value of its series; infinite where stamps or series
    differ."""
    if len(own) != len(golden):
        return math.inf
    worst = 0.0
    for ours, theirs in zip(own, golden):
        if ours.keys() != theirs.keys() or any(ours[key] != theirs[key] for key in ("series", "stamps")):
            return math.inf
        scale = max([1e-9, *(abs(value) for value in theirs["value"] if isinstance(value, (int, float)))])
        for key in ("value", "low", "high"):
            if value_difference(ours[key], theirs[key]) == math.inf:
                return math.inf
            gaps = np.abs(np.array(ours[key], np.float64) - np.array(theirs[key], np.float64))
            worst = max(worst, float(gaps.max(initial=0.0)) / scale)
    return worst
