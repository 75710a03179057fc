"""Forecasts by default beside naive ones, ETS, Theta and LightGBM on lags, by rolling origin: MAE, and what bands of 80 % cover.

Claims: at the origins that the asked figures were measured at, MAE is at most 24 (airline, 12 months), 20 (sunspots, 12
months), 2.25 (minimum temperatures, 7 days) and 1.30 (ETTh1-OT, 24 hours), where the better of naive and seasonal naive has
46.2, 23.1, 2.80 and 1.45; bands of 80 % cover 76 to 84 % of what comes, at all origins.
Method: the last fifth of each series is held out, and nothing of it is seen: `dt.forecast.from_csv(test=0.2)` with its
defaults, fitted once, exported; the bundle's graph answers at each origin from the moments before it, and its bands follow what
has come since training, as `Forecaster` lets them (`forecasting/bands.py`); "own band" is without that. Naive, seasonal naive
(season 12, 132, 365, 24), drift and moving average (a season) by their formulas; AutoETS and AutoTheta of statsforecast are
fitted anew at each of the few origins to the last 1,000 moments before it, where it is installed; LightGBM on lags
(bench/series_sets.py) is fitted once, on what ours is. Intervals of differences to seasonal naive: circular blocks of the
horizon over all origins. One thread.
Machine, n and date: in results/forecasting.json.  Run: python bench/forecasting.py [SET ...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from series_sets import (
    SETS,
    OnLags,
    Set,
    ahead,
    by_bundle,
    few,
    paired,
    rounded,
    simple,
    statistical,
    timed,
)

from drivetrain.forecasting.bands import adapted, shifted

COVERED = (0.76, 0.84)
OTHERS = ("seasonal naive", "naive", "LightGBM on lags")


def calendar(data: Any) -> np.ndarray:
    """(moments, 2): month and hour or weekday, as LightGBM is usually given them."""
    stamps = np.asarray(data.stamps).astype("datetime64[h]")
    month = stamps.astype("datetime64[M]").astype(int) % 12
    day = stamps.astype("datetime64[D]").astype(int)
    return np.column_stack([month, (day + 3) % 7, stamps.astype(int) % 24]).astype(float)


def covered(outputs: np.ndarray, truths: np.ndarray) -> dict[str, Any]:
    """The share of what came between the first and the last quantile, over all, and of each third of time."""
    inside = ((outputs[:, :, 1] <= truths) & (truths <= outputs[:, :, -1]))[:, :, None].astype(float)
    inside[np.isnan(truths)] = np.nan
    return {
        "share": float(np.nanmean(inside)),
        "of thirds of time": [float(np.nanmean(third)) for third in np.array_split(inside, 3)],
        "mean width": float((outputs[:, :, -1] - outputs[:, :, 1]).mean()),
    }


def measured(name: str, found: Set, folder: Path) -> dict[str, Any]:
    data, reading = timed(lambda: found.data(test=0.2))
    learner = data.learner(out=folder / name, quiet=True)
    _, fitting = timed(learner.fit)
    bundle, exporting = timed(lambda: learner.export(folder / f"{name}.bundle"))
    values = np.asarray(data.values[:, 0], np.float64)
    (target,) = data.signature.targets
    origins = np.asarray(data.origin)[data.part("test").rows]
    outputs, answering = timed(lambda: by_bundle(Path(bundle), data, "test"))
    outputs = outputs.astype(np.float64)
    truths = ahead(np.asarray(data.truth[:, 0], np.float64), origins, found.horizon)
    codec = data.signature.targets[target]
    following = codec.within(shifted(outputs, adapted(outputs, truths, codec.levels)))
    outputs = codec.within(outputs)
    known = calendar(data)
    lags = OnLags(found.horizon, tuple(dict.fromkeys((found.usual, found.season))))
    lags.fit(values, known, int(origins[0]))
    answers = {
        "drivetrain": outputs[:, :, 0],
        **simple(values, origins, found.horizon, found.season),
        "LightGBM on lags": lags.forecast(values, known, origins),
    }
    errors = {method: np.nanmean(np.abs(made - truths), axis=1) for method, made in answers.items()}
    # By rows of the file: the temperatures lack two days.
    measured_at = np.flatnonzero(data.moments.rows >= 0)
    chosen = measured_at[few(len(measured_at), found.horizon)]
    at = chosen - origins[0]
    if at.min() < 0 or (np.diff(origins) != 1).any() or origins[-1] != len(values) - found.horizon:
        raise SystemExit(
            f"{name}: the windows from {origins[0]} to {origins[-1]} are not all of the last fifth"
        )
    beside = statistical(values, chosen, found.horizon, found.usual)
    at_few = {method: float(each[at].mean()) for method, each in errors.items()}
    for method, each in beside.items():
        at_few[method] = float(np.nanmean(np.abs(each["answers"] - truths[at])))
    band = covered(following, truths)
    return {
        "horizon": found.horizon, "moments": len(values), "context": data.context, "model": learner.description(),
        "MAE at the few origins": {"n": len(chosen), **at_few}, "asked": found.asked, "stretch": found.stretch,
        "naive was": found.naive, "holds": at_few["drivetrain"] <= found.asked,
        "MAE at all origins": {"n": len(origins), **{method: float(each.mean()) for method, each in errors.items()}},
        "difference to": {other: paired(errors["drivetrain"], errors[other], found.horizon) for other in OTHERS},
        "band of 80 %": {"following": band, "own": covered(outputs, truths),
                         "holds": COVERED[0] <= band["share"] <= COVERED[1]},
        "cpu seconds": {
            "read": reading, "fit": fitting, "export": exporting, "answer all origins": answering,
            "LightGBM on lags, fit": lags.seconds,
            **{f"{method}, {len(set(chosen.tolist()))} fits": each["cpu seconds"] for method, each in beside.items()},
        },
    }  # fmt: skip


def main() -> None:
    names = sys.argv[1:] or list(SETS)
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: measured(name, SETS[name], Path(folder)) for name in names}
    figures = {"sets": rounded(sets), "holds": all(one["holds"] for one in sets.values())}
    claim = "MAE by rolling origin at most 24, 20, 2.25, 1.30; bands of 80 % cover 76 to 84 %"
    write_result("forecasting", claim, figures)


if __name__ == "__main__":
    main()
