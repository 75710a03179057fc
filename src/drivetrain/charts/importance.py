"""How much worse a model gets when it can't see a column."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_numbers, shorten, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def importance(
    drops: Mapping[str, Mapping[str, Any]], measure: str, points: bool, title: str = "", more: int = 0
) -> Chart:
    """`{column: {"value", "low", "high"}}`: a bar each, its interval as a line. With `points` values are shares, shown
    as percentage points. `more` columns are named as left out."""
    factor = 100 if points else 1
    row = 26

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import MaxNLocator

        if not drops:
            return message(figure, palette, "no columns")
        axes = figure.subplots()
        axes.grid(axis="x")
        wide = width_of(figure) >= 480
        for place, drop in enumerate(drops.values()):
            low, high = drop["low"], drop["high"]
            sure = low is not None and low > 0
            axes.barh(
                [place],
                [drop["value"] * factor],
                height=0.62,
                color=palette.accent if sure else palette.neutral,
            )
            if low is not None:
                axes.plot([low * factor, high * factor], [place, place], color=palette.ink, linewidth=1.4)
        axes.axvline(0, color=palette.neutral, linewidth=1)
        axes.set_yticks(range(len(drops)), [shorten(name, 26 if wide else 17) for name in drops])
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.set_ylim(len(drops) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(6 if wide else 4, steps=STEPS))
        axes.xaxis.set_major_formatter(plain_numbers())
        axes.margins(x=0.05)
        told = measure + (f" (and {more:,} columns more)" if more else "")
        axes.set_xlabel(told if wide else textwrap.fill(told, 34))

    height = 74 + row * max(1, len(drops))
    return Chart(title, draw, (640, height), (340, height + 30))
