"""What came back, held against what a decision promised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import parse
from drivetrain.decide.follow.recorded import Given, columns_of
from drivetrain.decide.judge import screen
from drivetrain.decide.judge.decision import LEVEL, Decision, Promised, Value
from drivetrain.decide.judge.wire import to_wire
from drivetrain.errors import DataError, nearest
from drivetrain.figures import counted, rough
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
REACH = 1.6448536269514722
"""Standard deviations within which 90 % of a normal lie."""
ROUNDING = 1e-6
FEWEST = 5
"""Rows from which there is an interval."""
Answer = Literal["as promised", "better than promised", "worse than promised", "too early to say"]


@dataclass(frozen=True, slots=True)
class Came:
    """One outcome: what was `promised` for the mean of a row, and what it `came` to, over the rows that came back. `off` is how far
    apart they are, in standard deviations of that difference; `inside`: no further than 90 % of promises kept would be."""

    name: str
    promised: Promised
    came: Promised
    inside: bool
    off: float
    words: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether a promise was kept: by `verdict` of the objective, and by each outcome of which something came back."""

    words: str
    rows: int
    verdict: Answer
    promised: tuple[Came, ...]

    def __str__(self) -> str:
        return screen.text(screen.held(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        return to_wire(self)


@public
def outcomes(
    decision: Decision,
    given: Given,
    *,
    model: str = "",
    outcome: str = "",
    of: str = "",
    since: int | None = None,
    until: int | None = None,
) -> Kept:
    """Hold rows that came back after acting on a decision against what it promised.

    Where a lever came back with its propensity, as `explore` logs it, what was promised is held against the rows that had it as
    proposed, and the gain against the difference to those that had it as it was before: of that chance alone was the cause.

    `given` is a table (a path, columns, a frame) with a column for one or more outcomes of the plan, a row for each case; or a
    store of records, of which see `columns_of`. The objective is computed from the columns where all that it is made of is among
    them, or from its own. Raises DataError where nothing that was promised is among them.
    """
    names = [each.name for each in decision.promise]
    levers = [lever.name for lever in decision.levers]
    wanted = dict.fromkeys([*names, *levers, *(f"{name}_propensity" for name in levers)])
    rows = columns_of(given, wanted, model=model, outcome=outcome, of=of, since=since, until=until)
    rows = _as_learned(decision, rows)
    trial = _trial(decision, rows)
    weights = np.ones(rows.rows) if trial is None else trial.weights * trial.proposed
    told = [
        _came(
            each.name,
            Promised(each.value, each.low, each.high, "promised", 0),
            _numbers(each.name, rows),
            weights,
        )
        for each in decision.promise
        if each.name in rows.names
    ]
    objective = _objective(decision, rows)
    if objective is not None:
        name = decision.objective.expression
        head = _came(name, _of_a_row(decision, decision.result.proposed), objective, weights)
        told = [head, *(each for each in told if each.name != name)]
    if not told:
        fix = nearest(rows.names[0], names) or f"It promised {', '.join(names)}."
        raise DataError(
            f"none of its columns is an outcome that was promised: {', '.join(rows.names[:8])}.",
            where=rows.source or "outcomes", fix=fix,
        )  # fmt: skip
    verdict = _verdict(decision, told[0], objective is not None)
    words = f"{verdict[:1].upper()}{verdict[1:]}: {told[0].words}."
    if verdict == "too early to say":
        words += " So few rows can't tell what was promised from what there was before."
    if (
        objective is not None
        and trial is not None
        and (gain := _gain(decision, objective, trial)) is not None
    ):
        told.append(gain)
        words += f" Between rows of which chance said how they were treated, {gain.words}."
    elif any(lever.moved for lever in decision.levers):
        words += (
            " What came back holds all that has changed since, not the levers alone: keep a share of rows to chance (explore) to"
            " tell them apart."
        )
    return Kept(words, rows.rows, verdict, tuple(told))


def _as_learned(decision: Decision, rows: Columns) -> Columns:
    """Where a model was learned from a column of another name, that column counts as its outcome too."""
    more = dict[str, Floats]()
    for name, table in _models(decision).items():
        learn: Any = table.get("learn")
        column = str(cast("Mapping[str, Any]", learn).get("outcome")) if isinstance(learn, Mapping) else ""
        if name not in rows.names and column in rows.names and column not in rows.levels:
            more[name] = rows.of(column)
    return replace(rows, values=rows.values | more) if more else rows


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Rows (n,) that had the lever as proposed, and as it was before, and what each counts for: 1 / its propensity."""

    proposed: Flags
    before: Flags
    weights: Floats


def _trial(decision: Decision, rows: Columns) -> _Trial | None:
    """None where no lever that moved, and is one for all rows, came back with its propensity."""
    for lever in decision.levers:
        propensity = f"{lever.name}_propensity"
        if not lever.moved or lever.each or not {lever.name, propensity} <= {*rows.names}:
            continue
        values = rows.plain(lever.name)
        proposed = np.array([_same(each, lever.proposed) for each in values])
        if not proposed.any():
            raise DataError(
                f"no row had {lever.name} = {lever.proposed}, as was proposed.",
                where=rows.source or "outcomes",
            )
        with np.errstate(divide="ignore"):
            weights = 1 / rows.of(propensity)
        if not np.isfinite(weights).all():
            raise DataError("a propensity is above 0, and at most 1.", where=propensity)
        return _Trial(proposed, np.array([_same(each, lever.now) for each in values]), weights)
    return None


def _same(value: object, level: Value) -> bool:
    if isinstance(level, (int, float)) and isinstance(value, (int, float)):
        return abs(value - level) <= 1e-9 * max(1.0, abs(level))
    return value == level


def _gain(decision: Decision, objective: Floats, trial: _Trial) -> Came | None:
    """The gain of a row, between rows as proposed and as before, beside what was promised of it; None where either are few."""
    result = decision.result
    promised = result.corrected or result.gain
    if promised is None or min(trial.proposed.sum(), trial.before.sum()) < FEWEST:
        return None
    after, before = (_mean(objective, trial.weights * arm) for arm in (trial.proposed, trial.before))
    sign = 1.0 if decision.objective.sense == "maximise" else -1.0
    n = int(trial.proposed.sum() + trial.before.sum())
    return _beside(
        "the gain",
        _of_a_row(decision, promised),
        sign * (after[0] - before[0]),
        math.hypot(after[1], before[1]),
        n,
    )


def _numbers(name: str, rows: Columns) -> Floats:
    if name in rows.levels:
        raise DataError(
            f"the column {name} holds texts.", where=rows.source or "outcomes", fix="Give numbers."
        )
    return rows.of(name)


def _came(name: str, promised: Promised, values: Floats, weights: Floats) -> Came:
    """Of values (n,), NaN where unknown, each of which counts for its weight."""
    known = ~np.isnan(values) & (weights > 0)
    n = int(known.sum())
    if not n:
        raise DataError(f"the column {name} is empty.", where="outcomes")
    mean, error = _mean(values[known], weights[known])
    return _beside(name, promised, mean, error if n >= FEWEST else math.inf, n)


def _mean(values: Floats, weights: Floats) -> tuple[float, float]:
    """The weighted mean and its standard error (Hajek; linearised)."""
    known = ~np.isnan(values) & (weights > 0)
    values, weights = values[known], weights[known]
    mean = float((weights * values).sum() / weights.sum())
    n = len(values)
    spread = float((weights**2 * (values - mean) ** 2).sum()) * n / max(n - 1, 1)
    return mean, math.sqrt(spread) / float(weights.sum())


def _beside(name: str, promised: Promised, mean: float, error: float, n: int) -> Came:
    half = REACH * error
    came = Promised(mean, mean - half, mean + half, f"mean of rows, {LEVEL:.0%}", n)
    away, scale = mean - promised.value, math.hypot(_spread(promised), error)
    if abs(away) <= ROUNDING * max(
        abs(mean), abs(promised.value)
    ):  # A proposal is found to so many figures, and no more.
        away = 0.0
    off = away / scale if scale > 0 else math.copysign(math.inf, away) if away else 0.0
    if not math.isfinite(error):
        off = math.nan
    among = "" if not math.isfinite(error) else f" ({rough(came.low)} to {rough(came.high)})"
    words = f"{name} came to {rough(mean)}{among} a row in {counted(n, 'row', 'rows')}, and {rough(promised.value)} was promised"
    return Came(name, promised, came, not abs(off) > REACH, off, words)


def _spread(promised: Promised) -> float:
    """The standard deviation that an interval stands for; 0 where there is none."""
    half = (promised.high - promised.low) / 2
    return half / NormalDist().inv_cdf((1 + promised.level) / 2) if math.isfinite(half) else 0.0


def _objective(decision: Decision, rows: Columns) -> Floats | None:
    """(n,) the objective of each row; None where the rows don't say it, or where it is over several periods."""
    asked = decision.objective
    if asked.horizon > 1 or asked.statistic != "mean":
        return None
    expression, known = parse(asked.expression), _computed(decision, rows)
    if any(name not in known for name in expression.names):
        return None
    found = calculate(expression, known, rows.levels, rows.rows)
    return found[0, :, 0] if found.shape[1] == rows.rows else None


def _models(decision: Decision) -> dict[str, Mapping[str, Any]]:
    """The tables of the plan's models."""
    models = decision.replay.plan.get("models", {})
    named = cast("Mapping[str, Any]", models if isinstance(models, Mapping) else {})
    return {
        name: cast("Mapping[str, Any]", each) for name, each in named.items() if isinstance(each, Mapping)
    }


def _computed(decision: Decision, rows: Columns) -> dict[str, Any]:
    """The columns, and what the plan's formulas make of them: name -> (1, rows, 1)."""
    known: dict[str, Any] = {name: rows.of(name)[None, :, None] for name in rows.names}
    for name, table in _models(decision).items():  # In the order to compute them.
        if name in known or "formula" not in table:
            continue
        formula = parse(str(table["formula"]))
        if all(each in known for each in formula.names):
            known[name] = calculate(formula, known, rows.levels, rows.rows)
    return known


def _of_a_row(decision: Decision, promised: Promised) -> Promised:
    """What is promised of all rows, of one."""
    count = decision.rows if decision.objective.over == "sum" else 1
    value, low, high = (each / count for each in (promised.value, promised.low, promised.high))
    return replace(promised, value=value, low=low, high=high)


def _verdict(decision: Decision, head: Came, is_objective: bool) -> Answer:
    if not math.isfinite(head.off):
        return "too early to say" if math.isnan(head.off) else _side(decision, head.off, is_objective)
    if head.inside:
        now = decision.result.now
        if is_objective and now is not None:
            before = _of_a_row(decision, now)
            scale = math.hypot(_spread(before), _spread(head.came))
            if scale > 0 and abs(head.came.value - before.value) <= REACH * scale:
                return "too early to say"
        return "as promised"
    return _side(decision, head.off, is_objective)


def _side(decision: Decision, off: float, is_objective: bool) -> Answer:
    """An outcome that is no objective counts as better where there is more of it: nobody said which side is."""
    up = decision.objective.sense == "maximise" or not is_objective
    return "better than promised" if (off > 0) == up else "worse than promised"
