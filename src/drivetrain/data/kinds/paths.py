"""Columns of paths, told by what their cells are called like."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from drivetrain.data.faults import Fault
from drivetrain.data.kinds.base import MOSTLY, ColumnContext, ColumnKind
from drivetrain.data.kinds.category import category
from drivetrain.data.kinds.rows import names_rows


def guess_paths(
    seen: ColumnContext, extensions: tuple[str, ...], things: str, kind: Callable[[ColumnContext], ColumnKind]
) -> ColumnKind | None:
    """A column of paths of `things`; a category or names with a warning where the files are not there."""
    if seen.column.kind != "text":
        return None
    some = seen.column.sample.unique(maintain_order=True).to_list()
    named = [value for value in some if value.lower().endswith(extensions)]
    if len(named) < MOSTLY * len(some):
        return None
    there = [value for value in named if os.path.isfile(os.path.join(seen.folder, value))]
    if len(there) >= 0.5 * len(named):
        return kind(seen)
    message = f"{seen.name!r} is named like {things}, and there are no such files ({named[0]!r:.60})."
    fix = f"Put the {things} where the table says, or leave the column out."
    found = names_rows(seen) or category(seen)
    return replace(found, faults=(*found.faults, Fault("missing file", "warning", message, [], fix)))
