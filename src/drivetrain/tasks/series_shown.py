"""The series of a dataset as a chart, with what validates and some windows of a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts import series as charts

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.tasks.series import Forecasting

WINDOWS = 8


def show_series(data: Forecasting, n: int, part: str, seed: int) -> Chart:
    """`n` series, drawn by `seed` where there are more, and windows of the first of them in a part."""
    moments = data.moments
    generator = np.random.default_rng(seed)
    shown = np.sort(generator.permutation(len(data.items))[: max(1, n)])
    lines = []
    for each in shown.tolist():
        own = slice(int(data.offsets[each]), int(data.offsets[each] + data.sizes[each]))
        name = data.items[each] or data.target
        gaps = np.isnan(moments.truth[own, 0])
        lines.append(
            charts.Line(name, moments.local[own], moments.values[own, 0], gaps if gaps.any() else None)
        )
    rows = data.part(part).rows
    rows = rows[data.item_of[rows] == shown[0]]
    chosen = (
        rows[np.unique(np.linspace(0, len(rows) - 1, min(WINDOWS, len(rows))).astype(int))]
        if len(rows)
        else rows
    )
    last = len(moments.local) - 1
    windows = [
        charts.Window(
            moments.local[origin - data.context],
            moments.local[origin],
            moments.local[min(last, origin + data.horizon)],
        )
        for origin in data.origin[chosen].tolist()
    ]
    title = f"{data.table.name}: {part}"
    return charts.series(lines, title, _spans(data), windows)


def _spans(data: Forecasting) -> list[charts.Span]:
    """What validates and what is tested, from the edges on."""
    beat, moments = data.frequency, data.moments
    numbers = beat.index(moments.stamps)
    found: list[charts.Span] = []
    for name, low, high in (("valid", *data.edges), ("test", data.edges[1], int(numbers.max()) + 1)):
        inside = np.flatnonzero((numbers >= low) & (numbers < high))
        if len(inside):
            local = moments.local[inside]
            found.append(charts.Span(name, local.min(), local.max()))
    return found
