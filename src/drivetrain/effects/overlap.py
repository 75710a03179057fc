"""Whether rows that are alike were ever treated otherwise: where none was, no adjustment can tell what it would have done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drivetrain.effects.estimated import Check
from drivetrain.effects.rows import Asked
from drivetrain.figures import percent

Floats = npt.NDArray[np.float64]

RARE = 0.1
"""Rows that were treated so less often than this part of the average have next to no row like them that was."""
DOUBT, TOO_MANY = 0.02, 0.2
"""The share of rows without alike ones from which it is told, and from which the effect is refused."""
MANY_NEVER = 0.2
"""The share of settings never tried on alike rows from which it is told: the straight line in between is then what tells."""
LEAST_OF_ITS_OWN = 0.02
"""The part of a number's spread that the columns don't tell; with less it never moved by itself."""


def overlap(asked: Asked, expected: Floats) -> Check:
    """For a switch, a choice or a number of two settings by the propensities, for any other number by how much of it moves by
    itself and how far."""
    if asked.kind != "number":
        return of_levels(asked, expected)
    tried = np.unique(asked.t)
    if len(tried) > 2:
        return _of_number(asked, expected)
    high = np.clip((expected - tried[0]) / (tried[1] - tried[0]), 0.0, 1.0)
    two = replace(asked, t=(asked.t == tried[1]) * 1.0, levels=tuple(f"{each:g}" for each in tried))
    return of_levels(two, np.stack([1 - high, high], axis=1))


def of_levels(asked: Asked, propensity: Floats) -> Check:
    """By the propensities (n, levels) of a switch or a choice."""
    share = float(without_like(asked, propensity).mean())
    worst, effective = _effective(asked, propensity)
    words = (
        f"{percent(share)} of the rows have next to no row like them with another {asked.lever} (a tenth "
        f"of the average chance of it); {worst} counts as {effective:,.0f} rows after weighing."
    )
    refuses = share > TOO_MANY
    if refuses:
        words += (
            f" These data can't tell what {asked.lever} does to all rows: choose those where both were done."
        )
    return Check("overlap", share <= DOUBT, share, words, refuses)


def without_like(asked: Asked, propensity: Floats) -> npt.NDArray[np.bool_]:
    """(n,): the rows that have next to no row like them with another setting."""
    shares = np.bincount(asked.t.astype(np.int64), minlength=propensity.shape[1]) / asked.n
    return np.any(propensity < RARE * shares, axis=1)


def _effective(asked: Asked, propensity: Floats) -> tuple[str, float]:
    """The level of which the weighed rows say least, and as how many equal ones they count (Kish, 1965)."""
    found = list[tuple[float, str]]()
    names = asked.levels or ("off", "on")
    for at, name in enumerate(names):
        weight = 1 / np.maximum(propensity[asked.t == at, at], 1e-6)
        found.append((float(weight.sum() ** 2 / (weight**2).sum()), f"{asked.lever} {name}"))
    return min(found)[1], min(found)[0]


def _of_number(asked: Asked, expected: Floats) -> Check:
    left = asked.t - expected
    own = float(left.var() / asked.t.var())
    if own < LEAST_OF_ITS_OWN:
        words = (
            f"The columns held fixed tell {percent(max(1 - own, 0.0))} of {asked.lever}: it hardly ever moved by itself, and these "
            "data can't tell what it does."
        )
        return Check("overlap", False, own, words, refuses=True)
    low, high = np.quantile(left, [0.01, 0.99])
    settings = np.quantile(asked.t, np.linspace(0.1, 0.9, 9))
    away = settings - expected[:, None]
    share = float(((away < low) | (away > high)).mean())
    words = (
        f"{percent(min(own, 1.0))} of the spread of {asked.lever} isn't told by the columns held fixed; of its settings from "
        f"{settings[0]:,.4g} to {settings[-1]:,.4g} a row had {percent(share)} never tried on rows like it, on average."
    )
    return Check("overlap", share <= MANY_NEVER, share, words)
