"""Numbers as a person reads them: in sentences, tables and charts, by how much of a number matters there."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """Four figures, no exponent where it can be avoided."""
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{value:,.4g}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.3e}"


def rough(value: float) -> str:
    """Three figures: enough for a difference."""
    return number(float(f"{value:.3g}") + 0.0)  # Which makes 0 of -0.


def digits(value: float, figures: int) -> str:
    """So many figures, and every digit before the point: with five 1,234.5 and 215,034."""
    return f"{value:,.0f}" if 10**figures <= abs(value) < 1e15 else f"{value:,.{figures}g}"


def plain(value: float, figures: int = 3) -> str:
    """A number for an axis or a label: three figures, no more zeros than needed."""
    if value != 0 and not 1e-4 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.{figures - 2}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return digits(value, figures)


def percent(share: float, decimals: int = 1) -> str:
    """`97.2 %`; with more decimals where it would otherwise look like all or nothing and is not."""
    text = f"{100 * share:.{decimals}f}"
    while decimals < 6 and float(text) in (0.0, 100.0) and share not in (0.0, 1.0):
        decimals += 1
        text = f"{100 * share:.{decimals}f}"
    return f"{text} %"


def counted(count: int, one: str, many: str) -> str:
    """`1 picture`, `1,234 pictures`."""
    return f"{count:,} {one if count == 1 else many}"


def share_of(part: int, whole: int) -> str:
    """`2.5%`, and never nothing of something."""
    return f"{part / whole:.1%}" if part >= 0.0005 * whole else "under 0.1%"


def by_hand(value: float, figures: int = 6) -> str:
    """As it would be written by hand: whole ones without a point, others with up to so many figures."""
    if value == round(value) and abs(value) < 1e15:
        return str(round(value))
    return f"{value:.{figures}g}"


def grouped(value: float) -> str:
    """What a column holds: 2010, 10,500, 0.0591, 1,684,260."""
    if 10_000 <= abs(value) < 1e15:
        return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
    return f"{value:.6g}"


def steady(value: float) -> str:
    """Three decimals below 1,000, for numbers that stand below each other."""
    return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def alike(*values: float) -> list[str]:
    """Numbers with the same decimals: three figures of the largest."""
    largest = max(map(abs, values))
    decimals = min(8, max(0, 2 - math.floor(math.log10(largest)))) if largest else 0
    return [f"{value:,.{decimals}f}" for value in values]


def resolved(value: float, low: float, high: float) -> str:
    """`117,430 (116,200 to 118,900)`: a value and its interval, with two figures of the interval's width, so that
    what lies outside the interval never reads the same."""
    if not low < high < math.inf:
        return f"{value:,.4g} ({low:,.4g} to {high:,.4g})"
    decimals = min(12, max(0, 1 - math.floor(math.log10(high - low))))
    return f"{value:,.{decimals}f} ({low:,.{decimals}f} to {high:,.{decimals}f})"
