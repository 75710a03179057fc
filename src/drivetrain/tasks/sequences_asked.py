"""New sequences for a bundle: files, and those in folders, cut as those of the training were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.data.asked import Asked, Labelled
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.recording_files import read_folder, recording_files
from drivetrain.data.read.recordings import (
    Layout,
    Pieces,
    Recordings,
    cut,
    origins,
    read_recordings,
    series_of,
)
from drivetrain.data.sequence_labels import labels_of_file, labels_of_moments, names_of_recordings
from drivetrain.data.table import missing, shown
from drivetrain.errors import DataError, DrivetrainError, UsageError


@dataclass(frozen=True, eq=False)
class Read:
    """What a file holds: its recordings and their `names`, their stretches, where each of these is and what it is a part of."""

    frame: Frame
    recordings: Recordings
    names: list[str]
    pieces: Pieces
    origins: list[str]
    wholes: list[str]


def ask_recordings(layout: Layout, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
    """Raises DataError where nothing is there. A file that can't be read, and a recording that is shorter than a window, is an
    item without an answer."""
    (name,) = signature.inputs
    asked = Asked()
    if keep:
        raise UsageError(
            "a sequence has many rows of a table, and none to keep.", where="--keep", fix="Leave it out."
        )
    for given in inputs:
        for file in recording_files(given) if os.path.isdir(given) else [given]:
            called = (
                shown(os.path.relpath(file, given)) if os.path.isdir(given) else shown(os.path.basename(file))
            )
            try:
                read = read_file(file, called, layout, ())
            except DrivetrainError as fault:
                if not os.path.isdir(given) and len(inputs) == 1:
                    raise
                asked.origins.append(file)
                asked.items.append(fault.at(file) if not fault.where else fault)
                asked.wholes.append("")
                continue
            asked.notes += [f"{called}: {note}" for note in read.recordings.notes]
            asked.origins += read.origins
            asked.items += [{name: series} for series in series_of(read.recordings, read.pieces)]
            asked.wholes += read.wholes
            for place in read.pieces.short:
                of = read.names[place]
                asked.origins.append(of)
                asked.items.append(_too_short(int(read.recordings.sizes[place]), layout).at(of))
                asked.wholes.append("")
    return asked


def labelled_recordings(layout: Layout, signature: Signature, source: str, labels: str | None) -> Labelled:
    """The sequences of a source and their true values. Those without any are left out, which is told."""
    (name,), (target,) = signature.inputs, signature.targets
    second = None if labels is None else read_frame(labels)
    part = "all"
    read: list[Read] = []
    truths: list[Any] = []
    notes: list[str] = []
    for file, frame, label in _frames(layout, source, target, labels is None):
        if isinstance(label, tuple):
            part, label = label
        alone = label is not None or second is not None
        found = read_frame_of(frame, file, layout, () if alone else (target,))
        read.append(found)
        truths += _truths(found, layout, target, label, second)
        notes += found.recordings.notes
        if found.pieces.short:
            notes.append(f"{file}: shorter than a window, and left out: {len(found.pieces.short):,}")
    items = [{name: series} for each in read for series in series_of(each.recordings, each.pieces)]
    places = [origin for each in read for origin in each.origins]
    wholes = [whole for each in read for whole in each.wholes]
    kept = [row for row, absent in enumerate(missing(np.array(truths, object), frozenset())) if not absent]
    if not kept:
        raise DataError(
            f"no sequence has a value of {target!r}.",
            where=source,
            fix="Name the table that has it: --labels FILE.",
        )
    if len(kept) < len(truths):
        lost = next(row for row in range(len(truths)) if row not in set(kept))
        notes.append(f"{len(truths) - len(kept):,} without {target!r} left out, the first is {places[lost]}")
    return Labelled(
        [items[row] for row in kept], {target: [truths[row] for row in kept]}, [places[row] for row in kept], part, "",
        list(dict.fromkeys(notes)), [wholes[row] for row in kept],
    )  # fmt: skip


def _frames(layout: Layout, source: str, target: str, by_folder: bool) -> Iterator[tuple[str, Frame, Any]]:
    """Name, frame and the label of each file: None where its rows or another table say it; of a folder in parts (part, label)."""
    if not os.path.isdir(source):
        frame = read_frame(source)
        yield frame.name, frame, None
        return
    found = read_folder(source, by_folder=False)
    if by_folder and all(target not in frame.columns for frame in found.frames.values()):
        found = read_folder(source, by_folder=True)
    said = set(found.parts.values()) - {""}
    part = next((name for name in ("test", "valid", "train") if name in said), "")
    for file, frame in found.frames.items():
        label = found.labels[file] or None
        if not part:
            yield file, frame, label
        elif found.parts[file] == part:
            yield file, frame, (part, label)


def _truths(read: Read, layout: Layout, target: str, label: str | None, second: Frame | None) -> list[Any]:
    """Of each stretch its true value."""
    recordings, pieces = read.recordings, read.pieces
    if label is not None:
        return [label] * len(pieces.start)
    if second is not None:
        if target not in second.columns:
            raise UsageError(
                f"there is no column {target!r}.", where=second.name, fix="Name the table of the labels."
            )
        key = layout.sequence or "file"
        if key not in second.columns:
            raise UsageError(
                f"there is no column {key!r} that says whose labels these are.", where=second.name
            )
        found = labels_of_file(second, key, recordings)[0][target]
        return [found[place] for place in pieces.recording.tolist()]
    return list(labels_of_moments(recordings, pieces, layout, target, read.frame, {})[0])


def read_file(file: str, called: str, layout: Layout, other: Sequence[str]) -> Read:
    return read_frame_of(read_frame(file, name=called), called, layout, other)


def read_frame_of(frame: Frame, called: str, layout: Layout, other: Sequence[str]) -> Read:
    """The stretches of a table. Raises UsageError for a column that the model takes and that isn't there."""
    layout, told = _as_it_is(frame, layout)
    recordings, _ = read_recordings(frame, layout, other, find=False)
    recordings.notes.extend(told)
    pieces = cut(recordings, layout)
    names = names_of_recordings(recordings, layout)
    of = [f"{called}, {layout.sequence} {name}" if layout.sequence else called for name in names]
    wholes = [of[place] for place in pieces.recording.tolist()] if layout.window else [""] * len(pieces.start)
    return Read(frame, recordings, of, pieces, origins(recordings, pieces, layout), wholes)


def _as_it_is(frame: Frame, layout: Layout) -> tuple[Layout, list[str]]:
    """The layout for a table that lacks a column by which rows were told apart, or put in order; and what that means."""
    told: list[str] = []
    if layout.sequence and layout.sequence not in frame.columns:
        told.append(f"no column {layout.sequence!r}: all its rows are taken for one sequence")
        layout = replace(layout, sequence="")
    if layout.order and layout.order not in frame.columns:
        told.append(f"no column {layout.order!r}: its rows are taken as they come")
        layout = replace(layout, order="")
    return layout, told


def _too_short(size: int, layout: Layout) -> DataError:
    return DataError(
        f"it has {size:,} moments, and a window of this model {layout.window:,}.", fix="Record for longer."
    )
