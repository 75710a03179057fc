"""How many rows each class has, by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivetrain.charts.chart import STEPS, Chart, Palette, message, plain_numbers, shorten, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 40
"""With more classes the largest and the smallest are shown."""


def class_counts(counts: Mapping[str, Mapping[str, int]], title: str = "Pictures by class") -> Chart:
    """`{part: {class: n}}`: a bar per class, its parts side by side in the order given, the total at its end."""
    parts = {part: dict(found) for part, found in counts.items() if any(found.values())}
    classes = list(dict.fromkeys(name for found in parts.values() for name in found))
    totals = {name: sum(found.get(name, 0) for found in parts.values()) for name in classes}
    note = ""
    if len(classes) > MOST:
        ordered = sorted(classes, key=lambda name: -totals[name])
        classes = ordered[: MOST // 2] + ordered[-MOST // 2 :]
        note = f"the {MOST // 2} largest and the {MOST // 2} smallest of {len(ordered):,} classes"
    row = 24 if len(classes) <= 20 else 19

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.ticker import MaxNLocator

        if not classes:
            return message(figure, palette, "no classes")
        axes = figure.subplots()
        axes.grid(axis="x")
        colours = [palette.accent, palette.soft, palette.neutral]
        before = [0] * len(classes)
        for number, (part, found) in enumerate(parts.items()):
            widths = [found.get(name, 0) for name in classes]
            axes.barh(range(len(classes)), widths, left=before, height=0.66, color=colours[number % 3], label=part,
                      edgecolor=palette.surface, linewidth=0.8)  # fmt: skip
            before = [start + width for start, width in zip(before, widths)]
        for place, total in enumerate(before):
            axes.annotate(
                f"{total:,}",
                (total, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=10,
            )
        size = 11 if row > 20 else 9.5
        axes.set_yticks(range(len(classes)), [shorten(name, 22) for name in classes], fontsize=size)
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.margins(x=0.09)
        axes.xaxis.set_major_locator(
            MaxNLocator(6 if width_of(figure) >= 480 else 4, steps=STEPS, integer=True)
        )
        axes.xaxis.set_major_formatter(plain_numbers())
        if len(parts) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, ncols=3, frameon=False, fontsize=10.5,
                        handlelength=0.9, handleheight=0.9)  # fmt: skip
        if note:
            axes.set_xlabel(note)

    height = 76 + row * len(classes) + (20 if len(parts) > 1 else 0) + (14 if note else 0)
    return Chart(title, draw, (640, height), (340, height))
