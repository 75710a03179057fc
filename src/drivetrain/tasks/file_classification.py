"""File classification: a file of any kind in, looked at as a picture of its bytes, one of several classes out.

data = drivetrain.file_classification.from_folder("samples/", valid=0.2, seed=0)
"""

from __future__ import annotations

import os
from typing import Any

from drivetrain.arguments import public
from drivetrain.codecs import Signature
from drivetrain.codecs.bytes import LAYOUTS, Bytes
from drivetrain.codecs.category import Category
from drivetrain.data.dataset import make_dataset
from drivetrain.data.option import Option
from drivetrain.data.read.file_kinds import FILES
from drivetrain.data.read.folders import labelled_folder
from drivetrain.data.split import Splitter
from drivetrain.tasks.image_classification import SMALL_MODEL
from drivetrain.tasks.labelled_files import LabelledFiles, prepared
from drivetrain.tasks.options import DROP_COPIES, LAYOUT, SEED, SPLIT, TEST, VALID
from drivetrain.tasks.problem import Problem

BYTES = Option(
    "bytes_as",
    "how a file's bytes are drawn: pairs, by which follows which, or rows, one after the other (pairs)",
    {"choices": LAYOUTS},
)


class FileClassification(LabelledFiles):
    """Files of several classes, in a folder."""

    name = "file_classification"
    files = FILES
    things = heading = "files"
    source = "a folder of files of any kind"
    command = "predict {bundle} FILE"
    options = (VALID, SEED, SPLIT, TEST, DROP_COPIES, LAYOUT, BYTES)
    asked_for = True

    def make(self, source: Any, **call: Any) -> Problem:
        return from_folder(source, **call)

    def default_model(self, signature: Signature) -> str:
        return SMALL_MODEL


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
    table, split = prepared(table, FILES, valid, seed, split, drop_copies)
    inputs, targets = {FILES.column: Bytes(layout=bytes_as)}, {"label": Category()}
    return Problem.of(make_dataset(table, inputs, targets, split, task=TASK, recipe=recipe))
