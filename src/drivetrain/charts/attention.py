"""Where a model looked in what it read, at each word that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts.chart import Chart, Palette, message, shorten
from drivetrain.errors import DataError
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL, NARROW_CELL = 27, 15
"""CSS pixels of a cell's side."""
MOST = 40
"""Tokens of a side that are drawn."""
LONGEST = 14
SPACE = "\N{OPEN BOX}"
"""How a token of white space alone is shown."""


def attention(
    sources: Sequence[str], targets: Sequence[str], weights: Array, title: str = "Where it looked"
) -> Chart:
    """Weights (targets, sources), 0 to 1, as a map: a row for each token that was written, a column for each that was read,
    stronger in colour the more it looked there; a ring is around the most of each row. Of more than 40 tokens the first are drawn.
    Raises DataError for another shape, and for weights that are no numbers from 0 to 1."""
    shares = np.asarray(weights, np.float64)
    if shares.shape != (len(targets), len(sources)):
        raise DataError(
            f"weights of shape {shares.shape} are not those of {len(targets):,} tokens written and {len(sources):,} read."
        )
    if not (np.isfinite(shares).all() and (shares >= -1e-6).all() and (shares <= 1 + 1e-4).all()):
        raise DataError("weights of attention are numbers from 0 to 1.")
    above, left = ([_named(token) for token in side[:MOST]] for side in (sources, targets))
    shares = shares[: len(left), : len(above)].clip(0, 1)
    margins = [30 + 7.2 * max((len(name) for name in side), default=1) for side in (left, above)]

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.patches import Rectangle

        if not shares.size:
            return message(figure, palette, "no tokens")
        axes = figure.subplots()
        colours = LinearSegmentedColormap.from_list("looked", [palette.surface, palette.soft, palette.accent])
        # Cells of their own and no image, that would be blurred where it is scaled.
        axes.pcolormesh(
            np.arange(len(above) + 1) - 0.5, np.arange(len(left) + 1) - 0.5, shares, cmap=colours, vmin=0, vmax=1,
            edgecolor=palette.grid, linewidth=0.6,
        )  # fmt: skip
        for row, most in enumerate(shares.argmax(axis=1).tolist()):
            axes.add_patch(
                Rectangle((most - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=palette.warning, linewidth=1.4)
            )
        side = (float(figure.get_size_inches()[0]) * 72 - margins[0]) / len(above)
        size = float(np.clip(side * 0.62, 6.5, 11))
        axes.set_xticks(range(len(above)), above, rotation=90, fontsize=size)
        axes.set_yticks(range(len(left)), left, fontsize=size)
        axes.tick_params(labeltop=True, labelbottom=False, labelcolor=palette.ink, pad=3)
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("read", labelpad=6)
        axes.set_ylabel("written", labelpad=6)
        axes.set_xlim(-0.5, len(above) - 0.5)
        axes.set_ylim(len(left) - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)

    def size(cell: float) -> tuple[int, int]:
        return (
            max(round(margins[0] + cell * len(above)), 240),
            max(round(margins[1] + cell * len(left)) + 36, 160),
        )

    fits = margins[0] + NARROW_CELL * len(above) <= 340
    cell = (340 - margins[0]) / max(1, len(above))
    narrow = size(min(CELL, cell)) if fits and size(CELL)[0] > 340 else None
    return Chart(title, draw, size(CELL), narrow, mixes=True)


def _named(token: str) -> str:
    """A token as it is written beside its row: white space around it is told, and no other."""
    text = token.strip()
    return shorten(text, LONGEST) if text else SPACE
