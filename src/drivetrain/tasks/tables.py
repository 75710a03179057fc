"""The dataset of a table: its columns guessed or told, its rows split, its targets as they are wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs import Codec, Quantity, Signature
from drivetrain.codecs.category import Category
from drivetrain.data import split as splits
from drivetrain.data.checks.copies import without_copies
from drivetrain.data.dataset import Dataset, make_dataset
from drivetrain.data.faults import Fault, Report
from drivetrain.data.kinds.base import CATEGORY, CONSTANT, IGNORED, MANY, NUMBER, ColumnKind
from drivetrain.data.kinds.guess import guess_kinds, names_of, to_table
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import Missing, read_frame
from drivetrain.data.recipe import task_named
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import refuse_shares
from drivetrain.data.table import Table, complete, missing
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.interface import column_option
from drivetrain.learn.applies import refuse_pointless
from drivetrain.tasks.options import HELD, refuse_no_share
from drivetrain.tasks.problem import Problem

NAME = "tabular"
"""The task that this is the dataset of."""
_TOLD = 5
"""So many columns are named where none is left."""


def read_source(
    task: str, path: str | os.PathLike[str], *, query: str | None, missing: Missing, **call: Any
) -> tuple[Frame, dict[str, Any]]:
    """The frame of a file or a database, and what a run keeps to make its dataset again."""
    frame = read_frame(path, query=query, missing=missing)
    source = os.fspath(path) if query else os.path.abspath(path)
    return frame, task_named(task).recipe(source, query=query, missing=frame.missing, **call)


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
    """A table from a file (CSV, TSV, Parquet, JSON lines), or from a database: its URL and a `query`.

    The kind of each column is guessed, with the reason in `data.kinds`; `columns={"zip": "category"}` overrides one,
    `ignore=["id"]` leaves some out. The other options are those of `from_frame`.
    Raises FileError, DataError and UsageError that name file, row and column.
    """
    frame, recipe = read_source(
        NAME, path, target=names_of(target), valid=valid, seed=seed, query=query, split=split, missing=missing, **options
    )  # fmt: skip
    return from_frame(frame, target, valid, seed, split=split, recipe=recipe, **options)


@public
def from_frame(
    frame: Any,
    target: str | Sequence[str],
    valid: float = 0.2,
    seed: int = 0,
    *,
    test: float = 0.0,
    columns: Mapping[str, str] | None = None,
    ignore: str | Sequence[str] = (),
    split: Splitter | None = None,
    log_target: bool | None = None,
    interval: float | None = HELD,
    costs: Mapping[tuple[str, str], float] | None = None,
    rare: int = 5,
    drop_copies: bool = False,
    missing: Missing = None,
    recipe: dict[str, Any] | None = None,
    name: str = "table",
) -> Problem:
    """A pandas or polars frame, or a mapping of columns.

    Without `split` a share `valid` (and `test`) of the rows is drawn by `seed`, of each class alike. `log_target`
    trains a number on a log scale (None: the best model finds out, others don't); `interval` is the share of answers
    whose interval shall hold the true number (None: no intervals). `costs[true, answer]` is what it costs to answer so;
    the answer is then the class of least expected cost. Levels of a category with fewer than `rare` training rows share
    one code. `drop_copies` leaves out rows that are there already, inputs and targets alike.
    """
    frame = frame if isinstance(frame, Frame) else read_frame(frame, name=name, missing=missing)
    refuse_shares(split, valid, test)
    targets, ignore = list(dict.fromkeys(names_of(target))), names_of(ignore)
    if not targets:
        raise UsageError("which column is to be predicted?", where="target", fix="Name at least one.")
    refuse_no_share(interval)
    for wanted in targets:
        if wanted not in frame.columns:
            fix = nearest(wanted, frame.columns) or f"The columns are {', '.join(frame.columns[:20])}."
            raise UsageError(f"there is no column {wanted!r}.", where=frame.source or frame.name, fix=fix)
    if isinstance(split, (splits.ByColumn, splits.ByGroup)) and split.column in targets:
        raise UsageError(
            f"{split.column!r} is the target: valid would hold what train never shows.", where="split",
            fix="Split by another column.",
        )  # fmt: skip
    if isinstance(split, splits.ByColumn) and split.column not in ignore:
        ignore = [*ignore, split.column]  # What says which part a row is in tells nothing of the world.
    frame, told = _with_targets(frame, targets, columns or {})
    kinds = {**guess_kinds(frame, targets, columns or {}, ignore), **told}
    if (
        isinstance(split, splits.ByGroup)
        and split.column in kinds
        and kinds[split.column].kind in (CATEGORY, MANY)
    ):
        reason = "the split goes by it: no row of valid has a value that is in train"
        kinds[split.column] = ColumnKind(split.column, IGNORED, reason)
    table = to_table(frame, kinds)
    inputs, outputs = _codecs(kinds, targets, rare, bool(log_target), interval)
    if not inputs:
        raise _nothing_left(table, kinds, targets)
    classes = [column for column in targets if outputs[column].labels is not None]
    splitter = split or splits.random(valid, seed=seed, test=test, stratify=classes[0] if classes else None)
    if drop_copies:
        table = without_copies(table, [*inputs, *targets], splitter)
    data = Problem.of(make_dataset(table, inputs, outputs, splitter, task=task_named(NAME), recipe=recipe))
    data.kinds = kinds
    data.may_log = log_target is None
    data.interval = interval
    said = {"log_target": log_target, "interval": interval not in (None, HELD), "costs": costs}
    refuse_pointless(data, None, [name for name, given in said.items() if given])
    if costs:
        data.signature = _with_costs(data.signature, costs)
    return data


def _with_targets(
    frame: Frame, targets: Sequence[str], columns: Mapping[str, str]
) -> tuple[Frame, dict[str, ColumnKind]]:
    """The rows that have a value of every target, and what the targets are: a row that is left out, such as a total below
    the others, decides nothing of any column."""
    alone = replace(frame, data=frame.data.select(targets), _measured={})
    kinds = guess_kinds(alone, targets, {name: kind for name, kind in columns.items() if name in targets})
    labels = to_table(alone, kinds)
    gaps = {name: missing(labels[name], frozenset()) for name in targets}
    known = complete(labels, gaps)
    if known is not labels:
        frame = replace(frame.take(~np.any(list(gaps.values()), axis=0)), notes=known.notes)
    return frame, kinds


def _codecs(
    kinds: Mapping[str, ColumnKind], targets: Sequence[str], rare: int, log: bool, interval: float | None
) -> tuple[dict[str, Codec], dict[str, Codec]]:
    """The codecs of the inputs in the order of the table, and of the targets in theirs."""
    inputs: dict[str, Codec] = {}
    for column, kind in kinds.items():
        if column not in targets and (codec := kind.codec) is not None:
            inputs[column] = replace(codec, rare=rare) if isinstance(codec, Category) else codec
    outputs: dict[str, Codec] = {}
    for column in targets:
        codec = kinds[column].codec
        assert codec is not None  # A target is never left out.
        if isinstance(codec, Quantity):
            codec = codec.with_fields(log=log, coverage=interval or codec.coverage)
        outputs[column] = codec
    return inputs, outputs


def _nothing_left(table: Table, kinds: Mapping[str, ColumnKind], targets: Sequence[str]) -> DataError:
    """The error where every column but the targets is left out: it names each, why, and how to have it."""
    others = [kind for name, kind in kinds.items() if name not in targets]
    if not others:
        return DataError("there is no column but the target.", where=table.name, fix="Add columns.")
    told = "; ".join(f"{kind.name!r}: {kind.reason}" for kind in others[:_TOLD])
    more = f"; and {len(others) - _TOLD:,} more" if len(others) > _TOLD else ""
    fix = "Add columns that vary."
    if useful := [kind.name for kind in others if kind.kind != CONSTANT and kind.name in table]:
        meant = NUMBER if table[useful[0]].dtype.kind in "iuf" else CATEGORY
        fix = f"Say what a column is: {column_option(useful[0], meant)}."
    return DataError(f"no column is left to learn from ({told}{more}).", where=table.name, fix=fix)


def find_faults(data: Dataset, propose: bool = False) -> Report:
    """What is wrong with the table, its split and its columns (see `data/checks/tables.py` and `data/checks/leaks.py`); with
    `propose` also the split that the table speaks for."""
    from drivetrain.data.checks.leaks import find_leaks
    from drivetrain.data.checks.tables import check_table
    from drivetrain.data.checks.texts import check_texts
    from drivetrain.data.proposals import propose_split

    targets = list(data.signature.targets)
    report = check_table(data.table, data.kinds, data.split, targets)
    texts = [name for name, codec in data.signature.inputs.items() if codec.holds_texts]
    classes = next((name for name in targets if data.signature.targets[name].labels is not None), None)
    alone = len(data.signature.inputs) == 1
    faults = [fault for fault in report.faults if not (alone and texts and fault.kind == "missing values")]
    for name in texts:  # A gap of the only input is an empty text.
        faults += check_texts(data.table, name, classes, data.split, gaps=alone, alone=alone)
    leaks = find_leaks(data.table, data.kinds, targets, seed=0)
    proposal = propose_split(data.table, data.kinds, targets) if propose else None
    notes: tuple[Fault, ...] = ()
    if proposal is not None:
        message = f"A random split may flatter: {proposal.reason}"
        notes = (Fault("split", "note", message, [], f"Try {proposal.option}."),)
    return replace(report, faults=(*leaks, *faults, *notes))


def _with_costs(signature: Signature, costs: Mapping[tuple[str, str], float]) -> Signature:
    """The signature whose category target answers by least expected cost. Raises UsageError for unknown classes."""
    found = [(name, codec) for name, codec in signature.targets.items() if isinstance(codec, Category)]
    if len(found) != 1:
        raise UsageError("costs need one category target.", where="costs")
    ((name, codec),) = found
    matrix = 1.0 - np.eye(len(codec.classes))
    for pair, cost in costs.items():
        codes = [codec.code_of(str(label).strip()) for label in pair]
        for label, code in zip(pair, codes):
            if code is None:
                raise UsageError(
                    f"{label!r} is no class of {name}.", where="costs",
                    fix=nearest(label, codec.classes) or f"There are {', '.join(codec.classes[:10])}.",
                )  # fmt: skip
        matrix[codes[0], codes[1]] = cost
    changed = replace(codec, costs=tuple(tuple(map(float, row)) for row in matrix))
    return Signature(signature.inputs, {**signature.targets, name: changed})
