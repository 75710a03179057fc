"""Charts of a decision: what a lever does and where it was ever tried, two levers at once, what was promised, the trade between
objectives, and what one number for each row comes to.

Each takes a part of a decision's JSON (decide/FORMAT.md); an estimate is {"value", "low", "high"}, its interval of 90 %.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.chart import (
    STEPS,
    Chart,
    Palette,
    apart,
    message,
    shorten,
    width_of,
)
from drivetrain.charts.regression import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DASHED = (0, (4, 3))
NARROW = 480
"""A drawing below this width has its panels under each other, and shorter names."""
SIZES = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e5, 1e3, "k"))
"""From a hundred thousand on an axis has a letter."""
SHADES = 9
"""Of a surface."""


def curve(lever: Mapping[str, Any], found: Mapping[str, Any], measure: str, title: str = "") -> Chart:
    """What the objective comes to over one lever, the others as proposed: {"x", "mean", "low", "high"}, x numbers, or names of
    choices. Below it where the lever was ever observed; the range beyond that is shaded, and said."""
    name = str(lever["name"])
    chosen = bool(found["x"]) and isinstance(found["x"][0], (str, bool))
    seen = None if chosen else lever.get("observed")

    def draw(figure: Figure, palette: Palette) -> None:
        if not found["x"]:
            return message(figure, palette, "nothing to vary")
        if seen and seen.get("counts"):
            axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
            _histogram(below, palette, seen)
        else:
            axes = below = figure.subplots()
        (_choices if chosen else _line)(axes, palette, lever, found)
        if seen and not chosen:
            _beyond(axes, palette, seen, found["x"])
        _marks(axes, palette, lever, found["x"], chosen)
        axes.set_title(shorten(measure, 60))
        axes.grid(axis="y")
        _level_ticks(axes)
        unit = f" ({lever['unit']})" if lever.get("unit") else ""
        below.set_xlabel(shorten(name, 30) + unit)
        if not chosen:
            _number_ticks(below, 7 if width_of(figure) >= NARROW else 4)

    high = 330 if seen and seen.get("counts") else 270
    return Chart(title or name, draw, (640, high), (340, high - 20))


def _line(axes: Axes, palette: Palette, lever: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    x, value, low, high = (_floats(found.get(key) or found["mean"]) for key in ("x", "mean", "low", "high"))
    axes.fill_between(x, low, high, color=palette.soft, alpha=0.4, linewidth=0)
    axes.plot(x, value, color=palette.accent)
    axes.set_xlim(float(x.min()), float(x.max()) if x.max() > x.min() else float(x.min()) + 1)
    if lever.get("step") and len(x) <= 40:
        axes.plot(x, value, "o", color=palette.accent, markersize=4)


def _choices(axes: Axes, palette: Palette, lever: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for place, (name, value) in enumerate(zip(found["x"], found["mean"])):
        low, high = ((found.get(key) or found["mean"])[place] for key in ("low", "high"))
        colour = palette.accent if name == lever.get("proposed") else palette.neutral
        axes.vlines(place, low, high, color=colour, linewidth=6, alpha=0.35)
        axes.plot(
            [place], [value], "o", color=colour, markersize=8, markeredgecolor=palette.surface, zorder=4
        )
    many = len(found["x"]) > 5
    axes.set_xticks(
        range(len(found["x"])), [shorten(said(each), 14) for each in found["x"]], rotation=30 if many else 0
    )
    axes.margins(x=0.12)


def _marks(axes: Axes, palette: Palette, lever: Mapping[str, Any], x: Sequence[Any], chosen: bool) -> None:
    """Where the lever stands and where it is to go. One value for each row has no place on the axis."""
    found: list[tuple[str, float]] = []
    for key in ("now", "proposed"):
        value = lever.get(key)
        if chosen and value in x:
            found.append((key, float(list(x).index(value))))
        elif not chosen and isinstance(value, (int, float)) and math.isfinite(value):
            found.append((key, float(value)))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.16 * (high - low))
    left, right = axes.get_xlim()
    together = len(found) == 2 and abs(found[0][1] - found[1][1]) < 0.16 * (right - left)
    same = together and found[0][1] == found[1][1]
    near_left = together and min(found[0][1], found[1][1]) < left + 0.2 * (right - left)
    for key, place in found:
        if not left <= place <= right or (
            same and key == "now"
        ):  # The line of the proposal stands on that of now.
            continue
        strong = key == "proposed"
        colour = palette.ink if strong else palette.muted
        axes.axvline(place, color=colour, linewidth=1.4, linestyle="solid" if strong else DASHED)
        share, first = (place - left) / (right - left), place == min(each for _, each in found)
        # The first of two that are close has its name on its left; without room there its name stands on the right, and higher.
        ends = share > 0.2 and (share > 0.8 or (together and not same and first))
        lower = together and not same and not first and near_left and not ends
        axes.annotate(
            "now = proposed" if same else key, (place, 0.85 if lower else 0.95), xycoords=("data", "axes fraction"),
            xytext=(-5 if ends else 5, 0), textcoords="offset points", ha="right" if ends else "left", va="center",
            fontsize=10.5, color=colour, fontweight="bold" if strong else "normal",
            bbox={"facecolor": palette.surface, "linewidth": 0, "pad": 1, "alpha": 0.8},
        )  # fmt: skip


def _beyond(axes: Axes, palette: Palette, seen: Mapping[str, Any], x: Sequence[float]) -> None:
    """Shade what lies outside of all that was observed."""
    left, right = min(x), max(x)
    parts = ((left, min(seen["low"], right)), (max(seen["high"], left), right))
    for low, high in parts:
        if high > low:
            axes.axvspan(
                low, high, facecolor="none", edgecolor=palette.warning, alpha=0.5, hatch="///", linewidth=0
            )
    wide = max(parts, key=lambda part: part[1] - part[0])
    if wide[1] - wide[0] > 0.22 * (right - left):
        axes.text(sum(wide) / 2, 0.04, "never\nobserved", transform=axes.get_xaxis_transform(), ha="center", va="bottom",
                  fontsize=10, color=palette.warning, bbox={"facecolor": palette.surface, "linewidth": 0, "pad": 2})  # fmt: skip


def _histogram(axes: Axes, palette: Palette, seen: Mapping[str, Any]) -> None:
    edges, counts = _floats(seen["edges"]), _floats(seen["counts"])
    axes.bar(
        edges[:-1],
        counts,
        width=np.diff(edges),
        align="edge",
        color=palette.soft,
        edgecolor=palette.surface,
        linewidth=0.8,
    )
    axes.set_title("observed")
    axes.set_yticks([])
    axes.margins(x=0)


def surface(
    found: Mapping[str, Any], levers: Mapping[str, Mapping[str, Any]], measure: str, title: str = ""
) -> Chart:
    """What the objective comes to over two levers, the others as proposed: {"x": {"lever", "values" (n,)}, "y": {"lever",
    "values" (m,)}, "value" (m, n)}, and "holds" (m, n), where the constraints do.

    A cross for now, a ring for the proposal, a dashed frame for what was observed.
    """
    first, second = str(found["x"]["lever"]), str(found["y"]["lever"])

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        axes = figure.subplots()
        x, y = _floats(found["x"]["values"]), _floats(found["y"]["values"])
        value = np.ma.masked_invalid(np.stack([_floats(row) for row in found["value"]]))
        if value.count() == 0 or min(value.shape) < 2:
            return message(figure, palette, "nothing to draw")
        colours = LinearSegmentedColormap.from_list("shades", [palette.surface, palette.soft, palette.accent])
        flat = float(value.max()) == float(value.min())
        if not flat:
            axes.contourf(x, y, value, SHADES, cmap=colours)
            lines = axes.contour(x, y, value, SHADES, colors=palette.ink, linewidths=0.7, alpha=0.55)
            axes.clabel(lines, fmt=lambda level: short(float(level)), fontsize=9, colors=palette.ink)
        if found.get("holds") is not None:
            broken = ~np.asarray(found["holds"], bool)
            if broken.any() and not broken.all():
                axes.contourf(x, y, broken.astype(float), [0.5, 1.5], colors="none", hatches=["///"])
        _frame(axes, palette, levers.get(first) or {}, levers.get(second) or {})
        for key, marker, size in (("now", "X", 10), ("proposed", "o", 11)):
            known = [(levers.get(name) or {}).get(key) for name in (first, second)]
            place = [float(each) for each in known if isinstance(each, (int, float))]
            if len(place) == 2:
                axes.plot(*([each] for each in place), marker, color=palette.surface if key == "proposed" else palette.ink,
                          markersize=size, markeredgecolor=palette.ink if key == "proposed" else palette.surface,
                          markeredgewidth=2.2 if key == "proposed" else 1.2, zorder=5, label=key, linestyle="none")  # fmt: skip
        axes.set_xlim(x.min(), x.max())
        axes.set_ylim(y.min(), y.max())
        few = 4 if width_of(figure) < NARROW else 7
        _number_ticks(axes, few)
        _level_ticks(axes)
        axes.set_title(_with_unit(levers.get(second) or {"name": second}))
        axes.set_xlabel(_with_unit(levers.get(first) or {"name": first}))
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False, fontsize=10
        )

    return Chart(title or f"{measure} over {first} and {second}", draw, (640, 430), (340, 360), mixes=True)


def _with_unit(lever: Mapping[str, Any]) -> str:
    return shorten(str(lever["name"]), 30) + (f" ({lever['unit']})" if lever.get("unit") else "")


def _frame(axes: Axes, palette: Palette, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    seen = [lever.get("observed") for lever in (first, second)]
    if all(seen):
        (a, b), (c, d) = ((each["low"], each["high"]) for each in seen if each)
        axes.plot(
            [a, b, b, a, a],
            [c, c, d, d, c],
            color=palette.warning,
            linewidth=1.6,
            linestyle=DASHED,
            label="observed",
        )


def promise(rows: Sequence[Mapping[str, Any]], measure: str, title: str = "") -> Chart:
    """Estimates under each other: [{"name", "value", "low", "high", "of": "level" or "difference"}]. Levels on one axis, on
    the other differences beside 0; `strong` ones are in colour."""
    parts = [[row for row in rows if (row.get("of") == "difference") == apart] for apart in (False, True)]
    parts = [part for part in parts if part]
    lines = sum(max(1, len(part)) for part in parts)

    def draw(figure: Figure, palette: Palette) -> None:
        if not rows:
            return message(figure, palette, "nothing promised")
        panels = figure.subplots(
            len(parts), 1, squeeze=False, height_ratios=[len(part) + 0.9 for part in parts]
        )[:, 0]
        for axes, part in zip(panels, parts):
            difference = part[0].get("of") == "difference"
            if difference:
                axes.axvline(0, color=palette.neutral, linewidth=1, linestyle=DASHED)
            for place, row in enumerate(part):
                _dot(axes, palette, place, row, palette.accent if row.get("strong") else palette.neutral)
            axes.set_yticks(range(len(part)), [shorten(str(row["name"]), 24) for row in part])
            axes.tick_params(axis="y", labelcolor=palette.ink)
            axes.set_ylim(len(part) - 0.4, -0.6)
            axes.set_title("change" if difference else shorten(measure, 60))
            axes.grid(axis="x")
            axes.margins(x=0.06)
            _number_ticks(axes, 6 if width_of(figure) >= NARROW else 4)

    height = 60 * len(parts) + 30 * lines
    return Chart(title or measure, draw, (640, height), (340, height))


def _dot(axes: Axes, palette: Palette, place: float, row: Mapping[str, Any], colour: str) -> None:
    low, high = row.get("low"), row.get("high")
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=6, alpha=0.35, solid_capstyle="butt")
    if row.get("value") is not None:
        axes.plot(
            [row["value"]],
            [place],
            "o",
            color=colour,
            markersize=8,
            markeredgecolor=palette.surface,
            markeredgewidth=1.5,
            zorder=4,
        )


def gain(found: Mapping[str, Any], measure: str, title: str = "") -> Chart:
    """How the gain comes out over the draws: {"edges" (n + 1), "counts" (n,)}. What lies below 0 is orange: there the proposal
    is worse than now."""
    edges, counts = _floats(found["edges"]), _floats(found["counts"])

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        middles = (edges[1:] + edges[:-1]) / 2
        colours = [palette.warning if middle < 0 else palette.soft for middle in middles]
        axes.bar(
            edges[:-1],
            counts,
            width=np.diff(edges),
            align="edge",
            color=colours,
            edgecolor=palette.surface,
            linewidth=0.8,
        )
        if edges[0] <= 0 <= edges[-1]:
            axes.axvline(0, color=palette.neutral, linewidth=1, linestyle=DASHED)
        axes.margins(x=0)
        axes.grid(axis="y")
        _level_ticks(axes, 4)
        axes.set_title("draws")
        axes.set_xlabel(shorten(measure, 60 if width_of(figure) >= NARROW else 38))
        _number_ticks(axes, 7 if width_of(figure) >= NARROW else 4)

    return Chart(title or measure, draw, (640, 220), (340, 210))


def tornado(bars: Sequence[Mapping[str, Any]], base: float | None, measure: str, title: str = "") -> Chart:
    """What the gain comes to where one uncertain thing is low or high and the rest as it is: [{"name", "low", "high", "at_low",
    "at_high", "turns"}], the widest first. What turns the sign is orange and said."""

    def draw(figure: Figure, palette: Palette) -> None:
        if not bars:
            return message(figure, palette, "nothing uncertain")
        axes = figure.subplots()
        axes.grid(axis="x")
        wide = width_of(figure) >= NARROW
        axes.axvline(0, color=palette.neutral, linewidth=1)
        for place, bar in enumerate(bars):
            ends = sorted((float(bar["at_low"]), float(bar["at_high"])))
            colour = palette.warning if bar.get("turns") else palette.soft
            axes.barh([place], [ends[1] - ends[0]], left=ends[0], height=0.58, color=colour)
            for key, value in (("at_low", bar.get("low")), ("at_high", bar.get("high"))):
                if wide and value is not None:
                    right = bar[key] == ends[1] and ends[1] > ends[0]
                    axes.annotate(short(float(value)), (bar[key], place), xytext=(4 if right else -4, 0),
                                  textcoords="offset points", ha="left" if right else "right", va="center", fontsize=9.5,
                                  color=palette.muted)  # fmt: skip
        if base is not None:
            axes.axvline(base, color=palette.ink, linewidth=1.2)
        names = [str(bar["name"]) + (": turns it" if bar.get("turns") else "") for bar in bars]
        axes.set_yticks(range(len(bars)), [shorten(name, 30 if wide else 16) for name in names])
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        ends = [0.0, *(float(bar[key]) for bar in bars for key in ("at_low", "at_high"))]
        room = (0.12 if wide else 0.05) * ((max(ends) - min(ends)) or 1.0)
        axes.set_xlim(min(ends) - room, max(ends) + room)
        _number_ticks(axes, 6 if wide else 4)
        axes.set_xlabel(measure if wide else textwrap.fill(measure, 34))

    height = 74 + 28 * max(1, len(bars))
    return Chart(title or "What could turn it", draw, (640, height), (340, height + 20))


def front(found: Mapping[str, Any], title: str = "Trade between the objectives") -> Chart:
    """Settings of which none is better in all objectives: {"names", "points": [{"values"}], "chosen"}, "now" the values now.
    The second objective, and a third, over the first."""
    names = [str(name) for name in found["names"]]
    values = np.asarray([point["values"] for point in found["points"]], np.float64).reshape(-1, len(names))

    def draw(figure: Figure, palette: Palette) -> None:
        if len(names) < 2 or not len(values):
            return message(figure, palette, "no trade")
        panels = figure.subplots(1, len(names) - 1, squeeze=False)[0]
        if width_of(figure) < NARROW:
            figure.clear()
            panels = figure.subplots(len(names) - 1, 1, squeeze=False)[:, 0]
        order = np.argsort(values[:, 0], kind="stable")
        for axes, other in zip(panels, range(1, len(names))):
            axes.grid()
            x, y = values[order, 0], values[order, other]
            axes.plot(x, y, color=palette.soft, linewidth=1.5) if len(names) == 2 else None
            axes.plot(
                x,
                y,
                "o",
                color=palette.accent,
                markersize=5.5,
                markeredgecolor=palette.surface,
                label="none is better in all",
            )
            if found.get("now") is not None:
                axes.plot(
                    [found["now"][0]],
                    [found["now"][other]],
                    "X",
                    color=palette.muted,
                    markersize=9,
                    label="now",
                )
            if found.get("chosen") is not None:
                place = values[found["chosen"]]
                axes.plot([place[0]], [place[other]], "o", color=palette.surface, markeredgecolor=palette.ink, markeredgewidth=2.2,
                          markersize=11, label="proposed", zorder=5)  # fmt: skip
            axes.margins(0.06)
            axes.set_title(shorten(names[other], 40))
            axes.set_xlabel(shorten(names[0], 40))
            _level_ticks(axes)
            _number_ticks(axes, 4 if width_of(figure) < NARROW else 6)
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside lower right",
            ncols=3,
            frameon=False,
            fontsize=10,
        )

    panels = max(1, len(names) - 1)
    return Chart(title, draw, (640, 340), (340, 300 * panels))


def spread(lever: Mapping[str, Any], title: str = "") -> Chart:
    """What one value for each row comes to, now and as proposed: {"edges" (n + 1), "now" (n,), "proposed" (n,)} of numbers,
    {"labels", "now", "proposed"} of choices. `now` may be missing."""
    found, name = lever["spread"], str(lever["name"])

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        if found.get("labels"):
            _shares(axes, palette, found)
        else:
            edges = _floats(found["edges"])
            if found.get("now") is not None:
                axes.stairs(
                    _floats(found["now"]), edges, fill=True, color=palette.neutral, alpha=0.45, label="now"
                )
            axes.stairs(
                _floats(found["proposed"]), edges, color=palette.accent, linewidth=2.2, label="proposed"
            )
            axes.set_xlim(edges[0], edges[-1])
            _number_ticks(axes, 7 if width_of(figure) >= NARROW else 4)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        _level_ticks(axes)
        axes.set_title("rows")
        axes.set_xlabel(_with_unit(lever))
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False, fontsize=10
        )

    return Chart(title or f"{name}, row by row", draw, (640, 260), (340, 250))


def _shares(axes: Axes, palette: Palette, found: Mapping[str, Any]) -> None:
    places = np.arange(len(found["labels"]))
    sides = [
        (key, colour)
        for key, colour in (("now", palette.neutral), ("proposed", palette.accent))
        if found.get(key) is not None
    ]
    width = 0.76 / len(sides)
    for side, (key, colour) in enumerate(sides):
        axes.bar(places + (side - (len(sides) - 1) / 2) * width, _floats(found[key]), width=width, color=colour, label=key,
                 alpha=0.45 if key == "now" else 1)  # fmt: skip
    axes.set_xticks(
        places, [shorten(str(each), 14) for each in found["labels"]], rotation=30 if len(places) > 5 else 0
    )


def said(value: Any) -> str:
    """A choice, or a switch."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _number_ticks(axes: Axes, most: int) -> None:
    _ticks(axes.xaxis, most)


def _level_ticks(axes: Axes, most: int = 5) -> None:
    _ticks(axes.yaxis, most)


def _ticks(axis: Axis, most: int) -> None:
    """At most so many, thousands and millions by their letter; no two read the same."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    class Scaled(FuncFormatter):
        def format_ticks(self, values: Sequence[float]) -> list[str]:
            largest = max((abs(float(value)) for value in values), default=0.0)
            _, size, letter = next((each for each in SIZES if largest >= each[0]), (0, 1.0, ""))
            return [
                text + letter * (text != "0") for text in apart([float(value) / size for value in values])
            ]

    axis.set_major_locator(MaxNLocator(most, steps=STEPS))
    axis.set_major_formatter(Scaled(lambda value, _: short(value)))


def _floats(values: Any) -> np.ndarray:
    return np.asarray([math.nan if value is None else value for value in values], np.float64)
