"""A dataset spelt out: codecs by field, where items come from, how labels are found, how to split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.arguments import check_fields
from drivetrain.codecs import Codec
from drivetrain.data.dataset import make_dataset
from drivetrain.data.read.folders import image_files, parent_folder
from drivetrain.data.split import Splitter
from drivetrain.data.split import random as random_split
from drivetrain.data.table import Table, from_columns
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.tasks.problem import Problem

DEFAULT_SPLIT = random_split(0.2, seed=0)


@dataclass(frozen=True)
class DataBlock:
    """A dataset spelt out: codecs by field, where items come from, how labels are found, how to split.

    `items` gives the items of a source (by default the pictures under a folder); each is the raw value of the
    only input. `label` gives the raw target of an item, or is a mapping of target to such a function.
    """

    inputs: Mapping[str, Codec]
    targets: Mapping[str, Codec]
    items: Callable[[Any], Sequence[Any]] = image_files
    label: Callable[[Any], Any] | Mapping[str, Callable[[Any], Any]] = parent_folder
    split: Splitter = DEFAULT_SPLIT

    def __post_init__(self) -> None:
        check_fields(self)
        labels = self.label
        for name in self.targets:
            if isinstance(labels, Mapping) and name not in labels:
                raise UsageError(f"there is no function for the target {name!r}.", where="label")
        if not self.inputs or not self.targets:
            raise UsageError("there must be at least one.", where="targets" if self.inputs else "inputs")

    def dataset(self, source: Any) -> Problem:
        """The dataset of a source. Raises DataError when it has no items."""
        if len(self.inputs) != 1:
            raise UsageError("items are the values of one input; give a table for several.", where="inputs")
        items = _own("items", lambda place: list(self.items(place)), source)
        if not items:
            raise DataError(
                "no items were found.", where=source, fix="Check the folder, or the items function."
            )
        labels = self.label if isinstance(self.label, Mapping) else dict.fromkeys(self.targets, self.label)
        columns = {next(iter(self.inputs)): items}
        columns |= {name: [_own("label", labels[name], item) for item in items] for name in self.targets}
        table = from_columns(columns, name=str(source))
        paths = [str(item) if isinstance(item, str) else table.origin(row) for row, item in enumerate(items)]
        return self.from_table(
            Table(table.columns, np.array(paths, dtype=object), name=_name(source), source=str(source))
        )

    def from_columns(self, columns: Mapping[str, Any], name: str = "values") -> Problem:
        """The dataset of values in memory: field name -> values, equally many."""
        return self.from_table(from_columns(columns, name=name))

    def from_table(self, table: Table) -> Problem:
        """The dataset of a table that has a column for each field."""
        return Problem.of(make_dataset(table, self.inputs, self.targets, self.split))


def _own(what: str, function: Callable[[Any], Any], value: Any) -> Any:
    """What a function of the user's own gives. Raises DataError, with its own error, where it fails."""
    try:
        return function(value)
    except DrivetrainError:
        raise
    except Exception as fault:  # It is not our code that failed.
        raise DataError(
            f"the {what} function failed: {type(fault).__name__}: {fault}.",
            where=value,
            fix="Mend the function.",
        ) from fault


def _name(source: Any) -> str:
    text = str(source).rstrip("/\\")
    return text.replace("\\", "/").rpartition("/")[2] or text
