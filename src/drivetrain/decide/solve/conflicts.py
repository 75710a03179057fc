"""Constraints that can't hold together: a smallest set of them, by leaving out one after the other (Chinneck, 2008, ch. 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.downhill.least import least
from drivetrain.decide.solve.downhill.local import COSTLY
from drivetrain.decide.solve.planned import coarser
from drivetrain.decide.solve.problem import Problem
from drivetrain.errors import UsageError

Floats = npt.NDArray[np.float64]
_NEARLY = 1e-7
"""A constraint that is broken by this share of its bound's size, where it is broken least, is taken to hold."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """`names` of constraints that no setting satisfies together, none of which can be left out; `nearest`, how far each is
    off, in its own unit, at the setting that comes nearest."""

    names: tuple[str, ...]
    nearest: dict[str, float]


def conflict(problem: Problem, seed: int = 0) -> Conflict | None:
    """A smallest set of constraints that can't hold together; None where some setting was found that satisfies all."""
    chosen = list(range(len(problem.constraint_names)))
    if not chosen or (off := _off(problem, chosen, seed)) is None:
        return None
    for each in [*chosen]:
        others = [other for other in chosen if other != each]
        without = _off(problem, others, seed) if others else None
        if without is not None:
            chosen, off = others, without
    names = problem.constraint_names
    nearest = dict[str, float]()
    for at, by in zip(chosen, off):  # An equation is two of one name.
        nearest[names[at]] = max(nearest.get(names[at], 0.0), float(by))
    return Conflict(tuple(nearest), nearest)


def infeasible(problem: Problem, *, seed: int = 0) -> UsageError:
    """What to tell of a problem of which no setting satisfies all constraints."""
    found = conflict(coarser(problem, COSTLY) or problem, seed)
    if found is None:
        return UsageError("no setting was found that keeps to all constraints.", fix="Loosen one of them.")
    off = ", ".join(f"{name} by {by:.6g}" for name, by in found.nearest.items() if by > 0)
    if len(found.names) == 1:
        error = f"no setting within the levers' bounds satisfies the constraint {found.names[0]!r}."
    else:
        error = f"no setting satisfies the constraints {' and '.join(map(repr, found.names))} together."
    return UsageError(error, fix=f"They are missed by least with {off}: looser by as much, they hold.")


def _off(problem: Problem, chosen: list[int], seed: int) -> Floats | None:
    """By how much each of the chosen constraints is missed where they are missed least; None where all hold."""
    alone = replace(
        problem, source=_Missed(problem, chosen), names=(), sizes=None, signs=(1,), which=0, turned=False, kept=None, limits={},
        simulator=None,
    )  # fmt: skip
    best = least(alone, seed)
    if best.value <= len(chosen) * _NEARLY**2:
        return None
    return np.maximum(problem.evaluate(best.x[None])[1][0, chosen], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Missed:
    """By how much chosen constraints are missed: the sum of squares, each in units of its bound."""

    problem: Problem
    chosen: list[int]

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        return (self._beyond(x) ** 2).sum(axis=1)[:, None], np.zeros((len(x), 0))

    def slopes(self, x: Floats) -> tuple[Floats, Floats] | None:
        each = 2 * self._beyond(x[None])[0] / self._sizes
        slopes = self.problem.slopes(x)[1][self.chosen]
        return np.where(each[:, None] > 0, each[:, None] * slopes, 0.0).sum(axis=0)[None], np.zeros(
            (0, len(x))
        )

    @property
    def _sizes(self) -> Floats:
        return self.problem.tolerance[self.chosen] * 1e9

    def _beyond(self, x: Floats) -> Floats:
        excess = self.problem.evaluate(x)[1][:, self.chosen]
        tolerance = self.problem.tolerance[self.chosen]
        return np.maximum(np.nan_to_num(excess, nan=np.inf) - tolerance, 0.0) / self._sizes
