"""How a bank is chosen and solved: expanding windows, candidates, an average of those that help it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.forecasting import ridge
from drivetrain.forecasting.bands import DECILES, quantiles, spread_of
from drivetrain.forecasting.bank import (
    GAIN,
    ORIGINS,
    ROUNDS,
    VALUES,
    Bank,
    Choice,
    Lines,
    Recipe,
    Way,
    lookbacks,
)
from drivetrain.forecasting.effects import fit_effects
from drivetrain.forecasting.ridge import Floats
from drivetrain.forecasting.shape import fit_shape
from drivetrain.types import Array

Places = npt.NDArray[np.int64]

FOLDS = ((400, 10, 0.5), (2000, 5, 0.5), (np.inf, 2, 0.6))
"""Up to so many moments, so many cuts, from such a share of the moments on: a solve of few costs nothing, and few outcomes are
worth it; what is learned from half of the moments alone is chosen to be smaller than what all of them carry."""
POWERS = (0.0, 0.5, 1.0)
"""Of the local spread, that a band is widened by."""
ALIKE = 0.6
"""Sums of k steps that overlap are correlated by 1 - j / k where they are j steps apart. The share of such normal numbers that lies
beyond their quantile of .9 is as unsure as of one in 0.6 k that are independent."""
FEWEST = 8
"""Windows that a ridge learns from at least."""


@dataclass(frozen=True, eq=False)
class Fold:
    """What is known up to `edges` (items,) is learned from; what is foretold are `truths` (n, horizon) at `origins` (n,), `step`
    moments apart, of the items `which` (n,)."""

    edges: Places
    which: Places
    origins: Places
    step: int
    truths: Floats


@dataclass(frozen=True, eq=False)
class Task:
    """The series as arrays: `targets` (moments,) and `known` (moments, k) of each item, and `sizes` (items,): by how much the same
    moment a season apart differs, which errors are shares of."""

    targets: list[Floats]
    known: list[Floats]
    horizon: int
    context: int
    seasons: tuple[int, ...]
    sizes: Floats

    def until(self, edges: Places) -> list[tuple[Floats, Floats]]:
        return [(y[:edge], k[:edge]) for y, k, edge in zip(self.targets, self.known, edges)]

    def windows(self, fold: Fold, series: Sequence[Floats], first: int, end: int) -> Floats:
        """(n, end - first): of series (moments,) those from `first` to `end`, counted from the origins of a fold."""
        places = np.arange(first, end)
        found = np.empty((len(fold.which), len(places)))
        starts = np.searchsorted(
            fold.which, np.arange(len(series) + 1)
        )  # The rows of a fold are item by item.
        for each, start, stop in zip(series, starts, starts[1:]):
            found[start:stop] = each[fold.origins[start:stop, None] + places]
        return found


def fit(
    series: Sequence[Array],
    horizon: int,
    seasons: Sequence[int] = (),
    *,
    context: int,
    future: Sequence[int] = (),
    levels: Sequence[float] = DECILES,
) -> Bank:
    """Choose within these series (moments, columns), of which column 0 is the target and `future` those that are known ahead, and
    solve with all of them. Series that are shorter than context and horizon together take part only in what reads less."""
    task = task_of(series, horizon, seasons, context, future)
    recipe = choose(task, tuple(levels))
    return solve_task(task, recipe, tuple(future))


def solve(recipe: Recipe, series: Sequence[Array], future: Sequence[int] = ()) -> Bank:
    """The same choice, solved with these series: nothing is chosen anew, and the band is the recipe's."""
    task = task_of(series, recipe.horizon, recipe.seasons, recipe.context, future)
    return solve_task(task, recipe, tuple(future))


def task_of(
    series: Sequence[Array], horizon: int, seasons: Sequence[int], context: int, future: Sequence[int]
) -> Task:
    arrays = [np.asarray(each, np.float64) for each in series]
    targets = [np.ascontiguousarray(each[:, 0]) for each in arrays]
    known = [each[:, list(future)] for each in arrays]
    season = seasons[0] if seasons else 1
    sizes = np.array([_size(each, season) for each in targets])
    usual = np.median(sizes[sizes > 0]) if (sizes > 0).any() else 1.0
    sizes = np.where(sizes > 0, sizes, usual)
    return Task(targets, known, horizon, context, tuple(seasons), sizes)


def _size(series: Floats, season: int) -> float:
    lag = season if len(series) > season else 1
    return float(np.abs(series[lag:] - series[:-lag]).mean()) if len(series) > lag else 0.0


# --- solving ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Looked:
    """Series as a way sees them: what remains of each (moments,) without the effects of covariates, over its spread."""

    lines: Lines
    """Without a matrix."""
    remains: list[Floats]

    def products(self, length: int) -> ridge.Products:
        return ridge.pooled(self.remains, length)


def look(parts: list[tuple[Floats, Floats]], way: Way) -> Looked:
    """At targets and covariates, as far as they are known."""
    targets = [y for y, _ in parts]
    low = min((float(y.min()) for y in targets if len(y)), default=1.0)
    shift = 0.0 if low > 0 else 1.0
    lines = Lines(
        0.0, way, np.zeros((0, 0)), None, False, low / 2 if low > 0 else 0.0, shift, -np.inf, np.inf
    )
    numbers = [lines.numbers(y) for y in targets]
    if way.log:
        ends = [f(each) for each in numbers if len(each) for f in (np.min, np.max)]
        bottom, top = min(ends), max(ends)
        lines = replace(lines, low=bottom - (top - bottom), high=top + (top - bottom))
    many = len(targets) > 1 and not way.log
    spreads = [max(float(each.std()), 1e-6) if len(each) else 1.0 for each in numbers]
    if way.lag:
        scaled = [each / size for each, size in zip(numbers, spreads)] if many else numbers
        effects = fit_effects(scaled, [k for _, k in parts], way.lag)
        lines = replace(lines, effects=effects, scaled=many and effects is not None)
        if effects is not None:
            sizes = spreads if many else [1.0] * len(numbers)
            numbers = [each - size * effects.of(k) for each, size, (_, k) in zip(numbers, sizes, parts)]
    remains = [
        (each - each.mean()) / size if len(each) else each
        for each, size in zip(numbers, spreads if many else [1.0] * len(numbers))
    ]
    return Looked(lines, remains)


def line_of(choice: Choice, products: ridge.Products | None, horizon: int) -> Floats:
    """The matrix (lookback, horizon) of a linear member."""
    if choice.kind == "ridge":
        assert products is not None
        past, after = products.part(choice.lookback, horizon)
        return ridge.with_level(ridge.solve(past, after, choice.penalty))
    matrix = np.zeros((choice.lookback, horizon))
    steps = np.arange(horizon)
    if choice.kind == "mean":
        matrix[:] = 1 / choice.lookback
    else:  # The last value is a season of one moment.
        matrix[steps % choice.lookback, steps] = 1.0
    return matrix


def solve_task(task: Task, recipe: Recipe, future: tuple[int, ...]) -> Bank:
    parts = list(zip(task.targets, task.known))
    horizon = task.horizon
    shapes = [
        (each.share, fit_shape(task.targets, each.lookback, horizon, task.context))
        for each in recipe.members
        if each.kind == "shape"
    ]
    lines: list[Lines] = []
    for way in dict.fromkeys(each.way for each in recipe.members if each.kind != "shape"):
        members = [each for each in recipe.members if each.way == way and each.kind != "shape"]
        looked = look(parts, way)
        longest = max(each.lookback for each in members)
        ridges = [each.lookback for each in members if each.kind == "ridge"]
        products = looked.products(max(ridges) + horizon) if ridges else None
        share = sum(each.share for each in members)
        matrix = np.zeros((longest, horizon))
        for each in members:
            matrix[longest - each.lookback :] += each.share / share * line_of(each, products, horizon)
        lines.append(replace(looked.lines, share=share, matrix=matrix))
    return Bank(recipe, tuple(lines), tuple((s, f) for s, f in shapes if f is not None), future)


# --- choosing ---------------------------------------------------------------------------------------------


def folds_of(task: Task) -> list[Fold]:
    """Expanding windows: what follows each cut is foretold from what is before it. None where there is no moment to spare."""
    lengths = np.array([len(each) for each in task.targets])
    total = int(lengths.sum())
    count, first_cut = next((folds, share) for most, folds, share in FOLDS if total <= most)
    cuts = np.linspace(first_cut, 1.0, count + 1)
    folds: list[Fold] = []
    for cut, end in itertools.pairwise(cuts):
        edges = (lengths * cut).astype(np.int64)
        first = np.maximum(edges, task.context)
        last = np.minimum((lengths * end).astype(np.int64) - 1, lengths - task.horizon)  # Inclusive.
        counts = np.maximum(0, last - first + 1)
        most = max(20, min(ORIGINS, VALUES // task.horizon))
        step = max(1, -(-int(counts.sum()) // most))
        starts = [np.arange(a, b + 1, step) for a, b in zip(first, last)]
        which = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
        origins = np.concatenate(starts)
        if not len(origins):
            continue
        fold = Fold(edges, which, origins, step, np.empty((0, 0)))
        folds.append(replace(fold, truths=task.windows(fold, task.targets, 0, task.horizon)))
    return folds


def ways_of(task: Task) -> list[Way]:
    low = min((each.min() for each in task.targets if len(each)), default=-1.0)
    whole = all((each == np.round(each)).all() for each in task.targets)
    logs = [False, True] if low > 0 or (low == 0 and whole) else [False]
    lags = [0]
    if task.known and task.known[0].shape[1]:
        lags += [each for each in task.seasons if each > 1][:2] or [1]
    return [Way(log, lag) for lag in lags for log in logs]


class Trial:
    """What each candidate would have foretold in each fold, over the sizes of the items."""

    def __init__(self, task: Task, folds: list[Fold]) -> None:
        self.task, self.folds = task, folds
        self.sizes = [task.sizes[fold.which][:, None] for fold in folds]
        self.truth = np.concatenate([f.truths / s for f, s in zip(folds, self.sizes)])
        self.pasts = [task.windows(fold, task.targets, -task.context, 0) for fold in folds]
        self.found: dict[Choice, Floats] = {}
        self.errors: dict[Choice, float] = {}

    def keep(self, choice: Choice, answers: list[Floats]) -> float:
        self.found[choice] = np.concatenate([a / s for a, s in zip(answers, self.sizes)])
        self.errors[choice] = float(np.abs(self.found[choice] - self.truth).mean())
        return self.errors[choice]

    def rules(self) -> None:
        """What needs no learning."""
        task = self.task
        seasons = [each for each in task.seasons if 1 < each <= task.context]
        choices = [Choice("naive", 1, 0.0), *(Choice("seasonal", each, 0.0) for each in seasons)]
        choices += [
            Choice("mean", each, 0.0) for each in {min(task.context, max(seasons, default=task.horizon))}
        ]
        for choice in choices:
            matrix = line_of(choice, None, task.horizon)
            self.keep(choice, [past[:, -choice.lookback :] @ matrix for past in self.pasts])

    def shapes(self) -> None:
        for season in self.task.seasons:
            answers: list[Floats] = []
            for fold, past in zip(self.folds, self.pasts):
                known = [y for y, _ in self.task.until(fold.edges)]
                made = fit_shape(known, season, self.task.horizon, self.task.context)
                if made is None:
                    break
                answers.append(made.forecast(past))
            else:
                self.keep(Choice("shape", season, 0.0), answers)

    def remains(self, fold: Fold, past: Floats, lines: Lines) -> tuple[Floats, Floats | float]:
        """What remains of the pasts (n, context) without the effects of covariates, and those after the origins (n, horizon)."""
        numbers = lines.numbers(past)
        if lines.effects is None:
            return numbers, 0.0
        task, size = self.task, lines.size(past)
        series = [lines.effects.of(each) for each in task.known]
        before = task.windows(fold, series, -task.context, 0)
        return numbers - size * before, size * task.windows(fold, series, 0, task.horizon)

    def ridges(self, way: Way, sizes: Sequence[int]) -> None:
        """Each lookback, with the penalty that is best for it."""
        task, horizon = self.task, self.task.horizon
        tried: dict[Choice, list[Floats]] = {}
        for fold, past in zip(self.folds, self.pasts):
            looked = look(task.until(fold.edges), way)
            longest = max(len(each) for each in looked.remains) - horizon - FEWEST
            fitting = [size for size in sizes if size <= longest]
            if not fitting:
                continue
            products = looked.products(max(fitting) + horizon)
            lines = looked.lines
            rest, added = self.remains(fold, past, lines)
            for size in fitting:
                square, product = products.part(size, horizon)
                for penalty in ridge.PENALTIES:
                    matrix = ridge.with_level(ridge.solve(square, product, penalty))
                    answer = lines.answer(rest, matrix, added)
                    tried.setdefault(Choice("ridge", size, 0.0, way, penalty), []).append(answer)
        for size in sizes:
            full = [
                each for each, made in tried.items() if each.lookback == size and len(made) == len(self.folds)
            ]
            for choice in full:
                self.keep(choice, tried[choice])
            for choice in sorted(full, key=lambda each: self.errors[each])[1:]:
                del self.found[choice]

    def beside(self) -> dict[str, float]:
        """What the average and the best of each kind are off by, as shares of what the season before is (or the last value)."""
        best: dict[str, float] = {}
        for choice in self.found:
            name = choice.kind + (" as logarithms" if choice.way.log else "")
            name += " with covariates" if choice.way.lag else ""
            best[name] = min(best.get(name, np.inf), self.errors[choice])
        unit = best.get("seasonal", best["naive"]) or 1.0
        return {"average": self.error / unit} | {name: error / unit for name, error in best.items()}

    def alone(self) -> Floats:
        """(n, horizon): what each residual says that those before it do not. Of k moments ahead k of them overlap where origins
        follow each other, and are ALIKE k times one experience."""
        apart = np.concatenate([np.full(len(fold.which), fold.step) for fold in self.folds])
        return np.minimum(1.0, apart[:, None] / (ALIKE * np.arange(1, self.task.horizon + 1)))

    def band(self, steps: int, levels: tuple[float, ...]) -> tuple[float, Floats]:
        """To which power the local spread widens the band, and the quantiles of residuals over it: of the powers the one with which
        the first folds' quantiles fit the last folds best (their quantile loss, over the items' sizes)."""
        own = np.concatenate(self.sizes)
        residuals = (self.truth - self.total) * own
        wide = np.concatenate([spread_of(past, steps) for past in self.pasts])[:, None]
        late = np.concatenate(
            [np.full(len(f.which), 2 * place >= len(self.folds)) for place, f in enumerate(self.folds)]
        )
        wanted = np.array(levels)
        tried: list[tuple[float, float]] = []
        for power in POWERS:
            unit = wide**power
            foretold = quantiles(residuals[~late] / unit[~late], levels)
            apart = residuals[late][:, :, None] - unit[late][:, :, None] * foretold
            loss = np.maximum(apart * wanted, apart * (wanted - 1)) / own[late][:, :, None]
            tried.append((float(loss.mean()) if loss.size else 0.0, power))
        power = min(tried)[1]
        return power, quantiles(residuals / wide**power, levels, self.alone())

    def average(self) -> list[Choice]:
        """What is taken of all folds. How far it is off is measured in each fold by what is taken of the others: what was chosen to
        be close to these very outcomes is closer to them than to those to come."""
        taken = self._taken(slice(None))
        places = np.repeat(np.arange(len(self.folds)), [len(fold.which) for fold in self.folds])
        self.total = np.empty_like(self.truth)
        for place in range(len(self.folds)):
            own, others = places == place, places != place
            members = self._taken(others) if others.any() else taken
            self.total[own] = sum(self.found[each][own] for each in members) / len(members)
        self.error = float(np.abs(self.total - self.truth).mean())
        return [replace(each, share=taken.count(each) / len(taken)) for each in dict.fromkeys(taken)]

    def _taken(self, rows: Any) -> list[Choice]:
        """The best at some rows, and what lowers the error of the average with it, one after the other (Caruana et al. 2004,
        Ensemble selection from libraries of models, ICML)."""
        order = sorted(self.found, key=lambda each: self.errors[each])[:40]
        found, truth = [self.found[each][rows] for each in order], self.truth[rows]
        taken: list[int] = []
        total, error = np.zeros_like(truth), np.inf
        for _ in range(ROUNDS):
            tried = [float(np.abs((total + each) / (len(taken) + 1) - truth).mean()) for each in found]
            place = int(np.argmin(tried))
            if tried[place] > error * (1 - GAIN):
                break
            taken.append(place)
            total, error = total + found[place], tried[place]
        return [order[place] for place in taken]


def choose(task: Task, levels: tuple[float, ...]) -> Recipe:
    """What is best in expanding windows; where the series are too short for any, the same moment a season before."""
    folds = folds_of(task)
    if not folds:
        return _unchosen(task, levels)
    trial = Trial(task, folds)
    trial.rules()
    trial.shapes()
    median = int(np.median([len(each) for each in task.targets]))
    sizes = [each for each in lookbacks(median, task.horizon, task.seasons) if each <= task.context]
    for way in ways_of(task):
        trial.ridges(way, sizes)
    members = trial.average()
    steps = steps_of(task)
    power, scores = trial.band(steps, levels)
    rows = tuple(tuple(row) for row in scores.tolist())
    return Recipe(
        task.context, task.horizon, task.seasons, tuple(members), levels, steps, power, rows, len(trial.truth),
        trial.beside(),
    )  # fmt: skip


def steps_of(task: Task) -> int:
    """How many of the last steps the local spread is of: those of a season or of a horizon, whichever is longer."""
    return max(1, min(task.context - 1, max([task.horizon, *task.seasons[:1]])))


def _unchosen(task: Task, levels: tuple[float, ...]) -> Recipe:
    """Nothing was foretold, so nothing is known of errors: the band is that of a random walk, of the spread of steps."""
    season = next((each for each in task.seasons if 1 < each <= task.context), 1)
    member = Choice("seasonal" if season > 1 else "naive", season, 1.0)
    # The quantiles of a normal distribution over its mean size, which is sqrt(2 / pi) of its deviation.
    normal = np.array([NormalDist().inv_cdf(level) for level in levels]) / np.sqrt(2 / np.pi)
    grown = np.sqrt(np.arange(1, task.horizon + 1) if season == 1 else np.arange(task.horizon) // season + 1)
    rows = tuple(tuple(row) for row in np.outer(grown, normal).tolist())
    return Recipe(
        task.context, task.horizon, task.seasons, (member,), levels, steps_of(task), 1.0, rows, 0, {}
    )
