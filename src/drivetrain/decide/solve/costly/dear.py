"""Where one setting takes long to simulate: the next is the one that promises most, by what is known of those before.

Bayesian search by expected improvement (Mockus, 1978; Jones, Schonlau and Welch, 1998, Journal of Global Optimization
13:455-492), its logarithm,
so that it has a slope where it is tiny (Ament et al., 2023, arXiv 2310.20708), times the probability that the constraints hold
(Gardner et al., 2014, ICML). It proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.costly.process import Process, fitted
from drivetrain.decide.solve.library import scipy
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.problem import Box
from drivetrain.decide.solve.solution import Certificate

Floats = npt.NDArray[np.float64]
CALLS = 60
CANDIDATES = 1024
POLISHED = 4
"""Candidates that are moved uphill."""
Ask = Callable[[Floats], tuple[Floats, Floats]]
"""Settings (S, n) -> values (S,) and constraints (S, C), which hold at 0 or less."""


def dear(ask: Ask, box: Box, *, calls: int = CALLS, seed: int = 0, batch: int = 1) -> tuple[Point, bool]:
    """(the best of `calls` settings, whether it keeps to the constraints). `batch` are asked about at once: after the first of them
    the others are chosen as if it had come out as expected (Ginsbourger, Le Riche and Carraro, 2010).

    All bounds are finite. Of what isn't finite, the worst so far is taken.
    """
    space = _Space(box)
    sobol = scipy("stats").qmc.Sobol(space.box.size, rng=np.random.default_rng(seed))
    made = np.random.default_rng([seed, 1])
    first = min(max(2 * space.box.size + 2, 6), max(calls // 2, 1))
    x = space.unique(space.placed(_drawn(sobol, first)))
    if np.isfinite(box.now).all():
        x = space.unique(np.concatenate([box.nearest(box.now)[None], x]))[:first]
    value, constraints = ask(x)
    models = _Models()
    while len(x) < calls:
        models.fit(space.coded(x), value, constraints)
        wanted = min(batch, calls - len(x))
        new = _next(models, space, x, value, constraints, sobol, made, wanted)
        if new is None:
            break
        more, excess = ask(new)
        x, value = np.concatenate([x, new]), np.concatenate([value, more])
        constraints = np.concatenate([constraints, excess])
    passed = np.maximum(constraints, 0).sum(1)
    holds = np.where(passed <= 1e-9, 0.0, passed)
    at = int(np.lexsort((value, holds))[0])
    words = f"The best of {len(x)} settings that were simulated, each chosen by what those before promised. A better one may exist."
    return Point(x[at], float(value[at]), Certificate("search", np.nan, words), evaluations=len(x)), bool(
        holds[at] == 0
    )


def _drawn(sobol: Any, count: int) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # That only powers of two are balanced.
        return np.asarray(sobol.random(count))


class _Space:
    """Settings as a process sees them: each number in [0, 1], each choice as one of several axes."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.span = np.where(box.upper > box.lower, box.upper - box.lower, 1.0)
        self.free = np.flatnonzero((box.step == 0) & (box.upper > box.lower))

    def placed(self, unit: Floats) -> Floats:
        """Settings of numbers in [0, 1]: each step is as likely as another."""
        counts = self.box.counts
        steps = np.where(np.isfinite(counts), counts, 1)
        stepped = self.box.lower + np.minimum(np.floor(unit * steps), steps - 1) * self.box.step
        return np.clip(
            np.where(np.isfinite(counts), stepped, self.box.lower + unit * self.span),
            self.box.lower,
            self.box.upper,
        )

    def coded(self, x: Floats) -> Floats:
        unit = (x - self.box.lower) / self.span
        parts = [unit[:, ~self.box.nominal]]
        for at in np.flatnonzero(self.box.nominal):
            places = self.box.lower[at] + np.arange(int(self.box.upper[at] - self.box.lower[at]) + 1)
            parts.append((x[:, at : at + 1] == places) / np.sqrt(2))
        return np.concatenate(parts, axis=1)

    def unique(self, x: Floats) -> Floats:
        """Each setting once, in the order they came."""
        return x[np.sort(np.unique(x, axis=0, return_index=True)[1])]


@dataclass(slots=True, eq=False)
class _Models:
    """Processes of the value and of each constraint."""

    value: Process | None = None
    constraints: tuple[Process, ...] = ()

    def fit(self, x: Floats, value: Floats, constraints: Floats) -> None:
        self.value = fitted(x, _tamed(value), None if self.value is None else self.value.logs)
        before: Sequence[Process | None] = self.constraints or (None,) * constraints.shape[1]
        self.constraints = tuple(
            fitted(x, _tamed(each), None if old is None else old.logs)
            for each, old in zip(constraints.T, before)
        )

    def worth(self, x: Floats, best: float | None) -> Floats:
        """The logarithm of expected improvement on `best` times the probability that all holds; without a best the latter alone."""
        assert self.value is not None
        found = np.zeros(len(x))
        if best is not None:
            mean, deviation = self.value.at(x)
            found += np.log(deviation) + _log_improvement((best - mean) / deviation)
        for each in self.constraints:
            mean, deviation = each.at(x)
            found += scipy("special").log_ndtr(-mean / deviation)
        return found


def _tamed(value: Floats) -> Floats:
    """What is infinite is the worst of what isn't; what is far above most comes nearer, for there nobody needs to know exactly."""
    known = value[np.isfinite(value)]
    if not len(known):
        return np.zeros(len(value))
    value = np.where(np.isfinite(value), value, known.max())
    low, middle, high = np.quantile(value, [0.25, 0.5, 0.75])
    far = middle + 3 * max(high - low, 1e-300)
    with np.errstate(all="ignore"):
        squeezed = far + (high - low) * np.log1p((value - far) / max(high - low, 1e-300))
    return np.asarray(np.where(value > far, squeezed, value), np.float64)


def _log_improvement(z: Floats) -> Floats:
    """log(phi(z) + z Phi(z)): by the scaled error function where z is far below 0."""
    special = scipy("special")
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    with np.errstate(all="ignore"):
        near = np.log(density + z * special.ndtr(z))
        ratio = np.sqrt(np.pi / 2) * special.erfcx(-z / np.sqrt(2)) * np.abs(z)
        # 1 - ratio is about 1 / z^2 far out, where the difference would be rounding alone.
        far = (
            -z * z / 2
            - np.log(2 * np.pi) / 2
            + np.where(z < -1e4, -2 * np.log(np.abs(z)), np.log1p(-np.minimum(ratio, 1 - 1e-16)))
        )
    return np.asarray(np.where(z > -1, near, far), np.float64)


def _next(
    models: _Models,
    space: _Space,
    x: Floats,
    value: Floats,
    constraints: Floats,
    sobol: Any,
    made: np.random.Generator,
    count: int,
) -> Floats | None:
    """(count, n) settings to ask about next; None where all there are have been."""
    chosen = list[Floats]()
    told, known, excess = _tamed(value), x, constraints
    holds = (constraints <= 1e-9).all(1)
    for _ in range(count):
        best = float(told[: len(x)][holds].min()) if holds.any() else None
        found = _best(
            models, space, known, best, x[int(np.lexsort((told[: len(x)], ~holds))[0])], sobol, made
        )
        if found is None:
            break
        chosen.append(found)
        if len(chosen) < count:
            coded = space.coded(found[None])
            assert models.value is not None
            known, told = np.concatenate([known, found[None]]), np.append(told, models.value.at(coded)[0])
            row = np.array([[each.at(coded)[0][0] for each in models.constraints]]).reshape(1, -1)
            excess = np.concatenate([excess, row])
            believed = _Models(models.value, models.constraints)
            believed.fit(space.coded(known), told, excess)
            models = believed
    return np.stack(chosen) if chosen else None


def _best(
    models: _Models,
    space: _Space,
    known: Floats,
    best: float | None,
    near: Floats,
    sobol: Any,
    made: np.random.Generator,
) -> Floats | None:
    box = space.box
    wide = space.placed(_drawn(sobol, CANDIDATES))
    reach = np.repeat([0.2, 0.05, 0.01, 0.002], CANDIDATES // 8)[:, None] * space.span
    close = box.nearest(near + reach * made.standard_normal((len(reach), box.size)))
    # A choice's neighbours are none: some of the near ones get another by chance, the others stay.
    other = made.random(close.shape) < 0.3
    close = np.where(box.nominal, np.where(other, space.placed(made.random(close.shape)), near), close)
    tried = space.unique(np.concatenate([wide, close]))
    tried = tried[~(tried[:, None] == known[None]).all(2).any(1)]
    if not len(tried):
        return None
    worth = models.worth(space.coded(tried), best)
    order = np.argsort(-worth, kind="stable")
    top, height = tried[order[0]], float(worth[order[0]])
    if not len(space.free):
        return top
    for at in order[:POLISHED]:
        found, high = _uphill(models, space, tried[at], best)
        if high > height and not (found == known).all(1).any():
            top, height = found, high
    return top


def _uphill(models: _Models, space: _Space, x: Floats, best: float | None) -> tuple[Floats, float]:
    """From a setting to where the promise is highest nearby, in the numbers that have no steps."""
    free, box = space.free, space.box
    step = 1e-6

    def down(unit: Floats) -> tuple[float, Floats]:
        around = np.repeat(unit[None], 2 * len(unit) + 1, axis=0)
        around[1 : len(unit) + 1] += step * np.eye(len(unit))
        around[len(unit) + 1 :] -= step * np.eye(len(unit))
        settings = np.repeat(x[None], len(around), axis=0)
        settings[:, free] = box.lower[free] + around * space.span[free]
        found = -models.worth(space.coded(settings), best)
        return float(found[0]), (found[1 : len(unit) + 1] - found[len(unit) + 1 :]) / (2 * step)

    unit = (x[free] - box.lower[free]) / space.span[free]
    found = scipy("optimize").minimize(
        down, unit, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(free), options={"maxiter": 30}
    )
    reached = x.copy()
    reached[free] = np.clip(
        box.lower[free] + np.clip(found.x, 0, 1) * space.span[free], box.lower[free], box.upper[free]
    )
    return reached, -float(found.fun)
