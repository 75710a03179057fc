"""How many texts are how long, and how much of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_numbers, plain_ticks, size_of
from drivetrain.figures import percent
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 40
FAR = 3.0
"""Texts of more than so many times the length that is read are counted at the edge."""


def lengths(sizes: Array, kept: int, unit: str, title: str = "") -> Chart:
    """A histogram of whole numbers (n,), a line at `kept`; what is longer is drawn otherwise, and hatched."""
    longest = int(sizes.max(initial=0))
    end = min(longest, int(FAR * kept)) + 1
    width = max(1, -(-end // BINS))
    edges = np.arange(0, end + width, width)
    counts = np.histogram(np.minimum(sizes, edges[-1] - 1), edges)[0]
    share = float((sizes <= kept).mean()) if len(sizes) else 1.0

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import MaxNLocator

        if not len(sizes):
            return message(figure, palette, "no texts")
        figure.figure.set_layout_engine("none")
        wide, high = size_of(figure)
        top = 34 if figure.figure.get_suptitle() else 12
        axes = figure.add_axes((58 / wide, 46 / high, 1 - 74 / wide, 1 - (46 + top) / high))
        axes.grid(axis="y")
        left, past = edges[:-1], edges[:-1] > kept
        for there, colour, hatch in ((~past, palette.accent, ""), (past, palette.warning, "///")):
            axes.bar(
                left[there], counts[there], width, align="edge", color=colour, hatch=hatch, edgecolor=palette.surface,
                linewidth=0.6,
            )  # fmt: skip
        axes.axvline(kept + 1, color=palette.ink, linewidth=1.4, linestyle=(0, (4, 2)))
        right = kept > edges[-1] * 0.55
        axes.annotate(
            f"{percent(share, 0) if share < 1 else 'all'} have at most {kept:,}",
            (kept + 1, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(-6 if right else 6, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            color=palette.ink,
            fontsize=10.5,
            bbox={"facecolor": palette.surface, "edgecolor": "none", "pad": 1.5},
        )
        axes.set_xlim(0, edges[-1])
        axes.set_xlabel(
            f"{unit} in a text"
            + (f"; longer ones, up to {longest:,}, at the edge" if longest >= edges[-1] else "")
        )
        axes.set_ylabel("texts")
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS, integer=True))
        axes.xaxis.set_major_formatter(plain_numbers())
        plain_ticks(axes, 4)

    return Chart(title or "Lengths of texts", draw, (640, 230), (340, 220))
