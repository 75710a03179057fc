"""File classification: a file of any kind in, looked at as a picture of its bytes, one of several classes out.

data = drivetrain.file_classification.from_folder("samples/", valid=0.2, seed=0)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from drivetrain.arguments import public
from drivetrain.codecs import Signature
from drivetrain.codecs.bytes import LAYOUTS, Bytes
from drivetrain.codecs.category import Category
from drivetrain.data.asked import NOT_TESTED, Labelled, to_measure
from drivetrain.data.checks.copies import without_copies
from drivetrain.data.dataset import make_dataset
from drivetrain.data.option import Option
from drivetrain.data.read.file_kinds import FILES
from drivetrain.data.read.folders import labelled_folder
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import from_words, refuse_shares
from drivetrain.data.table import Table
from drivetrain.data.task import Task
from drivetrain.errors import DataError
from drivetrain.tasks.image_classification import SMALL_MODEL, ImageClassification, default_split
from drivetrain.tasks.options import DROP_COPIES, LAYOUT, SEED, SPLIT, TEST, VALID
from drivetrain.tasks.problem import Problem

BYTES = Option(
    "bytes_as",
    "how a file's bytes are drawn: pairs, by which follows which, or rows, one after the other (pairs)",
    {"choices": LAYOUTS},
)


class FileClassification(ImageClassification):
    """Files of several classes, in a folder."""

    name = "file_classification"
    things = heading = "files"
    source = "a folder of files of any kind"
    command = "predict {bundle} FILE"
    options = (VALID, SEED, SPLIT, TEST, DROP_COPIES, LAYOUT, BYTES)
    asked_for = True

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        return False

    way_to = Task.way_to
    check_source = Task.check_source

    def make(self, source: Any, **call: Any) -> Problem:
        return from_folder(source, **call)

    def splitter(self, typed: Mapping[str, Any]) -> Splitter | None:
        if typed["split"] is None and not typed["test"]:
            return None
        return from_words(
            typed["split"] or "random", typed["valid"], typed["seed"], typed["test"], stratify="label", files=FILES.column
        )  # fmt: skip

    def default_model(self, signature: Signature) -> str:
        return SMALL_MODEL

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled | None:
        """The files of a folder: its test part, without one its valid part, without either all."""
        table, part = to_measure(labelled_folder(source, FILES, typed.get("layout")))
        (target,) = signature.targets
        origins = [table.origin(row) for row in range(len(table))]
        note = "" if part == "test" else NOT_TESTED
        return Labelled(
            list(table[FILES.column]), {target: list(table["label"])}, origins, part, note, table.notes
        )


TASK = FileClassification()


@public
def from_folder(
    folder: str | os.PathLike[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    bytes_as: str = "pairs",
    layout: str | None = None,
    split: Splitter | None = None,
    drop_copies: bool = False,
) -> Problem:
    """Files of any kind in class folders, in train/valid/test folders, or in one folder with a CSV of file and label.

    Each is looked at as a grey picture of 64 x 64: `bytes_as` "pairs" shows how often which byte follows which, "rows" the bytes
    themselves (see `drivetrain.codecs.bytes.Bytes`). The rest is as in `image_classification.from_folder`.
    """
    table = labelled_folder(folder, FILES, layout)
    recipe = TASK.recipe(
        os.path.abspath(folder), valid=valid, seed=seed, bytes_as=bytes_as, layout=layout, split=split, drop_copies=drop_copies
    )  # fmt: skip
    refuse_shares(split, valid)
    split = split or default_split(table, valid, seed)
    if drop_copies:
        table = without_copies(
            table, (FILES.column, "label"), split, files=(FILES.column,), things=FILES.things
        )
    _refuse_one_class(table)
    inputs, targets = {FILES.column: Bytes(layout=bytes_as)}, {"label": Category()}
    return Problem.of(make_dataset(table, inputs, targets, split, task=TASK, recipe=recipe))


def _refuse_one_class(table: Table) -> None:
    if len(known := {str(label) for label in table["label"]}) < 2:
        raise DataError(
            f"there is only one class, {min(known)!r}: nothing to tell apart.", where=table.source or table.name,
            fix="Give files of at least two classes, one folder for each.",
        )  # fmt: skip
