"""Text classification: a text in, one of several classes out.

data = drivetrain.text_classification.from_folder("reviews/", valid=0.2, seed=0)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.codecs import Signature
from drivetrain.data.asked import NOT_TESTED, Asked, Labelled, ask_rows, to_measure
from drivetrain.data.read.folders import files_below
from drivetrain.data.read.text_folders import holds_texts, is_text_file, read_text_file, text_folder
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.tasks import tabular

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.data.faults import Report
    from drivetrain.tasks.problem import Problem
    from drivetrain.tasks.texts import from_csv as from_csv
    from drivetrain.tasks.texts import from_folder as from_folder
    from drivetrain.tasks.texts import from_table as from_table

_OF_FOLDERS = ("valid", "seed", "split", "test", "drop_copies")


class TextClassification(tabular.Tabular):
    """Texts of several classes: files in class folders, or the columns of texts of a table."""

    name = "text_classification"
    things = "texts"
    heading = ""
    source = "a folder of class folders of texts (.txt)"
    command = "predict {bundle} {table}"
    options = tuple(
        option for option in tabular.TASK.options if option.name not in ("log_target", "interval")
    )

    def __init__(self, folder: bool = False, unread: Sequence[str] = ()) -> None:
        self.folder, self.unread = folder, unread

    def of_folder(self, unread: Sequence[str]) -> TextClassification:
        """The task of the dataset of a folder, in which files that are no text are in no row."""
        return TextClassification(folder=True, unread=unread)

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        """Folders alone: that a table is one of texts is seen where it is read (`tabular.Tabular.dataset`)."""
        return os.path.isdir(source) and holds_texts(source)

    def way_to(self, source: str) -> str:
        return f"say --task {self.name}"

    def call(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """Of a folder, what a folder can be told."""
        if not os.path.isdir(typed["source"]):
            return super().call(typed)
        for option in self.options:
            if option.typed is not None and option.name not in _OF_FOLDERS and typed[option.name]:
                raise UsageError(
                    "this is for tables.", where=option.flag, fix="Leave it out: the folders say the class."
                )
        return {**{name: typed[name] for name in _OF_FOLDERS}, "split": self.splitter(typed)}

    def make(self, source: Any, **call: Any) -> Problem:
        from drivetrain.tasks.texts import from_csv, from_folder

        return from_folder(source, **call) if os.path.isdir(source) else from_csv(source, **call)

    def find_faults(self, data: Dataset) -> Report:
        from drivetrain.tasks.texts import find_faults

        random = not self.folder and getattr(data.splitter, "kind", "random") == "random"
        return find_faults(data, random, self.unread)

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        """Texts in files (.txt) and those in folders, and rows of tables."""
        name, *others = signature.inputs
        asked = Asked()
        tables = [given for given in inputs if not (os.path.isdir(given) or is_text_file(given))]
        if others and len(tables) < len(inputs):
            raise UsageError(
                f"a row has several texts: {', '.join(signature.inputs)}.", where=inputs[0],
                fix="Name a table with these columns.",
            )  # fmt: skip
        if keep and len(tables) < len(inputs):
            raise UsageError("texts have no columns to keep.", where="--keep", fix="Leave it out.")
        for given in inputs:
            if given in tables:
                asked.add(ask_rows([given], keep, signature))
                continue
            files = [given]
            if os.path.isdir(given):
                below = files_below(given)
                files = [file for file in below if is_text_file(file)]
                asked.skipped += [file for file in below if not is_text_file(file)]
            for file in files:
                asked.origins.append(file)
                asked.items.append(_item(name, file, asked.notes))
        if not asked.items:
            raise DataError(
                "there are no texts (.txt) in it.", where=inputs[0], fix="Name texts, or a folder of them."
            )
        return asked

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled | None:
        """The texts of a folder: its test part, without one its valid part, without either all."""
        if not os.path.isdir(source) or len(signature.inputs) > 1:
            return None
        table, part = to_measure(text_folder(source).table)
        (name,), (target,) = signature.inputs, signature.targets
        origins = [table.origin(row) for row in range(len(table))]
        note = "" if part == "test" else NOT_TESTED
        items = [{name: text} for text in table["text"]]
        return Labelled(items, {target: list(table["label"])}, origins, part, note, table.notes)


def _item(name: str, file: str, notes: list[str]) -> Any:
    """What a file holds for the only input, or why that can't be read."""
    try:
        text, note = read_text_file(file)
    except DrivetrainError as fault:
        return fault
    notes += [f"{file}: {note}"] if note else []
    return {name: text}


TASK = TextClassification()


def __getattr__(name: str) -> Any:
    if name not in ("from_csv", "from_folder", "from_table"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drivetrain.tasks import texts

    return getattr(texts, name)
