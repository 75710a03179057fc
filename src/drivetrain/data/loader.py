"""Batches: one indexed gather from arrays that stay on the device when they fit, random augmentation after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drivetrain.data.dataset import Part
from drivetrain.data.share import Share
from drivetrain.ragged import MOST_STEPS, Ragged, changes_of, lengths_of
from drivetrain.windows import Windows

ALIKE = 50
"""Batches' worth of rows among which those of similar lengths are put together: enough to pad little, few enough that a
batch has other rows in each epoch."""
DEVICE_SHARE = 0.5
"""How much of a GPU's free memory the data may take to stay there."""


class TensorBatch(dict[Any, Tensor]):
    """Arrays by field. What lies side by side is under all of its names, and each field of it is a view of its column:
    to read a field, to change it in place or to assign it does what it says either way."""

    def fields(self) -> dict[str, Tensor]:
        """Each field's own rows, under its own name."""
        found: dict[str, Tensor] = {}
        for names, rows in self.items():
            found.update({names: rows} if isinstance(names, str) else zip(names, rows.unbind(1)))
        return found

    def _column(self, name: Any) -> Tensor | None:
        for names, rows in self.items():
            if isinstance(names, tuple) and name in names:
                return rows[:, names.index(name)]
        return None

    def __missing__(self, name: Any) -> Tensor:
        column = self._column(name)
        if column is None:
            raise KeyError(name)
        return column

    def __setitem__(self, name: Any, rows: Tensor) -> None:
        column = self._column(name)
        if column is None:
            super().__setitem__(name, rows)
        else:
            column.copy_(rows)


@dataclass(frozen=True, eq=False)
class Stretches:
    """Rows that are stretches of one long tensor: `Ragged` as tensors, or `Windows`, which are all of the length `window`."""

    values: Tensor
    starts: Tensor
    lengths: Tensor
    padding: float
    window: int | None
    whole: bool = False

    @classmethod
    def of(cls, rows: Ragged | Windows) -> Stretches:
        if isinstance(rows, Windows):
            lengths, padding = np.full(len(rows), rows.length), 0
        else:
            lengths, padding = rows.lengths, rows.padding
        values, starts, lengths = (
            torch.from_numpy(np.require(part, requirements=["C", "W"]))
            for part in (rows.values, rows.starts, lengths)
        )
        window, whole = (None, rows.whole) if isinstance(rows, Ragged) else (rows.length, False)
        return cls(values, starts, lengths, padding, window, whole)

    @property
    def vary(self) -> bool:
        """Whether rows are of different lengths."""
        return self.window is None

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Tensor) -> Stretches:
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows])

    def to(self, device: torch.device) -> Stretches:
        moved = {name: getattr(self, name).to(device) for name in ("values", "starts", "lengths")}
        return replace(self, **moved)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.values, self.starts, self.lengths))

    def padded(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(k, longest of these rows, ...) and their lengths (k,), of rows int64 (k,): as `Ragged.padded`."""
        lengths = self.lengths[rows]
        if self.window is not None:
            return self._windows(self.window, rows), lengths
        places = torch.arange(max(1, int(lengths.max()) if len(rows) else 1), device=rows.device)
        over, rest = places >= lengths[:, None], self.values.shape[1:]
        if not len(self.values):
            dtype = torch.int64 if self.whole else self.values.dtype
            return self.values.new_full((*over.shape, *rest), self.padding, dtype=dtype), lengths
        # What lies behind a row is taken too, and written over: a gather by a mask takes several times as long.
        at = (self.starts[rows][:, None] + places).clamp_(max=len(self.values) - 1)
        padded = self.values.index_select(0, at.flatten()).view(*at.shape, *rest)
        padded = padded.long() if self.whole else padded
        return padded.masked_fill_(over.view(*over.shape, *[1] * len(rest)), self.padding), lengths

    def _windows(self, length: int, rows: Tensor) -> Tensor:
        """(k, length, ...): rows that are all of one length, of which nothing is padding. Each lies in one piece, so that it is
        copied as one: a row of a tensor in which the next begins a moment later."""
        rest = self.values.shape[1:]
        wide = math.prod(rest)
        moments = self.values.reshape(-1, wide)
        all_of_them = moments.as_strided((max(0, len(moments) - length + 1), length * wide), (wide, 1))
        return all_of_them.index_select(0, self.starts[rows]).view(len(rows), length, *rest)


@dataclass(frozen=True, eq=False)
class Tensors:
    """The arrays of a part as tensors. On the CPU they are the mapped file itself: the system's cache holds them.

    An array is a field's, under its name, or (n, k) of several fields, under all of their names. `index` (int64, on the
    device of the arrays) are the positions that may be used. Rows of different lengths are padded in a batch, to the longest of
    it, and their lengths are beside them, under `lengths_of` the field.
    """

    arrays: Mapping[Any, Tensor | Stretches]
    index: Tensor
    device: torch.device

    def __len__(self) -> int:
        return len(self.index)

    def gather(self, positions: Tensor) -> TensorBatch:
        """The rows at these positions of `index`, on the device."""
        chosen = positions.to(self.index.device)
        if len(self.index) != len(next(iter(self.arrays.values()))):
            chosen = self.index[chosen]
        rows: dict[Any, Tensor] = {}
        for name, array in self.arrays.items():
            if isinstance(array, Stretches):
                rows[name], lengths = array.padded(chosen)
                if array.vary:
                    rows[lengths_of(name)] = lengths
            else:
                rows[name] = array.index_select(0, chosen)
        if not self._there:
            rows = {
                name: array.pin_memory().to(self.device, non_blocking=True) for name, array in rows.items()
            }
        return TensorBatch(rows)

    def column(self, name: str) -> Tensor | Stretches:
        """The usable rows of a field, on the device."""
        array = self.arrays[name]
        usable = array if len(array) == len(self.index) else array[self.index]
        return usable.to(self.device)

    @cached_property
    def lengths(self) -> Tensor | None:
        """int64 (rows,) on the CPU: how long each usable row is, all its fields of different lengths together; None where
        there is none."""
        found = [
            array.lengths for array in self.arrays.values() if isinstance(array, Stretches) and array.vary
        ]
        return torch.stack(found).sum(0)[self.index].cpu() if found else None

    def padding(self, batches: Sequence[Tensor]) -> float | None:
        """The share of what these batches have of fields of different lengths that is padding; None where there is no such."""
        there = steps = 0
        for array in self.arrays.values():
            if isinstance(array, Stretches) and array.vary:
                lengths = array.lengths[self.index].cpu()
                sides = [lengths[rows] for rows in batches]
                there += sum(int(side.sum()) for side in sides)
                steps += sum(len(side) * max(1, int(side.max())) for side in sides)
        return 1 - there / steps if steps else None

    @cached_property
    def _there(self) -> bool:
        """Whether the arrays are on the device. "cuda" and "cuda:0" are not equal, but the same place."""
        return self.index.device.type == self.device.type

    def in_order(self, batch_size: int) -> Iterator[TensorBatch]:
        """All rows once, in their order."""
        for batch, _ in self.in_shares(batch_size, lambda rows: None):
            yield batch

    def in_shares(
        self, batch_size: int, share_of: Callable[[int], Share | None], alike: bool = False
    ) -> Iterator[tuple[TensorBatch, Share | None]]:
        """The same, and of each batch only the share that `share_of` its size gives; None: all of it. `alike`: rows of similar
        lengths come together, in no other order."""
        order = torch.arange(len(self))
        if alike and self.lengths is not None:
            order = self.lengths.argsort(stable=True)
        for positions in cut(order, batch_size, self.lengths) if len(self) else ():
            share = share_of(len(positions))
            yield self.gather(positions if share is None else positions[share.rows]), share


def to_tensors(part: Part, device: torch.device, joined: Sequence[tuple[str, ...]] = ()) -> Tensors:
    """Wrap the arrays without a copy; on a GPU move them there if they fit. The fields of each of `joined` are put side
    by side, so that a batch of a wide table is one gather."""
    arrays: dict[Any, Any] = {
        name: Stretches.of(array) if isinstance(array, (Ragged, Windows)) else torch.from_numpy(array)
        for name, array in part.arrays.items()
    }
    for names in joined:
        arrays[names] = torch.stack([arrays.pop(name) for name in names], 1)
    index = torch.from_numpy(part.index)
    size = sum(array.nbytes for array in arrays.values())
    if device.type == "cuda" and size <= DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]:
        arrays = {name: array.to(device) for name, array in arrays.items()}
        index = index.to(device)
    return Tensors(arrays, index, device)


@dataclass(frozen=True)
class BatchAugment:
    """What changes the fields of a batch that may be changed (see `drivetrain.data.augment`). A change gives a field's rows, or
    these and what a network is to do to them, which comes beside them under `changes_of` the field."""

    changes: Mapping[str, Callable[..., Any]]

    def __call__(
        self, batch: TensorBatch, generator: torch.Generator, share: Share | None = None
    ) -> TensorBatch:
        changed: dict[str, Tensor] = {}
        for name, change in self.changes.items():
            found = change(batch[name], generator=generator, share=share)
            if isinstance(found, tuple):
                changed[name], changed[changes_of(name)] = found
            else:
                changed[name] = found
        return TensorBatch({**batch, **changed})


def shuffled(
    n: int, batch_size: int, generator: torch.Generator, singles: bool, lengths: Tensor | None = None
) -> list[Tensor]:
    """Positions 0..n-1 in random order, cut into batches. Without `singles` a last batch of one joins nobody
    and is left out: batch norm can't learn from one row.

    Where rows have `lengths` (n,), those of a batch are of similar ones, or most of it were padding: of every ALIKE batches in
    a row the rows are sorted by length, and then the batches come in random order.
    """
    order = torch.randperm(n, generator=generator)
    if lengths is None:
        batches = cut(order, batch_size)
    else:
        alike = [part[lengths[part].argsort(stable=True)] for part in order.split(ALIKE * batch_size)]
        *batches, last = cut(torch.cat(alike), batch_size, lengths)
        chance = torch.randperm(len(batches), generator=generator).tolist()
        batches = [*(batches[place] for place in chance), last]
    if not singles and len(batches) > 1 and len(batches[-1]) == 1:
        batches.pop()
    return batches


def cut(order: Tensor, batch_size: int, lengths: Tensor | None = None) -> list[Tensor]:
    """Positions in this order as batches of so many; of fewer where the rows are so long that they would have more than
    MOST_STEPS."""
    if lengths is None or not len(order) or int(lengths[order].max()) * batch_size <= MOST_STEPS:
        return list(order.split(batch_size))
    batches: list[Tensor] = []
    start = 0
    while start < len(order):
        longest = lengths[order[start : start + batch_size]].clamp(min=1).cummax(0).values
        steps = longest * torch.arange(1, len(longest) + 1)
        batches.append(order[start : start + max(1, int((steps <= MOST_STEPS).sum()))])
        start += len(batches[-1])
    return batches
