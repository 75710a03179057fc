"""What many small fixed kernels find in a series: of each the share of moments at which it is above a threshold.

MiniRocket (Dempster, Schmidt and Webb 2021, KDD, arXiv:2012.08791): 84 kernels of 9 taps, six of -1 and three of 2, at many
dilations; each looks at a few of the channels, drawn by chance, and its thresholds are quantiles of what it gives of one
training row. Every other one looks at moments alone at which it lies wholly within the row, the rest also at its ends, beyond
which there are zeros. Rows may be of different lengths: none looks beyond its own.

Channels are scaled by the mean and spread of the training moments and rounded to a grid of whole numbers, so fine that the
sums of a kernel are exact in float32 in whatever order they are added up: a comparison comes out the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from drivetrain.graphs.builder import Builder
from drivetrain.learn.features.base import Columns, Features
from drivetrain.ragged import Column, Ragged, lengths_of
from drivetrain.types import Array

Whole = npt.NDArray[np.int64]

TAPS, HALF = 9, 4
KERNELS: tuple[tuple[int, ...], ...] = tuple(combinations(range(TAPS), 3))
"""Of each the three taps of 2; the others are -1."""
FEATURES, MOST_DILATIONS, MOST_CHANNELS = 9_996, 32, 9
"""As Dempster et al. have them: all thresholds together; dilations of a kernel, and channels that it looks at, at most."""
FEW_ROWS, FEWER = 3_000, 2_520
"""With more training rows there are fewer features."""
GRID, FARTHEST = 4096, 32
"""Steps in a channel's spread, and spreads from its mean that a value may be: 9 channels x 12 x 4096 x 32 is below 2^24, up to
which float32 has every whole number."""
NEVER = float(-(2**24))
"""Below every sum: no threshold is passed."""
AT_ONCE = 4
"""Thresholds that a graph compares at once: more take more memory, fewer more nodes."""
BLOCK = 2**16
"""Moments of rows that are looked at together: their sums stay in the processor's cache."""
GOLDEN = (5**0.5 + 1) / 2


@dataclass(frozen=True, eq=False)
class Group:
    """The kernels of one dilation that look at the ends of a row (`ends`) or don't: which (k,) of KERNELS, the channels that each
    looks at, bool (k, channels), and its thresholds (k, thresholds), whole numbers."""

    dilation: int
    ends: bool
    kernels: Whole
    channels: npt.NDArray[np.bool_]
    thresholds: Features

    @property
    def reach(self) -> int:
        """Moments on either side of one that a kernel looks at."""
        return HALF * self.dilation

    def places(self, lengths: Whole) -> Whole:
        """(n,) how many moments of rows of some lengths are looked at."""
        return lengths if self.ends else np.maximum(lengths - 2 * self.reach, 0)


@dataclass(frozen=True, eq=False)
class KernelColumns(Columns):
    """`mean` and `factor` (channels,) bring a value onto the grid."""

    mean: Features
    factor: Features
    groups: tuple[Group, ...]

    @property
    def count(self) -> int:
        return sum(group.thresholds.size for group in self.groups)

    def of(self, encoded: Column) -> Features:
        """Rows (n, moments, channels), or of different lengths -> shares (n, count), each between 0 and 1."""
        rows = as_ragged(encoded)
        found = np.zeros((len(rows), self.count), np.float32)
        for chosen in _blocks(rows.lengths):
            block = Block(rows[chosen], self.mean, self.factor)
            start = 0
            for group in self.groups:
                shares = found[:, start : start + group.thresholds.size]
                shares[chosen] = _shares(block, group)
                start += group.thresholds.size
        return found

    def write(self, builder: Builder) -> str:
        """Values (rows, moments, channels) are brought onto the grid, those beyond a row's end to 0; a convolution for each group
        of kernels; comparisons and counts. All but the last division is in whole numbers."""
        values = builder.inputs[self.field]
        side = builder.add("Squeeze", builder.add("Shape", values, start=1, end=2), builder.whole(0))
        moments = builder.add("Range", builder.constant(0, "i8"), side, builder.constant(1, "i8"))
        if builder.signature.inputs[self.field].varies:
            lengths = builder.inputs[lengths_of(self.field)]
        else:
            rows = builder.add("Shape", values, start=0, end=1)
            lengths = builder.add("Expand", builder.add("Reshape", side, builder.whole(1)), rows)
        lengths = builder.column(lengths)  # (rows, 1)
        there = builder.add("Less", moments, lengths)
        grid = builder.add(
            "Mul", builder.add("Sub", values, builder.constant(self.mean)), builder.constant(self.factor)
        )
        most = GRID * FARTHEST
        grid = builder.add(
            "Clip", builder.add("Round", grid), builder.constant(-most), builder.constant(most)
        )
        grid = builder.add(
            "Where", builder.add("Unsqueeze", there, builder.whole(2)), grid, builder.constant(0)
        )
        grid = builder.add("Transpose", grid, perm=[0, 2, 1])
        parts = [self._write_group(builder, group, grid, moments, lengths) for group in self.groups]
        return builder.beside(parts)

    def _write_group(self, builder: Builder, group: Group, grid: str, moments: str, lengths: str) -> str:
        """(rows, kernels x thresholds)."""
        reach = group.reach
        sums = builder.add(
            "Conv", grid, builder.constant(_weights(group)), kernel_shape=[TAPS], dilations=[group.dilation],
            pads=[reach, reach],
        )  # fmt: skip
        seen = builder.add("Less", moments, lengths)
        places = lengths
        if not group.ends:
            last = builder.add("Sub", lengths, builder.whole(reach))
            seen = builder.add(
                "And", builder.add("Less", moments, last), builder.add("GreaterOrEqual", moments, builder.whole(reach))
            )  # fmt: skip
            places = builder.add("Sub", lengths, builder.whole(2 * reach))
        places = builder.floats(builder.add("Max", places, builder.whole(1)))
        sums = builder.add(
            "Where", builder.add("Unsqueeze", seen, builder.whole(1)), sums, builder.constant(NEVER)
        )
        sums = builder.add("Unsqueeze", sums, builder.whole(2))  # (rows, kernels, 1, moments)
        kernels, count = group.thresholds.shape
        counted: list[str] = []
        for start in range(0, count, AT_ONCE):
            limits = builder.constant(group.thresholds[:, start : start + AT_ONCE, None])
            above = builder.floats(builder.add("Greater", sums, limits))
            counted.append(builder.add("ReduceSum", above, builder.whole(3), keepdims=0))
        joined = counted[0] if len(counted) == 1 else builder.add("Concat", *counted, axis=2)
        return builder.add("Div", builder.add("Reshape", joined, builder.whole(-1, kernels * count)), places)


class Block:
    """Some rows on the grid, one beside the other: float32 (moments, rows) of each channel, zeros beyond a row's end."""

    def __init__(self, rows: Ragged, mean: Features, factor: Features) -> None:
        self.lengths = rows.lengths
        padded = rows.padded()
        grid = np.clip(np.rint((padded - mean) * factor), -GRID * FARTHEST, GRID * FARTHEST)
        self.moments = np.arange(padded.shape[1])[:, None]
        grid[self.lengths[:, None] <= self.moments.T] = 0
        self.channels = np.ascontiguousarray(grid.transpose(2, 1, 0), np.float32)
        self._dilation = 0

    def sums(self, group: Group) -> Iterator[tuple[int, Features]]:
        """Of each kernel its place in the group, and what it gives at each moment (moments, rows): NEVER where it doesn't look.
        An array is good until the next comes."""
        if group.dilation != self._dilation:
            self._shift(group.dilation)
        seen = self.moments < self.lengths
        if not group.ends:
            seen = (self.moments >= group.reach) & (self.moments < self.lengths - group.reach)
        unseen = np.where(seen, np.float32(0), np.float32(NEVER))
        whole = bool(seen.all())
        found = np.empty_like(unseen)
        for place, (kernel, looks) in enumerate(zip(group.kernels, group.channels)):
            first = True
            for channel in np.flatnonzero(looks):
                base, shifted = self._bases[channel], self._shifted[channel]
                if first:
                    np.add(base, shifted[KERNELS[kernel][0]], out=found)
                else:
                    found += base
                    found += shifted[KERNELS[kernel][0]]
                for tap in KERNELS[kernel][1:]:
                    found += shifted[tap]
                first = False
            if not whole:
                found[~seen] = NEVER
            yield place, found

    def _shift(self, dilation: int) -> None:
        """A kernel is -1 at all taps, and 3 more at three of them: each is made once for all kernels."""
        count, moments, rows = self.channels.shape
        reach = HALF * dilation
        padded = np.zeros((count, moments + 2 * reach, rows), np.float32)
        padded[:, reach : reach + moments] = self.channels
        taps = [padded[:, tap * dilation : tap * dilation + moments] for tap in range(TAPS)]
        self._bases = -np.asarray(np.sum(taps, axis=0, dtype=np.float32))
        self._shifted = [[3 * tap[channel] for tap in taps] for channel in range(count)]
        self._dilation = dilation


def as_ragged(encoded: Column) -> Ragged:
    """Rows of one length too."""
    if isinstance(encoded, Ragged):
        return encoded
    array: Array = np.asarray(encoded)
    n, moments = array.shape[:2]
    return Ragged.of(array.reshape(n * moments, *array.shape[2:]), np.full(n, moments, np.int64))


def fit_kernels(field: str, encoded: Column, seed: int, features: int = FEATURES) -> KernelColumns:
    """The kernels for encoded training rows, of which there is at least one: about so many `features` in all."""
    rows = as_ragged(encoded)
    mean, factor = _scale(rows)
    generator = np.random.default_rng(seed)
    channels = rows.values.shape[1]
    groups: list[Group] = []
    for number, (dilation, thresholds) in enumerate(_dilations(int(rows.lengths.max(initial=1)), features)):
        for ends in (True, False):
            kernels = np.arange((number + (not ends)) % 2, len(KERNELS), 2)
            looks = _some_channels(channels, len(kernels), generator)
            group = Group(dilation, ends, kernels, looks, np.zeros((len(kernels), thresholds), np.float32))
            groups.append(_with_thresholds(group, rows, mean, factor, generator))
    return KernelColumns(field, mean, factor, tuple(groups))


def _scale(rows: Ragged) -> tuple[Features, Features]:
    """Of the values of all moments of these rows; what never changes counts for nothing."""
    values = rows.flat.astype(np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    factor = np.divide(GRID, spread, out=np.zeros_like(spread), where=spread > 1e-7 * np.abs(mean))
    return mean.astype(np.float32), factor.astype(np.float32)


def _dilations(longest: int, features: int) -> list[tuple[int, int]]:
    """(dilation, thresholds of each kernel at it): from 1 to a kernel as wide as the longest row, evenly on a log scale."""
    each = max(1, features // len(KERNELS))
    count = min(each, MOST_DILATIONS)
    widest = np.log2(max(longest - 1, TAPS - 1) / (TAPS - 1))
    dilations, times = np.unique(np.logspace(0, widest, count, base=2).astype(np.int64), return_counts=True)
    shared = (times * (each / count)).astype(np.int64)
    shared[: each - shared.sum()] += 1
    return [(dilation, number) for dilation, number in zip(dilations.tolist(), shared.tolist()) if number]


def _some_channels(channels: int, kernels: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """bool (kernels, channels): one or several, small numbers of them more often."""
    most = min(channels, MOST_CHANNELS)
    counts = np.floor(2 ** generator.uniform(0, np.log2(most + 1), kernels)).astype(np.int64)
    looks = np.zeros((kernels, channels), bool)
    for row, count in zip(looks, counts.tolist()):
        row[generator.choice(channels, min(count, most), replace=False)] = True
    return looks


def _with_thresholds(
    group: Group, rows: Ragged, mean: Features, factor: Features, generator: np.random.Generator
) -> Group:
    """Of each kernel the quantiles of what it gives of a row of its own, spread evenly by the golden ratio."""
    long = np.flatnonzero(group.places(rows.lengths) > 0)
    drawn = generator.choice(long, len(group.kernels))
    count = group.thresholds.shape[1]
    shares = (generator.integers(2**16) + np.arange(1, count + 1)) * GOLDEN % 1
    block = Block(rows[drawn], mean, factor)
    thresholds = np.empty_like(group.thresholds)
    for place, sums in block.sums(group):
        own = sums[:, place]
        thresholds[place] = np.floor(np.quantile(own[own > NEVER], shares))
    return Group(group.dilation, group.ends, group.kernels, group.channels, thresholds)


def _shares(block: Block, group: Group) -> Features:
    """(rows, kernels x thresholds)."""
    kernels, count = group.thresholds.shape
    found = np.empty((kernels, count, len(block.lengths)), np.float32)
    above = np.empty((len(block.moments), len(block.lengths)), bool)
    for place, sums in block.sums(group):
        for number, limit in enumerate(group.thresholds[place]):
            np.greater(sums, limit, out=above)
            found[place, number] = _counted(above)
    found /= np.maximum(group.places(block.lengths), 1).astype(np.float32)
    return found.reshape(kernels * count, -1).T


def _counted(above: npt.NDArray[np.bool_]) -> Array:
    """(rows,) how many of each column are true: in bytes as long as they hold it, which is many times quicker."""
    pieces = [
        np.add.reduce(above[start : start + 255].view(np.uint8), axis=0, dtype=np.uint8)
        for start in range(0, len(above), 255)
    ]
    return pieces[0] if len(pieces) == 1 else np.stack(pieces).sum(axis=0, dtype=np.int64)


def _blocks(lengths: Whole) -> Iterator[Whole]:
    """Rows that are looked at together, those of about one length."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        most = max(1, BLOCK // max(1, int(lengths[order[start]])))
        while (
            most > 1
            and start + most <= len(order)
            and most * int(lengths[order[start + most - 1]]) > 2 * BLOCK
        ):
            most //= 2
        yield order[start : start + most]
        start += most


def _weights(group: Group) -> Features:
    """(kernels, channels, TAPS)."""
    taps = np.full((len(group.kernels), TAPS), -1, np.float32)
    for row, kernel in zip(taps, group.kernels):
        row[list(KERNELS[kernel])] = 2
    return group.channels[:, :, None] * taps[:, None]


def features_for(rows: int) -> int:
    """How many features so many training rows are worth: what a ridge regression of them costs grows with the cube of the
    smaller of the two."""
    return FEATURES if rows <= FEW_ROWS else FEWER
