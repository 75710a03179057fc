"""Whether a plan is convex by its formulas: then what no small step betters, nothing betters."""

from __future__ import annotations

import numpy as np

from drivetrain.decide.expressions.curvature import UNKNOWN, Shape, shape_of
from drivetrain.decide.expressions.expression import Tree
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.problem import Problem

MOST_CELLS = 1 << 22
"""Rows x draws of which all are looked at."""


def is_convex(problem: Problem) -> bool:
    """Whether what is minimised is convex and so are the constraints, for a mean over the draws or the mean of the worst of them.

    It must be a plan of numbers without steps, and be minimised in a sense in which the worst draws are bad.
    """
    simulator, box = problem.simulator, problem.box
    if not isinstance(simulator, Simulator) or not isinstance(problem.source, Planned) or problem.limits:
        return False
    plan = simulator.plan
    objective, constraints = plan.objectives[problem.which], problem.source.constraints
    if problem.kept is not None:
        constraints = [constraints[at] for at in problem.kept]
    soft = [each for each in plan.constraints if each.soft is not None]
    kinds = {each.statistic.kind for each in (objective, *constraints, *soft)}
    if (problem.turned and objective.statistic.kind != "mean") or not kinds <= {"mean", "cvar"}:
        return False
    if (box.step > 0).any() or (problem.turned and soft):
        return False
    shapes = _Shapes(problem, simulator)
    value = shapes.of(objective.expression.tree)
    fits = value.convex if problem.sign > 0 else value.concave
    return fits and all(shapes.of(each.expression.tree).convex for each in (*constraints, *soft))


class _Shapes:
    """The shapes of a plan's names: levers between their bounds, what no lever moves between what it is."""

    def __init__(self, problem: Problem, simulator: Simulator) -> None:
        box, self.plan = problem.box, simulator.plan
        start = np.where(np.isfinite(box.lower), box.lower, np.where(np.isfinite(box.upper), box.upper, 0.0))
        few = self.plan.count * self.plan.draws <= MOST_CELLS
        values = simulator.values(start[None], 0, slice(None) if few else slice(1))
        self.known = dict[str, Shape]()
        for name, place in simulator.slices.items():
            self.known[name] = Shape("affine", float(box.lower[place].min()), float(box.upper[place].max()))
        for name, each in values.items():
            timed = self.plan.is_timed(name)
            fixed = not few and name in self.plan.graph.above  # Of very many draws only one was looked at.
            if name not in self.known and not self.plan.depends([name]):
                ends = (-np.inf, np.inf) if timed or fixed else (float(each.min()), float(each.max()))
                self.known[name] = Shape("constant", *ends)
        self.nodes = {node.name: node for node in self.plan.nodes}

    def of(self, tree: Tree) -> Shape:
        return shape_of(tree, self._named)

    def _named(self, name: str) -> Shape | Tree:
        if name in self.known:
            return self.known[name]
        node = self.nodes.get(name)
        return UNKNOWN if node is None or node.formula is None else node.formula.tree
