"""Series over time, a panel each; and windows of many channels, a lane each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.chart import (
    STEPS,
    Chart,
    Palette,
    message,
    plain_numbers,
    plain_ticks,
    shorten,
    size_of,
    width_of,
)
from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.figures import plain
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Moment = Any
"""A place on the axis of time: a numpy.datetime64, or a number of steps or seconds."""

MOST_PANELS, MOST_WINDOWS, MOST_LANES = 8, 12, 12
"""More are told and not drawn."""
PANEL, LONE, STRIP = 118, 236, 9
"""CSS pixels: the height of one of several panels, of a single one, and of a window."""
CELL, LANE, HEAD, FOOT, NAMES = 208, 24, 24, 26, 78
"""CSS pixels: the least width of a window's cell, the height of a lane, what its caption, its axis and the names take."""


@dataclass(frozen=True, eq=False)
class Line:
    """A series: `stamps` (n,) in time order, datetime64 or numbers, and `values` (n,), NaN where there is a gap. `filled` (n,)
    says which values a rule has put into gaps."""

    name: str
    stamps: Array
    values: Array
    filled: Array | None = None


@dataclass(frozen=True)
class Span:
    """A stretch of time with a name, shaded: the moments that validate, those of the test."""

    name: str
    start: Moment
    end: Moment


@dataclass(frozen=True)
class Window:
    """What a model reads, from `start` to before `origin`, and what it foretells, to before `end`."""

    start: Moment
    origin: Moment
    end: Moment


def series(
    lines: Sequence[Line],
    title: str = "",
    spans: Sequence[Span] = (),
    windows: Sequence[Window] = (),
    note: str = "",
    unit: str = "",
) -> Chart:
    """A panel for each series, under each other over one axis of time.

    A gap is shaded from the value before it to the one after it, and told; values that were filled in are told and marked the
    same way. Of a series with more moments than pixels the lowest and the highest of each two columns of pixels are drawn: no
    peak is lost. `unit` is what is written beside the axis of numbers as stamps; `note` comes under the chart. Raises DataError.
    """
    for line in lines:
        if len(line.stamps) != len(line.values):
            raise DataError(f"{len(line.values)} values and {len(line.stamps)} stamps.", where=line.name)
    shown, more = lines[:MOST_PANELS], len(lines) - MOST_PANELS
    told = " ".join(
        each for each in (note, f"{more:,} more series are not drawn." if more > 0 else "") if each
    )
    rows = min(len(windows), MOST_WINDOWS)

    def draw(figure: Figure, palette: Palette) -> None:
        if not any(len(line.values) for line in shown):
            return message(figure, palette, "no moments")
        ratios = [PANEL * 1.0] * len(shown) + ([18.0 + STRIP * rows] if rows else [])
        panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
        # Set first: drawn lines alone would leave out a gap at an end.
        ends = [on_axis(line.stamps) for line in shown if len(line.stamps)]
        low, high = min(float(each[0]) for each in ends), max(float(each[-1]) for each in ends)
        panels[0].set_xlim(low, high if high > low else low + 1)
        for place, (axes, line) in enumerate(zip(panels, shown)):
            _shade(axes, palette, spans, named=place == 0)
            _panel(axes, palette, line, width_of(figure))
        if rows:
            _shade(panels[-1], palette, spans, named=False)
            _windows(panels[-1], palette, windows[:rows])
        time_axis(panels[-1], shown[0].stamps, unit, width_of(figure))
        if told:
            figure.supxlabel(
                "\n".join(textwrap.wrap(told, max(20, int(width_of(figure) / 5.8)))),
                x=10 / width_of(figure), ha="left", fontsize=10.5, color=palette.muted,
            )  # fmt: skip

    high = 60 + (LONE if len(shown) < 2 else PANEL * len(shown)) + (28 + STRIP * rows if rows else 0)
    head = 22 if title else 0
    lines_of = [
        16 * len(textwrap.wrap(told, max(20, int(width / 5.8)))) if told else 0 for width in (760, 340)
    ]
    return Chart(title, draw, (760, high + head + lines_of[0]), (340, high + head + lines_of[1]))


def on_axis(stamps: Array) -> Array:
    """Stamps on matplotlib's axis."""
    stamps = np.asarray(stamps)
    if stamps.dtype.kind != "M":
        return stamps.astype(np.float64)
    from matplotlib.dates import date2num

    return np.asarray(date2num(stamps), np.float64)


def _place(moment: Moment) -> float:
    return float(on_axis(np.asarray([moment]))[0])


def _shade(axes: Axes, palette: Palette, spans: Sequence[Span], named: bool) -> None:
    for number, span in enumerate(spans):
        start, end = _place(span.start), _place(span.end)
        colour, alpha = (palette.soft, 0.32) if number % 2 == 0 else (palette.neutral, 0.22)
        axes.axvspan(start, end, color=colour, alpha=alpha, linewidth=0, zorder=0)
        if named:
            axes.annotate(span.name, (end, 1), xycoords=("data", "axes fraction"), xytext=(-4, -3), ha="right", va="top",
                          textcoords="offset points", color=palette.muted, fontsize=10, fontweight="bold", zorder=5,
                          annotation_clip=True)  # fmt: skip


def _panel(axes: Axes, palette: Palette, line: Line, width: float) -> None:
    places, values = on_axis(line.stamps), np.asarray(line.values, np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    missing = np.isnan(values)
    filled = np.zeros(len(values), bool) if line.filled is None else np.asarray(line.filled, bool) & ~missing
    told = ", ".join(
        f"{count:,} {what}" + (f" in {_gaps(where)}" if width >= 480 else "")
        for where, what in ((missing, "missing"), (filled, "filled"))
        if (count := int(where.sum()))
    )
    axes.set_title(told, loc="right", color=palette.warning, fontsize=10)
    axes.set_title(shorten(line.name, max(6, int((width - 60) / 7) - len(told))), color=palette.ink)
    axes.grid(axis="y")
    for start, end in _joined(_runs(missing | filled), places, width):
        axes.axvspan(start, end, color=palette.warning, alpha=0.28, linewidth=0.8, zorder=1)
    if missing.all():
        axes.set_yticks([])
        return
    marker = "o" if len(values) < 40 or np.isfinite(values).sum() < 3 else None
    axes.plot(*drawn(places, values, width), color=palette.accent, linewidth=1.5 if len(values) < width else 1.1, marker=marker,
              markersize=3, zorder=3)  # fmt: skip
    axes.margins(y=0.1)
    plain_ticks(axes, 4)


def _runs(where: Array) -> Array:
    """(runs, 2): where each run of true begins, and the place after its end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)


def _gaps(where: Array) -> str:
    count = len(_runs(where))
    return "one gap" if count == 1 else f"{count:,} gaps"


def _joined(runs: Array, places: Array, width: float) -> list[tuple[float, float]]:
    """From the value before each run to the one after it; those that share a pixel as one, so that few shapes are drawn."""
    last = len(places) - 1
    pixel = (places[-1] - places[0]) / max(width, 1)
    found: list[tuple[float, float]] = []
    for first, end in runs:
        start, stop = float(places[max(first - 1, 0)]), float(places[min(end, last)])
        if found and start - found[-1][1] < pixel:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def drawn(places: Array, values: Array, width: float) -> tuple[Array, Array]:
    """What is drawn of a line: of one with more moments than pixels, the lowest and the highest value of each two columns of
    pixels, in their order."""
    columns = int(width / 2)
    if len(values) <= 2 * columns:
        return places, values
    bounds = np.linspace(0, len(values), columns + 1).astype(np.int64)[:-1]
    low, high = np.fmin.reduceat(values, bounds), np.fmax.reduceat(values, bounds)
    ends = np.append(bounds[1:], len(values)) - 1
    # A rise is drawn upwards and a fall downwards: the line to the next column starts where this one ends.
    rises = np.nan_to_num(values[ends]) >= np.nan_to_num(values[bounds])
    pairs = np.where(rises[:, None], np.stack([low, high], 1), np.stack([high, low], 1))
    return np.repeat((places[bounds] + places[ends]) / 2, 2), pairs.reshape(-1)


def _windows(axes: Axes, palette: Palette, windows: Sequence[Window]) -> None:
    for row, window in enumerate(windows):
        start, origin, end = map(_place, (window.start, window.origin, window.end))
        axes.hlines(row, start, origin, color=palette.neutral, linewidth=3)
        axes.hlines(row, origin, end, color=palette.accent, linewidth=5)
    axes.set_ylim(len(windows) - 0.3, -0.7)
    axes.set_yticks([])
    axes.set_title("windows: what is read, and what is foretold of it in blue", fontsize=10)


def time_axis(axes: Axes, stamps: Array, unit: str, width: float) -> None:
    if np.asarray(stamps).dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        # With fewer than seven it finds no interval for some lengths of time, and warns.
        locator = AutoDateLocator(minticks=3, maxticks=max(7, int(width / 90)))
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        return
    from matplotlib.ticker import MaxNLocator

    whole = np.asarray(stamps).dtype.kind in "iu"
    axes.xaxis.set_major_locator(MaxNLocator(max(4, int(width / 90)), steps=STEPS, integer=whole))
    axes.xaxis.set_major_formatter(plain_numbers())
    if unit:
        axes.set_xlabel(unit)


def sensors(
    windows: Sequence[Array],
    channels: Sequence[str],
    captions: Sequence[str] | None = None,
    title: str = "",
    step: float = 1.0,
    unit: str = "step",
    marks: Sequence[bool] | None = None,
) -> Chart:
    """A cell for each window of (moments, channels), which may differ in length; in it a lane for each channel, on one scale for
    all the windows. A moment takes `step` of `unit`. `marks` says of each window whether its answer is right. Raises DataError.
    """
    names = list(channels)
    given = [np.asarray(window, np.float64) for window in windows]
    arrays = [window if window.ndim == 2 else window.reshape(-1, 1) for window in given]
    for array in arrays:
        if array.shape[1] != len(names):
            raise DataError(f"a window of {array.shape[1]} channels, with {len(names)} names of channels.")
    words = [str(each) for each in captions] if captions is not None else [""] * len(arrays)
    lanes = min(len(names), MOST_LANES)
    note = f"{len(names) - lanes:,} more channels are not drawn." if len(names) > lanes else ""
    cell = HEAD + LANE * lanes + FOOT
    longest = max((len(array) for array in arrays), default=0) * step

    def across(width: float) -> int:
        return max(1, min(len(arrays), int((width - NAMES) // CELL)))

    def height(width: float) -> int:
        return -(-len(arrays) // across(width)) * cell + (30 if title else 8) + (24 if note else 0)

    def draw(figure: Figure, palette: Palette) -> None:
        if not arrays or not lanes:
            return message(figure, palette, "no windows")
        figure.figure.set_layout_engine("none")
        width, total = size_of(figure)
        top, columns = (30 if figure.get_suptitle() else 8), across(width)
        apart = (width - NAMES) / columns
        ranges = _ranges(arrays, lanes)
        for number, array in enumerate(arrays):
            row, column = divmod(number, columns)
            left, lower = NAMES + column * apart, top + (row + 1) * cell - FOOT
            axes = figure.add_axes(
                (left / width, 1 - lower / total, (apart - 16) / width, LANE * lanes / total)
            )
            _lanes(axes, palette, array[:, :lanes], ranges, step, longest)
            axes.set_yticks(
                range(lanes), [shorten(name, 11) for name in names[:lanes]] if column == 0 else [""] * lanes
            )
            wrong = marks is not None and not marks[number]
            sign = "" if marks is None else "✗ " if wrong else "✓ "
            figure.text(left / width, 1 - (lower - LANE * lanes - 7) / total, sign + shorten(words[number], int(apart / 7)),
                        fontsize=10.5, color=palette.warning if wrong else palette.ink)  # fmt: skip
            if row == (len(arrays) - 1) // columns and column == 0:
                axes.set_xlabel(unit, fontsize=9, labelpad=1)
        if note:
            figure.text(10 / width, 8 / total, note, fontsize=10.5, color=palette.muted)

    wide = NAMES + CELL * min(4, max(2, len(arrays))) + 10
    if not arrays:
        return Chart(title, draw, (320, 120))
    return Chart(title, draw, (wide, height(wide)), (340, height(340)))


def _ranges(arrays: Sequence[Array], lanes: int) -> Array:
    """(lanes, 2): the lowest and the highest value of each channel over all the windows."""
    found = np.zeros((lanes, 2))
    for lane in range(lanes):
        values = np.concatenate([array[:, lane] for array in arrays])
        known = values[np.isfinite(values)]
        found[lane] = (known.min(), known.max()) if len(known) else (0, 1)
    return found


def _lanes(axes: Axes, palette: Palette, array: Array, ranges: Array, step: float, longest: float) -> None:
    from matplotlib.ticker import MaxNLocator

    times = np.arange(len(array)) * step
    for lane in range(array.shape[1]):
        low, high = ranges[lane]
        values = np.where(np.isfinite(array[:, lane]), array[:, lane], np.nan)
        heights = lane - 0.4 * (2 * (values - low) / (high - low) - 1 if high > low else 0 * values)
        axes.axhline(lane + 0.5, color=palette.grid, linewidth=1)
        axes.plot(
            *drawn(times, heights, CELL),
            color=palette.accent,
            linewidth=1.2,
            marker="o" if len(array) == 1 else None,
        )
    axes.set_ylim(array.shape[1] - 0.5, -0.5)
    axes.set_xlim(0, max(longest - step, step))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_formatter(lambda value, _: plain(value))
    axes.tick_params(labelsize=9)


def sheet(
    codec: Codec,
    values: Sequence[Array],
    captions: Sequence[str],
    title: str,
    marks: Sequence[bool] | None = None,
) -> Chart:
    """Encoded windows of a series' codec, (moments, channels) each, with a caption."""
    return sensors(values, getattr(codec, "channels", ()), captions, title, marks=marks)
