"""Slices of the rows where a model is worse than elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_numbers, shorten, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = 46
"""CSS pixels for each slice: its words, and below them its values."""


def slices(found: Sequence[Mapping[str, Any]], measure: str, share: bool, title: str = "") -> Chart:
    """`[{"words", "n", "inside", "outside"}]`, the last two `{"value", "low", "high"}`: a filled dot with its interval
    for the slice, a ring for all other rows. With `share` values are shown as percentages."""
    factor = 100 if share else 1

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        if not found:
            return message(figure, palette, "no slice is worse than the rest by more than chance")
        axes = figure.subplots()
        axes.grid(axis="x")
        wide = width_of(figure) >= 480
        for row, each in enumerate(found):
            inside, outside = each["inside"], each["outside"]
            value = inside["value"] * factor
            axes.plot(
                [outside["value"] * factor, value], [row, row], color=palette.grid, linewidth=1.5, zorder=1
            )
            if inside["low"] is not None:
                ends = [inside["low"] * factor, inside["high"] * factor]
                axes.plot(
                    ends, [row, row], color=palette.warning, linewidth=5, alpha=0.35, solid_capstyle="butt"
                )
            axes.plot([outside["value"] * factor], [row], "o", color=palette.surface, markersize=8,
                      markeredgecolor=palette.neutral, markeredgewidth=2, zorder=3)  # fmt: skip
            axes.plot([value], [row], "o", color=palette.warning, markersize=9, markeredgecolor=palette.surface,
                      markeredgewidth=1.5, zorder=4)  # fmt: skip
            told = f"{shorten(each['words'], 74 if wide else 36)} · n = {each['n']:,}"
            axes.annotate(told, (0, row), xycoords=("axes fraction", "data"), xytext=(0, 13), textcoords="offset points",
                          fontsize=10.5 if wide else 9.5, color=palette.ink, va="center", in_layout=False)  # fmt: skip
        axes.set_ylim(len(found) - 0.5, -0.75)
        axes.set_yticks([])
        axes.margins(x=0.05)
        axes.xaxis.set_major_locator(MaxNLocator(6 if wide else 4, steps=STEPS))
        end = " %" if share else ""
        axes.xaxis.set_major_formatter(plain_numbers(end))
        axes.set_xlabel(measure)
        dot = {"linestyle": "none", "marker": "o", "markersize": 8}
        marks = [
            Line2D([], [], color=palette.warning, label="in the slice, with its 95 % interval", **dot),
            Line2D([], [], color=palette.surface, markeredgecolor=palette.neutral, markeredgewidth=2, label="elsewhere", **dot),
        ]  # fmt: skip
        axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1), ncols=2 if wide else 1, frameon=False,
                    fontsize=10.5, handletextpad=0.2, borderpad=0, columnspacing=1.5)  # fmt: skip

    height = 84 + STEP * max(1, len(found))
    return Chart(title, draw, (640, height + 20), (340, height + 34))
