"""Charts of what a model can do: confusion, calibration, estimates beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.chart import (
    STEPS,
    Chart,
    Palette,
    message,
    plain_numbers,
    shorten,
    width_of,
)
from drivetrain.errors import DataError
from drivetrain.figures import percent, plain
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUNTED = 45
"""Up to so many classes each cell shows its count."""


def confusion(
    matrix: Array | Sequence[Sequence[int]], classes: Sequence[str], title: str = "Confusion matrix"
) -> Chart:
    """Counts (classes, classes): a row for each true class, a column for each predicted one.

    A cell's colour is its share of its row: blue on the diagonal, orange beside it, where the scale is that of a
    square root, so that a few mistakes among many items can be seen. Raises DataError for another shape.
    """
    counts = np.asarray(matrix)
    names = [str(name) for name in classes]
    n = len(names)
    if counts.shape != (n, n):
        raise DataError(f"a matrix of shape {counts.shape} is no confusion matrix of {n} classes.")
    cell = 54 if n <= 4 else 40 if n <= 10 else 30 if n <= 20 else 23 if n <= COUNTED else max(4, 960 // n)
    longest = min(18, max((len(name) for name in names), default=1))
    margin = 50 + 7 * longest

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        if not n:
            return message(figure, palette, "no classes")
        axes = figure.subplots()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        rows, columns = (places.tolist() for places in np.nonzero(counts))
        patches = [Rectangle((c - 0.5, r - 0.5), 1, 1) for r, c in zip(rows, columns)]
        colours = [_cell_colour(shares[r, c], r == c, palette) for r, c in zip(rows, columns)]
        gap = 1.5 if n <= COUNTED else 0
        axes.add_collection(
            PatchCollection(patches, facecolors=colours, edgecolors=palette.surface, linewidths=gap)
        )
        side = (width_of(figure) - margin) / n
        if n <= COUNTED:
            for r, c, colour in zip(rows, columns, colours):
                text = f"{counts[r, c]:,}"
                size = min(11.5, side * 0.42, side * 1.45 / len(text))
                # Out of the layout: measuring up to two thousand texts would take longer than all the rest.
                axes.text(c, r, text, ha="center", va="center", color=_readable(colour), fontsize=size,
                          fontweight="bold" if r == c else "normal", in_layout=False)  # fmt: skip
        ticks = range(0, n, max(1, round(12 / side)))
        labels = [shorten(names[i], 18) for i in ticks]
        size = float(np.clip(side * 0.62, 7, 11))
        upright = max(map(len, labels)) * size * 0.62 < side
        axes.set_xticks(list(ticks), labels, rotation=0 if upright else 90, fontsize=size)
        axes.set_yticks(list(ticks), labels, fontsize=size)
        axes.tick_params(labeltop=True, labelbottom=False, labelcolor=palette.ink, pad=3)
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("predicted", labelpad=8)
        axes.set_ylabel("true", labelpad=8)
        axes.set_xlim(-0.5, n - 0.5)
        axes.set_ylim(n - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)
        if n <= COUNTED:
            lines = np.arange(n + 1) - 0.5
            axes.hlines(lines, -0.5, n - 0.5, color=palette.grid, linewidth=0.8, zorder=0)
            axes.vlines(lines, -0.5, n - 0.5, color=palette.grid, linewidth=0.8, zorder=0)

    size = n * cell + margin
    fits = size > 340 and (340 - margin) / n >= 18
    narrow = (340, 350) if fits else None
    return Chart(title, draw, (max(size, 240), max(size + 10, 240)), narrow, mixes=True)


def _rgb(colour: str) -> Array:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _cell_colour(share: float, right: bool, palette: Palette) -> tuple[float, ...]:
    amount = 0.15 + 0.85 * share if right else 0.12 + 0.88 * np.sqrt(share)
    mixed = _rgb(palette.surface) * (1 - amount) + _rgb(palette.accent if right else palette.warning) * amount
    return tuple(mixed.round(4).tolist())


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _readable(colour: Sequence[float]) -> str:
    """White where it has the contrast that text needs (4.5, WCAG 2), else black, which has it then."""
    return "#ffffff" if 1.05 / (_luminance(colour) + 0.05) >= 4.5 else "#000000"


def calibration(curve: Sequence[Any], title: str = "Calibration") -> Chart:
    """How often the model is right against how sure it is, one point with its interval per bin.

    `curve` holds `metrics.Reliability` or its JSON, `{"confidence", "accuracy": {"value", "low", "high", "n"}}`.
    """
    bins = [point if isinstance(point, Mapping) else point.to_json() for point in curve]

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        if not bins:
            return message(figure, palette, "nothing predicted yet")
        axes = figure.subplots()
        x = [float(point["confidence"]) for point in bins]
        y, low, high = (
            [float(point["accuracy"]["value" if point["accuracy"][key] is None else key]) for point in bins]
            for key in ("value", "low", "high")
        )
        start = max(0.0, np.floor((min(*x, *low, 1.0) - 0.02) * 10) / 10)
        axes.plot([start, 1], [start, 1], color=palette.neutral, linewidth=1, linestyle=(0, (4, 3)))
        axes.vlines(x, low, high, color=palette.accent, linewidth=1.5, alpha=0.55)
        axes.plot(
            x,
            y,
            "o",
            color=palette.accent,
            markersize=6,
            markeredgecolor=palette.surface,
            clip_on=False,
            zorder=4,
        )
        axes.grid()
        pad = 0.02 * (1 - start)
        for axis, limit in ((axes.xaxis, axes.set_xlim), (axes.yaxis, axes.set_ylim)):
            axis.set_major_locator(MaxNLocator(5, steps=STEPS))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
            limit(start - pad, 1 + pad)
        axes.set_aspect("equal")
        axes.set_xlabel("how sure the model is")
        axes.set_title("how often it is right")
        for place, text, ha in ((0.03, "too cautious", "left"), (0.97, "too sure", "right")):
            axes.text(place, 0.95 if ha == "left" else 0.05, text, color=palette.muted, fontsize=10, fontstyle="italic",
                      ha=ha, va="center", transform=axes.transAxes, zorder=1)  # fmt: skip

    return Chart(title, draw, (400, 420), (340, 360))


def bars(
    estimates: Mapping[str, Mapping[str, Any]], title: str, unit: str = "", highlight: str | None = None
) -> Chart:
    """Estimates under each other: a dot at `value`, a line from `low` to `high`.

    `{name: {"value", "low", "high"}}`, any of them None where undefined. With the unit "%" values are shares, shown
    as percentages. `highlight` names the one in the accent colour, the first unless said.
    """
    names = list(estimates)
    chosen = names[0] if highlight is None and names else highlight
    factor = 100 if unit == "%" else 1

    def scaled(name: str, key: str) -> float | None:
        value = estimates[name].get(key)
        return None if value is None or np.isnan(value) else float(value) * factor

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import MaxNLocator

        if not names:
            return message(figure, palette, "nothing measured yet")
        axes = figure.subplots()
        axes.grid(axis="x")
        for row, name in enumerate(names):
            colour = palette.accent if name == chosen else palette.neutral
            value, low, high = (scaled(name, key) for key in ("value", "low", "high"))
            if low is not None and high is not None:
                axes.plot(
                    [low, high], [row, row], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt"
                )
                axes.plot([[low, high], [low, high]], [[row - 0.13] * 2, [row + 0.13] * 2],
                          color=colour, linewidth=1.5)  # fmt: skip
            if value is not None:
                axes.plot([value], [row], "o", color=colour, markersize=9, markeredgecolor=palette.surface,
                          markeredgewidth=1.5, zorder=4)  # fmt: skip
        axes.set_ylim(len(names) - 0.45, -0.55)
        wide = width_of(figure) >= 480
        axes.set_yticks(range(len(names)), [shorten(name, 26 if wide else 19) for name in names])
        for label, name in zip(axes.get_yticklabels(), names):
            label.set(color=palette.ink, fontweight="bold" if name == chosen else "normal")
        right = axes.secondary_yaxis("right")
        texts = [
            _value_text(scaled(n, "value"), scaled(n, "low"), scaled(n, "high"), unit, wide) for n in names
        ]
        right.set_yticks(range(len(names)), texts)
        right.tick_params(labelcolor=palette.ink)
        right.spines[:].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(6 if wide else 4, steps=STEPS))
        end = " %" if unit == "%" else f" {unit}" if unit else ""
        axes.xaxis.set_major_formatter(plain_numbers(end))
        axes.margins(x=0.04)

    height = 64 + 36 * len(names)
    return Chart(title, draw, (640, height + 20), (340, height))


def _value_text(value: float | None, low: float | None, high: float | None, unit: str, wide: bool) -> str:
    if value is None:
        return "undefined"
    if unit == "%":
        value_text = percent(value / 100)
        ends = (
            "" if low is None or high is None else f"{percent(low / 100)[:-2]} to {percent(high / 100)[:-2]}"
        )
    else:
        value_text = f"{plain(value)} {unit}".rstrip()
        ends = "" if low is None or high is None else f"{plain(low)} to {plain(high)}"
    return f"{value_text}  ({ends})" if wide and ends else value_text
