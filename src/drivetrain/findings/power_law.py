"""The error as an inverse power law of the number of rows: a + b (n / N)^-c, N being all of them.

Cortes, Jackel, Solla, Vapnik and Denker (1994), Learning Curves: Asymptotic Values and Rate of Convergence, NIPS 6;
weighted towards the larger parts as in Figueroa, Zeng-Treitler, Kandula and Ngo (2012), BMC Medical Informatics and
Decision Making 12:8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EXPONENTS = np.geomspace(0.05, 1, 30)
"""An error that falls faster than 1 / n is one that has just stopped to be a guess."""


@dataclass(frozen=True)
class PowerLaw:
    """Curves (k,), fitted to k sets of errors at once: `offset` a, `scale` b, `exponent` c, all 0 or more; `explained` is
    the weighted share of the errors' variance that the curve accounts for."""

    offset: Floats
    scale: Floats
    exponent: Floats
    explained: Floats

    def at(self, share: float | Floats) -> Floats:
        """The error (k,) with n = `share` N rows."""
        return self.offset + self.scale * np.asarray(share, np.float64) ** -self.exponent

    def to_json(self) -> dict[str, Any]:
        """That of the first curve."""
        names = ("offset", "scale", "exponent", "explained")
        return {name: float(getattr(self, name)[0]) for name in names}


def fit(shares: Floats, errors: Floats) -> PowerLaw:
    """Least squares of errors (k, m) at the shares (m,) of the rows, each weighted by its share.

    For each exponent of a grid the best offset and scale are known; the best of all is taken.
    """
    weights = shares / shares.sum()
    x = shares[None, :] ** -EXPONENTS[:, None]  # (exponents, m)
    mean_x, mean_y = x @ weights, errors @ weights
    centred_x, centred_y = x - mean_x[:, None], errors - mean_y[:, None]
    variance = (centred_x**2) @ weights
    scale = (centred_y * weights) @ centred_x.T / variance  # (k, exponents)
    offset = mean_y[:, None] - scale * mean_x
    # Where the offset would be below 0 the best curve has none.
    through = (errors * weights) @ x.T / ((x**2) @ weights)
    scale, offset = np.where(offset < 0, through, scale), np.maximum(offset, 0)
    offset, scale = np.where(scale < 0, mean_y[:, None], offset), np.maximum(scale, 0)
    residuals = errors[:, None, :] - offset[:, :, None] - scale[:, :, None] * x
    lost = (residuals**2) @ weights
    best = lost.argmin(axis=1)
    rows = np.arange(len(errors))
    total = np.maximum((centred_y**2) @ weights, 1e-300)
    return PowerLaw(offset[rows, best], scale[rows, best], EXPONENTS[best], 1 - lost[rows, best] / total)
