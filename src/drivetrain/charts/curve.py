"""A chart of a learning curve: the error against the number of training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import Chart, Palette, message, plain_numbers, plain_ticks, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curve(
    points: Sequence[Mapping[str, Any]],
    line: Sequence[tuple[float, float]] | None = None,
    projected: Mapping[str, Any] | None = None,
    title: str = "Error by training rows",
) -> Chart:
    """`{"rows", "value", "low", "high"}` for each size, rows on a logarithmic axis; `line` is the fitted curve, dashed
    beyond the last size; `projected` is a point like the others, beyond what was measured."""

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import FixedLocator, NullLocator

        if not points:
            return message(figure, palette, "nothing trained yet")
        axes = figure.subplots()
        axes.grid(axis="y")
        axes.set_xscale("log")
        last = points[-1]["rows"]
        if line:
            for beyond, style in ((False, "solid"), (True, (0, (4, 3)))):
                chosen = [(x, y) for x, y in line if (x >= last * 0.97 if beyond else x <= last * 1.03)]
                axes.plot(*zip(*chosen), color=palette.neutral, linestyle=style, linewidth=1.5)
        for point, colour in [
            *((p, palette.accent) for p in points),
            *([(projected, palette.warning)] if projected else []),
        ]:
            axes.vlines(point["rows"], point["low"], point["high"], color=colour, linewidth=5, alpha=0.35)
            axes.plot([point["rows"]], [point["value"]], "o", color=colour, markersize=8, markeredgecolor=palette.surface,
                      markeredgewidth=1.5, zorder=4)  # fmt: skip
        if projected:
            axes.annotate("projected", (projected["rows"], projected["high"]), xytext=(0, 5), textcoords="offset points",
                          ha="center", va="bottom", color=palette.warning, fontweight="bold", fontsize=10)  # fmt: skip
        ticks = [point["rows"] for point in points] + ([projected["rows"]] if projected else [])
        ticks = ticks if width_of(figure) >= 480 else [ticks[0], last, *ticks[len(points) :]]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(plain_numbers())
        axes.margins(x=0.06)
        axes.set_ylim(
            bottom=0,
            top=1.15 * max(point["high"] for point in (*points, *([projected] if projected else []))) or 1,
        )
        plain_ticks(axes)
        axes.set_xlabel("training rows")

    return Chart(title, draw, (640, 320), (340, 260))
