"""A chart of several models on the same rows: each metric with its interval, and how far each is from the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_numbers, shorten, width_of
from drivetrain.metrics.names import printed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, HEAD = 26, 62
"""CSS pixels for each model, and for the rest of a metric's panel."""


def comparison(
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]],
    pairs: Sequence[Mapping[str, Any]],
    best: str,
    title: str = "Models on the same rows",
) -> Chart:
    """`{model: {metric: {"value", "low", "high"}}}`, and pairs `{"a", "b", "metric", "value", "low", "high", "winner",
    "sure"}` with `a` the best one and value a - b.

    For each metric that has pairs, on the left a dot with its interval for each model; on the right each other model
    minus the best one, in orange and called better or worse where that is sure.
    """
    names = [best, *(name for name in metrics if name != best)] if metrics else []
    apart = {(pair["metric"], pair["b"]): pair for pair in pairs}
    shown = list(dict.fromkeys(pair["metric"] for pair in pairs if pair["metric"] != "error_rate"))
    shown = shown or [metric for metric, _ in apart]

    def draw(figure: Figure, palette: Palette) -> None:
        if not shown:
            return message(figure, palette, "nothing to compare")
        narrow = width_of(figure) < 480
        across = 1 if narrow else 2
        panels = figure.subplots(len(shown), across, squeeze=False)
        for row, metric in enumerate(shown):
            _values(panels[row, 0], palette, names, metrics, metric, narrow)
            if not narrow:
                _differences(panels[row, 1], palette, names, apart, metric)

    height = len(shown or [0]) * (HEAD + ROW * max(1, len(names))) + 40
    return Chart(title, draw, (720, height), (340, height))


def _values(
    axes: Axes,
    palette: Palette,
    names: Sequence[str],
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]],
    metric: str,
    narrow: bool,
) -> None:
    axes.set_title(printed(metric))
    for place, name in enumerate(names):
        colour = palette.accent if place == 0 else palette.neutral
        _dot(axes, palette, place, metrics[name].get(metric, {}), colour)
    axes.set_yticks(range(len(names)), [shorten(name, 16 if narrow else 20) for name in names])
    for label, place in zip(axes.get_yticklabels(), range(len(names))):
        label.set(color=palette.ink, fontweight="bold" if place == 0 else "normal")
    _finish(axes, len(names), 4 if narrow else 5)


def _differences(
    axes: Axes,
    palette: Palette,
    names: Sequence[str],
    apart: Mapping[tuple[str, str], Mapping[str, Any]],
    metric: str,
) -> None:
    axes.set_title(f"minus {shorten(names[0], 24)}")
    axes.axvline(0, color=palette.neutral, linewidth=1, linestyle=(0, (4, 3)))
    told = [""] * len(names)
    for place, name in enumerate(names):
        pair = apart.get((metric, name))
        if pair is None:
            continue
        told[place] = (
            "could be chance" if not pair["sure"] else "better" if pair["winner"] == name else "worse"
        )
        turned = {"value": _minus(pair["value"]), "low": _minus(pair["high"]), "high": _minus(pair["low"])}
        _dot(axes, palette, place, turned, palette.warning if pair["sure"] else palette.neutral)
    axes.yaxis.tick_right()
    axes.set_yticks(range(len(names)), told)
    axes.tick_params(axis="y", labelcolor=palette.ink)
    _finish(axes, len(names), 4)


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _dot(axes: Axes, palette: Palette, place: int, found: Mapping[str, Any], colour: str) -> None:
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
    if value is not None:
        axes.plot([value], [place], "o", color=colour, markersize=8, markeredgecolor=palette.surface,
                  markeredgewidth=1.5, zorder=4)  # fmt: skip


def _finish(axes: Axes, rows: int, ticks: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="x")
    axes.set_ylim(rows - 0.4, -0.6)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=STEPS))
    axes.xaxis.set_major_formatter(plain_numbers())
