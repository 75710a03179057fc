"""Charts of whom to treat: the Qini curve with its interval, and effects as predicted beside those measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from drivetrain.figures import rough

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def qini_curve(
    found: Mapping[str, Any], outcome: str = "outcome", title: str = "Whom to treat first"
) -> Chart:
    """What treating the highest scores first gains, of `Qini.to_json()`, with its 95 % band and what chance would gain."""

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        axes.grid()
        axes.axhline(0, color=palette.grid, linewidth=1.5)
        share = [100 * each for each in found["share"]]
        whole = found["everyone"]["value"]
        if None not in found["low"]:
            axes.fill_between(share, found["low"], found["high"], color=palette.soft, alpha=0.55, linewidth=0)
        axes.plot(
            [0, 100], [0, whole], color=palette.neutral, linestyle=(0, (5, 2)), label="as many by chance"
        )
        axes.plot(share, found["gain"], color=palette.accent, label="highest effect first, 95 % band")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=2 if width_of(figure) >= 480 else 1, frameon=False,
                    fontsize=11, borderpad=0.2, borderaxespad=0)  # fmt: skip
        axes.set_title(f"more {shorten(outcome, 24)} for each row of all")
        axes.set_xlim(0, 100)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        axes.xaxis.set_major_formatter(plain_numbers(" %"))
        plain_ticks(axes)
        axes.set_xlabel("of the rows are treated")

    return Chart(title, draw, (640, 360), (340, 340))


def effect_groups(
    groups: Sequence[Mapping[str, Any]],
    outcome: str = "outcome",
    cost: float | None = None,
    title: str = "Effect by predicted effect",
) -> Chart:
    """What each of the groups, of `Group.to_json()`, gained, beside what was predicted for it; `cost` is the least that pays."""

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter

        if not groups:
            return message(figure, palette, "no groups")
        axes = figure.subplots()
        axes.grid(axis="y")
        axes.axhline(0, color=palette.grid, linewidth=1.5)
        places = range(len(groups))
        for place, group in enumerate(groups):
            effect = group["effect"]
            label = "measured, 95 %" if place == 0 else None
            if effect["low"] is not None:
                axes.vlines(
                    place, effect["low"], effect["high"], color=palette.accent, linewidth=7, alpha=0.35
                )
            axes.plot([place], [effect["value"]], "o", color=palette.accent, markersize=9, markeredgecolor=palette.surface,
                      markeredgewidth=1.5, zorder=4, label=label)  # fmt: skip
        axes.plot(places, [group["predicted"] for group in groups], "_", color=palette.neutral, markersize=30,
                  markeredgewidth=2.5, label="predicted")  # fmt: skip
        if cost is not None:
            axes.axhline(cost, color=palette.warning, linewidth=1.5, linestyle=(0, (4, 3)))
            axes.annotate(f"pays from {rough(cost)} on", (0, cost), xycoords=("axes fraction", "data"), xytext=(2, 3),
                          textcoords="offset points", ha="left", va="bottom", color=palette.warning, fontsize=10.5)  # fmt: skip
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=2, frameon=False, fontsize=11, borderpad=0.2,
                    borderaxespad=0, markerscale=0.6)  # fmt: skip
        axes.set_title(f"more {shorten(outcome, 24)} by treating")
        axes.xaxis.set_major_locator(FixedLocator([*places]))
        last = len(groups) - 1
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: {0: "lowest", last: "highest"}.get(round(value), ""))
        )
        axes.set_xlim(-0.6, last + 0.6)
        axes.margins(y=0.12)
        plain_ticks(axes)
        axes.set_xlabel(f"rows in {len(groups)} groups by predicted effect")

    return Chart(title, draw, (640, 340), (340, 330))
