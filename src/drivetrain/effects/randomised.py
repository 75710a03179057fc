"""The effect of a lever that was set by chance: a difference, or a slope, with less noise where columns are held fixed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.effects.design import Term, independent, matrix, name_of, terms_of
from drivetrain.effects.estimated import Check, Contrast, p_words
from drivetrain.effects.rows import Asked
from drivetrain.evidence.regression import Regression, regress
from drivetrain.figures import percent

Floats = npt.NDArray[np.float64]

UNLIKELY, MUCH = 1e-4, 0.01
"""A lever that other columns tell with a p below the first, and more of it than the second, wasn't set by chance."""
DOUBT = 0.01


def covariates(asked: Asked, names: Sequence[str], bends: int = 0) -> tuple[Floats, list[Term], list[str]]:
    """(n, p) of the columns, without a one, none a combination of the others; its terms; and what is to be told."""
    terms, told = terms_of(asked.rows, names, bends)
    x = matrix(terms, asked.rows)
    keep = independent(x)
    return x[:, keep], [term for term, kept in zip(terms, keep) if kept], told


def lever_columns(asked: Asked) -> tuple[Floats, list[str]]:
    """(n, k): the number, the switch, or a column for each choice but the first; and what one more of it is, in words."""
    if asked.kind == "choice":
        columns = (asked.t[:, None] == np.arange(1, len(asked.levels))).astype(np.float64)
        return columns, [f"{each!r} instead of {asked.levels[0]!r}" for each in asked.levels[1:]]
    label = f"{asked.lever} on instead of off" if asked.kind == "switch" else f"one more of {asked.lever}"
    return asked.t[:, None], [label]


def plain_contrasts(asked: Asked, weights: Floats | None = None) -> tuple[list[Contrast], list[str]]:
    """Of a regression of the outcome on the lever, alone or with the columns to hold fixed; and what is to be told.

    Each column less its mean stands by itself and times the lever, which never costs precision (Lin, 2013, Annals of Applied
    Statistics 7:295-318). HC2: without columns the errors are Neyman's. `weights` are 1 / the propensity of what was done.
    """
    lever, labels = lever_columns(asked)
    x, _, told = covariates(asked, asked.adjust)
    k, weight = lever.shape[1], np.ones(asked.n) if weights is None else weights
    share = weight / weight.sum()
    centre, middle = share @ x, share @ lever
    design = [np.ones((asked.n, 1)), lever - middle, x - centre]
    if asked.n > 10 * (1 + k) * (1 + x.shape[1]):
        design += [(lever - middle)[:, [at]] * (x - centre) for at in range(k)]
    together = np.concatenate(design, axis=1)
    keep = np.concatenate([[True], independent(together[:, 1:])])
    found = regress(
        together[:, keep], asked.y, weights=weights, clusters=asked.clusters, errors="HC2",
        names=[f"column {at}" for at in range(int(keep.sum()))],
    )  # fmt: skip
    method = "difference of means" if asked.kind != "number" else "slope"
    held = f", {', '.join(asked.adjust)} held fixed" if asked.adjust else ""
    base = float(share @ asked.y - found.beta[1 : 1 + k] @ middle)
    return [
        contrast(found, 1 + at, label, f"{method}{held}; 95 %, {found.errors}", base if asked.kind != "number" else math.nan)
        for at, label in enumerate(labels)
    ], told  # fmt: skip


def contrast(found: Regression, at: int, label: str, method: str, base: float = math.nan) -> Contrast:
    """A coefficient as a contrast; `base` is the outcome's mean without it."""
    low, high = found.intervals()[at]
    value, after = float(found.beta[at]), base + float(found.beta[at])
    ratio = after / base if base > 0 and after > 0 else math.nan
    return Contrast(
        label, value, float(found.standard_errors[at]), float(low), float(high), float(found.p_values()[at]),
        found.n, method, ratio,
    )  # fmt: skip


def balance(asked: Asked, weights: Floats | None = None) -> Check:
    """Whether the lever looks as if it were set by chance: whether what was known before tells it.

    By F of the regression of the lever (of each choice, times their number) on all those columns; with `weights`, robust.
    """
    names = asked.known_before
    x, terms, _ = covariates(asked, names)
    if not terms or asked.n < 5 * len(terms):
        told = "there is no other column" if not terms else "there are too many other columns for these rows"
        return Check(
            "balance", True, math.nan, f"Whether {asked.lever} was set by chance can't be seen: {told}."
        )
    lever, _ = lever_columns(asked)
    design = np.concatenate([np.ones((asked.n, 1)), x], axis=1)
    p, told = 1.0, 0.0
    for column in lever.T:
        errors = "classic" if weights is None else "HC3"
        found = regress(design, column, weights=weights, clusters=asked.clusters, errors=errors)
        p = min(p, found.joint_p(range(1, design.shape[1])) * lever.shape[1])
        told = max(told, 1 - found.deviance / found.null_deviance)
    p = 1.0 if math.isnan(p) else p
    strongest, smallest = _strongest(lever, x, terms, weights)
    if p >= DOUBT:
        return Check(
            "balance",
            True,
            p,
            f"{asked.lever} looks set by chance: {len(names)} other columns don't tell it (p {p_words(p)}).",
        )
    words = (
        f"{asked.lever} doesn't look set by chance: other columns tell {percent(told)} of it (p {p_words(p)}), "
        f"{strongest} the most (correlation {smallest:+.2f})."
    )
    if not asked.adjust:
        words += " If that came after the lever, name in adjust the columns that were known before."
    return Check("balance", False, p, words, refuses=p < UNLIKELY and told > MUCH)


def _strongest(lever: Floats, x: Floats, terms: Sequence[Term], weights: Floats | None) -> tuple[str, float]:
    """The column with the largest correlation with the lever, and that."""
    weight = np.ones(len(x)) if weights is None else weights
    away = [each - np.average(each, axis=0, weights=weight) for each in (lever, x)]
    size = [np.sqrt(weight @ each**2) for each in away]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.nan_to_num((away[0] * weight[:, None]).T @ away[1] / size[0][:, None] / size[1])
    at = np.unravel_index(int(np.abs(found).argmax()), found.shape)
    return name_of(terms[int(at[1])]), float(found[at])
