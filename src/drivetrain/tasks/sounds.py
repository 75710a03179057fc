"""The dataset of sounds: of files in class folders, of those that a CSV or their own names label, or in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs.audio import Audio
from drivetrain.codecs.category import Category
from drivetrain.data.dataset import make_dataset
from drivetrain.data.read.file_kinds import SOUNDS
from drivetrain.data.read.folders import labelled_folder, labelled_table
from drivetrain.data.read.named_files import named_files
from drivetrain.data.recipe import task_named
from drivetrain.data.split import Splitter
from drivetrain.data.table import Table
from drivetrain.data.table import from_columns as table_from_columns
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.sound.file import info
from drivetrain.tasks.labelled_files import prepared
from drivetrain.tasks.problem import Problem
from drivetrain.tasks.recordings import Recordings, windows_of
from drivetrain.types import Array

_TASK = "sound_classification"
MOST_HEADERS = 4096
USUAL, MUCH, LONGEST = 0.95, 2.0, 10.0
"""Sounds are heard whole where the longest is no longer than twice what this share of them needs, and than ten seconds."""


@public
def from_folder(
    folder: str | os.PathLike[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    rate: int | None = None,
    seconds: float | None = None,
    trim: float | None = None,
    layout: str | None = None,
    name_pattern: str | None = None,
    split: Splitter | None = None,
    drop_copies: bool = False,
) -> Problem:
    """Sounds in class folders, in train/valid/test folders, in one folder with a CSV of file and label, or with names of
    which `name_pattern` says the class: "(?P<label>[0-9])_(?P<speaker>[a-z]+)_", whose other names are columns to split by.

    Where the folders don't say which sounds validate, a share `valid` of each class does, chosen by `seed`. `split` says
    otherwise: `dt.split.by_group("speaker")` keeps the sounds of each value of such a column, or of one of the CSV,
    together. `rate`, `seconds` and `trim` are those of `drivetrain.codecs.audio.Audio`; `drop_copies` leaves out sounds whose
    file is there already, with the same label. Raises DataError or FileError for a folder that is missing, empty or not
    understood.
    """
    return _made(
        folder, valid, seed, rate=rate, seconds=seconds, trim=trim, layout=layout, name_pattern=name_pattern, split=split,
        drop_copies=drop_copies,
    )  # fmt: skip


@public
def from_csv(
    path: str | os.PathLike[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    rate: int | None = None,
    seconds: float | None = None,
    trim: float | None = None,
    split: Splitter | None = None,
    drop_copies: bool = False,
) -> Problem:
    """A CSV or TSV of file and label beside the sounds, which lie in its folder or below: a row for each. Its other columns are
    to split by. A row whose file is missing is told by name and row, and left out."""
    return _made(
        path, valid, seed, rate=rate, seconds=seconds, trim=trim, split=split, drop_copies=drop_copies
    )


def _made(source: str | os.PathLike[str], valid: float, seed: int, **options: Any) -> Problem:
    recipe = task_named(_TASK).recipe(os.path.abspath(source), valid=valid, seed=seed, **options)
    table = read_source(source, options.pop("layout", None), options.pop("name_pattern", None))
    return from_table(table, valid, seed, recipe=recipe, **options)


def read_source(
    source: str | os.PathLike[str], layout: str | None = None, name_pattern: str | None = None
) -> Table:
    """The table of a folder or a CSV: columns `audio`, `label`, and more to split by. Raises DataError, FileError, UsageError."""
    if os.path.isfile(source):
        if name_pattern or layout:
            raise UsageError(
                "this is for folders.", where="name_pattern" if name_pattern else "layout",
                fix="Leave it out: the CSV says the class.",
            )  # fmt: skip
        return labelled_table(source, SOUNDS)
    if name_pattern is not None:
        if layout is not None:
            raise UsageError("the names say the class.", where="layout", fix="Leave it out.")
        return named_files(source, SOUNDS, name_pattern)
    return labelled_folder(source, SOUNDS, layout)


def from_table(
    table: Table,
    valid: float = 0.2,
    seed: int = 0,
    *,
    rate: int | None = None,
    seconds: float | None = None,
    trim: float | None = None,
    split: Splitter | None = None,
    drop_copies: bool = False,
    recipe: dict[str, Any] | None = None,
) -> Problem:
    """A table with the columns `audio` (paths, bytes, or samples and their rate) and `label`, and others to split by."""
    table, split = prepared(table, SOUNDS, valid, seed, split, drop_copies)
    seconds = whole_seconds(table[SOUNDS.column]) if seconds is None else seconds
    try:
        inputs = {SOUNDS.column: Audio(rate=rate, seconds=seconds, trim=trim)}
    except ValueError as fault:
        raise UsageError(f"{fault}.", where=f"rate {rate}, seconds {seconds}, trim {trim}") from fault
    targets = {"label": Category()}
    data = Recordings.of(make_dataset(table, inputs, targets, split, task=task_named(_TASK), recipe=recipe))
    codec = cast("Audio", data.signature.inputs[SOUNDS.column])
    data.note_windows([windows_of(codec, raw) for raw in table[SOUNDS.column]])
    return data


def whole_seconds(sounds: Array) -> float | None:
    """Seconds, in tenths, in which each of the sounds is heard whole, where that is not much more than nearly all of them need;
    None where some are far longer: their windows are heard."""
    lengths = np.array([length for raw in sounds[:MOST_HEADERS] if (length := _seconds(raw))])
    if not len(lengths):
        return None
    usual, longest = float(np.quantile(lengths, USUAL)), float(lengths.max())
    return math.ceil(longest * 10 - 1e-6) / 10 if longest <= min(LONGEST, MUCH * usual) else None


def _seconds(raw: Any) -> float:
    try:
        return info(raw).seconds
    except DrivetrainError:
        return 0.0


@public
def from_arrays(
    sounds: Sequence[Any],
    labels: Sequence[Any],
    rate: int,
    valid: float = 0.2,
    seed: int = 0,
    *,
    seconds: float | None = None,
    split: Splitter | None = None,
    name: str = "sounds",
) -> Problem:
    """Sounds in memory: arrays (samples,) or (samples, channels), float from -1 to 1 or int16, all of this `rate`, and a
    label for each."""
    column = np.empty(len(sounds), object)
    for place, samples in enumerate(sounds):
        column[place] = (np.asarray(samples), rate)
    table = table_from_columns({SOUNDS.column: column, "label": [str(label) for label in labels]}, name=name)
    return from_table(table, valid, seed, rate=rate, seconds=seconds, split=split)
