"""`check` of a dataset whose columns were declared and not guessed, by a DataBlock or by a task of an extension."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.data.checks.copies import contents
from drivetrain.data.checks.pictures import check_with_progress
from drivetrain.data.checks.tables import check_table
from drivetrain.data.dataset import Dataset
from drivetrain.data.faults import Fault, Report
from drivetrain.data.kinds.base import ColumnKind
from drivetrain.data.table import Table
from drivetrain.extensions import facet, kind_of


def check_declared(data: Dataset) -> Report:
    """Of pictures with a class, or with another target, what is said of pictures; else what is said of tables, in which
    files are the same where their bytes are. Rows that can't be encoded are errors."""
    inputs, targets = data.signature.inputs, data.signature.targets
    if len(inputs) == 1 and all(codec.pictured for codec in inputs.values()):
        classes = [name for name, codec in targets.items() if codec.labels is not None]
        label = classes[0] if len(classes) == 1 else None
        return check_with_progress(data.table, data.split, image=data.drawn[0], label=label)
    kinds = {name: _kind(name, codec) for name, codec in data.signature.fields.items()}
    files = {name: contents(data.table[name]) for name, codec in inputs.items() if codec.from_files}
    table = Table({**data.table.columns, **files}, data.table.origins, data.table.name, data.table.source)
    report = check_table(table, kinds, data.split, list(targets))
    for part, rows in data.split.parts().items():
        if len(rows):
            data.part(part)
    faults: list[Fault] = []
    if data.bad:
        where = [str(data.bad[row]) for row in sorted(data.bad)]
        message = f"Rows that can't be used: {len(where):,}."
        faults.append(Fault("unreadable", "error", message, where, "Mend them, or leave them out."))
    bad = np.union1d(report.bad_rows, np.fromiter(data.bad, np.int64, len(data.bad)))
    return replace(report, faults=(*faults, *report.faults), bad_rows=bad, things=data.things)


def _kind(name: str, codec: Codec) -> ColumnKind:
    """What a declared column is called where guessed ones have their words."""
    words = getattr(facet("data.kinds", codec), "WORDS", (kind_of(codec),))
    return ColumnKind(name, words[0], "declared", codec)
