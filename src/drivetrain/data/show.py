"""Some rows of a part as the model gets them: pictures, sounds or windows with captions, or rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts import Chart, pictures, rows, stacked
from drivetrain.charts import columns as spread_of
from drivetrain.charts.passages import Passage, passages
from drivetrain.charts.rows import MOST_COLUMNS
from drivetrain.data.association import by_telling
from drivetrain.data.cell_text import Texts, cell_texts
from drivetrain.data.lengths import lengths_in
from drivetrain.extensions import facet
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset

SAMPLE = 20_000
"""Columns are ranked by so many training rows at most."""
MOST_SPREAD = 12
"""The spread of so many columns is drawn at most."""
LINES = 5
"""So many values are told beside each picture, the targets included."""


def show(data: Dataset, n: int, part: str, seed: int) -> Chart:
    """A chart of `n` rows drawn by `seed`."""
    found = data.part(part)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(found))[:n])
    title = f"{data.table.name}: {part}"
    columns = most_telling(data)
    looked_at = inputs_looked_at(data)
    if not looked_at:
        return written(data, part, chosen, title) or table(data, part, chosen, columns, title)
    targets = list(data.signature.targets)
    others = [name for name in columns if name not in looked_at][: max(0, LINES - len(targets))]
    texts = texts_of(data, part, chosen, [*targets, *others])
    lone = len(targets) == 1 and not others
    captions = [
        "\n".join(
            (cell or "missing") if lone or name in targets[:1] else f"{name}: {cell or 'missing'}"
            for name, cell in zip(texts, row)
        )
        for row in zip(*texts.values())
    ]
    return looked(data, part, chosen, captions, title)


def overview(data: Dataset, n: int, part: str, seed: int) -> Chart:
    """As `show`; of a table how the values of its columns are spread too, the targets first and then the columns that
    tell most of them."""
    chart = show(data, n, part, seed)
    found = data.part(part)
    if inputs_looked_at(data) or not len(found):
        return chart
    sizes = [each.chart for each in lengths_in(data)]
    if sizes and len(data.signature.inputs) == 1:
        return stacked(chart.title, [*sizes, replace(chart, title="")])
    fields, targets = data.signature.fields, list(data.signature.targets)
    spreads = {
        name: spread
        for name in (*targets, *most_telling(data))
        if (spread := getattr(facet("data.kinds", fields[name]), "spread", None))
    }
    if not spreads:
        return chart
    sample = np.sort(np.random.default_rng(seed).permutation(len(found))[:SAMPLE])
    values = {
        name: spread(fields[name], found.column(name, sample), data.table[name][found.rows[sample]])
        for name, spread in [*spreads.items()][:MOST_SPREAD]
    }
    classes = next((values[name] for name in targets if fields[name].labels and name in values), None)
    spread = spread_of(values, classes, chart.title, max(880, chart.size[0]))
    return stacked(chart.title, [spread, replace(chart, title="")])


def written(data: Dataset, part: str, positions: Array, title: str) -> Chart | None:
    """The texts at some positions of a part as a model sees them, where nothing else is an input: `charts/K.py` of their kind
    has `pieces` of a raw value, and a `NOTE` on their marks."""
    ((name, codec), *others) = data.signature.inputs.items()
    made = facet("charts", codec)
    if others or made is None or not hasattr(made, "pieces"):
        return None
    raw = data.table[name][data.part(part).rows[positions]]
    targets = texts_of(data, part, positions, list(data.signature.targets))
    heads = [
        ", ".join(f"{name}: {cell or 'missing'}" for name, cell in zip(targets, row))
        for row in zip(*targets.values())
    ]
    return passages(
        [Passage(made.pieces(codec, value), head) for value, head in zip(raw, heads)], title, made.NOTE
    )


def table(data: Dataset, part: str, positions: Array, columns: list[str], title: str) -> Chart:
    """The rows at some positions of a part, with the first of `columns`: in the table's own order where all fit."""
    inputs, targets = data.signature.inputs, list(data.signature.targets)
    shown = columns[:MOST_COLUMNS] if len(columns) > MOST_COLUMNS else list(inputs)
    more = len(columns) - len(shown)
    texts = texts_of(data, part, positions, [*targets, *shown])
    note = (
        f"The {len(shown)} columns that tell most of {' and '.join(targets)} by themselves, and {more:,} more."
        if more
        else ""
    )
    return rows({name: texts[name] for name in shown}, {name: texts[name] for name in targets}, title, note)


def texts_of(data: Dataset, part: str, positions: Array, columns: list[str]) -> dict[str, Texts]:
    """Column -> what the rows at some positions of a part hold, as the model gets it; None where missing."""
    found = data.part(part)
    fields, lines = data.signature.fields, found.rows[positions]
    return {
        name: cell_texts(fields[name], found.column(name, positions), data.table[name][lines])
        for name in columns
    }


def most_telling(data: Dataset) -> list[str]:
    """The inputs, those first that tell most of a target by themselves in the training rows (in a sample of many)."""
    inputs = data.signature.inputs
    if len(inputs) < 2:
        return list(inputs)
    if data.telling is None:
        data.telling = _ranked(data)
    return list(data.telling)


def _ranked(data: Dataset) -> list[str]:
    inputs = data.signature.inputs
    part = data.part("train")
    sample = np.sort(np.random.default_rng(0).permutation(len(part))[:SAMPLE])
    looked_at = inputs_looked_at(data)
    wanted = {name: codec for name, codec in inputs.items() if name not in looked_at}
    batch = {name: part.column(name, sample) for name in (*wanted, *data.signature.targets)}
    ranked = by_telling(wanted, data.signature.targets, batch)
    return [*looked_at, *ranked]


def inputs_looked_at(data: Dataset) -> list[str]:
    """The inputs that are looked at, and not told in words: `charts/K.py` of their kind makes a `picture` of a value, or a
    `sheet` of many."""
    return [
        name
        for name, codec in data.signature.inputs.items()
        if (made := facet("charts", codec)) is not None
        and (hasattr(made, "picture") or hasattr(made, "sheet"))
    ]


def looked(
    data: Dataset,
    part: str,
    positions: Array,
    captions: Sequence[str],
    title: str = "",
    marks: Sequence[bool] | None = None,
) -> Chart:
    """The first input that is looked at, of the rows at some positions of a part, with a caption each; `marks` says which
    answers are right."""
    name, *_ = inputs_looked_at(data)
    codec, values = data.signature.inputs[name], data.part(part).column(name, positions)
    made: Any = facet("charts", codec)
    if hasattr(made, "sheet"):
        return made.sheet(codec, [values[place] for place in range(len(positions))], captions, title, marks)
    return pictures([made.picture(value) for value in values], captions, marks, title=title)
