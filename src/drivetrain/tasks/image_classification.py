"""Image classification: a picture in, one of several classes out.

data = drivetrain.image_classification.from_folder("flowers/", valid=0.2, seed=0)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.data.checks.pictures import check_with_progress
from drivetrain.data.dataset import make_dataset
from drivetrain.data.faults import Report
from drivetrain.data.option import Option
from drivetrain.data.read.file_kinds import PICTURES
from drivetrain.data.read.folders import image_folder
from drivetrain.data.split import Splitter
from drivetrain.data.table import Table
from drivetrain.data.table import from_columns as table_from_columns
from drivetrain.data.task import Task
from drivetrain.errors import DataError, UsageError
from drivetrain.tasks.labelled_files import LabelledFiles, prepared
from drivetrain.tasks.options import DROP_COPIES, LAYOUT, SEED, SPLIT, TEST, VALID
from drivetrain.tasks.problem import Problem

PHOTO_MODEL, SMALL_MODEL = "resnet18", "cnn"
PHOTO = 64
"""Pixels from which on a picture is a photograph."""


class Size(Option):
    """A side in pixels; in Python also (height, width)."""

    def plain(self, value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else value

    def restore(self, kept: Any) -> Any:
        return tuple(kept) if isinstance(kept, list) else kept


class ImageClassification(LabelledFiles):
    """Pictures of several classes, in a folder."""

    name = "image_classification"
    files = PICTURES
    things = heading = "pictures"
    source = "a folder of pictures"
    command = "predict {bundle} PICTURE"
    options = (
        VALID,
        SEED,
        SPLIT,
        TEST,
        DROP_COPIES,
        Size("image_size", "side in pixels; default: from the pictures", {"type": int, "metavar": "N"}),
        Option("resize", "how a picture is made square (crop)", {"choices": ("crop", "pad", "stretch")}),
        LAYOUT,
    )

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        return os.path.isdir(source)

    def way_to(self, source: str) -> str:
        return "name a folder of pictures"

    def make(self, source: Any, **call: Any) -> Problem:
        return from_folder(source, **call)

    def default_model(self, signature: Signature) -> str:
        (codec,) = signature.inputs.values()
        return PHOTO_MODEL if min(codec.shape[:2]) >= PHOTO else SMALL_MODEL

    def check_source(self, source: str, typed: Mapping[str, Any], quiet: bool) -> Report:
        """One class or an unreadable picture is a finding, and no failure."""
        return check_with_progress(*self.parted(source, typed), quiet=quiet)

    labelled = Task.labelled


TASK = ImageClassification()


@public
def from_folder(
    folder: str | os.PathLike[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "crop",
    layout: str | None = None,
    split: Splitter | None = None,
    drop_copies: bool = False,
) -> Problem:
    """Pictures in class folders, in train/valid/test folders, or in one folder with a CSV of file and label.

    Where the folders don't say which pictures validate, a share `valid` of each class does, chosen by `seed`. `split` says
    otherwise: `dt.split.by_path("parent")` keeps the pictures of a folder together, `dt.split.by_group("patient")` those
    of a value in a column of the CSV. `drop_copies` leaves out pictures whose file is there already, with the same label.
    Raises DataError or FileError for a folder that is missing, empty or not understood.
    """
    table = image_folder(folder, layout=layout)
    recipe = TASK.recipe(
        os.path.abspath(folder), valid=valid, seed=seed, image_size=image_size, resize=resize, layout=layout, split=split,
        drop_copies=drop_copies,
    )  # fmt: skip
    return from_table(
        table,
        valid,
        seed,
        image_size=image_size,
        resize=resize,
        split=split,
        drop_copies=drop_copies,
        recipe=recipe,
    )


def from_table(
    table: Table,
    valid: float = 0.2,
    seed: int = 0,
    *,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "crop",
    split: Splitter | None = None,
    drop_copies: bool = False,
    recipe: dict[str, Any] | None = None,
) -> Problem:
    """A table with the columns `image` (paths, bytes or arrays) and `label`, and others to split by."""
    table, split = prepared(table, PICTURES, valid, seed, split, drop_copies)
    try:
        inputs, targets = {"image": Image(size=image_size, resize=resize)}, {"label": Category()}
    except ValueError as fault:
        raise UsageError(f"{fault}.", where=f"image_size {image_size!r}, resize {resize!r}") from fault
    data = Problem.of(make_dataset(table, inputs, targets, split, task=TASK, recipe=recipe))
    return data


@public
def from_arrays(
    images: Any, labels: Sequence[Any], valid: float = 0.2, seed: int = 0, *, name: str = "pictures"
) -> Problem:
    """Pictures in memory: uint8 (n, height, width) or (n, height, width, channels), and a label for each."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(
            f"pictures of shape {images.shape} and dtype {images.dtype}.", where=name,
            fix="Give uint8 (n, height, width) or (n, height, width, channels), 0 to 255.",
        )  # fmt: skip
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        raise DataError(
            f"pictures of shape {images.shape}: the last axis is not 1 or 3 channels.", where=name,
            fix="Give (n, height, width, channels): images.transpose(0, 2, 3, 1) where channels come first.",
        )  # fmt: skip
    column = np.empty(len(images), object)
    column[:] = list(images)
    table = table_from_columns({"image": column, "label": [str(label) for label in labels]}, name=name)
    return from_table(table, valid, seed, image_size=images.shape[1:3])
