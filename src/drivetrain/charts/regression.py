"""Predictions of a number: beside the truth, and how far off they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_ticks, shorten, width_of
from drivetrain.figures import plain
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Band = Callable[[Array], "tuple[Array, Array] | None"]
POINTS = 3000
"""More rows than this are drawn as a sample."""
DECADE = 10.0
"""A logarithmic axis is used where the numbers span at least this factor."""


def predictions(predicted: Array, true: Array, band: Band, name: str, log: bool, title: str = "") -> Chart:
    """True numbers (n,) above the predictions (n,). On the line they are equal; `band` gives the ends of the range that
    is answered for a prediction, or None. Points outside it are orange. With `log` the axes are logarithmic where all
    numbers are above 0."""
    n = len(true)
    kept = np.sort(np.random.default_rng(0).permutation(n)[:POINTS])
    x, y = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    logarithmic = bool(
        log and n and min(x.min(), y.min()) > 0 and max(x.max(), y.max()) > DECADE * min(x.min(), y.min())
    )

    def draw(figure: Figure, palette: Palette) -> None:
        if not n:
            return message(figure, palette, "nothing predicted yet")
        axes = figure.subplots()
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        if logarithmic:
            axes.set_xscale("log")
            axes.set_yscale("log")
            grid, limits = np.geomspace(low, high, 200), (low / 1.08, high * 1.08)
        else:
            pad = 0.03 * (high - low) or 1.0
            grid, limits = np.linspace(low - pad, high + pad, 200), (low - pad, high + pad)
        ends = band(grid)
        outside = np.zeros(n, bool)
        if ends is not None:
            axes.fill_between(grid, ends[0], ends[1], color=palette.soft, alpha=0.4, linewidth=0)
            mine = band(x)
            assert mine is not None
            outside = (y < mine[0]) | (y > mine[1])
        axes.plot(grid, grid, color=palette.neutral, linewidth=1, linestyle=(0, (4, 3)))
        size, alpha = (14, 0.7) if len(kept) <= 500 else (7, 0.45)
        for rows, colour in ((kept[~outside[kept]], palette.accent), (kept[outside[kept]], palette.warning)):
            axes.scatter(x[rows], y[rows], s=size, color=colour, alpha=alpha, linewidths=0, zorder=3)
        _axes(axes, limits, logarithmic, width_of(figure) >= 400)
        axes.set_xlabel(
            f"predicted {shorten(name, 30)}" + (f" ({len(kept):,} of {n:,} rows)" if len(kept) < n else "")
        )
        axes.set_title(f"true {shorten(name, 30)}")

    return Chart(title or f"{name}: predicted and true", draw, (520, 520), (340, 360))


def _axes(axes: Axes, limits: tuple[float, float], logarithmic: bool, wide: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    axes.grid()
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        if logarithmic:
            axis.set_major_locator(FixedLocator(_round_numbers(*limits, 6 if wide else 4)))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(6 if wide else 4, steps=STEPS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    """A number for an axis, thousands and millions by their letter: 208k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and value % size == 0 and size > 1e3):
            return f"{value / size:,.3g}{letter}"
    return plain(value)


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends of a logarithmic axis, at most so many."""
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        found = [
            step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high
        ]
        if len(found) <= most:
            return found
    return found[:: -(-len(found) // most)]


def errors(
    residuals: Array, bins: Sequence[Mapping[str, Any]], name: str, log: bool = False, title: str = "Errors"
) -> Chart:
    """Predicted less true (n,) as a histogram, and by the size of the prediction how far off it is and in which
    direction: `[{"middle", "error": estimate, "bias": estimate}]`."""
    x = np.asarray(residuals, np.float64)

    def draw(figure: Figure, palette: Palette) -> None:
        if not len(x):
            return message(figure, palette, "nothing predicted yet")
        narrow = width_of(figure) < 480
        panels = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
        _histogram(panels[0], palette, x)
        _by_size(panels[1], palette, bins, name, log)

    return Chart(title, draw, (640, 310), (340, 520))


def _histogram(axes: Axes, palette: Palette, residuals: Array) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = (
        np.quantile(residuals, [0.005, 0.995]).tolist()
        if len(residuals) >= 200
        else (residuals.min(), residuals.max())
    )
    reach = max(abs(low), abs(high)) or 1.0
    bins = int(np.clip(np.sqrt(len(residuals)) * 1.5, 9, 41)) // 2 * 2 + 1
    axes.hist(np.clip(residuals, -reach, reach), bins=np.linspace(-reach, reach, bins + 1).tolist(), color=palette.soft,
              edgecolor=palette.surface, linewidth=0.8)  # fmt: skip
    axes.axvline(0, color=palette.neutral, linewidth=1, linestyle=(0, (4, 3)))
    middle = float(np.median(residuals))
    axes.axvline(middle, color=palette.accent, linewidth=2)
    axes.set_title(f"rows; median error {'+' if middle > 0 else ''}{plain(middle)}")
    axes.set_xlabel("too low   ←   predicted less true   →   too high")
    axes.grid(axis="y")
    plain_ticks(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _by_size(axes: Axes, palette: Palette, bins: Sequence[Mapping[str, Any]], name: str, log: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    x = [each["middle"] for each in bins]
    for key, colour, marker, label in (
        ("error", palette.accent, "o", "how far off"), ("bias", palette.neutral, "D", "too high (+) or low (−)"),
    ):  # fmt: skip
        known = [each[key] for each in bins]
        for place, estimate in zip(x, known):
            if estimate["low"] is not None:
                axes.plot([place, place], [estimate["low"], estimate["high"]], color=colour, linewidth=4, alpha=0.35,
                          solid_capstyle="butt")  # fmt: skip
        axes.plot(x, [estimate["value"] for estimate in known], marker, color=colour, markersize=7 if marker == "o" else 6,
                  markeredgecolor=palette.surface, label=label, zorder=4)  # fmt: skip
    axes.axhline(0, color=palette.neutral, linewidth=1)
    if log and x and min(x) > 0 and max(x) > 3 * min(x):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_round_numbers(min(x) / 1.1, max(x) * 1.1, 4)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.grid()
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel(f"predicted {shorten(name, 30)}")
    axes.set_title("mean error, with 95 % intervals")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.24 * (top - bottom))
    axes.legend(
        loc="upper left",
        frameon=False,
        fontsize=10,
        ncols=1,
        borderpad=0.1,
        labelspacing=0.2,
        handletextpad=0.2,
    )
