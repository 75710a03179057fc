"""The dataset of sequences: those of a table with a row for each moment, of two tables, or of a folder of recordings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs.base import Quantity
from drivetrain.codecs.series import Series
from drivetrain.data import split as splits
from drivetrain.data.dataset import Dataset, make_dataset
from drivetrain.data.faults import Report
from drivetrain.data.kinds.guess import guess_kinds, names_of, to_table
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import Missing, read_frame
from drivetrain.data.read.recording_files import read_folder
from drivetrain.data.read.recordings import (
    Layout,
    Pieces,
    Recordings,
    cut,
    origins,
    read_recordings,
    series_of,
    under_each_other,
)
from drivetrain.data.recipe import task_named
from drivetrain.data.sequence_labels import (
    labels_of_file,
    labels_of_moments,
    names_of_recordings,
    once_each,
)
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import VALID_SHARE, refuse_shares
from drivetrain.data.table import Table, as_column, complete, missing
from drivetrain.data.wholes import drawn_whole
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.figures import counted
from drivetrain.tasks.options import HELD
from drivetrain.tasks.problem import Problem

_TASK = "sequence_classification"
FIELD = "series"
"""What the input is called."""
LABEL = "label"
"""The target that folders say."""
SPLIT = "split"
_TOLD = 3


@dataclass(frozen=True, eq=False)
class Made:
    """The recordings that a dataset was made of, its stretches of them by row, and how many hold moments of several labels."""

    recordings: Recordings
    pieces: Pieces
    mixed: int


@public
def from_csv(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    labels: str | os.PathLike[str] | None = None,
    missing: Missing = None,
    **options: Any,
) -> Problem:
    """Sequences from a table with a row for each moment (CSV, TSV, Parquet, JSON lines). The label of each is in a column of it, or
    of a second table `labels` that has the column `sequence` too. The options are those of `from_table`. Raises FileError,
    DataError and UsageError that name file, row and column."""
    frame = read_frame(path, missing=missing)
    second = None if labels is None else read_frame(labels)
    call = {**options, "target": names_of(target), "valid": valid, "seed": seed}
    if labels is not None:
        call["labels"] = os.path.abspath(labels)
    recipe = task_named(_TASK).recipe(os.path.abspath(path), **call)
    return from_table(frame, target, valid, seed, labels=second, recipe=recipe, **options)


@public
def from_folder(
    folder: str | os.PathLike[str],
    target: str | Sequence[str] = (),
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    labels: str | os.PathLike[str] | None = None,
    missing: Missing = None,
    **options: Any,
) -> Problem:
    """Recordings in files, one for each: in class folders (or in train/valid/test folders of these), or with a column `target` that
    has the label of each moment. The other options are those of `from_table`."""
    wanted = names_of(target)
    found = read_folder(os.fspath(folder), by_folder=not wanted and labels is None, missing=missing)
    frame = under_each_other(found.frames, os.path.basename(os.path.abspath(folder)))
    frame = replace(frame, source=os.path.abspath(folder), notes=(*frame.notes, *found.notes))
    second = None if labels is None else read_frame(labels)
    call = {**options, "target": wanted, "valid": valid, "seed": seed}
    if labels is not None:
        call["labels"] = os.path.abspath(labels)
    recipe = task_named(_TASK).recipe(os.path.abspath(folder), **call)
    about = {name: part for name, part in ((LABEL, found.labels), (SPLIT, found.parts)) if any(part.values())}
    return _made(frame, wanted or [LABEL], valid, seed, labels=second, recipe=recipe, about=about, **options)


@public
def from_table(
    frame: Any,
    target: str | Sequence[str],
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    labels: Any = None,
    name: str = "table",
    recipe: dict[str, Any] | None = None,
    **options: Any,
) -> Problem:
    """The same of a pandas or polars frame, or a mapping of columns, and the labels in another where they are not in it.

    Options: `sequence`, the column that tells sequences apart (without one all rows are one recording); `order`, what their
    rows are put in order by; `channels`, the columns that are looked at. With a `window` recordings are cut into stretches of
    so many moments, one every `step`, whose label is that of most of their moments, or of the last (`label_at`). `columns`
    says what kind the target is, as for tables.

    A share `valid` of the sequences validates, chosen by `seed`, and `test` is kept for evaluate, unless a `split` says otherwise.
    Windows of one recording are never in two parts; those of a lone one are split in time, and none reaches over the edge.
    """
    made = frame if isinstance(frame, Frame) else read_frame(frame, name=name)
    second = labels if labels is None or isinstance(labels, Frame) else read_frame(labels, name="labels")
    return _made(made, names_of(target), valid, seed, labels=second, recipe=recipe, about={}, **options)


def _made(
    frame: Frame,
    targets: list[str],
    valid: float,
    seed: int,
    *,
    labels: Frame | None,
    recipe: dict[str, Any] | None,
    about: Mapping[str, Mapping[str, str]],
    sequence: str | None = None,
    order: str | None = None,
    channels: Sequence[str] | None = None,
    window: int | None = None,
    step: int | None = None,
    label_at: str = "majority",
    test: float = 0.0,
    split: Splitter | None = None,
    columns: Mapping[str, str] | None = None,
) -> Problem:
    if len(targets) != 1:
        raise UsageError("a sequence has one target.", where="target", fix="Name one: --target COLUMN.")
    (target,) = targets
    refuse_shares(split, valid, test)
    layout = Layout(tuple(channels or ()), sequence or "", order or "", window, step, label_at)
    in_moments = labels is None and target not in about
    _refuse_unlike(frame, layout, target, labels, in_moments)
    by = getattr(split, "column", None)
    other = [name for name in (target, by) if name and name in frame.columns and name not in layout.channels]
    found, layout = read_recordings(frame, layout, list(dict.fromkeys(other)))
    pieces = cut(found, layout)
    notes = [*found.notes, *_told_cut(found, pieces, layout)]
    if not len(pieces.start):
        longest = int(found.sizes.max())
        raise DataError(
            f"no recording is as long as a window of {layout.window:,} moments: the longest has {longest:,}.",
            where=frame.source or frame.name, fix=f"Say --window {max(1, longest // 2)}.",
        )  # fmt: skip
    mixed = 0
    of_recordings = once_each(found, [target])
    of_recordings[layout.recording] = names_of_recordings(found, layout)
    for name, values in about.items():
        of_recordings[name] = [values[file] for file in found.files]
    if labels is not None:
        told, more = labels_of_file(labels, layout.sequence or "file", found)
        of_recordings |= told
        notes += more
    rows = {name: as_column(values)[pieces.recording] for name, values in of_recordings.items()}
    if in_moments:
        rows[target], mixed = labels_of_moments(found, pieces, layout, target, frame, columns or {})
        if mixed:
            notes.append(
                f"{mixed:,} of {len(pieces.start):,} windows hold moments of several labels: "
                f"{'the most frequent' if layout.at == 'majority' else 'the last'} counts (--label-at)"
            )
    source = frame.source or frame.name
    about_rows = read_frame(
        {name: values.tolist() for name, values in rows.items() if name != FIELD}, name=frame.name
    )
    kinds = guess_kinds(
        about_rows, targets, {name: kind for name, kind in (columns or {}).items() if name == target}
    )
    plain = to_table(about_rows, kinds)
    codec: Any = kinds[target].codec
    table = Table(
        {FIELD: series_of(found, pieces), **plain.columns}, as_column(origins(found, pieces, layout)), frame.name, source,
        notes=(*dict.fromkeys(notes),),
    )  # fmt: skip
    gaps = missing(table[target], frozenset())
    kept = np.flatnonzero(~gaps)
    table = complete(table, {target: gaps})
    pieces = Pieces(pieces.recording[kept], pieces.start[kept], pieces.end[kept], pieces.short)
    classes = target if codec.labels is not None else None
    if split is None:
        table, pieces, split = _own_split(table, found, pieces, layout, classes, valid, seed, test)
    if layout.window:
        table = replace(table, notes=(*table.notes, *_told_alike(table, layout, split)))
    task: Any = task_named(_TASK)
    data = Problem.of(
        make_dataset(
            table, {FIELD: _codec(found, table, split, layout)}, {target: codec}, split,
            task=task.of_data(layout, Made(found, pieces, mixed)), recipe=recipe,
        )
    )  # fmt: skip
    data.kinds = {target: kinds[target]}
    data.interval = HELD if isinstance(codec, Quantity) else None
    return data


def _told_alike(table: Table, layout: Layout, split: Splitter) -> list[str]:
    """That windows are no rows of their own: intervals are of recordings."""
    rows = split(table).valid
    recordings = len({str(name) for name in table[layout.recording][rows]})
    if not recordings:
        return []
    return [f"valid has {drawn_whole(len(rows), recordings)}"]


def _codec(found: Recordings, table: Table, split: Splitter, layout: Layout) -> Series:
    """Fitted to the moments of the training rows: a sequence that can't be used is then an error of its own, and not of all."""
    own = table[FIELD][split(table).train]
    codec = Series(found.channels, layout.window)
    return codec.fit_moments(np.concatenate([*own])) if len(own) else codec


def _refuse_unlike(frame: Frame, layout: Layout, target: str, labels: Frame | None, in_moments: bool) -> None:
    """Raise UsageError for names that can't be what they are said to be."""
    source = frame.source or frame.name
    known = labels.columns if labels is not None else frame.columns
    if (in_moments or labels is not None) and target not in known:
        where = source if labels is None else labels.source or labels.name
        fix = nearest(target, known) or f"The columns are {', '.join(known[:20])}."
        raise UsageError(f"there is no column {target!r}.", where=where, fix=fix)
    for name in (target, layout.sequence, layout.order):
        if name and name in layout.channels:
            raise UsageError(f"{name!r} is no channel: it would tell the answer, or the time.", where="channels",
                             fix="Leave it out there.")  # fmt: skip
    if target in (layout.sequence, layout.order):
        raise UsageError(
            f"{target!r} is the target.", where="sequence", fix="Name the column of the sequences."
        )
    if FIELD in (target, layout.recording):
        raise UsageError(
            f"no column can be called {FIELD!r} here: so the input is called.", where=source, fix="Rename it."
        )
    if labels is not None and layout.sequence and layout.sequence not in labels.columns:
        raise UsageError(
            f"there is no column {layout.sequence!r} that says whose labels these are.", where=labels.source or labels.name,
            fix=f"The columns are {', '.join(labels.columns[:20])}.",
        )  # fmt: skip


def _told_cut(found: Recordings, pieces: Pieces, layout: Layout) -> list[str]:
    told = []
    if layout.window:
        told.append(
            f"{len(pieces.start):,} windows of {layout.window:,} moments, one every {layout.every:,}, of "
            f"{counted(len(found.sizes), 'recording', 'recordings')}"
        )
    if pieces.short and layout.window and len(pieces.start):
        some = ", ".join(f"{found.files[place]} {found.names[place]}" if layout.sequence else found.files[place]
                         for place in pieces.short[:_TOLD])  # fmt: skip
        more = f" and {len(pieces.short) - _TOLD:,} more" if len(pieces.short) > _TOLD else ""
        told.append(f"left out, shorter than a window: {len(pieces.short):,} ({some}{more})")
    gaps = int(np.isnan(found.values).sum())
    if gaps:
        moment, channel = np.argwhere(np.isnan(found.values))[0]
        which = int(np.searchsorted(np.cumsum(found.sizes), moment, side="right"))
        told.append(
            f"{gaps:,} of {found.values.size:,} values are missing, the first of {found.channels[channel]!r} in "
            f"{found.place(which, int(moment))}: each is taken to be as the last known one"
        )
    return told


def _own_split(
    table: Table, found: Recordings, pieces: Pieces, layout: Layout, classes: str | None, valid: float, seed: int, test: float
) -> tuple[Table, Pieces, Splitter]:  # fmt: skip
    """The split where nobody said one: as folders say; windows by their recordings, those of a lone one in time; else at random."""
    random = splits.random(valid, seed=seed, test=test, stratify=classes)
    if SPLIT in table:
        return table, pieces, splits.ByColumn(SPLIT, otherwise=random)
    if layout.window is None:
        return table, pieces, random
    recordings = len(np.unique(pieces.recording))
    if recordings > 1:
        note = "the windows of a recording are all in one part (--split group:COLUMN keeps more together, such as a person's)"
        split = splits.by_group(layout.recording, valid=valid, seed=seed, test=test, stratify=classes)
        return replace(table, notes=(*table.notes, note)), pieces, split
    size = int(found.sizes.sum())
    edges = [size - round(size * (valid + test)), size - round(size * test), size]
    part = np.searchsorted(edges, pieces.start, side="right")
    kept = np.flatnonzero(pieces.end <= np.array(edges)[np.minimum(part, 2)])
    names = np.array(["train", "valid", "test"], object)[part[kept]]
    note = f"one recording is split in time; {counted(len(part) - len(kept), 'window', 'windows')} over an edge left out"
    table = table.take(kept)
    table = replace(table, columns={**table.columns, SPLIT: names}, notes=(*table.notes, note))
    pieces = Pieces(pieces.recording[kept], pieces.start[kept], pieces.end[kept], pieces.short)
    return table, pieces, splits.ByColumn(SPLIT, otherwise=None)


def find_faults(data: Dataset, made: Made | None) -> Report:
    """What is wrong with the sequences and their split."""
    from drivetrain.data.checks.sequences import check_sequences

    return check_sequences(data, made)
