"""Sound classification: a recording in, one of several classes out.

data = drivetrain.sound_classification.from_folder("sounds/", valid=0.2, seed=0)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.data.asked import Asked, ask_files
from drivetrain.data.option import Option
from drivetrain.data.read.file_kinds import SOUNDS
from drivetrain.data.read.folders import holds_mostly
from drivetrain.tasks.labelled_files import LabelledFiles
from drivetrain.tasks.options import DROP_COPIES, LAYOUT, SEED, SPLIT, TEST, VALID
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.data.faults import Report
    from drivetrain.data.table import Table
    from drivetrain.tasks.problem import Problem
    from drivetrain.tasks.sounds import from_arrays as from_arrays
    from drivetrain.tasks.sounds import from_csv as from_csv
    from drivetrain.tasks.sounds import from_folder as from_folder
    from drivetrain.tasks.sounds import from_table as from_table

MODEL = "hearing"
RATE = Option("rate", "samples a second; default: the most common", {"type": int, "metavar": "HZ"})
SECONDS = Option(
    "seconds", "how much of a sound is heard at once; default: enough for nearly all of them",
    {"type": float, "metavar": "S"},
)  # fmt: skip
TRIM = Option(
    "trim", "cut off the beginning and the end, so many decibels below the loudest part",
    {"type": float, "metavar": "DB"},
)  # fmt: skip
NAME_PATTERN = Option(
    "name_pattern",
    "how a file's name says its class, and more to split by: '(?P<label>[0-9])_(?P<speaker>[a-z]+)_'",
    {"metavar": "PATTERN"}, reads=True,
)  # fmt: skip


class SoundClassification(LabelledFiles):
    """Recordings of several classes, in a folder."""

    name = "sound_classification"
    files = SOUNDS
    things = heading = "sounds"
    source = "a folder of sounds"
    command = "predict {bundle} SOUND"
    options = (VALID, SEED, SPLIT, TEST, DROP_COPIES, LAYOUT, RATE, SECONDS, TRIM, NAME_PATTERN)
    epochs = 60

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        """Folders alone, of more sounds than other things."""
        return os.path.isdir(source) and holds_mostly(source, SOUNDS)

    def way_to(self, source: str) -> str:
        return "name a folder of sounds"

    def make(self, source: Any, **call: Any) -> Problem:
        from drivetrain.tasks.sounds import from_csv, from_folder

        return from_folder(source, **call) if os.path.isdir(source) else from_csv(source, **call)

    def read(self, source: str, typed: Mapping[str, Any]) -> Table:
        """Of a folder or a CSV."""
        from drivetrain.tasks.sounds import read_source

        return read_source(source, typed.get("layout"), typed.get("name_pattern"))

    def default_model(self, signature: Signature) -> str:
        return MODEL

    def told_apart(self, data: Dataset) -> Sequence[str]:
        """What the CSV or the names say beside the class: the speaker, the room."""
        from drivetrain.data.checks.sounds import beside

        return list(beside(data.table))

    def find_faults(self, data: Dataset) -> Report:
        from drivetrain.data.checks.sounds import check_with_progress

        return check_with_progress(data.table, data.split)

    def check_source(self, source: str, typed: Mapping[str, Any], quiet: bool) -> Report:
        """One class or an unreadable sound is a finding, and no failure."""
        from drivetrain.data.checks.sounds import check_with_progress

        return check_with_progress(*self.parted(source, typed), quiet=quiet)

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        return ask_files(inputs, keep, SOUNDS)

    def together(self, data: Dataset, rows: Array) -> Array | None:
        """The windows of a recording that is longer than what is heard at once."""
        del data
        return rows if len(np.unique(rows)) < len(rows) else None


TASK = SoundClassification()


def __getattr__(name: str) -> Any:
    if name not in ("from_arrays", "from_csv", "from_folder", "from_table"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drivetrain.tasks import sounds

    return getattr(sounds, name)
