"""Keep a stated share of decisions to chance, and log with which: so that the next estimate is of a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError, UsageError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Reward = Literal["share", "mean"]
DRAWS = 4096
"""Of what the levels may be worth, to see how often each is the best: a propensity is a multiple of 1 / DRAWS (and the floor)."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What was chosen for each row: `level` (n,) the place among `levels`, with `propensities` (n, K), from which it was drawn.

    These are the true probabilities of the draw and no estimates: an estimate that weighs by them is unbiased.
    """

    levels: tuple[Any, ...]
    level: Codes
    propensities: Floats

    @property
    def propensity(self) -> Floats:
        """(n,) with which probability the level of the row was drawn."""
        return self.propensities[np.arange(len(self.level)), self.level]

    @property
    def values(self) -> npt.NDArray[Any]:
        """(n,) the levels themselves."""
        return np.asarray(self.levels)[self.level]

    def columns(self, lever: str) -> dict[str, npt.NDArray[Any]]:
        """What to keep beside each row until its outcome is known: the lever's value and its propensity, by name."""
        return {lever: self.values, f"{lever}_propensity": self.propensity}


def epsilon_greedy(
    proposed: npt.ArrayLike, levels: Sequence[Any], share: float = 0.1, seed: int = 0
) -> Drawn:
    """The proposed level for each row (n,), but for a `share` of the rows any of the levels by chance.

    `proposed` are levels, not their places. Each level is drawn with probability share / K at least, the proposed one with
    1 - share + share / K. Raises UsageError for a share that is not in (0, 1], DataError for a proposal that is no level.
    """
    places = _places(proposed, levels)
    chances = np.full((len(places), len(levels)), _share(share) / len(levels))
    chances[np.arange(len(places)), places] += 1 - share
    return _drawn(levels, chances, seed)


@dataclass(frozen=True, slots=True, eq=False)
class Thompson:
    """Draw each level as often as it is likely to be the best one, by what has been observed of it; `share` is kept to chance.

    `reward` says of what kind rewards are: a "share" (0 or 1, or between: a beta posterior from a uniform prior) or a "mean"
    (any number: a normal posterior with the spread of the level's own rewards, and until two are known at chance). `sums` (3, K)
    is what was observed: how many rewards of each level, their sum and that of their squares.

    Thompson (1933), Biometrika 25:285-294. The usual algorithm draws one guess of each level's worth and takes the best: its
    propensity is an integral that nobody logs. Here that probability is worked out first, from 4,096 guesses, and the level is
    drawn from it: same behaviour, and the propensity that is logged is exact.
    """

    levels: tuple[Any, ...]
    share: float = 0.1
    reward: Reward = "share"
    sums: Floats = field(default_factory=lambda: np.zeros((3, 0)))

    def __post_init__(self) -> None:
        _share(self.share)
        if len(self.levels) < 2:
            raise UsageError("a lever with fewer than two levels has nothing to explore.")
        if self.reward not in ("share", "mean"):
            raise UsageError(f"a reward is a share or a mean, not {self.reward!r}.")
        if not self.sums.size:
            object.__setattr__(self, "sums", np.zeros((3, len(self.levels))))

    def observe(self, level: npt.ArrayLike, reward: npt.ArrayLike) -> Thompson:
        """What is known with these rows too: `level` (n,) that they had, `reward` (n,) that came of it."""
        places = _places(level, self.levels)
        earned = np.asarray(reward, np.float64)
        if earned.shape != places.shape or not np.isfinite(earned).all():
            raise DataError(f"rewards are {len(places):,} finite numbers, one for each row.")
        if self.reward == "share" and len(earned) and (earned.min() < 0 or earned.max() > 1):
            raise DataError(
                "a reward that is a share is between 0 and 1.", fix="Take reward='mean' for other numbers."
            )
        k = len(self.levels)
        seen = [np.bincount(places, earned**power, k) for power in (0, 1, 2)]
        return replace(self, sums=self.sums + np.stack(seen))

    def chances(self, seed: int = 0) -> Floats:
        """(K,) with which probability each level is drawn next."""
        best = self._worth(np.random.default_rng([seed, 1])).argmax(axis=1)
        often = np.bincount(best, minlength=len(self.levels)) / DRAWS
        return (1 - self.share) * often + self.share / len(self.levels)

    def draw(self, n: int, seed: int = 0) -> Drawn:
        """The level for each of the next n rows, all by what is known now."""
        return _drawn(self.levels, np.broadcast_to(self.chances(seed), (n, len(self.levels))), seed)

    def _worth(self, made: np.random.Generator) -> Floats:
        """(DRAWS, K) guesses of what each level is worth."""
        n, total, squares = self.sums
        shape = DRAWS, len(self.levels)
        if self.reward == "share":
            return made.beta(1 + total, 1 + n - total, shape)
        known = n >= 2
        if not known.all():  # What was hardly tried is tried first: it may be worth anything.
            return np.where(known, -np.inf, made.random(shape))
        mean = total / n
        variance = np.maximum(squares / n - mean**2, 0.0) * n / (n - 1)
        return mean + np.sqrt(variance / n) * made.normal(size=shape)

    def to_json(self) -> dict[str, Any]:
        return {
            "levels": [*self.levels], "share": self.share, "reward": self.reward, "sums": self.sums.tolist(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Thompson:
        sums = np.asarray(given["sums"], np.float64)
        return cls(tuple(given["levels"]), float(given["share"]), given["reward"], sums)


def _share(share: float) -> float:
    if not 0 < share <= 1:
        raise UsageError(
            f"the share that is kept to chance has to be above 0 and at most 1, not {share}.",
            fix="Without chance the next estimate can't tell what the lever does.",
        )
    return share


def _places(values: npt.ArrayLike, levels: Sequence[Any]) -> Codes:
    if len({*levels}) != len(levels) or not len(levels):
        raise UsageError("the levels of a lever are each named once.")
    given = np.asarray(values)
    if given.ndim != 1:
        raise DataError(f"levels have shape {given.shape}.", fix="Give one for each row.")
    places = {level: place for place, level in enumerate(levels)}
    found = np.asarray([places.get(value, -1) for value in given.tolist()], np.int64)
    if (found < 0).any():
        row = int(np.argmin(found))
        raise DataError(
            f"{given.tolist()[row]!r} is no level of the lever.",
            where=f"row {row + 1}",
            fix=f"Levels are {[*levels]}.",
        )
    return found


def _drawn(levels: Sequence[Any], chances: Floats, seed: int) -> Drawn:
    """Each row's level by its own chances (n, K), which sum to 1."""
    guess = np.random.default_rng([seed, 0]).random(len(chances))
    ends = chances.cumsum(axis=1)
    ends[:, -1] = 1.0  # Whatever rounding made of it.
    level = (guess[:, None] >= ends).sum(axis=1)
    return Drawn(tuple(levels), level.astype(np.int64), chances)
