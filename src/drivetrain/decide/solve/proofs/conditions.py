"""Whether nothing can be gained nearby, and what a looser bound would bring (Karush, 1939; Kuhn and Tucker, 1951)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.downhill.least import Best
from drivetrain.decide.solve.problem import Problem
from drivetrain.extras import require

Floats = npt.NDArray[np.float64]
_ACTIVE = 1e-6
"""How near a constraint is to its bound, as a share of its size, to be one that holds the objective back."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """`residual`: what is left of the objective's slope once constraints and bounds have had their part, as a share of the
    objective's spread over the box. `weights` (C,): what the objective would gain per unit of a looser bound of each constraint."""

    residual: float
    weights: Floats

    def duals(self, problem: Problem) -> dict[str, float]:
        """Constraint -> its weight; of an equation, which is two of one name, what a larger right side would gain. None where all
        numbers are in steps: a little more of anything brings nothing."""
        if (problem.box.step > 0).all():
            return {}
        found: dict[str, float] = {}
        for name, weight in zip(problem.constraint_names, self.weights.tolist()):
            found[name] = found[name] - weight if name in found else weight
        return found


def at(problem: Problem, best: Best) -> Conditions:
    """The first-order conditions at a setting, by non-negative least squares (Lawson and Hanson, 1974)."""
    require("scipy", "the price of a constraint", "decide")
    from scipy.optimize import nnls  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    box, scale, free = problem.box, best.scale, problem.box.step == 0
    duals = np.zeros(len(best.excess))
    if not free.any():
        return Conditions(0.0, duals)
    slope, slopes = problem.slopes(best.x)
    per = scale.width[free] / scale.value
    binding = np.flatnonzero(best.excess > -_ACTIVE * scale.excess)
    unit = (best.x - box.lower)[free] / np.where(scale.width[free] > 0, scale.width[free], 1.0)
    sides = np.eye(int(free.sum()))
    columns = [
        *(slopes[each, free] * per * scale.excess[each] for each in binding),
        *(-side for side, place in zip(sides, unit) if place <= 1e-9),
        *(side for side, place in zip(sides, unit) if place >= 1 - 1e-9),
    ]
    goal = np.nan_to_num(-slope[free] * per)
    if not columns:
        return Conditions(float(abs(goal).max()), duals)
    shares = np.nan_to_num(np.stack(columns, axis=1))
    weights = np.asarray(nnls(shares, goal)[0], np.float64)
    duals[binding] = weights[: len(binding)] * scale.excess[binding]
    residual = float(abs(goal - shares @ weights).max())
    return Conditions(residual, duals)
