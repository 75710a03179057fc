"""Windows of long series: one array of all moments, and where each window begins. A window is copied when its batch is made.

The moments of all series lie one after the other, those of each in the order of time. A window is so many moments before
its origin; what follows the origin is what may be asked of it, and is in no window of that origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from drivetrain.errors import UsageError
from drivetrain.types import Array


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows (n, length, ...): window k is `values[starts[k] : starts[k] + length]`, of the series `series[k]`.

    `values` is (moments of all series, ...), `series` and `starts` are int64 (n,). Some of the windows share the values:
    nothing is copied but what `gather` gives.
    """

    values: Array
    series: Array
    starts: Array
    length: int

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, positions: int | np.integer[Any]) -> Array: ...
    @overload
    def __getitem__(self, positions: slice | Array) -> Windows: ...
    def __getitem__(self, positions: int | np.integer[Any] | slice | Array) -> Array | Windows:
        if isinstance(positions, (int, np.integer)):
            return self.values[self.starts[positions] :][: self.length]
        return Windows(self.values, self.series[positions], self.starts[positions], self.length)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of them, copied: for the few of a batch."""
        if copy is False:
            raise ValueError("windows overlap: an array of them is a copy")
        return self.gather().astype(dtype or self.values.dtype, copy=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all of them as an array."""
        return (len(self), self.length, *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Which of the moments (moments,) are in any of them."""
        ends = np.zeros(len(self.values) + 1, np.int64)
        np.add.at(ends, self.starts, 1)
        np.add.at(ends, self.origins, -1)
        return ends.cumsum()[:-1] > 0

    @property
    def origins(self) -> Array:
        """int64 (n,): the first moment after each window, a place in `values`. A window has no moment from there on."""
        return self.starts + self.length

    def gather(self, positions: Array | slice = slice(None)) -> Array:
        """(k, length, ...): the windows at these positions, copied."""
        return self.values[self.starts[positions][:, None] + np.arange(self.length)]

    def following(self, horizon: int) -> Windows:
        """For each window the `horizon` moments after it: what is to be foretold. They must be there (see `make_windows`)."""
        return Windows(self.values, self.series, self.origins, horizon)


def make_windows(
    values: Array, sizes: Sequence[int] | Array, length: int, horizon: int = 0, step: int = 1
) -> Windows:
    """Every `step`-th window of `length` moments of each series that `horizon` moments of the same series follow, series by
    series, the earliest first.

    `values` (moments, ...) are all series one after the other, `sizes` how many moments each has. A series that is too short has
    none. Raises UsageError for sizes that are not those of the values, or where length or step is below 1 or horizon below 0.
    """
    sizes = np.asarray(sizes, np.int64)
    if length < 1 or step < 1 or horizon < 0:
        raise UsageError(
            f"windows of {length} moments, each {step} after the other, {horizon} ahead.", where="windows",
            fix="Give a length and a step from 1, and a horizon from 0.",
        )  # fmt: skip
    if (sizes < 0).any() or sizes.sum() != len(values):
        raise UsageError(
            f"series of {sizes.sum():,} moments together, and there are {len(values):,}.", where="windows"
        )
    counts = np.maximum(0, (sizes - length - horizon) // step + 1)
    series = np.repeat(np.arange(len(sizes)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return Windows(values, series, (np.cumsum(sizes) - sizes)[series] + within * step, length)
