"""Whether an expression is a constant plus multiples of some names, and what those are: what a linear solver can take."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import Levels, calculate, gradient
from drivetrain.decide.expressions.expression import Call, Expression, Name, Tree, parts

Floats = npt.NDArray[np.float64]


def is_affine(tree: Tree, names: Collection[str]) -> bool:
    """Whether it is affine in these names taken together, whatever the others are, by its form alone: `x * x / x` isn't."""
    moving = set[int]()
    for part in parts(tree):
        if isinstance(part, Name):
            if part.name in names:
                moving.add(id(part))
        elif isinstance(part, Call) and any(id(each) in moving for each in part.children):
            if not _keeps(part, [id(each) in moving for each in part.arguments], moving):
                return False
            moving.add(id(part))
    return True


def _keeps(part: Call, moves: list[bool], moving: set[int]) -> bool:
    """Whether an operation on affine parts, of which some `moves`, is affine."""
    match part.function:
        case "+" | "-" | "negative":
            return True
        case "*":
            return not all(moves)
        case "/":
            return not moves[1]
        case "if":
            return not moves[0]
        case "sum" | "mean":
            return part.over is None or id(part.over) not in moving
        case _:
            return False


def affine(
    expression: Expression,
    names: Collection[str],
    values: Mapping[str, Floats],
    of: Floats | None = None,
    levels: Levels | None = None,
    rows: int = 1,
) -> tuple[dict[str, Floats], float] | None:
    """Of sum(of * value), by name its coefficients, in the shape of the name's `values`, and the constant; None where it isn't
    affine in these names. `of` is broadcastable to (1, R, D); None: 1 everywhere.

    An affine thing has the same slopes everywhere, so they are those at 0; the constant is its value there.
    """
    if not is_affine(expression.tree, names):
        return None
    origin = {name: np.zeros_like(each) if name in names else each for name, each in values.items()}
    value = calculate(expression, origin, levels, rows)
    weights = np.ones((1, 1, 1)) if of is None else of
    shape = np.broadcast_shapes(value.shape, weights.shape)
    found = gradient(expression, origin, weights, {name for name in names if name in values}, levels, rows)
    return found, float(np.broadcast_to(value * weights, shape).sum())
