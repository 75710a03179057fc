"""Charts of a search: what each trial came to, and which settings made the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import Chart, Palette, message, plain_ticks, whole_ticks
from drivetrain.charts.results import bars
from drivetrain.metrics.names import printed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trials(
    rows: Sequence[Mapping[str, Any]], metric: str, higher: bool, title: str = "Trials of the search"
) -> Chart:
    """Rows `{"trial", "value"}`, value None for one that was not finished. A dot for each finished trial, a line for
    the best so far; a stroke at the bottom for each that was not finished."""
    finished = [(int(row["trial"]), float(row["value"])) for row in rows if row["value"] is not None]
    rest = [int(row["trial"]) for row in rows if row["value"] is None]

    def draw(figure: Figure, palette: Palette) -> None:
        if not finished:
            return message(figure, palette, "no trial was finished yet")
        axes = figure.subplots()
        axes.grid(axis="y")
        places, values = zip(*finished)
        best = list(accumulate(values, max if higher else min))
        axes.step(places, best, where="post", color=palette.accent, zorder=2)
        axes.plot(places, values, "o", color=palette.neutral, markersize=5, zorder=3)
        first = values.index(best[-1])
        axes.plot([places[first]], [best[-1]], "o", color=palette.accent, markersize=9,
                  markeredgecolor=palette.surface, markeredgewidth=1.5, zorder=4)  # fmt: skip
        axes.annotate(
            f"best: trial {places[first]}", (places[first], best[-1]), xytext=(0, -9 if higher else 9),
            textcoords="offset points", ha="center", va="top" if higher else "bottom", fontweight="bold",
            bbox={"facecolor": palette.surface, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        if rest:
            axes.plot(rest, [0.02] * len(rest), "|", color=palette.muted, markersize=9,
                      transform=axes.get_xaxis_transform())  # fmt: skip
            axes.set_xlabel("trial; a stroke is one that was stopped early or failed")
        else:
            axes.set_xlabel("trial")
        axes.margins(x=0.06, y=0.25)
        whole_ticks(axes)
        plain_ticks(axes)
        axes.set_title(printed(metric))

    return Chart(title, draw, (640, 320), (340, 260))


def importances(shares: Mapping[str, float], title: str = "What made the difference") -> Chart:
    """How much each setting had to do with a good result, as shares of 1; the largest first."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return bars(
        {
            name.replace("_", " "): {"value": round(share, 3), "low": None, "high": None} for name, share in ordered
        }, title, "%"
    )  # fmt: skip
