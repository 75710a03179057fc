"""The parts of a series: itself with its trend and its breaks, the rest, the pattern of each season, the autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts.chart import (
    STEPS,
    Chart,
    Palette,
    message,
    plain_numbers,
    plain_ticks,
    shorten,
    width_of,
)
from drivetrain.charts.series import drawn, on_axis, time_axis
from drivetrain.figures import percent
from drivetrain.forecasting.decompose import Parts, Season
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WHOLE, REST, SMALL = 210, 110, 150
"""CSS pixels: the height of the series, of the rest, and of a season's pattern or the autocorrelation."""
MOST_SMALL = 3
WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")
DAY, HOUR = 86_400, 3_600


def decomposition(
    stamps: Array, parts: Parts, breaks: Sequence[int] = (), title: str = "", unit: str = ""
) -> Chart:
    """`stamps` (n,), datetime64 or numbers, of the moments of `parts`; `breaks` are places of change points. A season's pattern is
    that of the last cycles."""
    seasons = parts.seasons[-(MOST_SMALL - 1) :]
    small = len(seasons) + 1

    def draw(figure: Figure, palette: Palette) -> None:
        if len(parts.values) < 2:
            return message(figure, palette, "no moments")
        narrow = width_of(figure) < 480
        if narrow:
            axes = figure.subplots(2 + small, 1, height_ratios=[WHOLE, REST, *[SMALL] * small])
            whole, rest, beside = axes[0], axes[1], list(axes[2:])
        else:
            grid = figure.add_gridspec(3, small, height_ratios=[WHOLE, REST, SMALL])
            whole, rest = (figure.add_subplot(grid[row, :]) for row in (0, 1))
            beside = [figure.add_subplot(grid[2, column]) for column in range(small)]
        rest.sharex(whole)
        whole.tick_params(labelbottom=False)
        _whole(whole, palette, stamps, parts, breaks, narrow)
        _rest(rest, palette, stamps, parts, width_of(figure))
        time_axis(rest, stamps, unit, width_of(figure))
        for axes, season in zip(beside, seasons):
            _pattern(axes, palette, stamps, season, narrow)
        _correlations(beside[-1], palette, parts, [season.period for season in parts.seasons])

    head = 24 if title else 0
    return Chart(
        title,
        draw,
        (760, head + WHOLE + REST + SMALL + 90),
        (340, head + WHOLE + REST + SMALL * small + 60 + 34 * small),
    )


def _whole(
    axes: Axes, palette: Palette, stamps: Array, parts: Parts, breaks: Sequence[int], narrow: bool
) -> None:
    places = on_axis(stamps)
    width = 340.0 if narrow else 760.0
    axes.grid(axis="y")
    axes.plot(*drawn(places, parts.values, width), color=palette.neutral, linewidth=1.1, zorder=2)
    axes.plot(places, parts.trend, color=palette.accent, linewidth=2, zorder=3)
    for place in breaks:
        axes.axvline(float(places[place]), color=palette.warning, linewidth=1.2, linestyle=(0, (4, 3)))
    told = f"the series, and its trend in blue ({percent(parts.trend_strength, 0)} strong)"
    if breaks:
        told += f"; {len(breaks)} {'break' if len(breaks) == 1 else 'breaks'} dashed"
    axes.set_title("the series, its trend in blue" if narrow else told)
    axes.set_xlim(float(places[0]), float(places[-1]))
    axes.margins(y=0.08)
    plain_ticks(axes, 5)


def _rest(axes: Axes, palette: Palette, stamps: Array, parts: Parts, width: float) -> None:
    axes.grid(axis="y")
    axes.axhline(0, color=palette.neutral, linewidth=1)
    axes.plot(*drawn(on_axis(stamps), parts.rest, width), color=palette.neutral, linewidth=1, zorder=3)
    axes.set_title(f"the rest: {percent(parts.noise, 0)} of the variance")
    axes.margins(y=0.1)
    plain_ticks(axes, 3)


def _pattern(axes: Axes, palette: Palette, stamps: Array, season: Season, narrow: bool) -> None:
    period = season.period
    last = season.values[-period:]
    order, names = phases(stamps[-period:], period)
    axes.grid(axis="y")
    axes.axhline(0, color=palette.neutral, linewidth=1)
    few = period <= 31
    axes.plot(
        np.arange(period), last[order], color=palette.accent, marker="o" if few else None, markersize=3.5
    )
    axes.set_title(
        shorten(f"season of {period:,}: {percent(season.strength, 0)} strong", 40 if narrow else 30)
    )
    if names:
        step = max(1, -(-period // (12 if narrow else 8))) if period > 12 else 1
        axes.set_xticks(range(0, period, step), names[::step], fontsize=9)
    else:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
        axes.xaxis.set_major_formatter(plain_numbers())
    plain_ticks(axes, 4)


def phases(stamps: Array, period: int) -> tuple[Array, list[str]]:
    """The order of the moments of a cycle (period,) in which a person knows it, and their names: Monday to Sunday, January to
    December, the hours of a day. As they come and nameless where they have none."""
    as_they_come = np.arange(len(stamps))
    if np.asarray(stamps).dtype.kind != "M" or len(stamps) < 2:
        return as_they_come, []
    seconds = np.asarray(stamps, "datetime64[s]").astype(np.int64)
    step = float(np.median(np.diff(seconds)))
    if period == 7 and step == DAY:
        code, names = (seconds // DAY + 3) % 7, [*WEEKDAYS]
    elif period == 12 and 27 * DAY < step < 32 * DAY:
        code, names = np.asarray(stamps, "datetime64[M]").astype(np.int64) % 12, [*MONTHS]
    elif period * step == DAY:
        code, names = seconds % DAY // int(step), [_clock(int(step) * place) for place in range(period)]
    else:
        return as_they_come, []
    order = np.argsort(code, kind="stable")
    if len(np.unique(code)) < period:  # A moment that daylight saving took or gave: no whole cycle.
        return as_they_come, []
    return order, names


def _clock(seconds: int) -> str:
    return str(seconds // HOUR) if seconds % HOUR == 0 else f"{seconds // HOUR}:{seconds % HOUR // 60:02}"


def _correlations(axes: Axes, palette: Palette, parts: Parts, periods: Sequence[int]) -> None:
    found = parts.correlations
    lags = np.arange(1, len(found) + 1)
    axes.grid(axis="y")
    axes.axhspan(-parts.edge, parts.edge, color=palette.soft, alpha=0.4, linewidth=0)
    axes.axhline(0, color=palette.neutral, linewidth=1)
    if len(lags) <= 60:
        axes.vlines(lags, 0, found, color=palette.accent, linewidth=2)
    else:
        axes.plot(lags, found, color=palette.accent, linewidth=1.4)
    for period in periods:
        if period <= len(found):
            axes.plot([period], [found[period - 1]], "o", color=palette.warning, markersize=5, zorder=4)
    axes.set_title("like itself so many moments before")
    axes.set_ylim(min(-0.25, float(found.min(initial=0)) * 1.1), 1.02)
    axes.set_xlim(0, len(found) + 1)
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
    axes.xaxis.set_major_formatter(plain_numbers())
    plain_ticks(axes, 4)
