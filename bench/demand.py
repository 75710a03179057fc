"""Demand with what is known ahead: rides of bike sharing by hour and by day, electricity demand by half-hours.

Claims: below seasonal naive, with an interval of the difference that excludes 0, on each; beside LightGBM on lags.
Method: rolling origin over the last fifth, every origin; our default, fitted once on what is before, with the columns that are
known ahead; answers by the bundle's graph. Bike sharing: holiday, working day and weather (as if it had been foretold without
error: for both methods). Electricity: the time of day is known, and the rows have no stamps: their order is the time; prices
and the neighbour's demand are read up to the origin by ours, not by LightGBM. LightGBM on lags (bench/series_sets.py) has the
same known columns of the moment that is asked for and of the last one, and month, weekday and hour where there are stamps.
Seasonal naive: a week of hours (168), a week of days (7), a week of half-hours (336), and a day where that is better.
Intervals: circular blocks of the horizon over origins. One thread.
Machine, n and date: in results/demand.json.  Run: python bench/demand.py [SET ...]
"""

from __future__ import annotations

import csv
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, write_result
from series_sets import OnLags, ahead, by_bundle, every, paired, rounded, timed

import drivetrain as dt

WEATHER = ("weathersit", "temp", "hum", "windspeed")


@dataclass(frozen=True)
class Demand:
    file: str
    target: str
    horizon: int
    seasons: tuple[int, ...]
    known: tuple[str, ...]
    past: tuple[str, ...] = ()
    stamp: str = ""


FREE = ("holiday", "workingday")
SETS = {
    "bike sharing, hours": Demand("bike_sharing/hour.csv", "cnt", 24, (24, 168), (*FREE, *WEATHER), stamp="dteday"),
    "bike sharing, days": Demand("bike_sharing/day.csv", "cnt", 14, (7,), (*FREE, *WEATHER), stamp="dteday"),
    "electricity, half-hours": Demand(
        "elec2_electricity/elec.csv", "nswdemand", 48, (48, 336), ("period",), ("nswprice", "vicprice", "vicdemand", "transfer")
    ),
}  # fmt: skip


def written(found: Demand, path: Path) -> None:
    """The columns that are used, hours joined with their day to one stamp."""
    folder, _, file = found.file.partition("/")
    with open(data_folder(folder) / file, newline="") as source:
        rows = list(csv.DictReader(source))
    columns = [found.target, *found.known, *found.past]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(["moment"] if found.stamp else []), *columns])
        for row in rows:
            stamp = (
                [f"{row[found.stamp]} {int(row['hr']):02d}:00:00" if "hr" in row else row[found.stamp]]
                if found.stamp
                else []
            )
            writer.writerow([*stamp, *(row[name] for name in columns)])


def calendar(data: Any) -> np.ndarray:
    stamps = np.asarray(data.stamps)
    if stamps.dtype.kind != "M":
        return np.zeros((len(stamps), 0))
    hours = stamps.astype("datetime64[h]").astype(int)
    month = stamps.astype("datetime64[M]").astype(int) % 12
    return np.column_stack([month, (hours // 24 + 3) % 7, hours % 24]).astype(float)


def measured(name: str, found: Demand, folder: Path) -> dict[str, Any]:
    path = folder / f"{name}.csv"
    written(found, path)
    options: dict[str, Any] = {"known": list(found.known), "past": list(found.past)}
    if found.stamp:
        options["timestamp"] = "moment"
    data, reading = timed(
        lambda: dt.forecast.from_csv(path, target=found.target, horizon=found.horizon, test=0.2, **options)
    )
    learner = data.learner(out=folder / name, quiet=True)
    _, fitting = timed(learner.fit)
    bundle = Path(learner.export(folder / f"{name}.bundle"))
    outputs, answering = timed(lambda: by_bundle(bundle, data, "test"))
    outputs = data.signature.targets[found.target].within(outputs)
    origins = np.asarray(data.origin)[data.part("test").rows]
    values = np.asarray(data.values[:, 0], np.float64)
    truths = np.asarray(data.truth[:, 0], np.float64)
    truths = ahead(truths, origins, found.horizon)
    known = np.column_stack(
        [np.asarray(data.values[:, 1 : 1 + len(found.known)], np.float64), calendar(data)]
    )
    lags = OnLags(found.horizon, found.seasons)
    lags.fit(values, known, int(origins[0]))
    steps = np.arange(found.horizon)
    answers = {"drivetrain": outputs[:, :, 0], "LightGBM on lags": lags.forecast(values, known, origins)}
    for season in found.seasons:
        answers[f"seasonal naive, {season}"] = values[origins[:, None] - season + steps % season]
    errors = {method: np.nanmean(np.abs(made - truths), axis=1) for method, made in answers.items()}
    mean = {method: float(each.mean()) for method, each in errors.items()}
    naive = min((method for method in errors if method.startswith("seasonal")), key=mean.__getitem__)
    against = {
        other: paired(errors["drivetrain"], errors[other], found.horizon)
        for other in (naive, "LightGBM on lags")
    }
    return {
        "horizon": found.horizon, "moments": len(values), "origins": len(origins),
        "all of the last fifth": len(every(len(values), found.horizon)),
        "context": data.context, "model": learner.description(), "MAE": mean, "difference to": against,
        "holds": against[naive]["high"] < 0, "below LightGBM": mean["drivetrain"] < mean["LightGBM on lags"],
        "cpu seconds": {"read": reading, "fit": fitting, "answer": answering, "LightGBM on lags, fit": lags.seconds},
    }  # fmt: skip


def main() -> None:
    names = sys.argv[1:] or list(SETS)
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: measured(name, SETS[name], Path(folder)) for name in names}
    claim = "demand with what is known ahead: below seasonal naive with an interval that excludes 0, beside LightGBM on lags"
    write_result(
        "demand", claim, {"sets": rounded(sets), "holds": all(one["holds"] for one in sets.values())}
    )


if __name__ == "__main__":
    main()
