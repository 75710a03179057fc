"""A dataset spelt out: codecs by field, where items come from, how values and labels are found, how to split."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivetrain.arguments import check_fields
from drivetrain.codecs import Codec, from_spec
from drivetrain.data import split as splits
from drivetrain.data.dataset import make_dataset
from drivetrain.data.read.folders import image_files, parent_folder
from drivetrain.data.split import Splitter
from drivetrain.data.table import Table, from_columns
from drivetrain.data.task import Task
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.tasks.functions import name_of, named
from drivetrain.tasks.problem import Problem

DEFAULT_SPLIT = splits.random(0.2, seed=0)
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class DataBlock:
    """A dataset spelt out: codecs by field, where items come from, how values and labels are found, how to split.

    `items` gives the items of a source (by default the pictures under a folder). `values` gives the raw value of an input
    from an item, by the input's name; where it has no function, an item is the value itself, or a mapping that has it by
    that name. `label` gives the raw target of an item, or is a mapping of target to such a function; of an item that is a
    mapping without one too.
    """

    inputs: Mapping[str, Codec]
    targets: Mapping[str, Codec]
    items: Callable[[Any], Sequence[Any]] = image_files
    label: Function | Mapping[str, Function] | None = None
    split: Splitter = DEFAULT_SPLIT
    values: Mapping[str, Function] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        labels = self.label
        for name in self.targets:
            if isinstance(labels, Mapping) and name not in labels:
                raise UsageError(f"there is no function for the target {name!r}.", where="label")
        for name in self.values:
            if name not in self.inputs:
                raise UsageError(f"there is no input {name!r}.", where="values")
        if not self.inputs or not self.targets:
            raise UsageError("there must be at least one.", where="targets" if self.inputs else "inputs")

    def dataset(self, source: Any) -> Problem:
        """The dataset of a source. Raises DataError when it has no items."""
        if len(self.inputs) > 1 and not self.values and self.items is image_files:
            raise self._too_many_inputs()
        items = _own("items", lambda place: list(self.items(place)), source)
        if not items:
            raise DataError(
                "no items were found.", where=source, fix="Check the folder, or the items function."
            )
        columns = {name: [self._value(name, item) for item in items] for name in self.inputs}
        columns |= {name: [self._label(name, item) for item in items] for name in self.targets}
        table = from_columns(columns, name=str(source))
        paths = [str(item) if isinstance(item, str) else table.origin(row) for row, item in enumerate(items)]
        data = self.from_table(
            Table(table.columns, np.array(paths, dtype=object), name=_name(source), source=str(source))
        )
        data.recipe, data.lacks = self._recipe(source)
        return data

    def from_columns(self, columns: Mapping[str, Any], name: str = "values") -> Problem:
        """The dataset of values in memory: field name -> values, equally many."""
        return self.from_table(from_columns(columns, name=name))

    def from_table(self, table: Table) -> Problem:
        """The dataset of a table that has a column for each field."""
        return Problem.of(make_dataset(table, self.inputs, self.targets, self.split, task=TASK))

    # --- an item ------------------------------------------------------------------------------------------

    def _value(self, name: str, item: Any) -> Any:
        if name in self.values:
            return _own(f"{name!r}", self.values[name], item)
        if isinstance(item, Mapping):
            return _by_name(name, item)
        if len(self.inputs) == 1 or self.values:
            return item
        raise self._too_many_inputs()

    def _too_many_inputs(self) -> UsageError:
        return UsageError(
            f"an item is the value of one input, and there are {len(self.inputs)}.", where="inputs",
            fix="Give a function for each: values={input: function}; or let items be mappings of input to value.",
        )  # fmt: skip

    def _label(self, name: str, item: Any) -> Any:
        label = self.label[name] if isinstance(self.label, Mapping) else self.label
        if label is not None:
            return _own("label", label, item)
        if isinstance(item, Mapping):
            return _by_name(name, item)
        return _own("label", parent_folder, item)

    # --- the recipe ---------------------------------------------------------------------------------------

    def _recipe(self, source: Any) -> tuple[dict[str, Any] | None, str]:
        """What makes the dataset of a source again; or None, and why there is nothing."""
        if not isinstance(source, (str, os.PathLike)):
            return None, "its source is no path"
        labels = (
            dict(self.label) if isinstance(self.label, Mapping) else {"": self.label} if self.label else {}
        )
        functions = {"items": {"": self.items}, "values": self.values, "label": labels}
        names = {use: {name: name_of(each) for name, each in some.items()} for use, some in functions.items()}
        if lacking := [use for use, some in names.items() if None in some.values()]:
            return None, f"a function can't be found again by its name: that of {' and '.join(lacking)}"
        codecs = {**self.inputs, **self.targets}
        if lacking := [name for name, codec in codecs.items() if not _is_made_again(codec)]:
            return None, f"a codec is no file of an installed package: that of {' and '.join(lacking)}"
        place = os.fspath(source)
        found = {
            "task": TASK.name,
            "source": os.path.abspath(place) if os.path.exists(place) else place,
            "inputs": {name: codec.spec() for name, codec in self.inputs.items()},
            "targets": {name: codec.spec() for name, codec in self.targets.items()},
            "items": names["items"][""],
            "values": names["values"],
            "label": names["label"],
            "split": self.split.to_json(),
        }
        return found, ""


class Block(Task):
    """What a DataBlock has made. Its recipe names functions of the user's own, which are imported."""

    name = "block"
    imports = True

    def from_recipe(self, recipe: Mapping[str, Any]) -> Problem:
        labels = {name: named(function) for name, function in recipe.get("label", {}).items()}
        inputs, targets = (
            {name: from_spec(spec) for name, spec in recipe[role].items()} for role in ("inputs", "targets")
        )
        block = DataBlock(
            inputs, targets, named(recipe["items"]), labels.get("", labels or None), splits.from_json(recipe["split"]),
            {name: named(function) for name, function in recipe.get("values", {}).items()},
        )  # fmt: skip
        return block.dataset(recipe["source"])


TASK = Block()


def _is_made_again(codec: Codec) -> bool:
    """Whether a run's config, which has no null, makes an equal one."""
    try:
        return from_spec({name: value for name, value in codec.spec().items() if value is not None}) == codec
    except DrivetrainError:
        return False


def _by_name(name: str, item: Mapping[str, Any]) -> Any:
    if name not in item:
        raise DataError(f"an item has no {name!r}.", where=dict(item), fix="Give a function for it.")
    return item[name]


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
