"""Image classification: a picture in, one of several classes out.

data = drivetrain.image_classification.from_folder("flowers/", valid=0.2, seed=0)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.data import split as splits
from drivetrain.data.checks.copies import without_copies
from drivetrain.data.dataset import Dataset, make_dataset
from drivetrain.data.read.folders import image_folder
from drivetrain.data.split import Splitter
from drivetrain.data.table import Table, complete
from drivetrain.data.table import from_columns as table_from_columns
from drivetrain.errors import DataError, UsageError
from drivetrain.learn.applies import VALID_SHARE, refuse_shares
from drivetrain.tasks.problem import Problem

NAME = "image_classification"
METRIC = "accuracy"
PHOTO_MODEL, SMALL_MODEL = "resnet18", "cnn"


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
) -> Dataset:
    """Pictures in class folders, in train/valid/test folders, or in one folder with a CSV of file and label.

    Where the folders don't say which pictures validate, a share `valid` of each class does, chosen by `seed`. `split` says
    otherwise: `dt.split.by_path("parent")` keeps the pictures of a folder together, `dt.split.by_group("patient")` those
    of a value in a column of the CSV. `drop_copies` leaves out pictures whose file is there already, with the same label.
    Raises DataError or FileError for a folder that is missing, empty or not understood.
    """
    table = image_folder(folder, layout=layout)
    recipe = {
        "task": NAME, "source": os.path.abspath(folder), "valid": valid, "seed": seed, "resize": resize, "layout": layout,
        "image_size": list(image_size) if isinstance(image_size, tuple) else image_size,
        "split": None if split is None else split.to_json(), "drop_copies": drop_copies,
    }  # fmt: skip
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


def default_split(table: Table, valid: float, seed: int) -> Splitter:
    """As the folders say; where they name no valid part, a share `valid` of each class, chosen by `seed`."""
    random = splits.random(valid, seed=seed, stratify="label")
    return splits.ByColumn("split", otherwise=random) if "split" in table else random


def _validates(table: Table) -> bool:
    """Whether the folders say which pictures validate."""
    return bool(len(splits.ByColumn("split", otherwise=None)(table).valid))


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
) -> Dataset:
    """A table with the columns `image` (paths, bytes or arrays) and `label`, and others to split by."""
    refuse_shares(split, valid)
    blank = [label is None or not str(label).strip() for label in table["label"]]
    table = complete(table, {"label": np.array(blank, bool)})
    if split is None:
        split = default_split(table, valid, seed)
        if valid != VALID_SHARE and isinstance(split, splits.ByColumn) and _validates(table):
            refuse_shares(split, valid)
    if drop_copies:
        table = without_copies(table, ("image", "label"), split, files=("image",), things="pictures")
    known = sorted({str(label) for label in table["label"]})
    if len(known) < 2:
        what = f"there is only one class, {known[0]!r}" if known else "there are no classes"
        raise DataError(
            f"{what}: nothing to tell apart.",
            where=table.source or table.name,
            fix="Give pictures of at least two classes, one folder for each.",
        )
    try:
        inputs, targets = {"image": Image(size=image_size, resize=resize)}, {"label": Category()}
    except ValueError as fault:
        raise UsageError(f"{fault}.", where=f"image_size {image_size!r}, resize {resize!r}") from fault
    data = Problem.of(make_dataset(table, inputs, targets, split, task=NAME, recipe=recipe))
    photos = min(data.signature.inputs["image"].shape[:2]) >= 64
    data.default_model = PHOTO_MODEL if photos else SMALL_MODEL
    return data


@public
def from_arrays(
    images: Any, labels: Sequence[Any], valid: float = 0.2, seed: int = 0, *, name: str = "pictures"
) -> Dataset:
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


def from_recipe(recipe: Mapping[str, Any]) -> Dataset:
    """The dataset that `from_folder` made."""
    size = recipe.get("image_size")
    return from_folder(
        recipe["source"], recipe["valid"], recipe["seed"], resize=recipe["resize"], layout=recipe.get("layout"),
        image_size=tuple(size) if isinstance(size, list) else size,
        split=splits.from_json(recipe["split"]) if recipe.get("split") else None,
        drop_copies=recipe.get("drop_copies", False),
    )  # fmt: skip
