"""What finds the best setting of the levers, each kind of problem by what suits it.

`problem.py` is what a solver sees, `planned.py` a plan as that, `solution.py` what it says. The files named in `WAYS` are the ways:
each has `fits(problem) -> bool`, whether it is for such a problem, and `solve(problem, *, seed) -> Solution`; the first that fits
is taken. What they work with is in `by_row`, `combined`, `costly`, `downhill` and `proofs`.
"""

from __future__ import annotations

from drivetrain import extensions
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import UsageError

WAYS = ("rule", "search", "enumerate", "linear", "separable", "combinations", "smooth")
"""What is asked for, a rule or few answers of a dear simulator, then from what proves most to what takes anything."""


def solve(problem: Problem, *, seed: int = 0) -> Solution:
    """The best setting of the levers, and what proves it. The same seed finds the same, bit for bit.

    Raises UsageError where nothing satisfies the constraints, naming those that conflict, and where the objective has no end.
    """
    for name in WAYS:
        way = extensions.find("decide.solve", name)
        if way is not None and way.fits(problem):
            return way.solve(problem, seed=seed)
    raise UsageError("no solver takes this problem.")


def solve_worst(problem: Problem, *, seed: int = 0) -> Solution:
    """The worst setting that keeps to the bounds and constraints: what to stay away from."""
    return solve(problem.worst(), seed=seed)
