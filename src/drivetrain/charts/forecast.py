"""What is foretold of series, a panel each, with its band; and the moments that lay outside of what was foretold."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts.chart import Chart, Palette, message, plain_ticks, shorten, width_of
from drivetrain.charts.series import drawn, on_axis, time_axis
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 8
PANEL, LONE = 130, 240
TAIL = 6
"""Of the history so many times the moments that are foretold are drawn."""
LEAST_TAIL = 60


@dataclass(frozen=True, eq=False)
class Foretold:
    """A series: `stamps` and `values` (n,) of what is known, NaN where missing; `ahead` (h,) stamps with `point`, `low` and `high`
    of what is foretold, and `truth` (h,) what came, where that is known; `outside` are places in the known values that lay
    outside their band."""

    name: str
    stamps: Array
    values: Array
    ahead: Array
    point: Array
    low: Array
    high: Array
    outside: Sequence[int] = field(default_factory=tuple[int, ...])
    truth: Array | None = None


def forecast(items: Sequence[Foretold], title: str = "", note: str = "", whole: bool = False) -> Chart:
    """The last of each history and what is foretold, the band shaded. Moments that lay outside their band are ringed in orange.
    With `whole` all of the history is drawn."""
    shown, more = items[:MOST_PANELS], len(items) - MOST_PANELS
    told = " ".join(
        text for text in (note, f"{more:,} more series are not drawn." if more > 0 else "") if text
    )

    def draw(figure: Figure, palette: Palette) -> None:
        if not any(len(item.values) or len(item.ahead) for item in shown):
            return message(figure, palette, "no moments")
        # One axis of time where all end together: mostly they do.
        ends = {str((item.stamps[-1:], item.ahead[-1:])) for item in shown}
        panels = figure.subplots(len(shown), 1, squeeze=False, sharex=len(ends) == 1)[:, 0]
        for axes, item in zip(panels, shown):
            _panel(axes, palette, item, width_of(figure), whole, lone=len(shown) == 1)
        if told:
            figure.supxlabel(
                "\n".join(_wrapped(told, width_of(figure))), x=10 / width_of(figure), ha="left", fontsize=10.5,
                color=palette.muted,
            )  # fmt: skip

    def size(width: int) -> tuple[int, int]:
        panels = LONE if len(shown) < 2 else PANEL * len(shown)
        return width, panels + (46 if title else 20) + 16 * len(_wrapped(told, width))

    return Chart(title, draw, size(760), size(340))


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, max(20, int(width / 5.8))) if text else []


def _panel(axes: Axes, palette: Palette, item: Foretold, width: float, whole: bool, lone: bool) -> None:
    tail = len(item.values) if whole else max(LEAST_TAIL, TAIL * len(item.ahead))
    first = max(0, len(item.values) - tail)
    known, values = on_axis(item.stamps[first:]), np.asarray(item.values[first:], np.float64)
    ahead = on_axis(item.ahead)
    if item.name and not lone:
        axes.set_title(shorten(item.name, int(width / 8)), color=palette.ink)
    axes.grid(axis="y")
    if len(ahead):
        axes.fill_between(ahead, item.low, item.high, color=palette.soft, alpha=0.55, linewidth=0, zorder=1)
        axes.plot(
            ahead, item.point, color=palette.accent, zorder=3, marker="o" if len(ahead) < 3 else None, markersize=3.5
        )  # fmt: skip
    axes.plot(*drawn(known, values, width), color=palette.neutral, linewidth=1.3, zorder=2)
    if item.truth is not None:
        axes.plot(ahead, item.truth, color=palette.neutral, linewidth=1.3, zorder=2, marker="o" if len(ahead) < 3 else None,
                  markersize=3)  # fmt: skip
    found = np.array([place - first for place in item.outside if place >= first], np.int64)
    if len(found):
        axes.plot(
            known[found], values[found], "o", markersize=6, markerfacecolor="none", markeredgewidth=1.6,
            color=palette.warning, zorder=4,
        )  # fmt: skip
    ends = [float(each[place]) for each in (known, ahead) if len(each) for place in (0, -1)]
    low, high = min(ends), max(ends)
    axes.set_xlim(low, high if high > low else low + 1)
    axes.margins(y=0.1)
    plain_ticks(axes, 5 if lone else 4)
    time_axis(axes, item.stamps if len(item.stamps) else item.ahead, "", width)
