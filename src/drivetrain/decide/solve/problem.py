"""What a solver sees of a plan: numbers between bounds, what a setting of them is worth, and what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_HOLDS = 1e-9
"""By how much of a bound's own size a constraint may be off and still hold: rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Where n numbers may lie: what every setting that a solver proposes keeps to.

    `names` (n,) says of which lever each number is: once, or once for each row. A number is `lower` plus a whole number of
    `step`s, or any one where `step` is 0. Of `nominal` ones, the places of a choice, neighbours have nothing in common. `now` is
    the current practice, nan where nobody said.
    """

    names: tuple[str, ...]
    lower: Floats
    upper: Floats
    step: Floats
    nominal: Flags
    now: Floats

    @classmethod
    def of(
        cls,
        lower: Sequence[float] | Floats,
        upper: Sequence[float] | Floats,
        *,
        names: Sequence[str] = (),
        step: Sequence[float] | Floats | float = 0.0,
        nominal: Sequence[bool] | Flags | bool = False,
        now: Sequence[float] | Floats | float = np.nan,
    ) -> Box:
        """A box from what is said once for all numbers or for each. Upper bounds come down to the last step."""
        low = np.asarray(lower, np.float64)
        each, count = low.shape, low.size
        steps = np.broadcast_to(np.asarray(step, np.float64), each)
        high = np.asarray(upper, np.float64)
        with np.errstate(invalid="ignore"):
            last = low + steps * np.floor((high - low) / np.where(steps > 0, steps, 1.0) + 1e-9)
        high = np.where((steps > 0) & np.isfinite(high), last, high)
        return cls(
            tuple(names) or tuple(f"x{at}" for at in range(count)), low, high, steps,
            np.broadcast_to(np.asarray(nominal, np.bool_), each), np.broadcast_to(np.asarray(now, np.float64), each),
        )  # fmt: skip

    @property
    def size(self) -> int:
        return len(self.lower)

    @property
    def counts(self) -> Floats:
        """How many values each number may have: inf where any."""
        with np.errstate(divide="ignore", invalid="ignore"):
            many = np.round((self.upper - self.lower) / self.step) + 1
        return np.where(self.upper <= self.lower, 1.0, np.where(self.step > 0, many, np.inf))

    def nearest(self, x: Floats) -> Floats:
        """The setting in the box nearest to x (..., n): on the steps, between the bounds."""
        steps = np.where(self.step > 0, self.step, 1.0)
        low = np.where(np.isfinite(self.lower), self.lower, 0.0)
        placed = np.where(self.step > 0, low + steps * np.round((x - low) / steps), x)
        return np.clip(placed, self.lower, self.upper)

    def levers(self, x: Floats) -> dict[str, Floats]:
        """Of a setting (n,), name -> () of a lever for all, (rows,) of one for each row."""
        places: dict[str, list[int]] = {}
        for at, name in enumerate(self.names):
            places.setdefault(name, []).append(at)
        return {name: x[at[0]] if len(at) == 1 else x[at] for name, at in places.items()}


class Source(Protocol):
    """What computes what settings are worth."""

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings x (S, n): objectives (S, K), of which less is better, and constraints (S, C), which hold at 0 or less."""
        ...

    def slopes(self, x: Floats) -> tuple[Floats, Floats] | None:
        """At one setting (n,): how objectives (K, n) and constraints (C, n) change. None: differences have to do."""
        ...


@dataclass(frozen=True, slots=True)
class Calls:
    """A source from a function of x (S, n) that gives (S,) or (S, K), and one that gives (S, C)."""

    objective: Callable[[Floats], Floats]
    constraints: Callable[[Floats], Floats] | None = None

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        value = np.asarray(self.objective(x), np.float64).reshape(len(x), -1)
        if self.constraints is None:
            return value, np.zeros((len(x), 0))
        return value, np.asarray(self.constraints(x), np.float64).reshape(len(x), -1)

    def slopes(self, x: Floats) -> tuple[Floats, Floats] | None:
        return None


@dataclass(slots=True)
class Meter:
    """How many settings were computed."""

    settings: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Find x in the box that makes `value` least while no constraint is above 0. To a solver less is always better.

    `sign` is -1 where the user maximises: value = sign * objective. `names` of the constraints (C,), with the size that a bound
    of each has, `sizes`, by which rounding is forgiven. A plan with several objectives is looked at by one, `which`, at a time;
    `limits` bound the value of others. Of the constraints those `kept` count; None: all. `simulator` is what it is of, where it
    is of a plan, and `cells` the rows x draws of it: what one setting costs.
    """

    box: Box
    source: Source
    names: tuple[str, ...] = ()
    sizes: Floats | None = None
    signs: tuple[int, ...] = (1,)
    which: int = 0
    turned: bool = False
    kept: tuple[int, ...] | None = None
    limits: Mapping[int, float] = field(default_factory=dict[int, float])
    simulator: Any = None
    cells: int = 1
    meter: Meter = field(default_factory=Meter)

    @property
    def sign(self) -> int:
        """What the user's objective is multiplied by to become the value that is made least."""
        return -self.signs[self.which] if self.turned else self.signs[self.which]

    @property
    def ruled(self) -> bool:
        """Whether some lever's numbers, one for each row, have to come from a tree that a person can read."""
        return self.simulator is not None and any(
            each.rule is not None for each in self.simulator.plan.levers
        )

    @property
    def constraint_names(self) -> tuple[str, ...]:
        """Of the constraints that `evaluate` gives (C,)."""
        chosen = range(len(self.names)) if self.kept is None else self.kept
        return (*(self.names[at] for at in chosen), *(f"objective {at + 1}" for at in self.limits))

    @property
    def tolerance(self) -> Floats:
        """(C,): a constraint no further above 0 than this holds."""
        sizes = np.ones(len(self.names)) if self.sizes is None else self.sizes
        own = sizes if self.kept is None else sizes[list(self.kept)]
        limits = [max(abs(limit), 1.0) for limit in self.limits.values()]
        return _HOLDS * np.concatenate([own, np.array(limits)])

    def worst(self) -> Problem:
        """The same with the sense turned: what to keep away from."""
        return replace(self, turned=not self.turned)

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings (S, n): values (S,), inf where there is none, and constraints (S, C)."""
        self.meter.settings += len(x)
        objectives, constraints = self.source.evaluate(x)
        value = -objectives[:, self.which] if self.turned else objectives[:, self.which]
        return np.where(np.isnan(value), np.inf, value), self._bounded(objectives, constraints)

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """At one setting (n,): how the value (n,) and the constraints (C, n) change with each number."""
        exact = self.source.slopes(x)
        if exact is None:
            return self._differences(x)
        objectives, constraints = exact
        if self.kept is not None:
            constraints = constraints[list(self.kept)]
        own = -objectives[self.which] if self.turned else objectives[self.which]
        return own, np.concatenate([constraints, objectives[list(self.limits)]])

    def holds(self, constraints: Floats) -> Flags:
        """Whether all hold, of (S, C): (S,)."""
        return np.asarray((constraints <= self.tolerance).all(axis=1), np.bool_)

    def objective(self, value: float) -> float:
        """A value in the user's sense."""
        return self.sign * value

    def _bounded(self, objectives: Floats, constraints: Floats) -> Floats:
        if self.kept is not None:
            constraints = constraints[:, list(self.kept)]
        if not self.limits:
            return constraints
        beyond = objectives[:, list(self.limits)] - np.array([*self.limits.values()])
        return np.concatenate([constraints, beyond], axis=1)

    def _differences(self, x: Floats) -> tuple[Floats, Floats]:
        """Central differences, within the bounds, all in one call."""
        box, n = self.box, self.box.size
        width = np.where(np.isfinite(box.upper - box.lower), box.upper - box.lower, np.maximum(abs(x), 1.0))
        reach = 6e-6 * np.maximum(np.minimum(width, np.maximum(abs(x), 1e-3 * width)), 1e-12)
        above, below = np.minimum(x + reach, box.upper), np.maximum(x - reach, box.lower)
        here = np.repeat(x[None], 2 * n, axis=0)
        here[np.arange(n), np.arange(n)] = above
        here[n + np.arange(n), np.arange(n)] = below
        value, constraints = self.evaluate(here)
        apart = np.where(above > below, above - below, 1.0)
        with np.errstate(invalid="ignore"):
            return (value[:n] - value[n:]) / apart, ((constraints[:n] - constraints[n:]) / apart[:, None]).T
