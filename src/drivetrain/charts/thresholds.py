"""Precision, recall and cost of two classes, by the threshold from which the second one is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import STEPS, Chart, Palette, plain_numbers, shorten, width_of
from drivetrain.figures import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def thresholds(found: Mapping[str, Any], measure: str, share: bool) -> Chart:
    """`{"positive", "threshold", "precision", "recall", "cost", "chosen", "cheapest"}`, lists of equal length; `cost` is
    called `measure`, and shown as a percentage where it is a share."""
    factor = 100 if share else 1
    title = f"When to answer {found['positive']}"

    def draw(figure: Figure, palette: Palette) -> None:
        narrow = width_of(figure) < 480
        panels = figure.subplots(2, 1, sharex=True) if narrow else figure.subplots(1, 2)
        x = found["threshold"]
        known = [value if value is None else 100 * value for value in found["precision"]]
        precision = [float("nan") if value is None else value for value in known]
        panels[0].plot(x, precision, color=palette.accent, label="precision")
        panels[0].plot(
            x,
            [100 * value for value in found["recall"]],
            color=palette.neutral,
            linestyle=(0, (5, 2)),
            label="recall",
        )
        panels[0].set_ylim(-2, 102)
        panels[0].legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=11, borderpad=0.2
        )
        panels[1].plot(x, [value * factor for value in found["cost"]], color=palette.accent)
        panels[1].set_title(measure)
        for axes, end in zip(panels, (" %", " %" if share else "")):
            _finish(axes, palette, found["chosen"], end)
        axes = panels[1]
        # To answer all or none is so much worse that it would flatten what is between.
        middle = sorted(found["cost"])[: max(1, round(0.92 * len(x)))]
        low, high = middle[0] * factor, middle[-1] * factor
        reach = high - low or 1.0
        axes.set_ylim(low - 0.06 * reach, high + 0.16 * reach)
        axes.annotate(f"answers now: {found['chosen']:.2f}", (found["chosen"], 0.96), xycoords=("data", "axes fraction"),
                      xytext=(5 if found["chosen"] < 0.6 else -5, 0), textcoords="offset points", fontsize=10.5,
                      color=palette.warning, ha="left" if found["chosen"] < 0.6 else "right", va="center")  # fmt: skip
        least = middle[0]
        axes.plot([found["cheapest"]], [least * factor], "o", color=palette.surface, markeredgecolor=palette.accent,
                  markeredgewidth=2, markersize=8)  # fmt: skip
        label = f"least here: {plain(least * factor)}{' %' if share else ''} at {found['cheapest']:.2f}"
        axes.set_xlabel(f"threshold for {shorten(found['positive'], 14)} ({label})")
        if not narrow:
            panels[0].set_xlabel(f"threshold for {shorten(found['positive'], 20)}")

    return Chart(title, draw, (640, 300), (340, 480))


def _finish(axes: Axes, palette: Palette, chosen: float, end: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.grid()
    axes.set_xlim(0, 1)
    axes.axvline(chosen, color=palette.warning, linewidth=1.5, linestyle=(0, (4, 3)))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.1f}"))
    axes.yaxis.set_major_formatter(plain_numbers(end))
