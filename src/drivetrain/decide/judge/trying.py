"""How to try a decision safely first: on some rows, drawn by chance, or for some of the time."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.judge.decision import Moved, Result
from drivetrain.decide.judge.gains import estimated
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.evidence.design import experiment
from drivetrain.figures import rough

Floats = npt.NDArray[np.float64]
MOST_CELLS, MOST_SPREAD = 1_000_000, 1_000
"""Standard deviations of rows, in gains of a row: beyond that no trial is of use."""


def try_first(
    simulator: Simulator, result: Result, levers: tuple[Moved, ...], proposed: Floats, unit: str
) -> Mapping[str, Any] | None:
    """A trial that would show the gain, by how much the objective differs from row to row; None where nothing would change."""
    changed = [lever.name for lever in levers if lever.moved]
    if not changed or result.gain is None or result.gain.value <= 0:
        return None
    names = " and ".join(changed[:3])
    if simulator.plan.count < 2 and not estimated(simulator.plan):
        words = (
            f"Change {names} for some periods that chance chooses, and keep it as it is in the others; compare the two, and stop "
            "by a rule that may be looked at at any time (dt.evidence)."
        )
        return {"words": words, "design": None}
    share = f"Give half of the rows, drawn by chance, the proposed {names}, and keep the others as they are."
    spread, objective = _spread(simulator, proposed), simulator.plan.objectives[0]
    if spread is None or spread <= 0:
        return {
            "words": f"{share} Log who got which: that is what the next plan learns from.",
            "design": None,
        }
    effect = result.gain.value / (simulator.plan.count if objective.over == "sum" else 1)
    if spread / effect > MOST_SPREAD:
        return {
            "words": f"{share} But the gain of a row, {rough(effect)}, is too small beside how much rows differ to be seen.",
            "design": None,
        }
    design = experiment(effect, spread, unit=unit, what="the gain")
    words, count = f"{share} {design.words}", simulator.plan.count
    if 1 < count < design.n:
        words += f" There are {count:,} here: these alone can't show it; go on with those who come."
    return {"words": words, "design": design.to_json()}


def _spread(simulator: Simulator, proposed: Floats) -> float | None:
    """The standard deviation of the objective of one row, over rows and draws; None where it has no value for each row.
    Outcomes are what comes of them: 0 or 1, and no chance."""
    plan = copy.copy(simulator.plan)
    plan.graph = replace(plan.graph, nodes=tuple(node.drawn() for node in plan.nodes))
    some = slice(0, max(1, min(plan.draws, MOST_CELLS // plan.count)))
    values, expression = Simulator(plan).values(proposed[None], draws=some), plan.objectives[0].expression
    found = calculate(expression, {name: values[name] for name in expression.names}, plan.levels, plan.count)
    return float(found.std()) if found.shape[1] == plan.count else None
