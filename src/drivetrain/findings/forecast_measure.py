"""`evaluate` of a bundle that forecasts: what it would have answered at each origin of a table, beside what came."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.bundle import Bundle
from drivetrain.bundle.program import Forecast
from drivetrain.data.read.rows import read_rows
from drivetrain.errors import DataError, UsageError
from drivetrain.files import sha256
from drivetrain.forecasting.bands import followed
from drivetrain.forecasting.baselines import BASELINES
from drivetrain.metrics import difference, measure, statistics
from drivetrain.metrics.kind import metrics_of
from drivetrain.progress import progress
from drivetrain.runtime import Forecaster
from drivetrain.runtime.contexts import History
from drivetrain.runtime.programs.forecast import Engine
from drivetrain.test_set_uses import record_opening, sentences
from drivetrain.types import Array

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_ORIGINS = 20_000
"""That are measured; of more every so many-th."""
NAIVE, SEASONAL = "naive", "seasonal naive"
OF_BANDS = ("wql", "band_coverage")
"""Metrics of what has a band: naive methods say none."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Origins (n,), places in a history, of `series` (n,), in the order of series and time."""

    history: History
    series: Places
    places: Places
    step: int

    def truths(self, horizon: int) -> Floats:
        """float64 (n, horizon, 1): what came, NaN where nothing was measured."""
        truth = self.history.moments.truth[:, 0].astype(np.float64)
        return truth[self.places[:, None] + np.arange(horizon)][:, :, None]

    def before(self, moments: int) -> Floats:
        """float64 (n, moments): what was read last before each origin."""
        values = self.history.moments.values[:, 0].astype(np.float64)
        return values[self.places[:, None] + np.arange(-moments, 0)]


def measured_forecasts(bundle: Bundle, source: str, trusted: bool, quiet: bool) -> dict[str, Any]:
    """The answer of `evaluate`: metrics of all origins behind what the model has learned from, with what naive methods reach on
    the same. Raises DataError where there is no such origin."""
    if not isinstance(bundle.program, Forecast):
        raise UsageError(
            "this bundle forecasts nothing.", where=bundle.name, fix="Train it with --task forecast."
        )
    forecaster = Forecaster(bundle, trusted=trusted)
    engine, layout = forecaster.engine, forecaster.layout
    history = _history(engine, source)
    found = _unseen(engine, history, source)
    with progress("Evaluating", len(found.places), quiet=quiet) as advance:
        outputs = _answers(engine, found)
        advance(len(found.places))
    truths = found.truths(layout.horizon)
    codec, decides = engine.codec, metrics_of(engine.codec).DECIDES
    metrics = {name: one.to_json() for name, one in measure(codec, outputs, truths).items()}
    beside = _naive(found, layout.horizon, layout.beat.seasons, layout.context, outputs.shape[2])
    ours = statistics(codec, outputs, truths)
    notes = [_against(name, decides, ours, statistics(codec, made, truths)) for name, made in beside.items()]
    if found.step > 1:
        notes.append(f"one origin in {found.step:,} is measured")
    baselines = {
        name: {key: one.to_json() for key, one in measure(codec, made, truths).items() if key not in OF_BANDS}
        for name, made in beside.items()
    }
    key = f"{sha256(_bytes(source))} from {int(found.places[0])}"
    opened = record_opening(key, bundle.hash, metrics)
    return {
        "n": len(found.places), "metrics": metrics, "baselines": baselines, "part": "new origins",
        "target": layout.target, "note": sentences("", opened.note), "opened": opened.to_json(), "unknown": [], "failed": [],
        "unusual": [], "notes": [*history.moments.notes, *notes],
    }  # fmt: skip


def _bytes(source: str) -> bytes:
    with open(source, "rb") as file:
        return file.read()


def _history(engine: Engine, source: str) -> History:
    """The moments of a table. Raises DataError that names the row that can't be read."""
    rows = list(read_rows(source))
    if not rows:
        raise DataError("there are no rows in it.", where=source, fix="Name a table with a header and rows.")
    columns: dict[str, Array] = {}
    for name in engine.layout.columns:
        if any(name in row for _, row in rows):
            columns[name] = np.empty(len(rows), object)
            columns[name][:] = [row.get(name) for _, row in rows]
    return engine.history(columns, [origin for origin, _ in rows], os.path.basename(source))


def _unseen(engine: Engine, history: History, source: str) -> Measured:
    """The origins whose whole horizon is in the table and behind what training has seen."""
    layout, moments = engine.layout, history.moments
    seen = np.array(
        [engine.forecasts.seen.get(name, np.iinfo(np.int64).min) for name in moments.names], np.int64
    )
    counts = np.maximum(0, moments.sizes - layout.context - layout.horizon + 1)
    series = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    places = moments.offsets[series] + layout.context + within
    known = np.concatenate([[0], moments.known.cumsum()])
    kept = (known[places + layout.horizon] > known[places]) & (history.numbers[places] >= seen[series])
    series, places = series[kept], places[kept]
    if not len(places):
        raise DataError(
            "all that it holds is what the model has learned from, or too little to foretell: nothing can be measured.",
            where=source,
            fix=f"Add newer rows: {layout.horizon:,} moments that training has not seen. "
            "(--test 0.2 keeps some of the training.)",
        )
    step = -(-len(places) // MOST_ORIGINS)
    return Measured(history, series[::step], places[::step], step)


def _answers(engine: Engine, found: Measured) -> Array:
    """float32 (n, horizon, 1 + levels): what would have been answered at each origin, with its band as it had moved."""
    outputs = engine.run(found.history, found.series, found.places)
    truths = found.truths(engine.layout.horizon)[:, :, 0]
    starts = found.history.moments.offsets[found.series]
    moved = followed(outputs, truths, engine.codec.levels, found.series, found.places - starts)
    return moved.astype(np.float32)


def _naive(
    found: Measured, horizon: int, seasons: tuple[int, ...], context: int, wide: int
) -> dict[str, Array]:
    """Name -> (n, horizon, wide) of the naive methods that training is measured beside too."""
    usual = {NAIVE: 1, **({SEASONAL: seasons[0]} if seasons and seasons[0] <= context else {})}
    return {
        name: np.repeat(
            BASELINES[name](found.before(season), horizon, season)[:, :, None], wide, axis=2
        ).astype(np.float32)
        for name, season in usual.items()
    }


def _against(name: str, key: str, ours: Any, theirs: Any) -> str:
    from drivetrain.findings.result import in_words

    apart = difference(ours[key], theirs[key])
    better = True if apart.high < 0 else False if apart.low > 0 else None
    return in_words(name, key, apart, better)
