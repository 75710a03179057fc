"""How well a score says whom to treat: the Qini curve, its area above chance, and how sure both are."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError, UsageError
from drivetrain.figures import number, rough
from drivetrain.metrics.estimate import (
    BOOTSTRAP,
    FEWEST_GROUPS,
    Estimate,
    block_of,
    groups_of,
    percentiles,
    resample,
)

Floats = npt.NDArray[np.float64]
POINTS = 100
"""Of the curve: shares at which it is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Qini:
    """What treating the rows of the highest scores gains, by the share (P,) of all that is treated, first 0 and last 1.

    `gain` (P,) is per row of *all*, in units of the outcome, with 95 % limits at each share; `everyone` is its end, the
    average effect. Treating as many by chance would gain share * everyone. `coefficient` is the area between the two (the Qini
    coefficient), `area` that under the curve (AUUC). `p` is the chance of a coefficient so
    far from 0 were the order worth nothing.
    """

    share: Floats
    gain: Floats
    low: Floats
    high: Floats
    coefficient: Estimate
    area: Estimate
    everyone: Estimate
    p: float

    @property
    def words(self) -> str:
        """Whether the score tells those apart on whom the treatment works."""
        told = f"{rough(self.coefficient.value)} ({rough(self.coefficient.low)} to {rough(self.coefficient.high)})"
        if np.isnan(self.coefficient.low):
            return f"Area above treating by chance: {rough(self.coefficient.value)}; too few groups to say how sure that is."
        if self.coefficient.low > 0:
            return f"Treating by score beats treating as many by chance: area above it {told}."
        if self.coefficient.high < 0:
            return f"Treating by score is worse than treating as many by chance: area {told}."
        return (
            f"No sign that it works better on the rows with high scores: area above chance {told}, "
            "which holds 0. Treat all or none, by the average effect."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "share": self.share.tolist(), "gain": self.gain.tolist(), "low": _known(self.low), "high": _known(self.high),
            "coefficient": self.coefficient.to_json(), "area": self.area.to_json(), "everyone": self.everyone.to_json(),
            "p": None if np.isnan(self.p) else self.p, "words": self.words,
        }  # fmt: skip

    def __str__(self) -> str:
        def at(share: float, of: Floats) -> float:
            return float(np.interp(share, self.share, of))

        lines = [
            f"treat the top {share:4.0%}: gains {number(at(share, self.gain))} a row of all "
            f"({number(at(share, self.low))} to {number(at(share, self.high))}), by chance {number(share * self.everyone.value)}"
            for share in (0.1, 0.3, 0.5)
        ]
        whole = self.everyone
        return "\n".join(
            [
                *lines,
                f"treat everyone:     gains {number(whole.value)} ({number(whole.low)} to {number(whole.high)})",
                self.words,
            ]
        )


def effect_scores(
    treatment: Floats, outcome: Floats, propensity: Floats, expected: tuple[Floats, Floats]
) -> Floats:
    """(n,) for each row a number whose mean over any group of rows is the treatment's effect in that group.

    `expected` are the outcomes of the row without and with treatment, predicted by what has not seen it. Augmented inverse
    propensities: Robins, Rotnitzky and Zhao (1994), Journal of the American Statistical Association 89:846-866. In a experiment
    with known propensities it holds whatever the predictions, which only make it less noisy.
    """
    without, with_ = expected
    surprise = np.where(
        treatment > 0, (outcome - with_) / propensity, -(outcome - without) / (1 - propensity)
    )
    return with_ - without + surprise


def qini(
    score: npt.ArrayLike,
    treatment: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    propensity: npt.ArrayLike | None = None,
    expected: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    cluster: npt.ArrayLike | None = None,
    seed: int = 0,
) -> Qini:
    """The Qini curve of (n,) scores, the highest first, in rows where `treatment` (n,) 0 or 1 was given with `propensity`.

    None: by a coin that was the same for all, whose share is that of the treated. Scores that were fitted to these very rows
    flatter themselves: score them by what has not seen them (`Uplift.out_of_fold`). `expected`: the outcomes (n,) without and with
    treatment that a model predicts which has not seen the row; they narrow the intervals. Rows of equal score are treated as
    one group, in no order. Rows of equal `cluster` are drawn together. Raises DataError for what is no such data.

    Radcliffe (2007), Using control groups to target on predicted lift, Direct Marketing Analytics Journal 14-21; as a mean of
    augmented inverse propensities: Yadlowsky, Fleming, Shah, Brunskill and Wager (2025), Journal of the American Statistical
    Association 120:38-51. Intervals: 1,000 bootstrap resamples of rows or clusters.
    """
    given = {"score": score, "treatment": treatment, "outcome": outcome}
    s, w, y = (_finite(values, what) for what, values in given.items())
    if not len(s) == len(w) == len(y):
        raise DataError(f"there are {len(s):,} scores, {len(w):,} treatments and {len(y):,} outcomes.")
    if not np.isin(w, (0, 1)).all() or np.ptp(w) == 0:
        raise DataError(
            "the treatment has to be 0 for some rows and 1 for others.",
            fix="Without rows of both kinds nobody can tell what it does.",
        )
    chance = np.broadcast_to(np.asarray(w.mean() if propensity is None else propensity, np.float64), w.shape)
    if not ((chance > 0) & (chance < 1)).all():
        raise DataError(
            "each propensity has to be between 0 and 1.",
            fix="Leave out the rows that were always or never treated.",
        )
    if expected is None:
        means = [
            np.average(y[w == arm], weights=1 / np.where(w > 0, chance, 1 - chance)[w == arm])
            for arm in (0, 1)
        ]
        predicted = np.full_like(y, means[0]), np.full_like(y, means[1])
    else:
        predicted = _finite(expected[0], "expected"), _finite(expected[1], "expected")
    return curve_of(s, effect_scores(w, y, chance, predicted), cluster, seed)


def curve_of(score: Floats, effects: Floats, cluster: npt.ArrayLike | None = None, seed: int = 0) -> Qini:
    """The Qini curve of (n,) scores from the (n,) `effect_scores` of the rows."""
    n = len(score)
    if cluster is None:
        blocks, groups = block_of(n, seed), None
    else:
        groups = np.unique(np.asarray(cluster), return_inverse=True)[1].astype(np.int64)
        blocks = block_of(int(groups.max()) + 1, seed)[groups]
    step = _steps(score)
    bins, size = int(step.max()) + 1, int(blocks.max()) + 1
    cell = blocks * bins + step
    terms = [np.bincount(cell, weights, size * bins).reshape(size, bins) for weights in (effects, np.ones(n))]
    sums: Floats = np.concatenate(terms, axis=1, dtype=np.float64)
    share, gain, area, above = _curves(sums.sum(axis=0, keepdims=True), bins)
    enough = groups is None or groups.max() + 1 >= FEWEST_GROUPS
    drawn = resample(sums, seed) if enough else np.full((2, 2 * bins), np.nan)
    _, gains, areas, aboves = _curves(drawn, bins)
    low, high = np.quantile(gains, (0.025, 0.975), axis=0) if enough else (np.full_like(gain[0], np.nan),) * 2
    method = BOOTSTRAP if groups is None else groups_of(groups)

    def told(value: float, replicates: Floats) -> Estimate:
        found = percentiles(value, replicates, n)
        return Estimate(found.value, found.low, found.high, method, n)

    spread = float(aboves.std())
    # Twice a normal tail: the area is a mean over rows, and 1,000 resamples can't count a tail below 1 in 1,000.
    p = 2 * NormalDist().cdf(-abs(above[0]) / spread) if spread > 0 else float("nan")
    return Qini(
        share[0], gain[0], low, high,
        told(float(above[0]), aboves), told(float(area[0]), areas), told(float(gain[0, -1]), gains[:, -1]), p,
    )  # fmt: skip


def _steps(score: Floats) -> npt.NDArray[np.int64]:
    """(n,) in which step of the curve a row comes: about `POINTS` of equal size, equal scores in the same."""
    ordered, code, count = np.unique(-score, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    of_score = np.minimum((last - count / 2) * POINTS // len(score), POINTS - 1).astype(np.int64)
    if len(ordered) == 1:
        of_score[:] = 0
    return np.unique(of_score[code], return_inverse=True)[1].astype(np.int64)


def _curves(sums: Floats, bins: int) -> tuple[Floats, Floats, Floats, Floats]:
    """(draws, bins + 1) shares and gains from sums (draws, 2 * bins), and (draws,) the areas under the curve and above chance."""
    start = np.zeros((len(sums), 1))
    count = np.concatenate([start, sums[:, bins:].cumsum(axis=1)], axis=1)
    total = count[:, -1:]
    gain = np.concatenate([start, sums[:, :bins].cumsum(axis=1)], axis=1) / total
    share = count / total
    area = ((gain[:, 1:] + gain[:, :-1]) / 2 * np.diff(share, axis=1)).sum(axis=1)
    return share, gain, area, area - gain[:, -1] / 2


def _finite(values: npt.ArrayLike, what: str) -> Floats:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError) as fault:
        raise UsageError(f"{what} has to be numbers.") from fault
    if found.ndim != 1 or len(found) < 2:
        raise DataError(
            f"{what} has shape {found.shape}.", fix="Give one number for each of two rows or more."
        )
    if not np.isfinite(found).all():
        raise DataError(f"{what} is not a number.", where=f"row {int(np.argmin(np.isfinite(found))) + 1}")
    return found


def _known(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
