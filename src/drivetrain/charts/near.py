"""Vectors of names in the plane: those that lie together are much alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drivetrain.charts.chart import Chart, Palette, message, shorten, size_of
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTER, HIGH = 5.7, 12
"""CSS pixels of a label: the width of a letter, the height."""
EDGE = 14
LONGEST = 16
MOST = 250
"""Names that are drawn: the first."""


def near(names: Sequence[str], vectors: Array, title: str = "") -> Chart:
    """The first names, whose vectors are (n, width), by their two principal components, each brought to length 1 before. A name
    is written where no earlier one stands; the others are dots."""
    names = [shorten(name, LONGEST) for name in names[:MOST]]
    places = _plane(np.asarray(vectors[:MOST], np.float64))

    def draw(figure: Figure, palette: Palette) -> None:
        if len(names) < 3:
            return message(figure, palette, "fewer than three vectors")
        figure.figure.set_layout_engine("none")
        wide, high = size_of(figure)
        top = EDGE + (30 if figure.figure.get_suptitle() else 0)
        span = np.ptp(places, axis=0)
        scaled = (places - places.min(axis=0)) / np.where(span > 0, span, 1)
        x = 50 + scaled[:, 0] * (wide - 100)
        y = EDGE + scaled[:, 1] * (high - top - EDGE)
        written = _free(x, y, np.array([len(name) * LETTER for name in names]))
        for name, across, up, free in zip(names, x.tolist(), y.tolist(), written.tolist()):
            look = (
                {"fontsize": 9.5, "color": palette.ink} if free else {"fontsize": 7, "color": palette.neutral}
            )
            figure.text(
                across / wide, up / high, name if free else "\N{MIDDLE DOT}", ha="center", va="center", **look
            )

    return Chart(title or "Vectors", draw, (640, 440), (340, 380))


def _plane(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, 2): the principal components, each pointing the way in which most of it lies."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    unit = unit - unit.mean(axis=0)
    left, sizes, _ = np.linalg.svd(unit, full_matrices=False)
    found = (left * sizes)[:, :2]
    found = np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    return found * np.where((found**3).sum(axis=0) < 0, -1, 1)


def _free(x: Array, y: Array, widths: Array) -> npt.NDArray[np.bool_]:
    """Which labels, in order, cover none that is written before."""
    written = np.zeros(len(x), bool)
    for place in range(len(x)):
        apart = (np.abs(x - x[place]) > (widths + widths[place]) / 2 + 3) | (np.abs(y - y[place]) > HIGH)
        written[place] = apart[written].all()
    return written
