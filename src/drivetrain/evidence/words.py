"""How evidence is said: the effect first, then its interval, then the p-value, and what each of them is not."""

from __future__ import annotations

import math

from drivetrain.figures import percent, resolved

CALLED = ((0.2, "very small"), (0.5, "small"), (0.8, "medium"))
"""Cohen (1988), Statistical Power Analysis: conventions for want of something better, such as what the effect is worth."""


def with_interval(value: float, low: float, high: float) -> str:
    """`2.2 (-0.04 to 4.52)`: two figures of the interval's width, and more where an end would read as 0 and is not: on which side
    of 0 it is matters here."""
    if not low < high < math.inf:
        return resolved(value, low, high)
    decimals = max(0, 1 - math.floor(math.log10(high - low)))
    while decimals < 12 and any(end and not round(end, decimals) for end in (low, high)):
        decimals += 1
    return f"{value:,.{decimals}f} ({low:,.{decimals}f} to {high:,.{decimals}f})"


def chance(p: float) -> str:
    """`p 0.03: where there is nothing, 3.0 % of such data show as much`."""
    if math.isnan(p):
        return "p unknown"
    said = "p < 0.001" if p < 0.001 else f"p {p:.2g}"
    often = "fewer than 1 in 1,000" if p < 0.001 else percent(p)
    return f"{said}: where there is nothing, {often} of such data show as much"


def standardised(size: float, low: float, high: float) -> str:
    """`0.31 standard deviations (0.1 to 0.5), which is called small`."""
    called = next((name for most, name in CALLED if abs(size) < most), "large")
    return f"{with_interval(size, low, high)} standard deviations, which is called {called}"
