"""A proof for many levers, where the objective is a sum of what each does by itself, as the budgets of channels are.

At the prices that the constraints have, each lever has a problem of its own, and nothing that keeps to the constraints beats the
sum of their best (Lagrange duality; Everett, 1963, Operations Research 11:399-417). Each is bounded as `bound.py` does, along that
lever alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.expression import BY_ROW, Call, Tree, parts
from drivetrain.decide.expressions.expression import Name as NameTree
from drivetrain.decide.expressions.interval import NoBounds
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.solve.planned import Planned
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.proofs.bound import CLOSE, Proof
from drivetrain.decide.solve.proofs.boxes import Boxes

Floats = npt.NDArray[np.float64]
_PIECES, _ROUNDS = 8, 60
"""Parts that each lever's range is begun with, and how often they are halved."""
_HOPELESS = 100
"""How many times what is close enough a bound may surely be away before the proof is given up."""
_CELLS, _AT_ONCE = 1 << 22, 1 << 20
"""Boxes x rows x draws in all and at once."""


def prove_sum(problem: Problem, x: Floats, value: float, spread: float, weights: Floats) -> Proof | None:
    """How far below a `value` found at x (n,) any other can lie; None where the levers don't act each by itself, or where that
    can't be said. `spread` is what is large, `weights` (C,) the constraints' prices at x."""
    source = problem.source
    if (
        not isinstance(source, Planned)
        or problem.limits
        or any(each.soft for each in source.plan.constraints)
        or problem.box.size * _PIECES * problem.cells > _CELLS
    ):
        return None
    boxes = Boxes(problem, source, weights)
    plan, objective = source.plan, source.plan.objectives[problem.which]
    expressions = [objective.expression, *(each.expression for each, _ in boxes.priced)]
    if objective.statistic.kind != "mean" or not all(
        by_itself(plan, plan.formula_of(each)) for each in expressions
    ):
        return None
    try:
        return _each(problem, boxes, x, value, CLOSE * max(abs(value), 0.1 * spread))
    except NoBounds:
        return None


def _each(problem: Problem, boxes: Boxes, x: Floats, value: float, close: float) -> Proof | None:
    """None where some levers are seen to be so much better by themselves at these prices that the bound can't come near."""
    box, n = problem.box, problem.box.size
    which, piece = np.divmod(np.arange(n * _PIECES), _PIECES)
    width = (box.upper - box.lower)[which] / _PIECES
    low, high = box.lower[which] + piece * width, box.lower[which] + (piece + 1) * width
    here = value + float((np.maximum(boxes.weights, 0) * problem.evaluate(x[None])[1][0]).sum())
    bound, reached, looked, rounds = np.full(n, here), np.full(n, here), 0, 0
    many = max(_AT_ONCE // problem.cells, 1)
    while len(which):
        cuts = [slice(at, at + many) for at in range(0, len(which), many)]
        least = np.concatenate([_flat(boxes, x, which[cut], low[cut], high[cut]) for cut in cuts])
        looked, rounds = looked + len(which), rounds + 1
        enough = rounds == _ROUNDS or looked * problem.cells > _CELLS
        middle = (low + high) / 2
        seen = np.concatenate([_flat(boxes, x, which[cut], middle[cut], middle[cut]) for cut in cuts])
        np.minimum.at(reached, which, seen)
        if (here - reached).sum() > _HOPELESS * close:
            return None
        stays = (least < here - close / n) & ~np.bool_(enough)
        np.minimum.at(bound, which[~stays], least[~stays])
        which, low, high = np.tile(which[stays], 2), low[stays], high[stays]
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    return Proof(here - float((here - bound).sum()), None, looked)


def _flat(boxes: Boxes, x: Floats, which: npt.NDArray[np.intp], low: Floats, high: Floats) -> Floats:
    each = np.arange(len(which))
    lower, upper = np.repeat(x[None], len(which), axis=0), np.repeat(x[None], len(which), axis=0)
    lower[each, which], upper[each, which] = low, high
    ways = np.zeros((1, len(which), len(x)))
    ways[0, each, which] = 1.0
    return np.broadcast_to(boxes.flat(lower, upper, ways), (len(which),))


def by_itself(plan: Plan, tree: Tree) -> bool:
    """Whether an expression is a sum of parts that one lever each moves, and no two numbers of it together."""
    waiting, each_row = [tree], {lever.name for lever in plan.levers if lever.by_row}
    while waiting:
        part = waiting.pop()
        levers = [_levers(plan, each) for each in _inner(part)]
        function = part.function if isinstance(part, Call) else ""
        divisor = function == "/" and bool(levers[1])
        if function in ("+", "-", "negative"):
            waiting += _inner(part)
        elif function in ("*", "/") and sum(map(bool, levers)) <= 1 and not divisor:
            waiting += [each for each, moved in zip(_inner(part), levers) if moved]
        elif function in ("sum", "mean") and not _over(plan, part):
            waiting += _inner(part)
        else:
            own = _levers(plan, part)
            rowwise = any(isinstance(each, Call) and each.function in BY_ROW for each in parts(part))
            if len(own) > 1 or (own & each_row and rowwise):
                return False
    return True


def _inner(tree: Tree) -> tuple[Tree, ...]:
    return tree.arguments if isinstance(tree, Call) else ()


def _over(plan: Plan, tree: Tree) -> frozenset[str]:
    """The levers that move which rows count."""
    return _levers(plan, tree.over) if isinstance(tree, Call) and tree.over is not None else frozenset()


def _levers(plan: Plan, tree: Tree) -> frozenset[str]:
    return plan.depends([each.name for each in parts(tree) if isinstance(each, NameTree)])
