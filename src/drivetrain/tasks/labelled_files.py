"""What the tasks share whose rows are files of one kind, each of a class: pictures, sounds, files of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.data import split as splits
from drivetrain.data.asked import Labelled, labelled_files
from drivetrain.data.checks.copies import without_copies
from drivetrain.data.read.file_kinds import FileKind
from drivetrain.data.read.folders import labelled_folder
from drivetrain.data.split import Split, Splitter
from drivetrain.data.split_words import VALID_SHARE, from_words, refuse_shares
from drivetrain.data.table import Table, complete
from drivetrain.data.task import Task
from drivetrain.errors import DataError


class LabelledFiles(Task):
    """A subclass has options VALID, SEED, SPLIT, TEST and DROP_COPIES."""

    files: FileKind
    quick_to_check = 10_000

    def read(self, source: str, typed: Mapping[str, Any]) -> Table:
        """The files of a source and their labels."""
        return labelled_folder(source, self.files, typed.get("layout"))

    def splitter(self, typed: Mapping[str, Any]) -> Splitter | None:
        """A share for the test is a random split too."""
        if typed["split"] is None and not typed["test"]:
            return None
        return from_words(
            typed["split"] or "random", typed["valid"], typed["seed"], typed["test"], stratify="label",
            files=self.files.column,
        )  # fmt: skip

    def call(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """The share for the test is in the split."""
        return {name: value for name, value in super().call(typed).items() if name != "test"}

    def recorded(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().recorded(recipe), "test": (recipe.get("split") or {}).get("test", 0.0)}

    def parted(self, source: str, typed: Mapping[str, Any]) -> tuple[Table, Split | None]:
        """The files of a source and their split, for a check; None where nobody asked for one and they can't be split."""
        table, asked = self.read(source, typed), self.splitter(typed)
        splitter = asked or _default_split(table, typed["valid"], typed["seed"])
        if typed["drop_copies"]:
            table = _without_copies(table, self.files, splitter)
        try:
            return table, splitter(table)
        except DataError:
            if asked:
                raise
            return table, None

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled | None:
        (target,) = signature.targets
        return labelled_files(self.read(source, typed), self.files.column, target)


def prepared(
    table: Table, files: FileKind, valid: float, seed: int, split: Splitter | None, drop_copies: bool
) -> tuple[Table, Splitter]:
    """The files that have a label, and how they are split: as was asked for, else as the folders say, where they name no valid
    part a share `valid` of each class. Raises UsageError for a share that goes for nothing, DataError for less than two classes."""
    refuse_shares(split, valid)
    blank = [label is None or not str(label).strip() for label in table["label"]]
    table = complete(table, {"label": np.array(blank, bool)})
    if split is None:
        split = _default_split(table, valid, seed)
        if valid != VALID_SHARE and isinstance(split, splits.ByColumn) and _validates(table):
            refuse_shares(split, valid)
    if drop_copies:
        table = _without_copies(table, files, split)
    known = sorted({str(label) for label in table["label"]})
    if len(known) < 2:
        what = f"there is only one class, {known[0]!r}" if known else "there are no classes"
        raise DataError(
            f"{what}: nothing to tell apart.", where=table.source or table.name,
            fix=f"Give {files.things} of at least two classes, one folder for each.",
        )  # fmt: skip
    return table, split


def _default_split(table: Table, valid: float, seed: int) -> Splitter:
    random = splits.random(valid, seed=seed, stratify="label")
    return splits.ByColumn("split", otherwise=random) if "split" in table else random


def _validates(table: Table) -> bool:
    """Whether the folders say which files validate."""
    return bool(len(splits.ByColumn("split", otherwise=None)(table).valid))


def _without_copies(table: Table, files: FileKind, splitter: Splitter) -> Table:
    return without_copies(
        table, (files.column, "label"), splitter, files=(files.column,), things=files.things
    )
