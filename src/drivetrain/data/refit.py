"""A dataset split otherwise, whose rows are not encoded again: for parts of the training rows, for cross-validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from drivetrain.data.dataset import Dataset, Part
from drivetrain.data.split import Split
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
    """Usable rows (n,) of a part and the class (n,) that each has in the first category target; 0 where there is none."""
    found = data.part(part)
    for name, codec in data.signature.targets.items():
        if codec.labels is not None:
            return found.rows, np.asarray(found.column(name))
    return found.rows, np.zeros(len(found), np.int64)


def spread_order(classes: Array, seed: int) -> Array:
    """A random order (n,) of which every beginning has each class by its share: nested, stratified samples."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    counts = np.bincount(classes) if len(classes) else NOWHERE
    within = np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = (within + generator.random(len(classes))) / np.repeat(counts, counts)
    return order[np.argsort(places, kind="stable")]
