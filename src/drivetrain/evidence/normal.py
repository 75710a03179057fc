"""The normal distribution, and Student's, as this room asks for them."""

from __future__ import annotations

import math
from statistics import NormalDist

from drivetrain.extras import require

STANDARD = NormalDist()


def z_of(confidence: float) -> float:
    """So many standard errors on either side hold the truth with this confidence."""
    return STANDARD.inv_cdf((1 + confidence) / 2)


def two_sided(z: float) -> float:
    """How often chance alone goes as far as z standard errors, either way."""
    return math.erfc(abs(z) / math.sqrt(2))


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


def t_of(confidence: float, df: float | None) -> float:
    """The same as `z_of` of Student's t with so many degrees of freedom; None: of the normal. Raises NotInstalled."""
    if df is None or math.isinf(df):
        return z_of(confidence)
    require("scipy", "Student's t", "decide")
    from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

    return float(stdtrit(df, (1 + confidence) / 2))


def t_two_sided(t: float, df: float | None) -> float:
    """The same as `two_sided` of Student's t. Raises NotInstalled."""
    if df is None or math.isinf(df):
        return two_sided(t)
    require("scipy", "Student's t", "decide")
    from scipy.special import stdtr  # pyright: ignore[reportMissingTypeStubs]

    return float(2 * stdtr(df, -abs(t)))
