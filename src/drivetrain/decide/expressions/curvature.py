"""Whether an expression bends one way all over a lever's range, by rules that never err: what is told to be convex is.

Disciplined convex programming (Grant, Boyd and Ye, 2006, in Global Optimization: From Theory to Implementation): a sum of convex
functions is convex, an increasing convex function of one too, and so on. What the rules don't cover is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drivetrain.decide.expressions.expression import Call, Name, Number, Tree

Curvature = Literal["constant", "affine", "convex", "concave", "unknown"]
_TURNED: dict[Curvature, Curvature] = {"convex": "concave", "concave": "convex"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a value bends in the lever, and between what it lies."""

    curvature: Curvature
    low: float = -np.inf
    high: float = np.inf

    @property
    def convex(self) -> bool:
        return self.curvature in ("constant", "affine", "convex")

    @property
    def concave(self) -> bool:
        return self.curvature in ("constant", "affine", "concave")

    @property
    def constant(self) -> bool:
        return self.curvature == "constant"


UNKNOWN = Shape("unknown")


def shape_of(tree: Tree, named: Callable[[str], Shape | Tree]) -> Shape:
    """The shape of a tree whose names have shapes, or stand for other trees."""
    if isinstance(tree, Number):
        return Shape("constant", tree.value, tree.value)
    if isinstance(tree, Name):
        found = named(tree.name)
        return found if isinstance(found, Shape) else shape_of(found, named)
    if not isinstance(tree, Call):
        return UNKNOWN
    if tree.function in ("sum", "mean", "count", "share", "smallest", "largest"):
        return _over_rows(tree, named)
    if tree.function == "if":  # Each row and draw takes one side, the same all over the range.
        return _either([shape_of(each, named) for each in tree.arguments])
    given = [shape_of(each, named) for each in tree.arguments]
    with np.errstate(all="ignore"):
        return _RULES[tree.function](given) if tree.function in _RULES else _unknown(given)


def _over_rows(tree: Call, named: Callable[[str], Shape | Tree]) -> Shape:
    """Of all rows: sums and means bend as their parts do, where the rows that count are the same whatever the lever."""
    given = [shape_of(each, named) for each in tree.arguments]
    among = Shape("constant") if tree.over is None else shape_of(tree.over, named)
    if all(each.constant for each in (*given, among)):
        return Shape("constant", 0.0 if tree.function in ("count", "share") else -np.inf)
    if not among.constant or tree.function in ("count", "share"):
        return UNKNOWN
    each = given[0]
    if tree.function == "sum":
        return Shape(each.curvature, 0.0 if each.low >= 0 else -np.inf, 0.0 if each.high <= 0 else np.inf)
    if tree.function == "mean":
        return each
    return _most(given) if tree.function == "largest" else _least(given)


def _unknown(given: Sequence[Shape]) -> Shape:
    return Shape("constant") if all(each.constant for each in given) else UNKNOWN


def _made(convex: bool, concave: bool, low: float, high: float, constant: bool = False) -> Shape:
    """What is both is affine. A bound that isn't known is none."""
    low, high = (-np.inf if np.isnan(low) else low), (np.inf if np.isnan(high) else high)
    if constant:
        return Shape("constant", low, high)
    return Shape(
        "affine" if convex and concave else "convex" if convex else "concave" if concave else "unknown",
        low,
        high,
    )


def _sum(given: Sequence[Shape]) -> Shape:
    one, other = given
    return _made(
        one.convex and other.convex, one.concave and other.concave, one.low + other.low, one.high + other.high,
        one.constant and other.constant,
    )  # fmt: skip


def _negative(given: Sequence[Shape]) -> Shape:
    each = given[0]
    return Shape(_TURNED.get(each.curvature, each.curvature), -each.high, -each.low)


def _difference(given: Sequence[Shape]) -> Shape:
    return _sum([given[0], _negative(given[1:])])


def _product(given: Sequence[Shape]) -> Shape:
    factor, other = given if given[0].constant else given[::-1]
    ends = [_times(a, b) for a in (factor.low, factor.high) for b in (other.low, other.high)]
    low, high = min(ends), max(ends)
    if not factor.constant:
        return Shape("unknown", low, high)
    if factor.low >= 0 or other.constant:
        return Shape(other.curvature, low, high)
    if factor.high <= 0:
        return Shape(_TURNED.get(other.curvature, other.curvature), low, high)
    return Shape("affine" if other.curvature == "affine" else "unknown", low, high)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _quotient(given: Sequence[Shape]) -> Shape:
    over, under = given
    if not (under.low > 0 or under.high < 0):
        return _unknown(given)
    # 1 / x is convex and falls where x > 0; it is concave and falls where x < 0.
    ends = sorted((1 / under.low, 1 / under.high))
    inverse = _made(
        under.low > 0 and under.concave, under.high < 0 and under.convex, ends[0], ends[1], under.constant
    )
    return _product([over, inverse])


def _rising(convex: bool, of: Callable[[float], float]) -> Callable[[Sequence[Shape]], Shape]:
    """A function that rises, and bends one way."""

    def rule(given: Sequence[Shape]) -> Shape:
        each = given[0]
        low, high = float(of(each.low)), float(of(each.high))
        return _made(convex and each.convex, not convex and each.concave, low, high, each.constant)

    return rule


def _of_s(of: Callable[[float], float]) -> Callable[[Sequence[Shape]], Shape]:
    """A function that rises in the form of an s: convex below 0, concave above."""

    def rule(given: Sequence[Shape]) -> Shape:
        each = given[0]
        return _made(
            each.high <= 0 and each.convex, each.low >= 0 and each.concave, of(each.low), of(each.high), each.constant
        )  # fmt: skip

    return rule


def _abs(given: Sequence[Shape]) -> Shape:
    each = given[0]
    if each.low >= 0:
        return each
    if each.high <= 0:
        return _negative(given)
    return _made(
        each.curvature in ("constant", "affine"), False, 0.0, max(-each.low, each.high), each.constant
    )


def _power(given: Sequence[Shape]) -> Shape:
    base, power = given
    if not (power.constant and power.low == power.high) or base.constant:
        return _unknown(given)
    p = power.low
    if p in (0.0, 1.0):
        return base if p else Shape("constant", 1.0, 1.0)
    if p > 0 and p % 2 == 0 and base.curvature == "affine":
        return Shape("convex", 0.0)
    if base.low < 0 or (p < 0 and base.low == 0):
        return UNKNOWN
    if p > 1:
        return _made(base.convex, False, base.low**p, base.high**p)
    if p > 0:
        return _made(False, base.concave, base.low**p, base.high**p)
    return _made(base.concave, False, base.high**p, base.low**p)


def _most(given: Sequence[Shape]) -> Shape:
    low, high = max(each.low for each in given), max(each.high for each in given)
    return _made(all(each.convex for each in given), False, low, high, all(each.constant for each in given))


def _least(given: Sequence[Shape]) -> Shape:
    low, high = min(each.low for each in given), min(each.high for each in given)
    return _made(False, all(each.concave for each in given), low, high, all(each.constant for each in given))


def _either(given: Sequence[Shape]) -> Shape:
    condition, one, other = given
    if not condition.constant:
        return UNKNOWN
    low, high = min(one.low, other.low), max(one.high, other.high)
    return _made(
        one.convex and other.convex, one.concave and other.concave, low, high, one.constant and other.constant
    )  # fmt: skip


def _sigmoid(x: float) -> float:
    return float(0.5 * (1 + np.tanh(x / 2)))


_RULES: Mapping[str, Callable[[Sequence[Shape]], Shape]] = {
    "+": _sum,
    "-": _difference,
    "negative": _negative,
    "*": _product,
    "/": _quotient,
    "^": _power,
    "exp": _rising(True, np.exp),
    "log": _rising(False, lambda x: float(np.log(max(x, 0.0)))),
    "log1p": _rising(False, lambda x: float(np.log1p(max(x, -1.0)))),
    "sqrt": _rising(False, lambda x: float(np.sqrt(max(x, 0.0)))),
    "sigmoid": _of_s(_sigmoid),
    "tanh": _of_s(lambda x: float(np.tanh(x))),
    "normal_cdf": _of_s(lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    "abs": _abs,
    "max": _most,
    "min": _least,
}
