"""The default forecaster: a bank of ridge regressions and plain rules, chosen by what they would have foretold, and averaged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from drivetrain.errors import DataError
from drivetrain.forecasting.bands import spread_of
from drivetrain.forecasting.effects import Effects
from drivetrain.forecasting.ridge import Floats
from drivetrain.forecasting.shape import Shape
from drivetrain.types import Array

LONGEST = 1024
"""Moments that a lookback has at most."""
VALUES, ORIGINS = 600_000, 2_000
"""Of validation in each fold, at most: outcomes, and origins."""
ROUNDS, GAIN = 10, 0.001
"""Of averaging: a member is taken in (again) while that lowers the error by this share."""


def lookbacks(size: int, horizon: int, seasons: Sequence[int] = ()) -> tuple[int, ...]:
    """What is worth trying for a series of `size` training moments, ascending: seasons and multiples of them, and in each doubling
    one at least; at most a third of the series, and 1,024. The last is what a task's context is where nobody says otherwise."""
    most = max(1, min(LONGEST, (size - horizon) // 3))
    wanted = {most, *(season * times for season in seasons if season > 1 for times in (1, 2, 4))}
    wanted |= {season + 1 for season in seasons if 1 < season < 32}
    step = max(2, min(horizon, most))
    while step < most:
        wanted.add(step)
        step *= 2
    return tuple(_apart(sorted(each for each in wanted if each <= most)))


def _apart(sizes: list[int]) -> list[int]:
    """Without those that are much the same as the one after them, of long ones."""
    kept = [size for size, after in itertools.pairwise(sizes) if size < 32 or after > 1.3 * size]
    return [*kept, sizes[-1]]


@dataclass(frozen=True)
class Way:
    """How the numbers are looked at: as logarithms or not, and with the effects of covariates as seasons `lag` apart show them
    (0: without)."""

    log: bool = False
    lag: int = 0


@dataclass(frozen=True)
class Choice:
    """A member of the bank and its share: `kind` is "ridge", "shape", "naive", "seasonal" or "mean". A ridge has a lookback and a
    penalty, the others a season or a width as `lookback`."""

    kind: str
    lookback: int
    share: float
    way: Way = Way()
    penalty: float = 0.0

    @property
    def words(self) -> str:
        if self.kind == "ridge":
            found = f"ridge of the last {self.lookback:,}"
            found += " as logarithms" if self.way.log else ""
            return found + (f" with covariates over {self.way.lag:,}" if self.way.lag else "")
        return {
            "shape": f"level times shape of {self.lookback:,}",
            "naive": "the last value",
            "seasonal": f"the same moment {self.lookback:,} before",
            "mean": f"the mean of the last {self.lookback:,}",
        }[self.kind]


@dataclass(frozen=True)
class Recipe:
    """All that was chosen: with it a bank is solved anew, of more data. `scores` (horizon, levels) are the quantiles of residuals
    over the `power` of the mean size of the last `steps` steps, of `origins` origins; `errors` what each kind of thing that was
    tried was off by there, as a share of what the season before is off by: the "average" in folds that it was not chosen in."""

    context: int
    horizon: int
    seasons: tuple[int, ...]
    members: tuple[Choice, ...]
    levels: tuple[float, ...]
    steps: int
    power: float
    scores: tuple[tuple[float, ...], ...]
    origins: int
    errors: Mapping[str, float] = field(default_factory=dict[str, float])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Recipe:
        """Raises DataError for a record that is none."""
        try:
            members = tuple(Choice(**{**each, "way": Way(**each["way"])}) for each in record["members"])
            return cls(
                **{
                    **record,
                    "seasons": tuple(record["seasons"]),
                    "members": members,
                    "levels": tuple(record["levels"]),
                    "scores": tuple(tuple(row) for row in record["scores"]),
                }
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise DataError(f"no recipe of a bank: {fault}.") from fault


@dataclass(frozen=True, eq=False)
class Lines:
    """The linear members of one way together: `matrix` (lookback, horizon) of the past as it is. Logarithms are of numbers that are
    at least `floor`, plus `shift`, and stay between `low` and `high`."""

    share: float
    way: Way
    matrix: Floats
    effects: Effects | None
    scaled: bool
    floor: float
    shift: float
    low: float
    high: float

    def forecast(self, past: Floats, before: Floats, after: Floats) -> Floats:
        """(n, horizon) of the target's past (n, context), and the known covariates before and after the origin."""
        lookback = len(self.matrix)
        if self.effects is None:
            return self.answer(self.numbers(past[:, -lookback:]), self.matrix)
        size = self.size(past)
        rest = self.numbers(past[:, -lookback:]) - size * self.effects.of(before[:, -lookback:])
        return self.answer(rest, self.matrix, size * self.effects.of(after))

    def answer(self, rest: Floats, matrix: Floats, added: Floats | float = 0.0) -> Floats:
        """(n, horizon) of what remains of the past (n, at least lookback) without effects, and the effects to come."""
        return self.natural(rest[:, -len(matrix) :] @ matrix + added)

    def size(self, past: Floats) -> Floats | float:
        """(n, 1) of the past (n, context): what effects are shares of."""
        return spread(self.numbers(past))[:, None] if self.scaled else 1.0

    def numbers(self, values: Floats) -> Floats:
        return np.log(np.maximum(values, self.floor) + self.shift) if self.way.log else values

    def natural(self, numbers: Floats) -> Floats:
        return np.exp(np.clip(numbers, self.low, self.high)) - self.shift if self.way.log else numbers


def spread(numbers: Floats) -> Floats:
    """(n,) the standard deviation of each row (n, length), never 0."""
    return np.maximum(numbers.std(axis=1), 1e-6)


@dataclass(frozen=True, eq=False)
class Bank:
    """Fitted members, and the recipe that they follow."""

    recipe: Recipe
    lines: tuple[Lines, ...]
    shapes: tuple[tuple[float, Shape], ...]
    future: tuple[int, ...]

    def point(self, past: Array, future: Array | None = None) -> Floats:
        """(n, horizon) of past (n, context, columns), of which the first is the target, and future (n, horizon, known)."""
        past = np.asarray(past, np.float64)
        target, before = past[:, :, 0], past[:, :, list(self.future)]
        after = (
            np.zeros((len(past), self.recipe.horizon, 0))
            if future is None
            else np.asarray(future, np.float64)
        )
        total = np.zeros((len(past), self.recipe.horizon))
        for lines in self.lines:
            total += lines.share * lines.forecast(target, before, after)
        for share, shape in self.shapes:
            total += share * shape.forecast(target)
        return total

    def forecast(self, past: Array, future: Array | None = None) -> Floats:
        """(n, horizon, 1 + levels): the point forecast and the quantiles."""
        point = self.point(past, future)
        wide = spread_of(np.asarray(past, np.float64)[:, :, 0], self.recipe.steps) ** self.recipe.power
        bands = point[:, :, None] + wide[:, None, None] * np.array(self.recipe.scores)
        return np.concatenate([point[:, :, None], bands], axis=2)

    def told(self) -> list[str]:
        """What was chosen and by how much, in plain words."""
        members = sorted(self.recipe.members, key=lambda each: -each.share)
        found = ["forecasts by " + ", ".join(f"{each.share:.0%} {each.words}" for each in members)]
        if errors := self.recipe.errors:
            unit = "the season before" if "seasonal" in errors else "the last value"
            found.append(
                f"chosen by {self.recipe.origins:,} origins within training, where it was off by {errors['average']:.0%} of what "
                f"{unit} was"
            )
        return found
