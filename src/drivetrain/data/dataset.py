"""A dataset: a table whose columns have codecs, split, and encoded when somebody asks for a part."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs import Codec, Signature
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.digest import digest, encoded_digest
from drivetrain.data.split import PARTS, Split, Splitter
from drivetrain.data.store.pack import pack
from drivetrain.data.table import Table, shown
from drivetrain.data.task import CUSTOM, Task
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.figures import counted
from drivetrain.progress import progress
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.faults import Report
    from drivetrain.data.kinds.guess import ColumnKind

COARSE = 0.01
"""Where float32's step is more of a column's standard deviation than this, a number target is refused, an input told."""


@dataclass(frozen=True, eq=False)
class Part:
    """The encoded rows of train, valid or test.

    `arrays` has for each field a `Column`: an array whose first axis is the row, or rows of different lengths. `index` are
    the usable positions in it, and `rows` the rows of the table that they come from. `keys` has for fields that are files the
    key of their store.
    """

    arrays: dict[str, Any]
    index: Array
    rows: Array
    keys: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, positions: Array | slice | None = None) -> dict[str, Any]:
        """The arrays of some of the usable rows, or of all."""
        return {name: self.column(name, positions) for name in self.arrays}

    def column(self, name: str, positions: Array | slice | None = None) -> Any:
        """One of these. Where rows are left out it is a copy, of a column of pictures a large one; rows of different lengths
        are not copied."""
        array = self.arrays[name]
        if positions is None and len(self.index) == len(array):
            return array
        return array[self.index if positions is None else self.index[positions]]

    @cached_property
    def digest(self) -> str:
        """What the rows hold, as one short text. Of files that were read before, none is read again."""
        found = hashlib.sha256(self.index.tobytes())
        for name, array in self.arrays.items():
            found.update((self.keys.get(name) or encoded_digest(array)).encode())
        return found.hexdigest()


@dataclass(eq=False)
class Dataset:
    """Columns with codecs fitted on the training rows, split into train, valid and test.

    `recipe` is what a run needs to make the dataset again (None when it was made from values in memory).
    """

    table: Table
    signature: Signature
    split: Split
    task: Task = CUSTOM
    recipe: dict[str, Any] | None = None
    lacks: str = ""
    """Why there is no recipe, where its task can say."""
    notes: list[str] = field(default_factory=list)
    default_model: str = ""
    """What is trained where nobody named a model; by the task unless it is said."""
    _parts: dict[tuple[str, float], Part] = field(default_factory=dict, repr=False)
    bad: dict[int, DrivetrainError] = field(default_factory=dict, repr=False)
    found_faults: Report | None = None
    kinds: dict[str, ColumnKind] = field(default_factory=dict, repr=False)
    """Of a table: what each column was taken for, and why."""
    interval: float | None = None
    """The share of answers whose interval shall hold the true number; None: no intervals."""
    telling: list[str] | None = field(default=None, repr=False)
    """What `data.show.most_telling` has found."""
    declared: Signature | None = field(default=None, repr=False)
    """The codecs as they were before they were fitted to the training rows."""
    splitter: Splitter | None = field(default=None, repr=False)
    """What made the split."""
    plain: Dataset | None = field(default=None, repr=False)
    """The same rows with the codecs that simple methods see, where the model has codecs of its own."""
    may_log: bool = False
    """Whether a number may be learned on a log scale though nobody said so."""
    in_order: ClassVar[bool] = False
    """Whether rows follow each other, so that neighbours say much the same: they are parted into earlier and later ones."""
    conclusion: ClassVar[Conclusion | None] = None
    """What follows a training on it; None: a model is trained for its answers alone."""

    def __post_init__(self) -> None:
        self.default_model = self.default_model or self.task.default_model(self.signature)

    @property
    def measured_part(self) -> str:
        """The part that results are about: valid, or train where there is none."""
        return "valid" if len(self.rows("valid")) and len(self.part("valid")) else "train"

    @property
    def classes(self) -> list[str]:
        """The classes of the only category target."""
        found = [codec for codec in self.signature.targets.values() if codec.labels is not None]
        if len(found) != 1:
            raise UsageError("this dataset has no single category target.", where=self.table.name)
        return list(found[0].labels or ())

    @property
    def one_category(self) -> bool:
        """True where exactly one target is a category."""
        return sum(codec.labels is not None for codec in self.signature.targets.values()) == 1

    @property
    def drawn(self) -> list[str]:
        """The inputs that are pictures to look at (see `Codec.drawn`)."""
        return [name for name, codec in self.signature.inputs.items() if codec.drawn]

    @property
    def files(self) -> list[str]:
        """The inputs whose raw values are usually files (see `Codec.from_files`)."""
        return [name for name, codec in self.signature.inputs.items() if codec.from_files]

    @property
    def large(self) -> bool:
        """Whether an input's values are much to compute with (see `Codec.large`)."""
        return any(codec.large for codec in self.signature.inputs.values())

    @property
    def augmented(self) -> list[str]:
        """The inputs whose values may be changed at random in training (see `Codec.augment`)."""
        return [name for name, codec in self.signature.inputs.items() if codec.augment]

    @property
    def things(self) -> str:
        """What its rows are called."""
        return self.task.things or ("pictures" if self.drawn else "rows")

    def file_of(self, row: int) -> str | None:
        """The path of a row's file, such as its picture; None where it did not come as one."""
        value = self.table[self.files[0]][row] if self.files else None
        return os.fspath(value) if isinstance(value, (str, os.PathLike)) else None

    def called(self, row: int) -> str:
        """What a row is called beside what is drawn of it: the file's name, else where it comes from."""
        file = self.file_of(row)
        return (
            shown(os.path.basename(file))
            if file
            else self.table.origin(row).removeprefix(f"{self.table.name}, ")
        )

    def rows(self, part: str) -> Array:
        """Row numbers of a part in the table, unusable ones included."""
        if part not in PARTS:
            raise UsageError(f"there is no part {part!r}.", where="part", fix=f"Use {', '.join(PARTS)}.")
        return self.split.parts()[part]

    def part(self, name: str, enlarge: float = 1.0) -> Part:
        """The encoded rows of a part; encoded at the first call, kept afterwards.

        `enlarge` > 1 keeps pictures that much larger than the model's size, for random crops. Rows that can't
        be encoded are left out and noted in `bad`.
        """
        key = (name, enlarge)
        if key not in self._parts:
            self._parts[key] = self._encode(self.rows(name), name, enlarge)
        return self._parts[key]

    @property
    def epoch_rows(self) -> int:
        """How many training rows an epoch has at most."""
        return len(self.rows("train"))

    def together(self, name: str) -> Array | None:
        """(n,) equal for those usable rows of a part that are of one recording, say: intervals draw these together. None where
        each row is drawn by itself."""
        return self.task.together(self, self.part(name).rows)

    def part_of_epoch(self, seed: int, epoch: int) -> Part | None:
        """The training rows of an epoch, from 0, where they are others in each; None where they are those of the part."""
        del seed, epoch

    def latest(self, count: int) -> Dataset | None:
        """The dataset of which the latest `count` training rows are left, where a shorter history is what less of it means; None
        where any rows may be left out."""
        del count

    def truths(self, name: str) -> dict[str, Array]:
        """The true values of a part's usable rows by target, as metrics take them (see `Codec.truths`)."""
        found = self.part(name)
        return {
            target: codec.truths(self.table[target][found.rows], found.column(target))
            for target, codec in self.signature.targets.items()
        }

    def _encode(self, rows: Array, name: str, enlarge: float) -> Part:
        arrays: dict[str, Any] = {}
        keys: dict[str, str] = {}
        faults: dict[int, DrivetrainError] = {}
        for column, codec in self.signature.fields.items():
            values = self.table[column][rows]
            codec = codec if enlarge == 1.0 else codec.enlarged(enlarge)
            with progress(f"Encoding {name} {column}s", len(values)) as advance:
                packed = pack(codec, values, advance=advance)
            arrays[column], keys[column] = packed.array, packed.key
            several = len(self.signature.inputs) > 1
            faults |= {row: f.in_column(column) if several else f for row, f in packed.errors.items()}
        for position, fault in faults.items():
            self.bad[int(rows[position])] = fault.also_at(self.table.origin(int(rows[position])))
        index = np.setdiff1d(np.arange(len(rows)), np.fromiter(faults, np.int64, len(faults)))
        return Part(arrays, index, np.asarray(rows)[index], keys)

    @public
    def explain_sample(self, row: int) -> str:
        """One row through raw, read and encode, field by field, step by step; names the step that fails. Raises
        UsageError for a row that isn't there."""
        if not 0 <= row < len(self.table):
            raise UsageError(
                f"there is no row {row}.",
                where=self.table.name,
                fix=f"Rows go from 0 to {len(self.table) - 1}.",
            )
        lines = [f"row {row}: {self.table.origin(row)}"]
        for name, codec in self.signature.fields.items():
            value: Any = self.raw(name, row)
            lines.append(f"  {name} ({codec.op})")
            lines.append(f"    raw      {_short(value)}")
            for step, act in (("read", codec.read), ("encode", codec.encode)):
                try:
                    value = act(value)
                except DrivetrainError as fault:
                    lines.append(f"    {step:<8} FAILED: {fault}")
                    return "\n".join(lines)
                lines.append(f"    {step:<8} {_short(value)}")
        return "\n".join(lines)

    def raw(self, column: str, row: int) -> Any:
        """The raw value of a row."""
        return self.table[column][row]

    def digest(self, column: str, rows: Array) -> str:
        """What rows hold of a column, raw, as one short text."""
        return digest(self.table[column][rows], files=self.signature.fields[column].from_files)

    def __len__(self) -> int:
        return len(self.table)

    def describe(self, left_out: bool = True) -> str:
        """What was recognised, in a few lines; without the columns that are left out where something else tells them."""
        counts = ", ".join(f"{name} {len(rows):,}" for name, rows in self.split.parts().items() if len(rows))
        layout = f" ({self.table.layout})" if self.table.layout else ""
        lines = [f"{self.table.name}: {len(self.table):,} rows{layout}; {counts}"]
        if self.kinds:
            used = len(self.signature.inputs)
            lines.append(f"{counted(used, 'column', 'columns')} -> {', '.join(self.signature.targets)}")
        else:
            inputs, targets = (_fields(codecs) for codecs in (self.signature.inputs, self.signature.targets))
            lines.append(f"{inputs} -> {targets}")
        for codec in self.signature.targets.values():
            names = codec.labels or ()
            if names:
                shown = ", ".join(names[:8]) + (f" ... ({len(names)} classes)" if len(names) > 8 else "")
                lines.append(f"classes: {shown}")
        untold = () if left_out else {kind.left_out for kind in self.kinds.values()}
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes if note not in untold)])

    def __repr__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        from drivetrain.charts import table_html

        rows = [[name, f"{len(rows):,}"] for name, rows in self.split.parts().items() if len(rows)]
        return table_html(rows, [self.table.name, "rows"])


def _fields(codecs: Mapping[str, Codec]) -> str:
    return ", ".join(f"{name} {codec.op} {_sides(codec)}" for name, codec in codecs.items())


def _sides(codec: Codec) -> str:
    return "of any length" if codec.shape == (None,) else str(list(codec.shape))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        extent = f", {value.min()} to {value.max()}" if value.size else ""
        return f"array {list(value.shape)} {value.dtype}{extent}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 200 else text[:197] + "..."


def make_dataset(
    table: Table,
    inputs: Mapping[str, Codec],
    targets: Mapping[str, Codec],
    splitter: Splitter,
    **about: Any,
) -> Dataset:
    """Split the table, fit the codecs on the training rows alone, and put it together.

    Raises DataError when nothing is left to train on.
    """
    for name in (*inputs, *targets):
        table[name]  # raises for a column that isn't there
    split = splitter(table)
    if not len(split.train):
        raise DataError(
            "there is nothing to train on.", where=table.name, fix="Make the other parts smaller."
        )
    signature = Signature(
        {name: fitted(codec, name, table, split.train) for name, codec in inputs.items()},
        {name: fitted(codec, name, table, split.train) for name, codec in targets.items()},
    )
    notes = [*table.notes, *([split.note] if split.note else [])]
    notes += [f"{name!r}: {codec.told}" for name, codec in signature.fields.items() if codec.told]
    for name, codec in signature.fields.items():
        told, fix = _coarse(codec, table[name][split.train])
        if told and name in signature.targets:  # It would learn nothing, and its errors be those of rounding.
            raise DataError(
                f"the target has {told}.", where=f"{table.name}, column {name!r}",
                fix=f"{fix}, and add it to the answers.",
            )  # fmt: skip
        if told:
            notes.append(f"{name!r} has {told}: nearer ones are one. {fix} where that matters")
    declared = Signature(dict(inputs), dict(targets))
    return Dataset(table, signature, split, notes=notes, declared=declared, splitter=splitter, **about)


def fitted(codec: Codec, name: str, table: Table, rows: Array) -> Codec:
    """The codec fitted to these rows. What it refuses is named by column and, where one value is at fault, by row."""
    values = table[name][rows]
    try:
        return codec.fit(values)
    except DataError as fault:
        for row, value in zip(rows.tolist(), values):
            try:
                codec.read(value)
            except DataError:
                raise fault.at(f"{table.origin(row)}, column {name!r}") from None
        raise fault.at(f"column {name!r}") from None


def _coarse(codec: Codec, values: Array) -> tuple[str, str]:
    """What to say, and what to do, where the numbers of a column lie too near for a model's 32 bits; else two empty texts."""
    if codec.rounding(values) <= COARSE:
        return "", ""
    numbers = codec.truths(values, values)
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    return (
        f"numbers from {low:,.15g} to {high:,.15g}, of which a model's 32 bits tell apart only what is {step:,.6g} or more "
        "away", f"Take {math.floor(low):,} off the column"
    )  # fmt: skip
