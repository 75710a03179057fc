"""The normal distribution, and Student's, as this room asks for them."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from drivetrain.errors import UsageError
from drivetrain.extras import require

Floats = npt.NDArray[np.float64]

STANDARD = NormalDist()


def z_of(confidence: float) -> float:
    """So many standard errors on either side hold the truth with this confidence."""
    if not 0 < confidence < 1:
        raise UsageError(
            f"a confidence of {confidence:g} can't be.", fix="Give it between 0 and 1, such as 0.95."
        )
    return STANDARD.inv_cdf((1 + confidence) / 2)


def excess(mean: float, sd: float, threshold: float = 0.0) -> float:
    """E max(X - threshold, 0) of a normal X: what it is worth to act only where X is above the threshold."""
    if sd == 0:
        return max(mean - threshold, 0.0)
    z = (mean - threshold) / sd
    return sd * (STANDARD.pdf(z) + z * STANDARD.cdf(z))


def log_below(z: float) -> float:
    """The logarithm of the share of a standard normal below z; its digits hold far out. Raises NotInstalled."""
    if z > -5:
        return math.log(math.erfc(-z / math.sqrt(2)) / 2)
    require("scipy", "the tail of a normal", "decide")
    from scipy.special import log_ndtr  # pyright: ignore[reportMissingTypeStubs]

    return float(log_ndtr(z))


def t_quantile(share: float, freedom: float = math.inf) -> float:
    """Where `share` of Student's t lies below; of the normal where `freedom` is infinite. Raises NotInstalled."""
    if not 0 < share < 1:
        raise UsageError(
            f"a confidence of {2 * share - 1:g} can't be.", fix="Give it between 0 and 1, such as 0.95."
        )
    if math.isinf(freedom):
        return STANDARD.inv_cdf(share)
    require("scipy", "an interval by Student's t", "decide")
    from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

    return float(stdtrit(freedom, share))


def two_sided(t: npt.ArrayLike, freedom: float = math.inf) -> Floats:
    """How often chance alone goes as far as |t| standard errors, either way. Raises NotInstalled."""
    require("scipy", "a p-value", "decide")
    from scipy.special import ndtr, stdtr  # pyright: ignore[reportMissingTypeStubs]

    below = ndtr(-np.abs(t)) if math.isinf(freedom) else stdtr(freedom, -np.abs(t))
    return np.asarray(2 * below, np.float64)
