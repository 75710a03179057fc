"""The rival of bench/movielens.py: the biased SVD of Surprise (Hug 2020, JOSS 5:2174), one rating after the other, in C as
there; needs a C compiler (cc).

Funk (2006) and Koren (2009): a rating is the mean, plus biases, plus a product of vectors; stochastic gradient descent on the
squared error with a penalty for each rating that comes by.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DEFAULTS = {"width": 100, "epochs": 20, "lr": 0.005, "penalty": 0.02}
"""Surprise's own."""
GRID = [
    {"width": width, "epochs": epochs, "lr": lr, "penalty": penalty}
    for width in (20, 100)
    for epochs in (20, 30, 50, 80)
    for lr in (0.005, 0.01)
    for penalty in (0.02, 0.05, 0.1)
]
"""What it is tuned among."""
SOURCE = """
void fit(long n, const int *users, const int *items, const double *ratings, double mean, int width, int epochs,
         double lr, double penalty, double *of_left, double *of_right, double *left, double *right) {
    for (int epoch = 0; epoch < epochs; epoch++)
        for (long row = 0; row < n; row++) {
            int user = users[row], item = items[row];
            double *p = left + (long)user * width, *q = right + (long)item * width, product = 0;
            for (int k = 0; k < width; k++) product += p[k] * q[k];
            double error = ratings[row] - mean - of_left[user] - of_right[item] - product;
            of_left[user] += lr * (error - penalty * of_left[user]);
            of_right[item] += lr * (error - penalty * of_right[item]);
            for (int k = 0; k < width; k++) {
                double before = p[k];
                p[k] += lr * (error * q[k] - penalty * p[k]);
                q[k] += lr * (error * before - penalty * q[k]);
            }
        }
}
"""


@cache
def compiled() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "svd.c", Path(folder) / "svd.so"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-O3", "-ffast-math", "-shared", "-fPIC", "-o", library, source], check=True)
        return ctypes.CDLL(str(library))


def svd(
    users: np.ndarray,
    items: np.ndarray,
    ratings: np.ndarray,
    shape: tuple[int, int],
    *,
    width: int,
    epochs: int,
    lr: float,
    penalty: float,
    seed: int = 0,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What predicts, cut off at the range of the ratings, from codes of users and items. Codes from `shape` up are unknown:
    they have no bias and no vector."""
    draw = np.random.default_rng(seed)
    mean = float(ratings.mean())
    left, right = (draw.normal(0, 0.1, (n + 1, width)) for n in shape)
    of_left, of_right = (np.zeros(n + 1) for n in shape)
    left[-1] = right[-1] = 0.0
    rows = draw.permutation(len(ratings))
    columns = users[rows].astype(np.int32), items[rows].astype(np.int32), ratings[rows].astype(np.float64)

    def at(array: np.ndarray) -> Any:
        return array.ctypes.data_as(ctypes.c_void_p)

    compiled().fit(
        ctypes.c_long(len(rows)), *map(at, columns), ctypes.c_double(mean), width, epochs, ctypes.c_double(lr),
        ctypes.c_double(penalty), at(of_left), at(of_right), at(left), at(right),
    )  # fmt: skip
    low, high = ratings.min(), ratings.max()

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        users, items = np.minimum(users, shape[0]), np.minimum(items, shape[1])
        products = (left[users] * right[items]).sum(1)
        return np.clip(mean + of_left[users] + of_right[items] + products, low, high)

    return predict
