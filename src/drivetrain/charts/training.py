"""Charts of a training: losses, the search for a learning rate, the schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import (
    Chart,
    Palette,
    message,
    plain_numbers,
    plain_ticks,
    whole_ticks,
    width_of,
)
from drivetrain.figures import plain
from drivetrain.metrics.overfitting import worsened
from drivetrain.progress import losses_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def losses(history: Sequence[Mapping[str, Any]], title: str = "", unit: str = "epoch") -> Chart:
    """Loss and error of train and valid by epoch, from `{"epoch", "train_loss", "valid_loss", "train_error",
    "valid_error"}` each; None and missing keys leave gaps. Another network's loss, `NAME_loss`, has a panel of its own.

    The lowest valid value is marked. Where the valid error (the loss, without an error) ends worse than it had
    been while that of train fell on, the stretch after the best epoch is shaded and named. `unit` is what an epoch is
    called.
    """
    title = title or f"Loss and error by {unit}"
    rows = [dict(row) for row in history]
    epochs = [int(row.get("epoch", number)) for number, row in enumerate(rows, start=1)]
    lines = {kind: {part: _column(rows, f"{part}_{kind}") for part in PARTS} for kind in ("loss", "error")}
    lines = {kind: series for kind, series in lines.items() if any(map(_known, series.values()))}
    judged = [*lines][-1:]
    for name in losses_beside(rows[-1] if rows else {}):
        lines[name.replace("_", " ")] = {"train": _column(rows, name), "valid": []}
    measured = rows[-1].get("valid_rows") if rows else None
    changes = [
        epochs[i] - 0.5 for i in range(1, len(rows)) if rows[i].get("phase") != rows[i - 1].get("phase")
    ]

    def draw(figure: Figure, palette: Palette) -> None:
        if not lines:
            return message(figure, palette, "no epoch yet")
        stacked = width_of(figure) < 480
        shape = (len(lines), 1) if stacked else (1, len(lines))
        panels = figure.subplots(*shape, squeeze=False).ravel()
        for axes, (kind, series) in zip(panels, lines.items()):
            start = worsened(series["train"], series["valid"], measured) if kind in judged else None
            _panel(axes, palette, epochs, series, kind, start, unit)
            for number, place in enumerate(changes, start=2):
                axes.axvline(place, color=palette.neutral, linewidth=1, linestyle=(0, (2, 3)))
                axes.annotate(f"phase {number}", (place, 1), xycoords=("data", "axes fraction"), xytext=(3, -2),
                              textcoords="offset points", va="top", color=palette.muted, fontsize=9)  # fmt: skip
            axes.set_xlabel(unit if not stacked or axes is panels[-1] else "")

    single = len(lines) < 2
    return Chart(title, draw, (640, 280) if single else (720, 290), (340, 250 if single else 440))


PARTS = ("train", "valid")


def _column(rows: list[dict[str, Any]], name: str) -> list[float]:
    values = [row.get(name) for row in rows]
    return [math.nan if value is None or not math.isfinite(value) else float(value) for value in values]


def _known(values: Sequence[float]) -> bool:
    return any(not math.isnan(value) for value in values)


def _panel(
    axes: Axes,
    palette: Palette,
    epochs: list[int],
    series: dict[str, list[float]],
    kind: str,
    start: int | None,
    unit: str,
) -> None:
    axes.set_title(kind)
    axes.grid(axis="y")
    colours = {"train": palette.neutral, "valid": palette.accent}
    for part, values in series.items():
        if _known(values):
            marker = "o" if len(epochs) <= 20 else None
            axes.plot(
                epochs, values, color=colours[part], marker=marker, markersize=3.5, zorder=3, clip_on=False
            )
    axes.margins(x=0.03, y=0.12)
    heights = [v for values in series.values() for v in values if not math.isnan(v)]
    if min(heights) >= 0 and max(heights) > 0:
        axes.set_ylim(0, 1.12 * max(heights))
    whole_ticks(axes)
    plain_ticks(axes)
    _name_lines(axes, palette, epochs, series, colours)
    if len(epochs) > 1 and _known(series["valid"]):
        _mark_best(axes, palette, epochs, series["valid"])
    if start is not None:
        axes.axvspan(epochs[start], epochs[-1], color=palette.warning, alpha=0.12, linewidth=0)
        told = f"valid {kind} worse\nsince {unit} {epochs[start]}"
        axes.annotate(
            told, (epochs[-1], 0.98), xycoords=("data", "axes fraction"), xytext=(-4, 0), textcoords="offset points",
            ha="right", va="top", color=palette.warning, fontsize=10, fontweight="bold", zorder=5,
        )  # fmt: skip


def _name_lines(
    axes: Axes, palette: Palette, epochs: list[int], series: dict[str, list[float]], colours: dict[str, str]
) -> None:
    """The name of each line at its end, kept apart where the ends meet."""
    ends = {
        part: next((v for v in reversed(values) if not math.isnan(v)), None)
        for part, values in series.items()
    }
    known = sorted(((end, part) for part, end in ends.items() if end is not None), reverse=True)
    low, high = axes.get_ylim()
    apart = 0.08 * (high - low)
    shifts = [0.0] * len(known)
    if len(known) == 2 and known[0][0] - known[1][0] < apart:
        shift = 5 * (1 - (known[0][0] - known[1][0]) / apart)
        shifts = [shift + 1, -shift - 1]
    for (end, part), shift in zip(known, shifts):
        above = 4 if end - low < apart / 2 else 0  # The last tick's number is just below the axis.
        axes.annotate(
            part, (epochs[-1], end), xytext=(7, shift + above), textcoords="offset points", va="center",
            color=palette.muted if part == "train" else colours[part], fontweight="bold", fontsize=10.5, annotation_clip=False,
        )  # fmt: skip


def _mark_best(axes: Axes, palette: Palette, epochs: list[int], values: list[float]) -> None:
    """A ring around the lowest value, which is told beside the panel's name."""
    best = min(range(len(values)), key=lambda i: math.inf if math.isnan(values[i]) else values[i])
    axes.plot(
        [epochs[best]], [values[best]], "o", markersize=9, markerfacecolor="none", markeredgecolor=palette.accent,
        markeredgewidth=1.6, zorder=4,
    )  # fmt: skip
    # Above the lines and not among them, where it would hide some.
    axes.set_title(f"lowest {plain(values[best])}", loc="right", color=palette.accent, fontsize=10)


def learning_rate(
    rates: Sequence[float], losses: Sequence[float], suggestion: float, title: str = "Loss by learning rate"
) -> Chart:
    """Losses against the learning rates that were tried, rates on a logarithmic axis, the suggestion marked."""
    rates, heights = list(map(float, rates)), list(map(float, losses))

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes = figure.subplots()
        axes.grid(axis="y")
        axes.set_xscale("log")
        axes.plot(rates, heights, color=palette.accent)
        axes.xaxis.set_major_locator(LogLocator(10, numticks=9 if width_of(figure) >= 480 else 5))
        axes.xaxis.set_major_formatter(plain_numbers())
        axes.xaxis.set_minor_formatter(NullFormatter())
        # What comes after the loss has gone up again would press the rest flat.
        before = heights[: heights.index(min(heights)) + 1]
        span = max(max(before) - min(before), 1e-9)
        axes.set_ylim(min(before) - 0.08 * span, max(before) + 0.3 * span)
        plain_ticks(axes)
        axes.set_xlabel("learning rate")
        axes.set_title("smoothed loss")
        nearest = min(range(len(rates)), key=lambda i: abs(math.log(rates[i] / suggestion)))
        axes.axvline(suggestion, color=palette.ink, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot([suggestion], [heights[nearest]], "o", color=palette.accent, markersize=8,
                  markeredgecolor=palette.surface, markeredgewidth=1.5, zorder=4)  # fmt: skip
        left = nearest > len(rates) * 0.6
        axes.annotate(
            f"suggested {plain(suggestion)}", (suggestion, 0.97), xycoords=("data", "axes fraction"),
            xytext=(-7 if left else 7, 0), textcoords="offset points", ha="right" if left else "left", va="top",
            fontweight="bold", bbox={"facecolor": palette.surface, "edgecolor": "none", "pad": 2},
        )  # fmt: skip

    return Chart(title, draw, (640, 320), (340, 260))


def schedule(rates: Sequence[float], title: str = "Learning rate by step") -> Chart:
    """The learning rate of each step."""
    heights = list(map(float, rates))

    def draw(figure: Figure, palette: Palette) -> None:
        if not heights:
            return message(figure, palette, "no step yet")
        axes = figure.subplots()
        axes.grid(axis="y")
        axes.plot(range(1, len(heights) + 1), heights, color=palette.accent)
        axes.fill_between(range(1, len(heights) + 1), heights, color=palette.accent, alpha=0.12, linewidth=0)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.02)
        whole_ticks(axes)
        plain_ticks(axes)
        axes.set_xlabel("step")
        axes.set_title("learning rate")

    return Chart(title, draw, (640, 240), (340, 220))
