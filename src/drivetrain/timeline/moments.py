"""The moments of all series as arrays: what rows become by a layout, and what windows are cut from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drivetrain.figures import counted
from drivetrain.timeline.calendar import calendar_channels
from drivetrain.timeline.stamps import DAY
from drivetrain.timeline.sums import Paths
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.timeline.layout import Layout


@dataclass(frozen=True, eq=False)
class Moments:
    """The moments of all series, one series after the other: `sizes` (series,) how many each has; `local` (moments,) what the
    wall clock shows and `stamps` what the frequency counts, datetime64[s], of counted rows their numbers.

    `values` float32 (moments, channels), `ahead` float32 (moments, channels known ahead): without gaps. `truth` float32
    (moments, 1): what was measured, NaN where nothing was. `rows` (moments,) the table's row of each, -1 of a gap. `statics`:
    column -> raw values (series,).
    """

    layout: Layout
    names: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    local: Array
    stamps: Array
    values: npt.NDArray[np.float32]
    ahead: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    statics: dict[str, Array]
    notes: tuple[str, ...] = ()
    paths: Paths = ()
    """Of series with sums what each is a part of; the sums come behind them."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """(series,) where each begins."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def series(self) -> npt.NDArray[np.int64]:
        """(moments,) which series each is of."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(moments,) whether the target was measured."""
        return ~np.isnan(self.truth[:, 0])

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """(series,) the place behind the last moment of each whose target is known; where none is, where it begins."""
        found = self.offsets.copy()
        places = np.flatnonzero(self.known)
        np.maximum.at(found, self.series[places], places + 1)
        return found

    def begun(self) -> Moments:
        """Without the moments of each series before the first whose target is known: nothing could stand for them but what
        comes later. It is told."""
        first = self.offsets + self.sizes
        places = np.flatnonzero(self.known)
        np.minimum.at(first, self.series[places], places)
        kept = np.arange(len(self)) >= np.repeat(first, self.sizes)
        if kept.all():
            return self
        lost = counted(int((~kept).sum()), "moment", "moments")
        note = f"{lost} before the first known {self.layout.target} of a series count for nothing"
        return replace(self.take(kept), notes=(*self.notes, note))

    def calendar_of(self, learned: npt.NDArray[np.bool_]) -> Moments:
        """With the channels of the calendar that the moments which are learned from (moments,), a mask, are long enough for."""
        layout = self.layout
        if layout.beat.kind == "count":
            return self
        days = np.ptp(self.local[learned]).astype(float) / DAY if learned.any() else 0.0
        told = calendar_channels(layout.beat, days)
        # Those of the year are the last ones.
        less = len(layout.calendar) - len(told)
        if not less:
            return self
        # One piece of memory again: what is made of a slice would be a copy each time.
        values, ahead = (
            np.ascontiguousarray(made[:, : made.shape[1] - less]) for made in (self.values, self.ahead)
        )
        return replace(self, layout=replace(layout, calendar=told), values=values, ahead=ahead)

    def take(self, kept: npt.NDArray[np.bool_]) -> Moments:
        """The moments where a mask (moments,) is true: of each series a stretch, which may be empty."""
        return replace(
            self, sizes=np.bincount(self.series[kept], minlength=len(self.sizes)), local=self.local[kept],
            stamps=self.stamps[kept], values=self.values[kept], ahead=self.ahead[kept], truth=self.truth[kept],
            rows=self.rows[kept],
        )  # fmt: skip
