"""`check` of sequences: copies, recordings and people that stand in several parts, channels that say nothing, gaps, labels that
change, and lengths or rates of sampling that give the answer away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs.number import Number
from drivetrain.codecs.series import longest_run
from drivetrain.data.checks.leaks import find_leaks
from drivetrain.data.checks.tables import check_table
from drivetrain.data.faults import Fault, Report
from drivetrain.data.kinds.base import NUMBER, ColumnKind
from drivetrain.data.split import PARTS
from drivetrain.data.table import Table, as_column
from drivetrain.figures import counted, percent
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.tasks.sequences import Made

SHORT = 9
"""Moments that a kernel takes."""
LONG_GAP = 1.5
"""Times the usual time between two moments."""
FAR = 32
"""Spreads from a channel's mean."""
MUCH = 0.05
"""Of a channel's values, or of the moments of a sequence."""
_NAMED = 100


def check_sequences(data: Dataset, made: Made | None) -> Report:
    """Report what is wrong with sequences and their split; `made` tells of the recordings that they are of."""
    (field, codec), (target,) = next(iter(data.signature.inputs.items())), data.signature.targets
    for part in PARTS:
        data.part(part)
    kinds = {field: ColumnKind(field, "series", "", codec), **data.kinds}
    plain = Table(
        {field: _digests(data.table[field]), target: data.table[target]}, data.table.origins, data.table.name, data.table.source
    )  # fmt: skip
    report = check_table(plain, kinds, data.split, [target])
    faults = [_fitting(fault) for fault in report.faults if fault.kind != "not looked into"]
    if data.bad:
        where = [str(data.bad[row]) for row in sorted(data.bad)]
        faults.insert(0, Fault("unreadable", "error", f"Sequences that can't be used: {len(where):,}.", where,
                               "Mend them, or leave them out."))  # fmt: skip
    lengths = np.array([len(series) for series in data.table[field]])
    faults += _lengths(data, lengths)
    if made is not None:
        faults += [
            *_across(data),
            *_other_groups(data),
            *_channels(made),
            *_gaps(made),
            *_labels(made, len(data.table)),
        ]
        faults += _telling(data, made, lengths, target)
    counts = {**report.counts, "columns": len(getattr(codec, "channels", ()))}
    counts.pop("missing", None)
    return replace(
        report, faults=tuple(faults), counts=counts, bad_rows=np.array(sorted(data.bad), np.int64), things=data.things
    )  # fmt: skip


def _digests(column: Array) -> Array:
    """What each holds, as a short text."""
    found = [hashlib.sha256(np.ascontiguousarray(series).tobytes()).hexdigest()[:24] for series in column]
    return as_column(found)


def _fitting(fault: Fault) -> Fault:
    """In words for sequences."""
    if fault.kind in ("leak", "duplicate"):
        return replace(
            fault, message=fault.message.replace("Rows", "Sequences", 1).replace(" train rows", " of train"),
            fix="Leave one of each out, or keep both in one part: --split group:COLUMN.",
        )  # fmt: skip
    return fault


def _lengths(data: Dataset, lengths: Array) -> Iterator[Fault]:
    short = np.flatnonzero(lengths < SHORT)
    if len(short):
        where = [f"{data.table.origin(int(row))}: {lengths[row]}" for row in short[:_NAMED]]
        message = f"Shorter than {SHORT} moments: {counted(len(short), 'sequence', 'sequences')}."
        yield Fault(
            "short", "warning", message, where, "Hardly anything can be told of them: record for longer."
        )


def _across(data: Dataset) -> Iterator[Fault]:
    """Recordings whose windows are in several parts: those overlap, and even if they don't, they are of one occasion."""
    layout: Any = getattr(data.task, "layout", None)
    if layout is None or layout.window is None or layout.recording not in data.table:
        return
    parts = {
        part: {str(name) for name in data.table[layout.recording][rows]}
        for part, rows in data.split.parts().items()
    }
    alone = len(set().union(*parts.values())) == 1
    shared = sorted(parts["train"] & (parts["valid"] | parts["test"]))
    if not shared:
        return
    if alone and data.split.parts() and _in_order(data):
        message = "There is one recording: how it goes in another is not measured."
        yield Fault(
            "one recording", "warning", message, shared, "Record again, on another day or of another person."
        )
        return
    message = f"Recordings with windows in train and in valid or test: {len(shared):,}."
    fix = f"Keep each in one part: --split group:{layout.recording} (what is done where no --split is said)."
    yield Fault("leak", "warning", message, shared[:_NAMED], fix)


def _other_groups(data: Dataset) -> Iterator[Fault]:
    """What sequences are of, people or rooms, where the same are on both sides: how it goes with others is another figure."""
    layout: Any = getattr(data.task, "layout", None)
    own = None if layout is None else layout.recording
    for name in data.task.told_apart(data):
        values = data.table[name]
        train, *others = ({str(value) for value in values[rows]} for rows in data.split.parts().values())
        if name != own and len(train & set().union(*others)) > 1:
            count = len({str(value) for value in values})
            message = f"Sequences are of {count:,} different {name!r}, and valid or test holds those that train has."
            fix = f"How it goes with another one is told by --split group:{name}."
            yield Fault("split", "note", message, [], fix)


def _in_order(data: Dataset) -> bool:
    """Whether no window of valid or test overlaps one of train: the parts follow each other."""
    train, valid, test = data.split.parts().values()
    later = np.concatenate([valid, test])
    return not len(later) or not len(train) or int(train.max()) < int(later.min())


def _channels(made: Made) -> Iterator[Fault]:
    values, sizes, starts = made.recordings.values, made.recordings.sizes, made.recordings.starts
    for place, name in enumerate(made.recordings.channels):
        column = values[:, place]
        known = column[~np.isnan(column)]
        if not len(known):
            yield Fault(
                "dead channel",
                "error",
                f"Channel {name!r} has no value at all.",
                [],
                "Leave it out of --channels.",
            )
            continue
        if known.min() == known.max():
            message = f"Channel {name!r} never changes: it is {known[0]:g} in every moment."
            yield Fault(
                "dead channel",
                "warning",
                message,
                [],
                "Leave it out, or look whether the sensor was plugged in.",
            )
            continue
        low = np.fmin.reduceat(column, starts)
        still = np.flatnonzero((low == np.fmax.reduceat(column, starts)) & (sizes > 1))
        if len(still):
            where = [_called(made, int(recording)) for recording in still[:_NAMED]]
            message = f"Channel {name!r} stands still in {len(still):,} of {counted(len(sizes), 'recording', 'recordings')}."
            yield Fault("dead channel", "warning", message, where, "Look whether the sensor was plugged in.")
        far = np.flatnonzero(np.abs(column - known.mean()) > FAR * known.std())
        if len(far):
            where = [_row(made, int(moment)) + f": {column[moment]:g}" for moment in far[:_NAMED]]
            message = f"Channel {name!r}: {counted(len(far), 'value lies', 'values lie')} more than {FAR} spreads from the mean."
            yield Fault("far values", "warning", message, where, "Mend them where they are no measurement.")


def _gaps(made: Made) -> Iterator[Fault]:
    """Values that are missing, moments that are, and moments that are there twice."""
    found = made.recordings
    gone = np.isnan(found.values)
    for place, name in enumerate(found.channels):
        missing = gone[:, place]
        if not missing.any():
            continue
        runs = [
            (_longest_gap(missing[start : start + size]), recording)
            for recording, (start, size) in enumerate(zip(found.starts.tolist(), found.sizes.tolist()))
        ]
        longest, recording = max(runs)
        message = (
            f"Channel {name!r} is missing in {missing.sum():,} of {len(missing):,} moments "
            f"({percent(missing.mean(), 1)}), {longest:,} of them in a row in {_called(made, recording)}."
        )
        severity = "warning" if missing.mean() > MUCH or longest > SHORT else "note"
        yield Fault(
            "missing values", severity, message, [], "What is missing is taken to be as the last known value."
        )
    if found.times is not None:
        yield from _missing_moments(made, found.times)
    if found.doubles:
        message = f"Moments that are there twice: {len(found.doubles):,}."
        yield Fault("double moments", "warning", message, found.doubles[:_NAMED], "Leave one of each out.")


def _longest_gap(missing: Array) -> int:
    return longest_run(missing) if missing.all() else max(
        (longest_run(part) for part in np.split(missing, np.flatnonzero(np.diff(missing)) + 1) if part[0]), default=0
    )  # fmt: skip


def _missing_moments(made: Made, times: Array) -> Iterator[Fault]:
    steps = np.diff(times)
    within = np.ones(len(steps), bool)
    within[made.recordings.starts[1:] - 1] = False
    usual = float(np.median(steps[within])) if within.any() else 0.0
    if usual <= 0:
        return
    gaps = np.flatnonzero(within & (steps > LONG_GAP * usual))
    if len(gaps):
        where = [
            f"{_row(made, int(gap) + 1)}: {steps[gap] / usual:.3g} times as long" for gap in gaps[:_NAMED]
        ]
        message = (
            f"Longer between two moments than the usual {usual:g}: {counted(len(gaps), 'time', 'times')}."
        )
        yield Fault(
            "missing moments",
            "warning",
            message,
            where,
            "A sequence has them side by side: fill in what is missing.",
        )


def _labels(made: Made, rows: int) -> Iterator[Fault]:
    if made.mixed:
        message = f"Windows with moments of several labels: {made.mixed:,} of {rows:,} ({percent(made.mixed / rows, 1)})."
        severity = "warning" if made.mixed > rows / 4 else "note"
        yield Fault("label changes", severity, message, [], "Shorter windows have fewer of them: --window.")


def _telling(data: Dataset, made: Made, lengths: Array, target: str) -> Iterator[Fault]:
    """How long a sequence is, how quickly it was sampled or how much of it is missing may tell its class: that is how the data were
    collected, and not what is to be learned."""
    recordings, pieces = made.recordings, made.pieces
    columns: dict[str, Array] = {}
    if len(np.unique(lengths)) > 1:
        columns["the length of a sequence"] = lengths.astype(np.float64)
    if recordings.times is not None:
        rates = np.array([
            np.median(np.diff(recordings.times[start : start + size])) if size > 1 else np.nan
            for start, size in zip(recordings.starts.tolist(), recordings.sizes.tolist())
        ])  # fmt: skip
        if len(np.unique(rates[~np.isnan(rates)])) > 1:
            columns["the time between moments"] = rates[pieces.recording]
    gone = np.isnan(recordings.values).mean(axis=1)
    shares = np.array(
        [gone[start:end].mean() for start, end in zip(pieces.start.tolist(), pieces.end.tolist())]
    )
    if len(np.unique(shares)) > 1:
        columns["the share of missing values"] = shares
    if not columns or len(shares) != len(data.table):
        return
    kinds: Mapping[str, ColumnKind] = {name: ColumnKind(name, NUMBER, "", Number()) for name in columns}
    small = Table({**columns, target: data.table[target]}, data.table.origins, data.table.name)
    for fault in find_leaks(small, {**kinds, target: data.kinds[target]}, target):
        if fault.severity == "warning" and fault.kind in ("leak of the target", "telling column"):
            yield Fault(
                "telling form", "warning", fault.message.replace("'the ", "The ", 1).replace("'", "", 1), fault.where,
                "Record all classes alike: else a model learns how they were recorded.",
            )  # fmt: skip


def _called(made: Made, recording: int) -> str:
    file, name = made.recordings.files[recording], made.recordings.names[recording]
    return file if file.startswith(name) else f"{file}, {name}"


def _row(made: Made, moment: int) -> str:
    which = int(np.searchsorted(np.cumsum(made.recordings.sizes), moment, side="right"))
    return made.recordings.place(which, moment)
