"""What the benchmarks of forecasts share: sets, rolling origins, simple methods, LightGBM on lags, paired intervals by blocks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder

import drivetrain as dt

DRAWS = 2_000
ROWS_AT_ONCE = 2_048


@dataclass(frozen=True)
class Set:
    """A series of a file. `season` is that of seasonal naive, `usual` the one that ETS and Theta are given. `asked` and `stretch`
    are MAE at the origins `few`, `naive` what the better of naive and seasonal naive has there."""

    folder: str
    file: str
    stamp: str
    target: str
    horizon: int
    season: int
    usual: int
    naive: float
    asked: float
    stretch: float

    @property
    def path(self) -> Path:
        return data_folder(self.folder) / self.file

    def data(self, **options: Any) -> Any:
        return dt.forecast.from_csv(
            self.path, timestamp=self.stamp, target=self.target, horizon=self.horizon, **options
        )  # fmt: skip


CLASSICS = "time_series_classics"
SETS = {
    "airline": Set(CLASSICS, "airline-passengers.csv", "Month", "Passengers", 12, 12, 12, 46.2, 24.0, 22.0),
    "sunspots": Set(CLASSICS, "monthly-sunspots.csv", "Month", "Sunspots", 12, 132, 12, 23.1, 20.0, 19.8),
    "minimum temperatures": Set(
        CLASSICS, "daily-min-temperatures.csv", "Date", "Temp", 7, 365, 7, 2.80, 2.25, 2.14
    ),
    "ETTh1-OT": Set(
        "etth1", "ETTh1.csv", "date", "OT", 24, 24, 24, 1.45, 1.30, 1.25
    ),
}  # fmt: skip
"""`stretch` is the best that a closed-form ridge, FLAIR or their mean had at the same origins, measured before this was built."""


def few(moments: int, horizon: int) -> np.ndarray:
    """The origins in the last fifth that the asked figures were measured at: 60 at equal distances, of a short series a quarter
    as many as it has moments, some of them twice."""
    return np.linspace(int(0.8 * moments), moments - horizon, min(60, moments // 4)).astype(int)


def every(moments: int, horizon: int) -> np.ndarray:
    """All origins of the last fifth."""
    return np.arange(int(0.8 * moments), moments - horizon + 1)


def ahead(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """(origins, horizon): what came."""
    return values[origins[:, None] + np.arange(horizon)]


def simple(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> dict[str, np.ndarray]:
    """Method -> (origins, horizon), by their textbook formulas and from the whole history of each origin."""
    steps = np.arange(horizon)
    last = values[origins - 1]
    slope = (last - values[0]) / (origins - 1)
    return {
        "naive": np.repeat(last[:, None], horizon, axis=1),
        "seasonal naive": values[origins[:, None] - season + steps % season],
        "drift": last[:, None] + slope[:, None] * (steps + 1),
        "moving average": np.repeat(
            np.stack([values[o - season : o].mean() for o in origins])[:, None], horizon, axis=1
        ),
    }


def statistical(
    values: np.ndarray, origins: np.ndarray, horizon: int, season: int, most: int = 1_000
) -> dict[str, Any]:
    """AutoETS and AutoTheta of statsforecast, fitted anew at each different origin to its last `most` moments; nothing where it
    isn't installed. Method -> {"answers", "cpu seconds"}."""
    try:
        from statsforecast.models import AutoETS, AutoTheta
    except ImportError:
        return {}
    found: dict[str, Any] = {}
    distinct, places = np.unique(origins, return_inverse=True)
    for name, kind in (("AutoETS", AutoETS), ("AutoTheta", AutoTheta)):
        kind(season_length=season).forecast(y=values[:60], h=2)  # Its compiler's time is not its own.
        started = time.process_time()
        made = [
            kind(season_length=season).forecast(y=values[max(0, o - most) : o], h=horizon)["mean"]
            for o in distinct
        ]
        found[name] = {
            "answers": np.stack(made)[places], "cpu seconds": round(time.process_time() - started, 1)
        }  # fmt: skip
    return found


@dataclass
class OnLags:
    """LightGBM as forecasts are usually made with it: one model for all the steps ahead, which is told the step, the last values,
    those a season before what is asked for, means, and what is known of that moment. Values are differences to the last one."""

    horizon: int
    seasons: tuple[int, ...]
    lags: int = 48
    rows: int = 100_000
    seed: int = 0
    seconds: float = field(default=0.0, init=False)
    model: Any = field(default=None, init=False)

    @property
    def reach(self) -> int:
        return max(self.lags, 2 * max(self.seasons)) + 1

    def table(
        self, values: np.ndarray, known: np.ndarray, origins: np.ndarray, steps: np.ndarray
    ) -> np.ndarray:
        """(rows, features) of pairs of an origin and a step; known (moments, k) is of all moments, also those ahead."""
        last = values[origins - 1]
        columns = [values[origins - 1 - lag] - last for lag in range(1, self.lags)]
        at = origins + steps
        for season in self.seasons:
            back = at - season * (1 + steps // season)
            columns += [values[back] - last, values[back - season] - last]
        total = np.concatenate([[0.0], np.cumsum(values)])
        columns += [
            (total[origins] - total[origins - width]) / width - last
            for width in (7, self.lags, *self.seasons)
            if width <= self.reach
        ]
        return np.column_stack([*columns, last, steps, known[at], known[origins - 1]])

    def fit(self, values: np.ndarray, known: np.ndarray, end: int) -> None:
        """On the moments before `end`; a fifth of them, the last, stops it early."""
        import lightgbm

        started = time.process_time()
        generator = np.random.default_rng(self.seed)
        edge = int(0.8 * end)
        parts = []
        for first, stop, share in ((self.reach, edge, 0.8), (edge, end, 0.2)):
            origins = np.arange(first, stop - self.horizon + 1)
            pairs = len(origins) * self.horizon
            chosen = generator.permutation(pairs)[: int(share * self.rows)]
            where, steps = origins[chosen // self.horizon], chosen % self.horizon
            parts.append((self.table(values, known, where, steps), values[where + steps] - values[where - 1]))
        settings = {
            "objective": "mae",
            "learning_rate": 0.05,
            "num_leaves": 63,
            "verbosity": -1,
            "num_threads": 1,
            "seed": self.seed,
        }
        train, valid = (lightgbm.Dataset(*part) for part in parts)
        self.model = lightgbm.train(
            settings, train, 1_000, valid_sets=[valid], callbacks=[lightgbm.early_stopping(50, verbose=False)]
        )
        self.seconds = round(time.process_time() - started, 1)

    def forecast(self, values: np.ndarray, known: np.ndarray, origins: np.ndarray) -> np.ndarray:
        where, steps = np.repeat(origins, self.horizon), np.tile(np.arange(self.horizon), len(origins))
        made = np.concatenate([
            self.model.predict(self.table(values, known, where[k : k + 200_000], steps[k : k + 200_000]), num_threads=1)
            for k in range(0, len(where), 200_000)
        ])  # fmt: skip
        return made.reshape(len(origins), self.horizon) + values[origins - 1][:, None]


def by_bundle(bundle: Path, data: Any, part: str) -> np.ndarray:
    """float32 (origins, horizon, 1 + levels): what the exported graph answers for a part's windows."""
    from drivetrain.bundle import open_bundle

    return by_graph(open_bundle(bundle).graph, data, part)


def by_graph(graph: bytes, data: Any, part: str) -> np.ndarray:
    from drivetrain.bundle.tensors import made_names
    from drivetrain.runtime.session import OnnxSession

    session = OnnxSession(graph, made_names(data.signature), threads=1)
    found, made = data.part(part), []
    (target,) = data.signature.targets
    for start in range(0, len(found), ROWS_AT_ONCE):
        batch = found.batch(slice(start, start + ROWS_AT_ONCE))
        made.append(session.run({name: np.asarray(batch[name]) for name in data.signature.inputs})[target])
    return np.concatenate(made)


def paired(ours: np.ndarray, theirs: np.ndarray, block: int, seed: int = 0) -> dict[str, float]:
    """The mean of ours - theirs, (origins,) errors in order of time, with its 95 % interval by a circular block bootstrap: windows
    that overlap are no independent evidence."""
    difference = ours - theirs
    n = len(difference)
    generator = np.random.default_rng(seed)
    starts = generator.integers(0, n, (DRAWS, -(-n // block)))
    padded = np.concatenate([difference, difference[:block]])
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    means = (sums[starts + block] - sums[starts]).sum(axis=1) / (block * starts.shape[1])
    low, high = np.quantile(means, (0.025, 0.975))
    return {"value": float(difference.mean()), "low": float(low), "high": float(high), "n": n, "block": block}


def rounded(found: Any) -> Any:
    """The figures with five digits, for a file that is read by people."""
    if isinstance(found, dict):
        return {name: rounded(value) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [rounded(value) for value in found]
    return float(f"{found:.5g}") if isinstance(found, (float, np.floating)) else found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the CPU seconds of all its threads."""
    started = time.process_time()
    made = work()
    return made, round(time.process_time() - started, 2)


os.environ.setdefault("OMP_NUM_THREADS", "1")
