"""Charts of evidence: what would be seen if there were nothing, effects beside each other, priors, when acting pays, what it is
worth to know more, and an interval that holds at any time.

Each takes the JSON of what dt.evidence found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    width_of,
)
from drivetrain.figures import percent, rough

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHED = (0, (4, 3))
NARROW = 480
ROW = 34
POINTS = 201


def null(found: Mapping[str, Any], title: str = "If there were nothing") -> Chart:
    """The JSON of a `Null`: how often each value came where there is nothing, those as far out as what was observed in orange."""
    edges, counts = (np.array(found["histogram"][key], float) for key in ("edges", "counts"))
    seen, tail = float(found["observed"]), found["tail"]

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        axes.grid(axis="y")
        middle = (edges[:-1] + edges[1:]) / 2
        centre = float((middle * counts).sum() / max(1.0, counts.sum()))
        above = tail == "above" or (tail == "both" and seen >= centre)
        out = middle >= seen if above else middle <= seen
        if tail == "both":
            out |= np.abs(middle - centre) >= abs(seen - centre)
        for which, colour in ((~out, palette.soft), (out, palette.warning)):
            axes.bar(edges[:-1][which], counts[which], width=np.diff(edges)[which], align="edge", color=colour,
                     edgecolor=palette.surface, linewidth=0.6)  # fmt: skip
        axes.axvline(seen, color=palette.ink, linewidth=1.6)
        high = float(counts.max(initial=1))
        axes.set_ylim(0, 1.22 * high)
        left, right = min(float(edges[0]), seen), max(float(edges[-1]), seen)
        axes.set_xlim(left - 0.03 * (right - left), right + 0.03 * (right - left))
        p = found["p"]
        told = f"observed {rough(seen)}, {'p < 0.001' if p < 0.001 else f'p {p:.2g}'}"
        _beside(axes, seen, told, palette.ink, 0.93)
        axes.set_xlabel(shorten(found["what"], 50) if found["what"] else "where there is nothing")
        axes.set_title(f"of {found['times']:,} cases in which there is nothing")
        _ticks(axes, 7 if width_of(figure) >= NARROW else 4)

    return Chart(title, draw, (640, 280), (340, 270))


def estimates(
    found: Mapping[str, Mapping[str, Any]],
    *,
    matters: float | None = None,
    measure: str = "",
    title: str = "",
) -> Chart:
    """{name: {"value", "low", "high"}}: a dot with its interval for each, about 0; the band of what is too small to matter is
    shaded where `matters` is said. Orange where the interval leaves 0 out, and a filled dot."""

    def draw(figure: Figure, palette: Palette) -> None:
        if not found:
            return message(figure, palette, "no effects")
        axes = figure.subplots()
        axes.grid(axis="x")
        if matters is not None:
            axes.axvspan(-matters, matters, color=palette.grid, alpha=0.7, linewidth=0)
        axes.axvline(0, color=palette.neutral, linewidth=1, linestyle=DASHED)
        wide = width_of(figure) >= NARROW
        for place, each in enumerate(found.values()):
            low, high = _floats([each["low"], each["high"]]).tolist()
            known, sure = math.isfinite(high - low), low > 0 or high < 0
            colour = palette.warning if sure else palette.neutral
            if known:
                axes.plot(
                    [low, high], [place, place], color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt"
                )
            axes.plot([each["value"]], [place], "o", color=colour if sure else palette.surface, markersize=8,
                      markeredgecolor=colour, markeredgewidth=2, zorder=4)  # fmt: skip
        axes.set_yticks(range(len(found)), [shorten(name, 30 if wide else 15) for name in found])
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.margins(x=0.06)
        band = f"shaded: below {rough(matters)}, too small to matter" if matters is not None else ""
        axes.set_xlabel("\n".join(filter(None, (measure, band))))
        _ticks(axes, 7 if wide else 4)

    height = 74 + ROW * max(1, len(found)) + (16 if matters is not None else 0)
    return Chart(title, draw, (640, height), (340, height))


def priors(found: Mapping[str, Any], title: str = "After what was thought before") -> Chart:
    """The JSON of a `Sensitivity`: the posterior's density under each prior, the part above the threshold shaded in the first,
    and its chance beside the name."""
    threshold = float(found["threshold"])

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        posteriors = found["posteriors"]
        low = min([threshold, *(each["mean"] - 3.5 * each["sd"] for each in posteriors.values())])
        high = max([threshold, *(each["mean"] + 3.5 * each["sd"] for each in posteriors.values())])
        x = np.linspace(low, high, POINTS)
        ways = [(palette.accent, "solid"), (palette.warning, (0, (6, 2))), (palette.neutral, (0, (2, 2))),
                (palette.ink, (0, (6, 2, 1, 2)))]  # fmt: skip
        for place, (name, each) in enumerate(posteriors.items()):
            colour, line = ways[place % len(ways)]
            density = (
                np.exp(-0.5 * ((x - each["mean"]) / each["sd"]) ** 2) / each["sd"] / math.sqrt(2 * math.pi)
            )
            axes.plot(
                x,
                density,
                color=colour,
                linestyle=line,
                label=f"{shorten(name, 24)}: {_chance(each['above'])}",
            )
            if place == 0:
                axes.fill_between(
                    x[x >= threshold], density[x >= threshold], color=palette.soft, alpha=0.4, linewidth=0
                )
        axes.axvline(threshold, color=palette.neutral, linewidth=1, linestyle=DASHED)
        axes.set_yticks([])
        axes.set_ylim(0, None)
        axes.set_xlim(low, high)
        wide = width_of(figure) >= NARROW
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2 if wide else 1, frameon=False, fontsize=10.5,
                    borderpad=0, handlelength=2.4)  # fmt: skip
        axes.set_xlabel(f"chance above {rough(threshold)} beside each name")
        _ticks(axes, 7 if wide else 4)

    lines = len(found["posteriors"])
    return Chart(title, draw, (640, 240 + 16 * -(-lines // 2)), (340, 236 + 17 * lines))


def action(found: Mapping[str, Any], title: str = "When acting pays") -> Chart:
    """The JSON of a `Choice`: what acting and not acting are worth by how likely the claim is, where they cross, and where we stand
    before and after the evidence."""
    table, unit = found["table"], found["unit"]

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        axes.grid()
        ends = np.array([0.0, 100.0])
        lines = (("act", palette.accent, "solid"), ("wait", palette.neutral, (0, (6, 2))))
        for name, colour, line in lines:
            worth = [table[f"{name}_false"], table[f"{name}_true"]]
            axes.plot(
                ends, worth, color=colour, linestyle=line, label={"act": "act", "wait": "don't act"}[name]
            )
        axes.set_xlim(0, 100)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.22 * (high - low))
        marks = [("after", found["posterior"], palette.ink, 0.95)]
        if found["likelihood_ratio"] != 1:
            marks.append(("before", found["prior"], palette.muted, 0.86))
        for name, p, colour, place in marks:
            axes.axvline(100 * p, color=colour, linewidth=1.4, linestyle="solid" if place == 0.95 else DASHED)
            _beside(axes, 100 * p, f"{name if len(marks) > 1 else 'now'} {percent(p)}", colour, place)
        threshold, told = found["threshold"], ""
        if threshold is not None and 0 < threshold < 1:
            worth = table["act_true"] * threshold + table["act_false"] * (1 - threshold)
            axes.plot([100 * threshold], [worth], "o", color=palette.surface, markeredgecolor=palette.warning,
                      markeredgewidth=2, markersize=9, zorder=4)  # fmt: skip
            told = f"worth the same at {percent(threshold)}"
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=10.5, borderpad=0
        )
        axes.set_xlabel("\n".join(filter(None, ("chance that the claim is true", told))))
        axes.set_ylabel(f"worth{f' ({unit})' if unit else ''}")
        plain_ticks(axes)
        _ticks(axes, 6 if width_of(figure) >= NARROW else 4, " %")

    return Chart(title, draw, (640, 300), (340, 290))


def worth(found: Mapping[str, Any], title: str = "What another experiment is worth") -> Chart:
    """The JSON of a `Worth`: what an experiment of n tells is worth, and what is left after its cost; the best n, and what the
    truth would be worth."""
    curve, unit = found["curve"], found["unit"]

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        axes.grid()
        n, perfect = np.array(curve["n"]), found["perfect"]
        axes.set_xscale("log")
        axes.axhline(perfect, color=palette.neutral, linewidth=1, linestyle=DASHED)
        axes.plot(n, curve["sample"], color=palette.soft, label="what it tells")
        net = np.array(curve["net"])
        axes.plot(n, net, color=palette.accent, label="after its cost")
        axes.axhline(0, color=palette.ink, linewidth=1)
        top = max(perfect, max(curve["sample"])) or 1.0
        axes.set_ylim(max(float(net.min()), -0.5 * top), 1.25 * top)
        axes.set_xlim(float(n[0]), float(n[-1]))
        if found["n"]:
            axes.plot([found["n"]], [found["net"]], "o", color=palette.warning, markersize=9, zorder=4,
                      markeredgecolor=palette.surface, markeredgewidth=1.5)  # fmt: skip
            axes.set_title(
                f"best: n = {found['n']:,}, which leaves {rough(found['net'])}{f' {unit}' if unit else ''}"
            )
        else:
            axes.set_title("no size is worth its cost")
        axes.annotate(f"the truth: {rough(perfect)}", (0.01, perfect), xycoords=("axes fraction", "data"), xytext=(0, 4),
                      textcoords="offset points", fontsize=10, color=palette.muted, va="bottom")  # fmt: skip
        axes.legend(loc="lower left", frameon=False, fontsize=10.5)
        axes.set_xlabel("observations (n)")
        axes.set_ylabel(f"worth{f' ({unit})' if unit else ''}")
        plain_ticks(axes)
        _powers(axes)

    return Chart(title, draw, (640, 300), (340, 290))


def running(found: Mapping[str, Any], *, null: float = 0.0, title: str = "Looked at all the time") -> Chart:
    """The JSON of a `Running`: the estimate after each observation, the band that holds the truth at all of them, and where it left
    `null` out for the first time."""

    def draw(figure: Figure, palette: Palette) -> None:
        axes = figure.subplots()
        axes.grid(axis="y")
        n = np.array(found["n"], float)
        value, low, high = (_floats(found[key]) for key in ("estimate", "low", "high"))
        known = np.isfinite(low) & np.isfinite(high)
        if not known.any():
            return message(figure, palette, f"{int(n[-1]):,} observations are too few for an interval")
        axes.fill_between(n[known], low[known], high[known], color=palette.soft, alpha=0.4, linewidth=0)
        axes.plot(n, value, color=palette.accent)
        axes.axhline(null, color=palette.neutral, linewidth=1.2, linestyle=DASHED)
        # The first intervals are so wide that they would flatten the rest.
        last = known & (n >= min(n[-1], 3 * n[known][0]))
        ends = np.concatenate([low[last], high[last], [null]])
        reach = float(ends.max() - ends.min()) or 1.0
        axes.set_ylim(float(ends.min()) - 0.1 * reach, float(ends.max()) + 0.25 * reach)
        axes.set_xscale("log")
        axes.set_xlim(max(1.0, float(n[known][0]) / 2), float(n[-1]))
        out = np.flatnonzero((low > null) | (high < null))
        if len(out):
            stop = found["stopped"] if null == 0 and found["stopped"] else int(n[out[0]])
            axes.axvline(stop, color=palette.warning, linewidth=1.5)
            log = math.log(stop) / math.log(float(n[-1])) * 100 if n[-1] > 1 else 50
            axes.annotate(f"{rough(null)} left out at {stop:,}", (stop, 0.95), xycoords=("data", "axes fraction"),
                          xytext=(-5 if log > 55 else 5, 0), textcoords="offset points", fontsize=10.5, color=palette.warning,
                          ha="right" if log > 55 else "left", va="center")  # fmt: skip
        axes.set_xlabel("observations, as they came")
        axes.set_title(
            shorten(found["what"], 60)
            or f"the interval holds at all times ({percent(found['confidence'], 0)})"
        )
        plain_ticks(axes)
        _powers(axes)

    return Chart(title, draw, (640, 300), (340, 280))


def _floats(values: Sequence[float | None]) -> Any:
    return np.array([math.nan if value is None else value for value in values])


def _chance(p: float) -> str:
    return "< 0.1 %" if p < 0.001 else "> 99.9 %" if p > 0.999 else percent(p)


def _beside(axes: Axes, x: float, text: str, colour: str, height: float) -> None:
    """A word beside a line, on the side where there is room."""
    left, right = axes.get_xlim()
    ends = (x - left) / (right - left) > 0.55
    axes.annotate(text, (x, height), xycoords=("data", "axes fraction"), xytext=(-5 if ends else 5, 0),
                  textcoords="offset points", ha="right" if ends else "left", va="center", fontsize=10.5, color=colour)  # fmt: skip


def _ticks(axes: Axes, most: int, end: str = "") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(most, steps=STEPS))
    axes.xaxis.set_major_formatter(plain_numbers(end))


def _powers(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(plain_numbers())
    axes.xaxis.set_minor_formatter(NullFormatter())
