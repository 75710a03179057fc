"""The dataset of texts: of files in class folders, or of the columns of texts of a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from drivetrain.arguments import public
from drivetrain.codecs.category import Category
from drivetrain.codecs.text import Text
from drivetrain.data import split as splits
from drivetrain.data.checks.copies import without_copies
from drivetrain.data.dataset import Dataset, make_dataset
from drivetrain.data.faults import Fault, Report
from drivetrain.data.kinds.base import CATEGORY, TEXT, ColumnKind
from drivetrain.data.kinds.guess import guess_kinds, names_of
from drivetrain.data.kinds.text import GRAMS
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import Missing, read_frame
from drivetrain.data.read.text_folders import text_folder
from drivetrain.data.recipe import SOURCE, task_named
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import refuse_shares
from drivetrain.errors import DataError, UsageError
from drivetrain.interface import column_option
from drivetrain.tasks import tables
from drivetrain.tasks.problem import Problem
from drivetrain.tasks.tables import read_source

_TASK = "text_classification"


@public
def from_folder(
    folder: str | os.PathLike[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    test: float = 0.0,
    split: Splitter | None = None,
    drop_copies: bool = False,
) -> Problem:
    """Texts (.txt) in class folders, or in train/valid/test folders of these.

    Where the folders don't say which texts validate, a share `valid` of each class does, chosen by `seed`; `test` is kept
    for evaluate. `drop_copies` leaves out texts that are there already, with the same label. Raises FileError and DataError
    for a folder that is missing, empty or of one class; files that are empty, no text, or not in UTF-8 are told by name.
    """
    found = text_folder(folder)
    table = found.table
    refuse_shares(split, valid, test)
    if split is None:
        split = splits.random(valid, seed=seed, test=test, stratify="label")
        if "split" in table:
            split = splits.ByColumn("split", otherwise=split)
    known = sorted({str(label) for label in table["label"]})
    if len(known) < 2:
        raise DataError(
            f"there is only one class, {known[0]!r}: nothing to tell apart.", where=table.source,
            fix="Give texts of at least two classes, one folder for each.",
        )  # fmt: skip
    if not any(str(text).strip() for text in table["text"]):
        raise DataError("every text is empty.", where=table.source, fix="Copy or export them again.")
    if drop_copies:
        table = without_copies(table, ("text", "label"), split, things="texts")
    recipe = task_named(_TASK).recipe(
        os.path.abspath(folder), valid=valid, seed=seed, test=test, split=split, drop_copies=drop_copies
    )
    codecs = {"text": Text(grams=GRAMS), "label": Category()}
    task: Any = task_named(_TASK)
    data = Problem.of(
        make_dataset(
            table,
            {"text": codecs["text"]},
            {"label": codecs["label"]},
            split,
            task=task.of_folder(found.unread),
            recipe=recipe,
        )
    )
    data.kinds = {
        "text": ColumnKind("text", TEXT, "what the files hold", codecs["text"]),
        "label": ColumnKind("label", CATEGORY, "the folder of a file", codecs["label"]),
    }
    return data


@public
def from_csv(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    query: str | None = None,
    split: Splitter | None = None,
    missing: Missing = None,
    **options: Any,
) -> Problem:
    """A table with columns of texts (a title and a body, say) and one of classes, from a file or a database. Columns that are
    no text are left out, and named. The options are those of `tabular.from_csv`; it trains on texts beside other columns."""
    frame, recipe = read_source(
        _TASK, path, target=names_of(target), valid=valid, seed=seed, query=query, split=split, missing=missing, **options
    )  # fmt: skip
    return from_table(frame, target, valid, seed, split=split, recipe=recipe, **options)


@public
def from_table(
    frame: Any,
    target: str | Sequence[str] = "label",
    valid: float = 0.2,
    seed: int = 0,
    *,
    columns: Mapping[str, str] | None = None,
    ignore: str | Sequence[str] = (),
    missing: Missing = None,
    name: str = "table",
    **options: Any,
) -> Problem:
    """The same of a pandas or polars frame, or a mapping of columns."""
    frame = frame if isinstance(frame, Frame) else read_frame(frame, name=name, missing=missing)
    targets, ignored = names_of(target), names_of(ignore)
    if len(targets) != 1:
        raise UsageError("texts have one target.", where="target", fix="Name one; a table may have several.")
    left_out: list[str] = []
    if targets[0] in frame.columns:  # Else `from_frame` says so.
        kinds = guess_kinds(frame, targets, columns or {}, ignored)
        used = [name for name, kind in kinds.items() if kind.codec and name not in targets]
        left_out = [name for name in used if not (codec := kinds[name].codec) or not codec.holds_texts]
        if len(left_out) == len(used):
            other = next((name for name in frame.columns if name not in targets), "NAME")
            raise DataError(
                "no column is text.", where=frame.source or frame.name,
                fix=f"Say which it is: {column_option(other, TEXT)}.",
            )  # fmt: skip
    data = tables.from_frame(
        frame, target, valid, seed, columns=columns, ignore=[*ignored, *left_out], **options
    )
    if data.signature.targets[targets[0]].labels is None:
        raise DataError(
            f"the target {targets[0]!r} is no choice among classes.", where=frame.source or frame.name,
            fix=f"Say {column_option(targets[0], CATEGORY)} where it is one, or leave --task out.",
        )  # fmt: skip
    data.task = task_named(_TASK)
    for name in left_out:
        data.kinds[name] = replace(data.kinds[name], reason="texts alone are looked at")
    if left_out:
        data.notes.append(
            f"left out, for texts alone are looked at: {', '.join(left_out)} (--task tabular takes all columns)"
        )
    return data


def of_texts_alone(data: Problem) -> Problem:
    """The dataset of a table, told to be of texts where nothing but texts is learned from to choose among classes: constants,
    identifiers and what was left out say nothing."""
    names = list(data.signature.inputs)
    if not (data.one_category and len(data.signature.targets) == 1):
        return data
    if not all(codec.holds_texts for codec in data.signature.inputs.values()):
        return data
    data.task = task_named(_TASK)
    if data.recipe is not None:
        known = {*SOURCE, *(option.key for option in data.task.options)}
        data.recipe = {
            **{name: value for name, value in data.recipe.items() if name in known}, "task": _TASK,
        }  # fmt: skip
    told = (
        f"{names[0]!r} is text, and the only input"
        if len(names) == 1
        else f"all inputs are text ({', '.join(names)})"
    )
    data.notes.append(
        f"{told}: taken for text classification (--task tabular takes it for a table like others)"
    )
    return data


def find_faults(data: Dataset, propose: bool, unread: Sequence[str]) -> Report:
    """What is wrong with the table and with its texts; `unread` tells of files that are no text."""
    report = tables.find_faults(data, propose=propose)
    faults = list(report.faults)
    if unread:
        message = f"Files that are no text: {len(unread):,}."
        faults.append(Fault("unreadable", "error", message, list(unread), "Mend them, or take them out."))
    return replace(report, faults=tuple(faults), things=data.things)
