"""How the values of columns are spread: a histogram of numbers, bars of levels, by class where there are classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_numbers, shorten
from drivetrain.figures import percent
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = Array | Sequence[str | None]
"""Numbers (n,) where NaN is missing, or texts of which None is."""

MOST_CLASSES = 4
MOST_BARS = 6
BINS = 24
CELL = (216, 172)
"""CSS pixels: the least width of a column's drawing, and its height."""
HEAD, FOOT, GAP = 50, 14, 14
LEVELS = 92
"""What the names of levels take, of the width."""
UNSEEN = 0.01
"""Of numbers with a long tail this share at either end is counted at the edge."""


def columns(
    values: Mapping[str, Values],
    classes: Sequence[str | None] | None = None,
    title: str = "",
    width: int = 880,
) -> Chart:
    """Column -> its values, equally many in each. `classes` are those of the same rows: with at most `MOST_CLASSES` of
    them each class is drawn by itself, as shares of its rows, so that a rare class is seen too."""
    groups = _groups(classes)
    across = max(1, min(len(values), width // CELL[0]))
    down = -(-len(values) // across)
    head = HEAD if title or groups else GAP
    height = head + down * CELL[1] + FOOT

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.patches import Patch

        figure.figure.set_layout_engine("none")
        if not values or not len(next(iter(values.values()))):
            return message(figure, palette, "no columns of numbers or levels")
        colours = [palette.accent, palette.warning, palette.neutral, palette.ink]
        found = dict(zip(groups, zip(groups.values(), colours))) or {"": (slice(None), palette.accent)}
        for place, (name, cells) in enumerate(values.items()):
            row, column = divmod(place, across)
            levels = not isinstance(cells, np.ndarray)
            left = column / across + (LEVELS if levels else GAP) / width
            bottom = 1 - (head + (row + 1) * CELL[1] - 30) / height
            size = ((column + 1) / across - GAP / width - left, (CELL[1] - 62) / height)
            axes = figure.add_axes((left, bottom, *size))
            figure.text(column / across + GAP / width, bottom + size[1] + 8 / height, _head(name, cells), fontsize=10.5,
                        color=palette.ink)  # fmt: skip
            if isinstance(cells, np.ndarray):
                _histogram(axes, cells, found, palette)
            else:
                _bars(axes, cells, found, palette, of_all=cells is classes)
            axes.tick_params(labelsize=9)
        if groups:
            patches = [Patch(color=colour, label=shorten(name, 24)) for name, (_, colour) in found.items()]
            patches.append(Patch(alpha=0, label="in shares of each class"))
            figure.legend(handles=patches, loc="upper left", bbox_to_anchor=(4 / width, 1 - 24 / height), ncols=len(patches),
                          frameon=False, fontsize=10.5, handlelength=0.9, handleheight=0.9)  # fmt: skip

    return Chart(title, draw, (width, height))


def _groups(classes: Sequence[str | None] | None) -> dict[str, Array]:
    """Class -> which rows are of it; nothing where there are too many to be told apart."""
    names = sorted({name for name in classes or () if name is not None})
    if not 2 <= len(names) <= MOST_CLASSES:
        return {}
    of_row = np.array(classes, object)
    return {name: of_row == name for name in names}


def _head(name: str, cells: Values) -> str:
    gaps = (
        int(np.isnan(cells).sum()) if isinstance(cells, np.ndarray) else sum(cell is None for cell in cells)
    )
    told = f", {percent(gaps / len(cells), 0)} missing" if gaps else ""
    return shorten(name, 30 - len(told)) + told


def _histogram(
    axes: Axes, numbers: Array, groups: Mapping[str, tuple[Array | slice, str]], palette: Palette
) -> None:
    from matplotlib.ticker import MaxNLocator

    known = numbers[np.isfinite(numbers)]
    axes.set_yticks([])
    if not len(known):
        axes.set_xticks([])
        return
    low, high = (float(end) for end in np.quantile(known, (0, 1)))
    inner = [float(end) for end in np.quantile(known, (UNSEEN, 1 - UNSEEN))]
    if high - low > 3 * (inner[1] - inner[0]) > 0:
        low, high = inner
        axes.text(1, 0.97, "what is beyond: at the edge", transform=axes.transAxes, ha="right", va="top", fontsize=8.5,
                  color=palette.muted)  # fmt: skip
    few = np.unique(known)
    if len(few) <= BINS and (few == np.round(few)).all() and high - low < BINS:
        edges = np.arange(low, high + 2) - 0.5
    else:
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    for rows, colour in groups.values():
        of_class = numbers[rows]
        of_class = np.clip(of_class[np.isfinite(of_class)], edges[0], edges[-1])
        heights = np.histogram(of_class, edges)[0] / max(1, len(of_class))
        if len(groups) == 1:
            axes.stairs(heights, edges, fill=True, color=colour)
        else:
            axes.stairs(heights, edges, color=colour, linewidth=1.6)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_formatter(plain_numbers())


def _bars(
    axes: Axes,
    texts: Sequence[str | None],
    groups: Mapping[str, tuple[Array | slice, str]],
    palette: Palette,
    of_all: bool = False,
) -> None:
    """Shares of each class's rows; `of_all` rows where the levels are the classes, of which each would be all its own."""
    of_row = np.array(texts, object)
    different, counts = np.unique(
        of_row[[text is not None for text in texts]].astype(str), return_counts=True
    )
    ranked = [str(different[place]) for place in np.argsort(-counts, kind="stable")]
    shown = ranked if len(ranked) <= MOST_BARS else ranked[: MOST_BARS - 1]
    rest = len(ranked) - len(shown)
    thick = 0.8 / len(groups)
    for number, (rows, colour) in enumerate(groups.values()):
        own = of_row[rows]
        known = max(1, sum(text is not None for text in (of_row if of_all else own)))
        shares = [float((own == name).sum()) / known for name in shown]
        if rest:
            shares.append(1 - sum(shares))
        places = np.arange(len(shares)) + (number - (len(groups) - 1) / 2) * thick
        axes.barh(places, shares, height=thick, color=colour)
    names = [shorten(name, 13) for name in shown] + ([f"{rest:,} more"] if rest else [])
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=palette.ink)
    axes.set_ylim(max(len(names), 3) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.locator_params(axis="x", nbins=3)
