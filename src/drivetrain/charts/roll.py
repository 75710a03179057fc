"""A score-roll: notes as bars over time, one row a pitch, as on the paper roll of a player piano."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivetrain.charts.chart import Chart, Palette, message, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
BLACK = (1, 3, 6, 8, 10)
MOST_BARS = 64
"""More are not drawn: nobody would see a note."""
PER_BAR, LEAST, WIDEST = 110, 420, 2400
"""CSS pixels."""


def roll(
    notes: Sequence[tuple[int, int, int, int, int]],
    bars: Sequence[tuple[int, int, int]],
    drums: int,
    title: str = "",
) -> Chart:
    """(start, instrument, pitch, length, loud 1 to 8) of notes and (start, length, tempo) of bars, in steps. Louder notes are
    stronger; those of the instrument `drums` are hollow."""
    shown = bars[:MOST_BARS]
    end = shown[-1][0] + shown[-1][1] if shown else 0
    seen = [note for note in notes if note[0] < end]
    pitches = [note[2] for note in seen]
    low, high = min(pitches, default=60) - 2, max(pitches, default=71) + 2
    more = len(bars) - len(shown)
    title = f"{title}, its first {MOST_BARS} bars of {len(bars)}" if more > 0 else title

    def draw(figure: Figure, palette: Palette) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        if not seen:
            return message(figure, palette, "no notes")
        axes = figure.subplots()
        for pitch in range(low, high + 1):
            if pitch % 12 in BLACK:
                axes.axhspan(pitch - 0.5, pitch + 0.5, color=palette.grid, alpha=0.45, linewidth=0)
            elif pitch % 12 == 0:
                axes.axhline(pitch - 0.5, color=palette.grid, linewidth=1)
        for start, _, _ in shown:
            axes.axvline(start, color=palette.neutral, linewidth=1, alpha=0.7)
        for loud in range(1, 9):
            for drum in (False, True):
                boxes = [
                    Rectangle((start, pitch - 0.42), max(length - 0.6, 0.8), 0.84)
                    for start, instrument, pitch, length, its in seen
                    if its == loud and (instrument == drums) == drum
                ]
                colour = palette.warning if drum else palette.accent
                face = "none" if drum else colour
                axes.add_collection(
                    PatchCollection(boxes, facecolor=face, edgecolor=colour, linewidth=1 if drum else 0, alpha=0.3 + 0.0875 * loud)
                )  # fmt: skip
        axes.set_xlim(0, end)
        axes.set_ylim(low - 0.5, high + 0.5)
        octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0] or [low + 2, high - 2]
        axes.set_yticks(octaves, [f"{NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in octaves])
        every = max(1, -(-len(shown) // max(2, int(width_of(figure) / 45))))
        marked = range(0, len(shown), every)
        axes.set_xticks([shown[place][0] for place in marked], [str(place + 1) for place in marked])
        axes.set_xlabel("bar")

    height = max(220, min(560, 90 + 9 * (high - low)))
    return Chart(title, draw, (max(LEAST, min(WIDEST, PER_BAR * len(shown))), height))
