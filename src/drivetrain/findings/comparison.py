"""Which of several models is better, and could that be chance: `drivetrain.compare("runs/a", "runs/b")`.

All are measured on the rows that all of them were validated on, and their differences taken row by row.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.data.wholes import drawn_whole
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import alike, number
from drivetrain.findings.shared_rows import common_rows, common_targets
from drivetrain.learn.runs.folder import Run
from drivetrain.learn.runs.predictions import Validation
from drivetrain.metrics import Difference, Estimate, Statistic, difference, holm, names
from drivetrain.types import Array

if TYPE_CHECKING:
    from rich.console import Console, Group

    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner

SURE = 0.05
"""A corrected p below this is called better, anything else could be chance."""


@dataclass(frozen=True)
class Pair:
    """`a` beside `b`: the difference in a metric, a - b; `p` corrected for all pairs that could have been picked."""

    a: str
    b: str
    metric: str
    difference: Difference
    p: float
    alike: bool = False
    """Whether the two answer alike on every row."""

    @property
    def sure(self) -> bool:
        return self.p < SURE

    @property
    def winner(self) -> str:
        """The one that is ahead; "" where neither is."""
        value = self.difference.value * (1 if names.metric(self.metric).higher else -1)
        return self.a if value > 0 else self.b if value < 0 else ""

    @property
    def verdict(self) -> str:
        """ "a is better than b by 0.012 (0.004 to 0.020)", or that it could be chance."""
        found, name = self.difference, names.printed(self.metric)
        if np.isnan(found.value):
            return f"{name}: undefined on these rows"
        if self.alike:
            return f"{name}: {self.a} and {self.b} answer alike on all {found.n:,} rows"
        by = _amount(found)
        if not self.winner:
            return f"could be chance: {self.a} and {self.b} differ in {name} by {by}"
        loser = self.b if self.winner == self.a else self.a
        if self.sure:
            return f"{name}: {self.winner} is better than {loser} by {by}"
        several = ", and the best of several was picked" if found.p < SURE else ""
        return f"could be chance: {self.winner} is ahead of {loser} in {name} by {by}{several}"

    def to_json(self) -> dict[str, Any]:
        """`{"a", "b", "metric", "value", "low", "high", "method", "n", "p", "effect_size", "p_corrected", "winner",
        "sure", "verdict"}`, value being a - b and winner null where neither is ahead."""
        names = {"a": self.a, "b": self.b, "metric": self.metric}
        p = None if np.isnan(self.p) else self.p
        told = {"p_corrected": p, "winner": self.winner or None, "sure": self.sure, "verdict": self.verdict}
        return {**names, **self.difference.to_json(), **told}


@dataclass(frozen=True)
class Comparison:
    """`metrics` of each run on the `n` rows that all were validated on; `pairs` in every metric, the best run (by
    `metric`) with each other one, or all with all; `rows` that each was validated on; `folders` of those that have one.
    """

    metric: str
    best: str
    n: int
    metrics: dict[str, dict[str, Estimate]]
    pairs: list[Pair]
    rows: dict[str, int]
    folders: dict[str, str]
    notes: list[str]

    @property
    def verdicts(self) -> list[str]:
        """The pairs in the metric that the runs are compared by, in words."""
        return [pair.verdict for pair in self.pairs if pair.metric == self.metric]

    @property
    def chart(self) -> Chart:
        """Each metric of each run, and how far each is from the best, with intervals."""
        from drivetrain.charts import comparison

        values = {
            name: {metric: estimate.to_json() for metric, estimate in found.items()}
            for name, found in self.metrics.items()
        }
        apart = [pair.to_json() for pair in self.pairs if pair.a == self.best]
        return comparison(values, apart, self.best, f"{len(values)} models on the same {self.n:,} rows")

    def to_json(self) -> dict[str, Any]:
        """`{"metric", "best", "n", "runs": {NAME: {"run", "rows", "metrics"}}, "pairs": [...], "notes"}`."""
        return {
            "metric": self.metric,
            "best": self.best,
            "n": self.n,
            "runs": {
                name: {
                    "run": self.folders.get(name),
                    "rows": self.rows[name],
                    "metrics": {metric: estimate.to_json() for metric, estimate in found.items()},
                }
                for name, found in self.metrics.items()
            },
            "pairs": [pair.to_json() for pair in self.pairs],
            "notes": self.notes,
        }

    def print(self, console: Console | None = None) -> None:
        """Print the tables and the verdicts."""
        from rich.console import Console

        (console or Console(highlight=False, soft_wrap=True, emoji=False)).print(self)

    def __rich__(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for column in ("metric", *self.metrics):
            table.add_column(Text(column), overflow="fold")
        for row in self._rows():
            table.add_row(*(Text(cell) for cell in row))
        told = [Text(f"{self.n:,} rows, with 95 % intervals", style="bold"), table, Text()]
        told += [Text(pair.verdict, style="bold" if pair.sure else "") for pair in self.told()]
        return Group(*told, *(Text(f"note: {note}") for note in self.notes))

    def _rows(self) -> list[list[str]]:
        """For each metric its name and that of each run."""
        shown = list(next(iter(self.metrics.values())))
        return [
            [names.printed(metric), *(_estimate(found[metric]) for found in self.metrics.values())]
            for metric in shown
        ]

    def told(self) -> list[Pair]:
        """The pairs for a person: those of the metric that counts first; the error rate says what the accuracy does."""
        ordered = sorted(self.pairs, key=lambda pair: pair.metric != self.metric)
        return [p for p in ordered if p.metric == self.metric or p.metric.rpartition(".")[2] != "error_rate"]

    def __str__(self) -> str:
        from io import StringIO

        from rich.console import Console

        text = StringIO()
        Console(file=text, width=200, highlight=False, emoji=False).print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        from drivetrain.charts import table_html

        told = "".join(f"<li>{escape(pair.verdict)}</li>" for pair in self.told())
        notes = "".join(f"<p>note: {escape(note)}</p>" for note in self.notes)
        table = table_html(self._rows(), ["metric", *self.metrics])
        return f"{self.chart.to_html()}{table}<ul>{told}</ul>{notes}"


@public
def compare(
    runs: Sequence[str | os.PathLike[str] | BaseLearner],
    *,
    metric: str | None = None,
    all_pairs: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare two or more runs (their folders, or trained learners) on the rows that all were validated on.

    `metric` is the one that says which is the best; without it the one that a training and a search decide by too
    (`metrics.names.deciding`). Intervals are those of the paired difference (see `metrics/paired.py`). The best is picked
    after the fact, so p is corrected by Holm's method for all pairs that it could have been picked from: Holm (1979),
    Scandinavian Journal of Statistics 6:65-70.
    Raises DataError when the runs are about other rows, targets or classes, UsageError for an unknown metric.
    """
    if isinstance(runs, (str, os.PathLike)) or len(runs) < 2:
        raise UsageError("it takes two runs or more to compare.", where="runs", fix="Name them all.")
    found = {name: _validation(run) for name, run in zip(_names(runs), runs)}
    targets = common_targets(found)
    places = common_rows(found, targets)
    measured: dict[str, dict[str, Estimate]] = {}
    made: dict[str, dict[str, Statistic]] = {}
    for name, validation in found.items():
        measured[name], made[name] = {}, {}
        for target in targets:
            before = f"{target}." if len(targets) > 1 else ""
            at = places[name]
            measured[name] |= {
                before + key: value for key, value in validation.measure(target, at, seed).items()
            }
            made[name] |= {before + key: value for key, value in validation.statistics(target, at).items()}
    shared = [
        key
        for key in next(iter(made.values()))
        if all(key in each for each in made.values()) and names.metric(key).ranks
    ]
    codecs = next(iter(found.values())).signature.targets
    chosen = names.chosen(metric, shared, map(names.deciding, codecs.values()))
    best = _best(measured, chosen)
    outputs = {
        name: [array for target in targets for array in each.answers(target, places[name])]
        for name, each in found.items()
    }
    alike = {
        frozenset((a, b)): all(np.array_equal(one, other) for one, other in zip(outputs[a], outputs[b]))
        for a, b in itertools.combinations(found, 2)
    }
    pairs: list[Pair] = []
    for key in [chosen] if metric else shared:
        pairs += _pairs(key, {name: made[name][key] for name in found}, best, alike, seed)
    shown = pairs if all_pairs else [pair for pair in pairs if pair.a == best]
    n = len(next(iter(places.values())))
    return Comparison(
        chosen, best, n, measured, shown, {name: len(each.rows) for name, each in found.items()},
        {name: str(run if isinstance(run, (str, os.PathLike)) else run.run) for name, run in zip(found, runs)},
        [*_told_whole(found, places), *_notes(found, n, chosen)],
    )  # fmt: skip


def _told_whole(found: Mapping[str, Validation], places: Mapping[str, Array]) -> list[str]:
    """What the intervals of windows are of."""
    name, first = next(iter(found.items()))
    groups = first.groups_of(places[name])
    return [] if groups is None else [drawn_whole(len(groups), len(np.unique(groups)))]


def _validation(run: str | os.PathLike[str] | BaseLearner) -> Validation:
    found = (
        Run.open(Path(run)).read_validation() if isinstance(run, (str, os.PathLike)) else Validation.of(run)
    )
    if found.part != "valid":
        raise DataError(
            f"this run has no valid part: what it kept is of its {found.part} rows.",
            where=run if isinstance(run, (str, os.PathLike)) else found.table,
            fix="Train with --valid 0.2.",
        )
    return found


def _names(runs: Sequence[str | os.PathLike[str] | BaseLearner]) -> list[str]:
    """A short name for each: the last part of its folder, or as much of it as tells them apart."""
    paths = [Path(run if isinstance(run, (str, os.PathLike)) else run.run or _model(run)) for run in runs]
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({number})" for number, path in enumerate(paths, start=1)]


def _model(fitted: BaseLearner) -> str:
    return os.path.basename(fitted.model_name) or fitted.description().partition(",")[0]


def _best(measured: Mapping[str, Mapping[str, Estimate]], metric: str) -> str:
    sign = 1 if names.metric(metric).higher else -1
    return max(
        measured, key=lambda name: sign * np.nan_to_num(measured[name][metric].value, nan=-sign * np.inf)
    )


def _pairs(
    metric: str, made: Mapping[str, Statistic], best: str, alike: Mapping[frozenset[str], bool], seed: int
) -> list[Pair]:
    """All pairs in one metric, the best run first in its own."""
    ordered = [best, *(name for name in made if name != best)]
    names = list(itertools.combinations(ordered, 2))
    found = [difference(made[a], made[b], seed) for a, b in names]
    return [
        Pair(a, b, metric, one, p, alike[frozenset((a, b))])
        for (a, b), one, p in zip(names, found, holm([one.p for one in found]))
    ]


def _notes(found: Mapping[str, Validation], n: int, metric: str) -> list[str]:
    notes = []
    rows = {name: len(each.rows) for name, each in found.items()}
    if any(count > n for count in rows.values()):
        told = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        notes.append(f"{n:,} rows were validated on by all ({told}); the others don't count here")
    if len(found) > 2:
        pairs = len(found) * (len(found) - 1) // 2
        notes.append(
            f"{len(found)} runs make {pairs} comparisons: p is corrected by Holm's method for all of them, each interval "
            f"is for one alone. The best of several looks better than it is: measure it on test data with evaluate"
        )
    notes.append(
        f"decided by {names.printed(metric)}, on these rows. Trained again with another seed, each of them may differ as well"
    )
    return notes


def _estimate(found: Estimate) -> str:
    if np.isnan(found.value):
        return "-"
    if np.isnan(found.low):
        return number(found.value)
    value, low, high = alike(found.value, found.low, found.high)
    return f"{value} [{low}, {high}]"


def _amount(found: Difference) -> str:
    """The difference and its interval as an amount that the one ahead is ahead by."""
    sign = -1 if found.value < 0 else 1
    if np.isnan(found.low):
        return number(abs(found.value))
    value, low, high = alike(abs(found.value), *sorted((sign * found.low, sign * found.high)))
    return f"{value} ({low} to {high})"


__all__ = ["Comparison", "Pair", "compare", "holm"]
