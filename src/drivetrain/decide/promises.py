"""What came back, held against what a decision promised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from drivetrain.decide.calculate import calculate
from drivetrain.decide.decision import LEVEL, Decision, Outlook, Promised
from drivetrain.decide.expression import parse
from drivetrain.decide.recorded import Given, columns_of
from drivetrain.decide.wire import to_wire
from drivetrain.errors import DataError, nearest
from drivetrain.figures import counted, rough
from drivetrain.runtime.columns import Columns

REACH = 1.6448536269514722
"""Standard deviations within which 90 % of a normal lie."""
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

    def to_json(self) -> dict[str, Any]:
        return to_wire(self)


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

    `given` is a table (a path, columns, a frame) with a column for one or more outcomes of the plan, a row for each case; or a
    store of records, of which see `columns_of`. The objective is computed from the columns where all that it is made of is among
    them, or from its own. Raises DataError where nothing that was promised is among them.
    """
    names = [each.name for each in decision.promise]
    wanted = dict.fromkeys([*names, *(lever.name for lever in decision.levers)])
    rows = columns_of(given, wanted, model=model, outcome=outcome, of=of, since=since, until=until)
    found = [_held(each, rows) for each in decision.promise if each.name in rows.names]
    objective = _objective(decision, rows)
    if objective is None and not found:
        fix = nearest(rows.names[0], names) or f"It promised {', '.join(names)}."
        raise DataError(
            f"none of its columns is an outcome that was promised: {', '.join(rows.names[:8])}.",
            where=rows.source or "outcomes", fix=fix,
        )  # fmt: skip
    told = [
        *([objective] if objective else []),
        *(each for each in found if objective is None or each.name != objective.name),
    ]
    head = told[0]
    verdict = _verdict(decision, head, objective is not None)
    words = f"{verdict[:1].upper()}{verdict[1:]}: {head.words}."
    if verdict == "too early to say":
        words += " So few rows can't tell what was promised from what there was before."
    moved = [lever.name for lever in decision.levers if lever.moved]
    if moved and not any(f"{name}_propensity" in rows.names for name in moved):
        words += (
            " What came back holds all that has changed since, not the levers alone: keep a share of rows to chance (explore) to"
            " tell them apart."
        )
    return Kept(words, rows.rows, verdict, tuple(told))


def _held(promise: Outlook, rows: Columns) -> Came:
    if promise.name in rows.levels:
        raise DataError(
            f"the column {promise.name} holds texts.", where=rows.source or "outcomes", fix="Give numbers."
        )
    told = Promised(promise.value, promise.low, promise.high, "promised", 0)
    return _came(promise.name, told, rows.of(promise.name))


def _came(name: str, promised: Promised, values: Any) -> Came:
    known = values[~np.isnan(values)]
    n = len(known)
    if not n:
        raise DataError(f"the column {name} is empty.", where="outcomes")
    mean = float(known.mean())
    error = float(known.std(ddof=1)) / math.sqrt(n) if n >= FEWEST else math.inf
    half = REACH * error
    came = Promised(mean, mean - half, mean + half, f"mean of rows, {LEVEL:.0%}", n)
    sd = _spread(promised)
    away, scale = mean - promised.value, math.hypot(sd, error)
    off = away / scale if scale > 0 else math.copysign(math.inf, away) if away else 0.0
    if not math.isfinite(error):
        off = math.nan
    inside = not abs(off) > REACH
    among = "" if n < FEWEST else f" ({rough(came.low)} to {rough(came.high)})"
    words = f"{name} came to {rough(mean)}{among} a row in {counted(n, 'row', 'rows')}, and {rough(promised.value)} was promised"
    return Came(name, promised, came, inside, off, words)


def _spread(promised: Promised) -> float:
    """The standard deviation that an interval stands for; 0 where there is none."""
    half = (promised.high - promised.low) / 2
    return half / REACH if math.isfinite(half) else 0.0


def _objective(decision: Decision, rows: Columns) -> Came | None:
    """The objective of a row; None where the rows don't say it, or where it is over several periods."""
    asked = decision.objective
    if asked.horizon > 1 or asked.statistic != "mean":
        return None
    expression, known = parse(asked.expression), _computed(decision, rows)
    if any(name not in known for name in expression.names):
        return None
    found = calculate(expression, known, rows.levels, rows.rows)
    if found.shape[1] != rows.rows:
        return None
    return _came(asked.expression, _of_a_row(decision, decision.result.proposed), found[0, :, 0])


def _computed(decision: Decision, rows: Columns) -> dict[str, Any]:
    """The columns, and what the plan's formulas make of them: name -> (1, rows, 1)."""
    known: dict[str, Any] = {name: rows.of(name)[None, :, None] for name in rows.names}
    models = decision.replay.plan.get("models", {})
    if not isinstance(models, Mapping):
        return known
    for name, table in cast("Mapping[str, Any]", models).items():  # In the order to compute them.
        if name in known or not isinstance(table, Mapping) or "formula" not in table:
            continue
        formula = parse(str(table["formula"]))
        if all(each in known for each in formula.names):
            known[name] = calculate(formula, known, rows.levels, rows.rows)
    return known


def _of_a_row(decision: Decision, promised: Promised) -> Promised:
    """What is promised of all rows, of one."""
    count = decision.rows if decision.objective.over == "sum" else 1
    value, low, high = (each / count for each in (promised.value, promised.low, promised.high))
    return Promised(value, low, high, promised.method, promised.n)


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
