"""signals: windows in files, a class for each folder of them, or in their names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from laboratory.codecs.window import Window

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.data import split as splits
from drivetrain.data.asked import NOT_TESTED, Asked, Labelled
from drivetrain.data.dataset import make_dataset
from drivetrain.data.option import Option
from drivetrain.data.read.folders import files_below, parent_folder
from drivetrain.data.table import Table, as_column
from drivetrain.data.task import Task
from drivetrain.errors import DataError
from drivetrain.tasks.options import SEED, SPLIT, TEST, VALID
from drivetrain.tasks.problem import Problem

FOLDER, NAME = "folder", "name"


def signals(source: str) -> list[str]:
    """The files of signals in a folder, or the file itself."""
    files = files_below(source) if os.path.isdir(source) else [source]
    return [file for file in files if file.endswith(".npy")]


def label_of(file: str, label_by: str) -> str:
    return parent_folder(file) if label_by == FOLDER else os.path.basename(file).partition("_")[0]


class Signals(Task):
    """Which class a signal is of."""

    name = "signals"
    things = heading = "signals"
    source = "a folder of signals (.npy)"
    command = "predict {bundle} SIGNAL.npy"
    epochs = 2
    options = (
        VALID,
        SEED,
        SPLIT,
        TEST,
        Option(
            "label_by", "what says the class: the folder, or the name up to the first _ (folder)",
            {"choices": (FOLDER, NAME)}, usual=FOLDER, reads=True,
        ),
    )  # fmt: skip

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        return os.path.isdir(source) and bool(signals(source))

    def way_to(self, source: str) -> str:
        return "name a folder of signals"

    def default_model(self, signature: Signature) -> str:
        return "linear"

    def make(
        self,
        source: Any,
        valid: float = 0.2,
        seed: int = 0,
        split: splits.Splitter | None = None,
        test: float = 0.0,
        label_by: str = FOLDER,
    ) -> Problem:
        files = signals(source)
        if not files:
            raise DataError("there are no signals in it.", where=source, fix="Name a folder of .npy files.")
        columns = {
            "signal": as_column(files),
            "label": as_column([label_of(file, label_by) for file in files]),
        }
        table = Table(columns, np.array(files, object), name=os.path.basename(source), source=str(source))
        recipe = self.recipe(
            os.path.abspath(source), valid=valid, seed=seed, split=split, test=test, label_by=label_by
        )
        splitter = split or splits.random(valid, seed=seed, test=test, stratify="label")
        data = make_dataset(
            table, {"signal": Window()}, {"label": Category()}, splitter, task=self, recipe=recipe
        )
        return Problem.of(data)

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        files = [file for given in inputs for file in signals(given)]
        return Asked(files, list(files))

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled | None:
        files = signals(source)
        truths = {"label": [label_of(file, typed["label_by"] or FOLDER) for file in files]}
        return Labelled(files, truths, files, "all", NOT_TESTED)


TASK = Signals()
