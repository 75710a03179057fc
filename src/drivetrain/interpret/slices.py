"""Slices of the rows where a model is worse than elsewhere, and none that chance explains.

A slice is what one column holds (a level, a range, a part of a date, nothing), or what two do. A slice of one column is
tested against all other rows, one of two against the rest of each of its columns' slices, so that it is named only where
the two together make it worse. All p-values are Holm's, over all slices tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs.base import distinct
from drivetrain.data.groups import Grouping, groupings, may_be_grouped
from drivetrain.data.show import most_telling
from drivetrain.deadline import NEVER, Deadline
from drivetrain.errors import UsageError
from drivetrain.interpret.significance import p_higher
from drivetrain.metrics import Estimate, harm, holm, mean, wilson
from drivetrain.report import words
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner

LEVEL = 0.05
FEWEST, SHARE = 20, 0.005
"""A slice has at least so many rows, and at least this share of all."""
PAIRED = 8
"""Columns that pairs are made of: those that tell most of the target in the training rows. To choose them by the
errors that are tested would make chance look like a finding."""
ALIKE = 0.75
"""Two slices that share so much of their rows (intersection over union) are told as one."""
MOST, SHOWN = 30, 10


@dataclass(frozen=True, eq=False)
class Slice:
    """Rows of a part that hold certain values, where the model is worse than on the others.

    `conditions` are (column, what it holds); `positions` those of its rows in the part; `p` is adjusted for all
    slices tried; `same` names slices of much the same rows.
    """

    conditions: tuple[tuple[str, str], ...]
    positions: Array
    inside: Estimate
    outside: Estimate
    p: float
    same: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """ "age from 37 to 47 and sex = Male"."""
        return " and ".join(f"{column} {holds}" for column, holds in self.conditions)

    def sentence(self, metric: str, alike: bool = True) -> str:
        """ "rows with sex = Male: error rate 24.1 % (22.6 to 25.7) against 5.0 % elsewhere, n = 3,012"."""
        inside, outside = self.inside.to_json(), self.outside.to_json()
        told = words.estimate_text(metric, inside)
        elsewhere = words.value_text(metric, outside["value"])
        others = f" (much the same rows: {'; '.join(self.same[:3])})" if self.same and alike else ""
        name = words.metric(metric).name
        return f"rows with {self.words}: {name} {told} against {elsewhere} elsewhere, n = {self.inside.n:,}{others}"

    def to_json(self) -> dict[str, Any]:
        return {
            "words": self.words,
            "conditions": [{"column": column, "holds": holds} for column, holds in self.conditions],
            "n": self.inside.n,
            "inside": self.inside.to_json(),
            "outside": self.outside.to_json(),
            "p": self.p,
            "same": list(self.same),
        }


@dataclass(frozen=True, eq=False)
class Slices:
    """What `slices` found, the worst first: `found` has at most 30 of the `worse` slices that are worse than the rest
    by more than chance explains, of `tried` ones with at least `least` of the part's `n` rows. `left_out` are columns
    that there was no time for, `ungrouped` those whose values make no groups."""

    target: str
    part: str
    metric: str
    n: int
    least: int
    tried: int
    worse: int
    found: list[Slice] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    ungrouped: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Sentences: the worst slices, and how many were tried."""
        told = [
            f"{text[0].upper()}{text[1:]}."
            for text in (each.sentence(self.metric) for each in self.found[:SHOWN])
        ]
        return [*told, self.summary()]

    def summary(self) -> str:
        """How many slices were tried, how many are worse, what that means, and what was left out."""
        told = self._summary()
        if self.left_out:
            many = "1 column was" if len(self.left_out) == 1 else f"{len(self.left_out):,} columns were"
            least = f"those that tell least of {self.target} by themselves"
            told += f" {many} left out for want of time, {least}."
        if self.ungrouped:
            told += f" No slice goes by {', '.join(self.ungrouped)}: what is in it makes no groups."
        return told

    def _summary(self) -> str:
        tried = f"{self.tried:,} slices of at least {self.least:,} of the {self.n:,} rows were tried"
        if not self.tried:
            return f"There is no slice of at least {self.least:,} of the {self.n:,} rows to try."
        if not self.worse:
            return f"{tried}, and none is worse than the rest by more than chance explains."
        scale = (
            " A logarithm that is off by 0.1 is a number that is off by some 10 %."
            if "log" in self.metric
            else ""
        )
        return (
            f"{tried}; {self.worse:,} {'is' if self.worse == 1 else 'are'} worse than the rest by more than chance explains "
            f"(Holm's correction over all of them, {100 * LEVEL:.0f} %). The intervals are each slice's own; the worst of "
            f"many look a little worse than they are.{scale}"
        )

    @property
    def measure(self) -> str:
        """The metric in words: "error rate"."""
        return words.metric(self.metric).name

    @property
    def chart(self) -> Chart:
        """The worst ten slices beside all other rows."""
        from drivetrain.charts.slices import slices as draw

        share = words.metric(self.metric).share
        return draw(
            [each.to_json() for each in self.found[:SHOWN]], self.measure, share, "Where the model is worst"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "part": self.part,
            "metric": self.metric,
            "n": self.n,
            "least": self.least,
            "tried": self.tried,
            "worse": self.worse,
            "slices": [each.to_json() for each in self.found],
            "left_out": list(self.left_out),
            "ungrouped": list(self.ungrouped),
        }

    def __repr__(self) -> str:
        return "\n".join(self.words())

    def _repr_html_(self) -> str:
        from html import escape

        return self.chart._repr_html_() + "".join(f"<p>{escape(text)}</p>" for text in self.words())


def slices(
    learner: BaseLearner,
    part: str = "valid",
    target: str | None = None,
    *,
    least: int | None = None,
    pairs: bool = True,
    deadline: Deadline = NEVER,
) -> Slices:
    """The slices of a part where the model is worse than elsewhere, by error rate (with costs: mean cost) or absolute
    error (of the logarithm, where that is what is learned).

    Of pictures also by true class and brightness. `least` is the smallest size of a slice. Columns that tell most of a
    target by themselves come first; those that the deadline leaves no time for are named as left out. Raises UsageError
    for an unknown target.
    """
    data = learner.data
    target = chosen_target(learner, target)
    codec, found = data.signature.targets[target], data.part(part)
    outputs, encoded = learner.outputs(part)
    metric, values = harm(codec, outputs[target], encoded[target])
    least = max(FEWEST, math.ceil(SHARE * len(found))) if least is None else least
    made: dict[str, list[Grouping]] = {}
    if data.large:
        made[target] = groupings(target, codec, encoded[target]) if codec.labels is not None else []
    ranked, left_out = most_telling(data), ()
    for place, name in enumerate(ranked):
        if place >= PAIRED and deadline.passed:
            left_out = tuple(ranked[place:])
            break
        made[name] = groupings(name, data.signature.inputs[name], found.column(name))
    for name in data.task.told_apart(data):
        different, codes = distinct(data.table[name][found.rows])
        made[name] = [Grouping(name, [f"= {value}" for value in different], codes)]
    by_column = {name: [_frequent(each, least) for each in some] for name, some in made.items()}
    trials = _singles(by_column, values, least)
    if pairs:
        trials += _pairs({name: by_column[name] for name in ranked[:PAIRED]}, values, least)
    adjusted = holm([trial.p for trial in trials])
    worse = [(trial, float(p)) for trial, p in zip(trials, adjusted) if p <= LEVEL]
    return Slices(
        target, part, metric, len(found), least, len(trials), len(worse), _distinct(worse, values), left_out,
        tuple(name for name, codec in data.signature.inputs.items() if not may_be_grouped(codec)),
    )  # fmt: skip


def chosen_target(learner: BaseLearner, target: str | None) -> str:
    """The target that is meant: the first unless named. Raises UsageError for an unknown one."""
    targets = list(learner.data.signature.targets)
    if target is None:
        return targets[0]
    if target not in targets:
        raise UsageError(
            f"there is no target {target!r}.", where="target", fix=f"There is {', '.join(targets)}."
        )
    return target


# Trials.


@dataclass(frozen=True, eq=False)
class _Trial:
    conditions: tuple[tuple[Grouping, int], ...]
    p: float

    def rows(self) -> Array:
        return np.logical_and.reduce([grouping.codes == code for grouping, code in self.conditions])


def _frequent(grouping: Grouping, least: int) -> Grouping:
    """The grouping with its small groups put into one, the last, which is no slice."""
    counts = np.bincount(grouping.codes, minlength=len(grouping.names))
    kept = np.flatnonzero(counts >= least)
    places = np.full(len(counts), len(kept), np.int64)
    places[kept] = np.arange(len(kept))
    return Grouping(
        grouping.column, [grouping.names[place] for place in kept.tolist()], places[grouping.codes]
    )


def _singles(by_column: dict[str, list[Grouping]], values: Array, least: int) -> list[_Trial]:
    trials = []
    for made in by_column.values():
        for grouping in made:
            groups = len(grouping.names)
            p = p_higher(values, grouping.codes, groups + 1)
            sizes = np.bincount(grouping.codes, minlength=groups + 1)
            trials += [
                _Trial(((grouping, code),), float(p[code]))
                for code in range(groups)
                if len(values) - sizes[code] >= least
            ]
    return trials


def _pairs(by_column: dict[str, list[Grouping]], values: Array, least: int) -> list[_Trial]:
    made = [grouping for found in by_column.values() for grouping in found if grouping.names]
    within = [_within(grouping, made, values, least) for grouping in made]
    trials = []
    for a, b in combinations(range(len(made)), 2):
        if made[a].column == made[b].column:
            continue
        p = np.fmax(within[a][b], within[b][a].T)
        both = ~np.isnan(within[a][b]) & ~np.isnan(within[b][a].T)
        trials += [
            _Trial(((made[a], int(i)), (made[b], int(j))), float(p[i, j])) for i, j in np.argwhere(both)
        ]
    return trials


def _within(parent: Grouping, others: list[Grouping], values: Array, least: int) -> list[Array]:
    """For each of the other groupings p (groups of the parent, its groups): whether the rows of both are worse than the
    rest of the parent's group. NaN where either has fewer than `least` rows."""
    found = [np.full((len(parent.names), len(other.names)), np.nan) for other in others]
    for code in range(len(parent.names)):
        rows = np.flatnonzero(parent.codes == code)
        if len(rows) < 2 * least:
            continue
        inside = values[rows]
        for table, other in zip(found, others):
            if other.column == parent.column:
                continue
            groups = len(other.names)
            sizes = np.bincount(other.codes[rows], minlength=groups + 1)[:groups]
            tested = (sizes >= least) & (len(rows) - sizes >= least)
            if tested.any():
                p = p_higher(inside, other.codes[rows], groups + 1)[:groups]
                table[code] = np.where(tested, p, np.nan)
    return found


def _distinct(worse: list[tuple[_Trial, float]], values: Array) -> list[Slice]:
    """The worst of the slices, each once: of those that are much the same rows the simplest, which names the others."""
    ranked = sorted(worse, key=lambda item: -_surely_worse(item[0].rows(), values))
    kept: list[list[tuple[Array, _Trial, float]]] = []
    for trial, p in ranked:
        rows = trial.rows()
        alike = next((each for each in kept if _overlap(each[0][0], rows) >= ALIKE), None)
        if alike is not None:
            alike.append((rows, trial, p))
        elif len(kept) < MOST:
            kept.append([(rows, trial, p)])
    found = []
    for alike in kept:
        alike.sort(key=lambda item: len(item[1].conditions))
        (rows, trial, p), *others = alike
        found.append(_slice(rows, trial, p, [_words(other) for _, other, _ in others], values))
    return found


def _surely_worse(rows: Array, values: Array) -> float:
    """The lower end of the 95 % interval of how much worse the rows are than the others."""
    inside, outside = values[rows].astype(np.float64), values[~rows].astype(np.float64)
    error = math.sqrt(inside.var() / len(inside) + outside.var() / len(outside))
    return float(inside.mean() - outside.mean() - 1.96 * error)


def _overlap(a: Array, b: Array) -> float:
    return float(np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b)))


def _words(trial: _Trial) -> str:
    return " and ".join(grouping.words(code) for grouping, code in trial.conditions)


def _slice(rows: Array, trial: _Trial, p: float, same: list[str], values: Array) -> Slice:
    conditions = tuple((grouping.column, grouping.names[code]) for grouping, code in trial.conditions)
    return Slice(
        conditions, np.flatnonzero(rows), _estimate(values[rows]), _estimate(values[~rows]), p, tuple(same)
    )


def _estimate(values: Array) -> Estimate:
    return wilson(int(np.count_nonzero(values)), len(values)) if values.dtype == bool else mean(values)
