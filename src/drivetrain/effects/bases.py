"""What predicts on the way to an effect (outcomes, propensities): regressions with a penalty, or boosted trees."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.cores import usable_cores
from drivetrain.evidence.regression import mean_of, regress
from drivetrain.extras import require

Floats = npt.NDArray[np.float64]
Predict = Callable[[Floats], Floats]
"""(m, p) -> (m,)."""
Base = Literal["linear", "trees"]
PENALTIES = np.geomspace(1e-6, 1e4, 41)
"""Of ridge, per row; generalised cross-validation chooses."""
FEW, MANY = 200, 20_000
"""Rows below which there are no trees, for the fifth kept back would tell nothing; and from which more than one core pays."""
MOST_TREES, PATIENCE = 500, 20
SURE = 1e-9
TREES: dict[str, Any] = {
    "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 50, "lambda_l2": 1.0, "verbosity": -1, "deterministic": True,
    "force_row_wise": True,
}  # fmt: skip


def fit(base: Base, x: Floats, y: Floats, *, share: bool = False, seed: int = 0) -> Predict:
    """What `base` makes of (n, p) and (n,). `share`: y is in [0, 1], and so is what is predicted."""
    if len(y) == 0 or np.ptp(y) == 0 or not x.shape[1]:
        value = float(y.mean()) if len(y) else 0.0
        return lambda rows: np.full(len(rows), value)
    if base == "trees":
        return trees(x, y, share=share, seed=seed)
    return logistic(x, y) if share else ridge(x, y)


def ridge(x: Floats, y: Floats) -> Predict:
    """Least squares with a penalty on columns of equal spread, of a strength that generalised cross-validation chooses.

    Golub, Heath and Wahba (1979), Technometrics 21:215-223. One decomposition of the (p, p) product serves all strengths.
    """
    n = len(y)
    centre, spread = x.mean(axis=0), _spread(x)
    z, target = (x - centre) / spread, y - y.mean()
    power, axes = np.linalg.eigh(z.T @ z / n)
    power = np.maximum(power, 0.0)
    along = axes.T @ (z.T @ target) / n
    kept = power / (power + PENALTIES[:, None])  # (penalties, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(power > 0, along**2 / power * (1 - (1 - kept) ** 2), 0.0).sum(axis=1)
    free = n - 1 - kept.sum(axis=1)
    loss = np.where(free > 0, (target @ target / n - explained) / np.maximum(free / n, 1e-9) ** 2, np.inf)
    best = PENALTIES[int(np.argmin(loss))]
    beta = axes @ (along / (power + best)) / spread
    start = float(y.mean() - centre @ beta)
    return lambda rows: rows @ beta + start


def logistic(x: Floats, y: Floats, penalty: float = 1.0) -> Predict:
    """Logistic regression with `penalty` / 2 times the squares of the coefficients of columns of equal spread."""
    centre, spread = x.mean(axis=0), _spread(x)
    design = np.column_stack([np.ones(len(y)), (x - centre) / spread])
    strength = np.full(design.shape[1], penalty)
    strength[0] = 0.0
    fitted = regress(design, y, family="logit", ridge=strength, errors="classic")
    start, beta = float(fitted.beta[0]), fitted.beta[1:]
    return lambda rows: mean_of("logit", start + (rows - centre) / spread @ beta)


def trees(x: Floats, y: Floats, *, share: bool = False, seed: int = 0) -> Predict:
    """Trees of LightGBM, boosted from where the regression ends, as many as a fifth of the rows, kept back, asks for.

    What is straight costs no trees, which are short of rows here: an effect is much smaller than the noise of an outcome.
    """
    require("lightgbm", "base='trees'", "train")
    lightgbm: Any = importlib.import_module("lightgbm")  # Its types are half told.
    line = logistic(x, y) if share else ridge(x, y)

    def start(rows: Floats) -> Floats:
        expected = np.clip(line(rows), SURE, 1 - SURE) if share else line(rows)
        return np.log(expected / (1 - expected)) if share else expected

    def end(raw: Floats) -> Floats:
        return mean_of("logit", raw) if share else raw

    if len(y) < FEW:
        return line
    threads = 1 if len(y) < MANY else usable_cores()
    options = {
        **TREES,
        "objective": "cross_entropy" if share else "regression",
        "seed": seed,
        "num_threads": threads,
    }
    held = np.random.default_rng(seed).permutation(len(y)) % 5 == 0
    known = lightgbm.Dataset(x[~held], y[~held], init_score=start(x[~held]), params=options)
    judge = lightgbm.Dataset(x[held], y[held], init_score=start(x[held]), reference=known)
    grown = lightgbm.train(
        options, known, MOST_TREES, [judge], callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)]
    )
    rounds = grown.best_iteration
    return lambda rows: end(
        start(rows) + np.asarray(grown.predict(rows, num_iteration=rounds, raw_score=True), np.float64)
    )


def _spread(x: Floats) -> Floats:
    found = x.std(axis=0)
    return np.where(found > 1e-12 * np.maximum(1.0, np.abs(x).max(axis=0, initial=0.0)), found, 1.0)
