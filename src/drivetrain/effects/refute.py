"""Attempts to refute an adjusted effect: where there is none by construction none must be found, and chance must not move it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drivetrain.effects.adjusted import Adjusted, adjusted
from drivetrain.effects.estimated import Check, Contrast, apart
from drivetrain.effects.rows import Asked
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]

TRIES, MOST_ROWS, MOST_ROWS_FREE = 10, 10_000, 2_000
"""What is attacked is the way, not the figure: of more rows so many are drawn, fewer where the columns
are held fixed in the freer form, which is dear."""
FAR = 3.0
"""Standard errors from which it isn't chance (1 in 370)."""


def refute(asked: Asked, found: Adjusted, *, seed: int = 0, tries: int = TRIES) -> list[Check]:
    """Four checks, each of `tries` repetitions by ridge regressions, whatever the estimate was made by, of 10,000 rows at most."""
    rng = np.random.default_rng(seed)
    most = MOST_ROWS_FREE if found.free else MOST_ROWS
    if asked.n > most:
        keep = _drawn(asked, rng, most / asked.n)
        asked = asked.part(keep)
        found = adjusted(asked, seed=seed, free=found.free)
    first = adjusted(asked, seed=seed, free=found.free).contrasts[0]
    return [
        _placebo(asked, found, rng, tries),
        _dummy(asked, found, rng, tries),
        _common_cause(asked, first, rng, tries, seed, found.free),
        _subset(asked, first, rng, tries, found.free),
    ]


def _nothing(name: str, what: str, make: Callable[[], Asked], tries: int, free: bool) -> Check:
    """Of repetitions in which the effect is 0 by construction: whether their mean is."""
    tried = [adjusted(make(), seed=at, free=free).contrasts[0] for at in range(tries)]
    scores = [apart(each.value, each.error) for each in tried]
    z = float(np.mean(scores)) * math.sqrt(tries)
    holds = abs(z) < FAR
    end = "as there should be." if holds else "so that this adjustment finds effects where there are none."
    return Check(name, holds, z, f"With {what} there is {'no' if holds else 'still an'} effect, {end}")


def _placebo(asked: Asked, found: Adjusted, rng: np.random.Generator, tries: int) -> Check:
    """A lever that hangs on the columns as the real one does, and on nothing else."""

    def made() -> Asked:
        if asked.kind == "number":
            return replace(asked, t=found.expected_lever + rng.permutation(asked.t - found.expected_lever))
        steps = found.expected_lever.cumsum(axis=1)
        drawn = (rng.random((asked.n, 1)) > steps[:, :-1]).sum(axis=1)
        return replace(asked, t=drawn.astype(np.float64))

    return _nothing(
        "placebo lever",
        f"a {asked.lever} drawn by chance from the columns held fixed",
        made,
        tries,
        found.free,
    )


def _dummy(asked: Asked, found: Adjusted, rng: np.random.Generator, tries: int) -> Check:
    """An outcome that hangs on the columns as the real one does, and not on the lever."""
    expected = found.expected.mean(axis=1)
    left = asked.y - (
        expected if asked.kind == "number" else found.expected[np.arange(asked.n), asked.t.astype(int)]
    )

    def made() -> Asked:
        return replace(asked, y=expected + rng.permutation(left))

    return _nothing(
        "dummy outcome", f"{asked.outcome} made from the columns held fixed alone", made, tries, found.free
    )


def _common_cause(
    asked: Asked, first: Contrast, rng: np.random.Generator, tries: int, seed: int, free: bool
) -> Check:
    """A column more of pure chance must not move the estimate."""
    name = "chance" + "_" * max(len(each) for each in asked.rows.names)
    moved = list[float]()
    for _ in range(tries):
        values = {**asked.rows.values, name: rng.normal(size=asked.n)}
        more = replace(asked, rows=Columns(values, asked.rows.levels), adjust=(*asked.adjust, name))
        moved.append(
            abs(apart(adjusted(more, seed=seed, free=free).contrasts[0].value - first.value, first.error))
        )
    most = max(moved)
    holds = most < 1
    words = f"A column of pure chance, held fixed too, moves it by {most:.2f} standard errors at most."
    return Check("random common cause", holds, most, words)


def _subset(asked: Asked, first: Contrast, rng: np.random.Generator, tries: int, free: bool) -> Check:
    """Four fifths of the rows, or of the clusters, must say the same but for chance: half a standard error."""
    moved = list[float]()
    for at in range(tries):
        part = asked.part(_drawn(asked, rng, 0.8))
        moved.append(apart(adjusted(part, seed=at, free=free).contrasts[0].value - first.value, first.error))
    most = float(np.max(np.abs(moved)))
    holds = most < FAR
    words = f"Four fifths of the rows, drawn anew, move it by {most:.2f} standard errors at most."
    return Check("subset", holds, most, words)


def _drawn(asked: Asked, rng: np.random.Generator, share: float) -> npt.NDArray[np.bool_]:
    """(n,): a share of the rows, or of the clusters, by chance."""
    groups = asked.n if asked.clusters is None else int(asked.clusters.max()) + 1
    chosen = rng.permutation(groups) < math.ceil(share * groups)
    return chosen if asked.clusters is None else chosen[asked.clusters]
