"""A dataset split otherwise: with its codecs as they are, or fitted again to what is trained on then.

Where rows may be dealt out (parts of the training rows, folds at random or by groups) codecs and encoded rows stay: what they
know of a row that is asked about is what its inputs hold, not what is true of it, and a picture is not read again. Where what
is asked about comes later, that would be looking ahead: they are fitted anew at each origin.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drivetrain.codecs import Codec, Quantity, Signature
from drivetrain.data.dataset import Dataset, Part, fitted
from drivetrain.data.split import ByPosition, ByTime, Split
from drivetrain.types import Array

NOWHERE = np.zeros(0, np.int64)


class Resplit(Dataset):
    """`sources` names for each of its parts the part of `whole` that has its rows. The codecs are those of `whole`."""

    def __init__(self, whole: Dataset, split: Split, sources: Mapping[str, str]) -> None:
        own = ("split", "recipe", "_parts", "bad")
        fields = [field.name for field in dataclasses.fields(Dataset) if field.name not in own]
        super().__init__(**{name: getattr(whole, name) for name in fields}, split=split)
        self.whole, self.sources = whole, sources

    def part(self, name: str, enlarge: float = 1.0) -> Part:
        key = (name, enlarge)
        if key not in self._parts:
            found = self.whole.part(self.sources[name], enlarge)
            kept = np.isin(found.rows, self.rows(name))
            self._parts[key] = Part(found.arrays, found.index[kept], found.rows[kept], found.keys)
        return self._parts[key]


def whole(data: Dataset) -> Dataset:
    """The dataset whose training rows are those of train and valid together, with none to validate on: what a model is
    fitted to again when it has been measured. The inputs' codecs are fitted anew to all of these rows; the targets' stay,
    for what was measured is told in their terms."""
    if (own := data.task.whole(data)) is not None:
        return own
    rows = np.sort(np.concatenate([data.split.train, data.split.valid]))
    made = refitted(data, Split(rows, rows[:0], data.split.test))
    signature = Signature(made.signature.inputs, data.signature.targets)
    return replace(made, signature=signature, task=data.task.for_whole())


def refitted(data: Dataset, split: Split) -> Dataset:
    """The dataset split otherwise, its codecs fitted to the training rows of that split alone. The names that a target
    answers with stay: they are what the question is."""
    declared = data.declared or data.signature
    inputs = {name: fitted(codec, name, data.table, split.train) for name, codec in declared.inputs.items()}
    targets = {
        name: _again(codec, declared.targets[name], name, data, split.train)
        for name, codec in data.signature.targets.items()
    }
    return replace(
        data, signature=Signature(inputs, targets), split=split, recipe=None, _parts={}, bad={}, telling=None
    )


def _again(codec: Codec, declared: Codec, name: str, data: Dataset, rows: Array) -> Codec:
    if not (isinstance(codec, Quantity) and isinstance(declared, Quantity)):
        return codec
    return fitted(declared.with_fields(log=codec.log), name, data.table, rows)


def with_inputs(data: Dataset, codecs: Mapping[str, Codec]) -> Dataset:
    """The dataset with other codecs of some inputs, fitted to its training rows. Simple methods see it as it was."""
    made = {name: fitted(codec, name, data.table, data.split.train) for name, codec in codecs.items()}
    signature, declared = data.signature, data.declared or data.signature
    untold = {_told(name, signature.inputs[name]) for name in codecs}
    notes = [note for note in data.notes if note not in untold]
    return replace(
        data, signature=Signature({**signature.inputs, **made}, signature.targets),
        declared=Signature({**declared.inputs, **codecs}, declared.targets), plain=data.plain or data,
        notes=[*notes, *(_told(name, codec) for name, codec in made.items())], _parts={}, bad={}, telling=None,
    )  # fmt: skip


def _told(name: str, codec: Codec) -> str:
    return f"{name!r}: {codec.told}"


def in_time(data: Dataset) -> bool:
    """Whether the rows that are asked about come later than those that are learned from."""
    return isinstance(data.splitter, ByTime | ByPosition)


def origins(data: Dataset, rows: Array, count: int, block: float) -> list[Dataset]:
    """Of a dataset that is split in time: at each of `count` origins the dataset whose training rows are those of `rows`
    that come before, and whose valid rows are the block that follows: a share `block` of the rows. Rows of one time stay
    together, and the split's gap is left out before each. Raises DataError where that leaves nothing in one of them."""
    splitter, left, found = data.splitter, rows, list[Dataset]()
    assert isinstance(splitter, ByTime | ByPosition)
    for _ in range(count):  # From the last origin back.
        parts = replace(splitter, valid=block * len(rows) / len(left), test=0.0)(data.table.take(left))
        found.append(refitted(data, Split(left[parts.train], left[parts.valid], NOWHERE)))
        left = np.delete(left, parts.valid)
    return found[::-1]


def with_train(data: Dataset, rows: Array) -> Dataset:
    """The same dataset with only these of its training rows."""
    split = Split(rows, data.split.valid, NOWHERE, data.split.note)
    return Resplit(data, split, {"train": "train", "valid": "valid", "test": "test"})


def pool(data: Dataset) -> Dataset:
    """The dataset whose training rows are those of train and valid together: what folds are taken from."""
    rows = np.concatenate([data.split.train, data.split.valid])
    if not len(data.split.valid):
        return with_train(data, rows)
    return dataclasses.replace(
        data, split=Split(rows, NOWHERE, NOWHERE), recipe=None, _parts={}, bad={}, telling=None
    )


def fold(pooled: Dataset, train: Array, valid: Array) -> Dataset:
    """A dataset of some rows of a pool to train on, and others to validate on."""
    return Resplit(pooled, Split(train, valid, NOWHERE), {"train": "train", "valid": "train", "test": "test"})


def strata(data: Dataset, part: str = "train") -> tuple[Array, Array]:
    """Usable rows (n,) of a part and the class (n,) that each has in the first category target; 0 where there is none. One that
    is learnt in several windows is one row, which stays in one piece."""
    found = data.part(part)
    rows, first = np.unique(found.rows, return_index=True)
    for name, codec in data.signature.targets.items():
        if codec.labels is not None:
            return rows, np.asarray(found.column(name))[first]
    return rows, np.zeros(len(rows), np.int64)


def spread_order(classes: Array, seed: int) -> Array:
    """A random order (n,) of which every beginning has each class by its share: nested, stratified samples."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    counts = np.bincount(classes) if len(classes) else NOWHERE
    within = np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = (within + generator.random(len(classes))) / np.repeat(counts, counts)
    return order[np.argsort(places, kind="stable")]
