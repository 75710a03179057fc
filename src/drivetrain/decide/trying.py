"""How to try a decision safely first: on some rows, drawn by chance, or for some of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.decision import Moved, Result, Verdict
from drivetrain.decide.simulator import Simulator

Floats = npt.NDArray[np.float64]
MOST_CELLS = 1e6


def try_first(
    simulator: Simulator, word: Verdict, result: Result, levers: tuple[Moved, ...], before: Floats | bool | None, proposed: Floats
) -> Mapping[str, Any] | None:  # fmt: skip
    """A trial that would show the gain, by how much the objective differs from row to row; None where nothing would change."""
    changed = [lever.name for lever in levers if lever.moved]
    if not changed or before is None or result.gain is None or result.gain.value <= 0:
        return None
    names = " and ".join(changed[:3])
    if simulator.plan.count < 2:
        words = (
            f"Change {names} for some periods that chance chooses, and keep it as it is in the others; compare the two, and stop "
            "by a rule that may be looked at at any time (dt.evidence)."
        )
        return {"words": words, "design": None}
    share = f"Give half of the rows, drawn by chance, the proposed {names}, and keep the others as they are."
    return {"words": f"{share} Log who got which: that is what the next plan learns from.", "design": None}


def _spread(simulator: Simulator, proposed: Floats) -> float | None:
    """The standard deviation of the objective of one row, over rows and draws; None where it has no value for each row. Real rows
    differ more where a chance was put in as its mean."""
    plan = simulator.plan
    draws = max(1, min(plan.draws, int(MOST_CELLS / plan.count)))
    values = simulator.values(proposed[None], draws=slice(0, draws))
    from drivetrain.decide.calculate import calculate

    expression = plan.objectives[0].expression
    found = calculate(expression, {name: values[name] for name in expression.names}, plan.levels, plan.count)
    return float(found.std()) if found.shape[1] == plan.count else None
