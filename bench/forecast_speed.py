"""How long the default forecaster takes to fit: one series of 3,650 days, and 500 series of 1,000.

Claims: less than 1 s of CPU for the one, less than 60 s for the 500.
Method: series that the bench makes (level that wanders, a week, a year, noise), 28 and 7 days ahead, `dt.forecast.from_csv`
with its defaults. "solve" is the fitting: choosing by expanding windows, solving and bands, for the training and once more with
the valid rows; "fit" is all that `learner.fit` does: that, every validation origin measured with its intervals beside the
simple methods, and the report; "whole" is reading and export besides. Seconds of CPU of all threads, one thread; the one series
three times, 500 once.
Machine, n and date: in results/forecast_speed.json.  Run: python bench/forecast_speed.py [one|many]
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import spread, write_result
from series_sets import timed

import drivetrain as dt

ASKED = {"one": 1.0, "many": 60.0}
SIZES = {"one": (1, 3_650, 28, 3), "many": (500, 1_000, 7, 1)}


def made(items: int, moments: int, seed: int) -> np.ndarray:
    """float64 (items, moments)."""
    generator = np.random.default_rng(seed)
    day = np.arange(moments)
    level = 100 + np.cumsum(generator.normal(0, 0.3, (items, moments)), axis=1)
    week = generator.normal(0, 6, (items, 7))[:, day % 7]
    year = 15 * np.sin(2 * np.pi * (day / 365.25 + generator.random((items, 1))))
    return level + week + year + generator.normal(0, 4, (items, moments))


def write(path: Path, values: np.ndarray) -> None:
    stamps = np.arange(np.datetime64("2015-01-01"), np.datetime64("2015-01-01") + values.shape[1]).astype(str)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["day", "item", "units"] if len(values) > 1 else ["day", "units"])
        for item, series in enumerate(values):
            name = [f"item {item}"] if len(values) > 1 else []
            writer.writerows([stamp, *name, f"{value:.4f}"] for stamp, value in zip(stamps, series))


def once(kind: str, seed: int, folder: Path) -> dict[str, float]:
    items, moments, horizon, _ = SIZES[kind]
    path = folder / f"{kind}-{seed}.csv"
    write(path, made(items, moments, seed))
    options: dict[str, Any] = {"item": "item"} if items > 1 else {}
    data, reading = timed(
        lambda: dt.forecast.from_csv(path, timestamp="day", target="units", horizon=horizon, **options)
    )
    learner = data.learner(out=folder / f"{kind}-{seed}", quiet=True)
    _, fitting = timed(learner.fit)
    _, exporting = timed(lambda: learner.export(folder / f"{kind}-{seed}.bundle"))
    beside = data.learner(quiet=True)
    _, solving = timed(beside.solve)
    return {
        "solve": solving,
        "fit": fitting,
        "read": reading,
        "export": exporting,
        "whole": reading + fitting + exporting,
    }


def main() -> None:
    kinds = sys.argv[1:] or list(SIZES)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        once("one", 99, Path(folder))  # What is imported late is not its own.
        for kind in kinds:
            items, moments, horizon, times = SIZES[kind]
            runs = [once(kind, seed, Path(folder)) for seed in range(times)]
            seconds = {name: spread([run[name] for run in runs]) for name in runs[0]}
            found[kind] = {
                "series": items, "moments": moments, "horizon": horizon, "cpu seconds": seconds, "asked": ASKED[kind],
                "holds": seconds["solve"]["median"] < ASKED[kind],
            }  # fmt: skip
    write_result(
        "forecast_speed",
        "the default forecaster is fitted in less than 1 s of CPU (3,650 days) and 60 s (500 series of 1,000)",
        {"sizes": found, "holds": all(one["holds"] for one in found.values())},
    )


if __name__ == "__main__":
    main()
