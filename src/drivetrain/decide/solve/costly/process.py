"""A Gaussian process: what a function that was asked at a few places may be elsewhere.

Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, chapters 2 and 5. Matern 5/2 with a length for each
dimension, whose prior widens with their number (Hvarfner, Hellsten and Nardi, 2024, arXiv 2402.02229).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.library import scipy

Floats = npt.NDArray[np.float64]
NOISE = (1e-8, 0.3)
"""Of the variance: within which what a function adds by chance is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """Fitted to `x` (n, d) in about [0, 1] and `y` (n,); `logs` are the logarithms of d lengths, the variance and the noise."""

    x: Floats
    logs: Floats
    mean: float
    scale: float
    root: Floats
    weights: Floats

    def at(self, x: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,) at places (m, d), of the function without its noise."""
        cross = _kernel(x, self.x, self.logs)
        half = scipy("linalg").solve_triangular(self.root, cross.T, lower=True, check_finite=False)
        variance = np.exp(self.logs[-2]) - (half * half).sum(0)
        return self.mean + self.scale * (cross @ self.weights), self.scale * np.sqrt(
            np.maximum(variance, 1e-18)
        )


def fitted(x: Floats, y: Floats, start: Floats | None = None) -> Process:
    """The process with the most likely lengths, variance and noise (a maximum a posteriori, from `start` and from the prior)."""
    mean, scale = float(np.mean(y)), float(max(np.std(y), 1e-12 * (1 + np.abs(y).max()), 1e-300))
    told, count = (y - mean) / scale, x.shape[1]
    prior = np.concatenate([np.full(count, _centre(count)), [0.0, np.log(1e-4)]])
    bounds = [
        *[(np.log(0.01), np.log(100.0))] * count,
        (np.log(0.05), np.log(50.0)),
        (np.log(NOISE[0]), np.log(NOISE[1])),
    ]
    best, least = prior, np.inf
    for begin in [prior] if start is None else [start, prior]:
        found = scipy("optimize").minimize(
            _loss, begin, args=(x, told), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
        )
        if np.isfinite(found.fun) and found.fun < least:
            best, least = np.asarray(found.x, np.float64), float(found.fun)
    root = _root(x, best)
    return Process(x, best, mean, scale, root, _solved(root, told))


def _centre(count: int) -> float:
    return 0.5 * np.log(count) + np.log(0.5)


def _apart(a: Floats, b: Floats, logs: Floats) -> Floats:
    """Squared distances (n, m) in lengths."""
    lengths = np.exp(logs[: a.shape[1]])
    a, b = a / lengths, b / lengths
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    return np.maximum(squared, 0)


def _kernel(a: Floats, b: Floats, logs: Floats) -> Floats:
    far = np.sqrt(5 * _apart(a, b, logs))
    return np.exp(logs[-2]) * (1 + far + far * far / 3) * np.exp(-far)


def _root(x: Floats, logs: Floats) -> Floats:
    matrix = _kernel(x, x, logs)
    jitter = np.exp(logs[-1]) + 1e-10 * np.exp(logs[-2])
    for _ in range(8):
        try:
            return np.asarray(
                scipy("linalg").cholesky(matrix + jitter * np.eye(len(x)), lower=True, check_finite=False)
            )
        except np.linalg.LinAlgError:
            jitter *= 100
    raise np.linalg.LinAlgError("a covariance without a root")


def _solved(root: Floats, y: Floats) -> Floats:
    return np.asarray(scipy("linalg").cho_solve((root, True), y, check_finite=False))


def _loss(logs: Floats, x: Floats, y: Floats) -> tuple[float, Floats]:
    """Minus the logarithm of likelihood times prior, and its slope."""
    count, dims = x.shape
    try:
        root = _root(x, logs)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(logs)
    weights, inverse = _solved(root, y), _solved(root, np.eye(count))
    value = 0.5 * y @ weights + np.log(np.diag(root)).sum()
    inner = inverse - np.outer(weights, weights)  # Twice the slope by the covariance.
    far = np.sqrt(5 * _apart(x, x, logs))
    signal = np.exp(logs[-2])
    # The kernel's slope by the logarithm of a length is signal * 5/3 * (1 + far) exp(-far) * (difference / length)^2.
    shared = inner * (signal * 5 / 3 * (1 + far) * np.exp(-far))
    scaled = x / np.exp(logs[:dims])
    sums = shared.sum(1)
    by_length = scaled * scaled
    slopes = 0.5 * (
        2 * (sums @ by_length) - 2 * np.einsum("nd,nm,md->d", scaled, shared, scaled, optimize=True)
    )
    kernel = signal * (1 + far + far * far / 3) * np.exp(-far)
    slope = np.concatenate([slopes, [0.5 * (inner * kernel).sum(), 0.5 * np.exp(logs[-1]) * np.trace(inner)]])
    wide = (logs[:dims] - _centre(dims)) / 3.0
    narrow = np.array([logs[-2] / 4.0, (logs[-1] - np.log(1e-5)) / 16.0])
    value += 0.5 * ((logs[:dims] - _centre(dims)) ** 2 / 3.0).sum() + 0.5 * (
        logs[-2] ** 2 / 4 + (logs[-1] - np.log(1e-5)) ** 2 / 16
    )
    return float(value), slope + np.concatenate([wide, narrow])
