"""Made recordings: of each class waves of another period in the first channel, and noise in the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.category import Category
from drivetrain.codecs.series import Series
from drivetrain.data import split
from drivetrain.data.dataset import Dataset, make_dataset
from drivetrain.data.table import as_column, from_columns

PERIODS = {"walk": 8, "run": 4, "rest": 40}


def recording(label: str, size: int, seed: int = 0, channels: int = 2) -> npt.NDArray[np.float64]:
    """(moments, channels), rounded as sensors have it."""
    draw = np.random.default_rng(seed)
    made = draw.normal(0, 0.4, (size, channels))
    made[:, 0] += np.sin(2 * np.pi * (np.arange(size) / PERIODS[label] + draw.random()))
    return made.round(3)


def sequences(count: int = 36, longest: int = 40, seed: int = 0) -> list[tuple[str, npt.NDArray[np.float64]]]:
    """(label, moments), the classes in turn, of 20 to `longest` moments."""
    draw = np.random.default_rng(seed)
    labels = list(PERIODS)[:2]
    sizes = draw.integers(20, longest + 1, count)
    return [
        (labels[place % 2], recording(labels[place % 2], int(size), seed * 1000 + place))
        for place, size in enumerate(sizes)
    ]


def dataset(count: int = 36, numbers: bool = False) -> Dataset:
    """Sequences with their label, or with a number."""
    from drivetrain.codecs.number import Number

    made = sequences(count)
    column = as_column([list(map(list, series)) for _, series in made])
    for row, (_, series) in enumerate(made):
        column[row] = series
    target = [float(series[:, 0].std()) for _, series in made] if numbers else [label for label, _ in made]
    table = from_columns({"series": column, "label": as_column(target)})
    codec = Number() if numbers else Category()
    return make_dataset(table, {"series": Series(("a", "b"))}, {"label": codec}, split.random(0.25, seed=0))


def long_table(count: int = 24, seed: int = 0) -> dict[str, list[object]]:
    """A row for each moment: whose it is, its step, two channels, the label and who wore the sensor."""
    rows: dict[str, list[object]] = {name: [] for name in ("id", "step", "a", "b", "label", "person")}
    for number, (label, series) in enumerate(sequences(count, seed=seed)):
        for step, (a, b) in enumerate(series.tolist()):
            for name, value in zip(rows, (f"s{number}", step, a, b, label, f"p{number // 4}")):
                rows[name].append(value)
    return rows


def write_table(path: Path, columns: dict[str, list[object]]) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values()))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_recording(path: Path, label: str, size: int = 120, seed: int = 0, labelled: bool = True) -> Path:
    """A file of one recording, a row for each moment."""
    series = recording(label, size, seed)
    columns: dict[str, list[object]] = {"t": [round(0.02 * step, 2) for step in range(size)]}
    columns |= {"a": series[:, 0].tolist(), "b": series[:, 1].tolist()}
    return write_table(path, columns | ({"label": [label] * size} if labelled else {}))
