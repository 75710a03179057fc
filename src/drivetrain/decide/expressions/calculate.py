"""What an expression is worth: over settings, rows and draws at once, and how that changes with what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.expression import BY_ROW, Call, Expression, Name, Number, Text, Tree
from drivetrain.errors import UsageError, nearest

Floats = npt.NDArray[np.float64]
ROWS = -2
"""The axis of rows in (settings, rows, draws)."""
Levels = Mapping[str, tuple[str, ...]]
"""Of a column or lever of texts: what its codes 0, 1, ... stand for. -1 is none of them, and equals no text."""


def calculate(
    expression: Expression, values: Mapping[str, Floats], levels: Levels | None = None, rows: int = 1
) -> Floats:
    """Its value, broadcastable to (S, R, D). A function over rows gives (S, 1, D): what is the same in all of the `rows` counts
    in each (1: as many as the values have). Raises UsageError for an unknown name."""
    bound = _Bound(values, levels or {}, rows)
    bound.run(expression.parts, keep=False)
    return bound.of(expression.tree)


def gradient(
    expression: Expression,
    values: Mapping[str, Floats],
    of: Floats,
    wanted: set[str],
    levels: Levels | None = None,
    rows: int = 1,
) -> dict[str, Floats]:
    """The change of sum(of * value) by each `wanted` name, in the shape of that name's values: reverse mode.

    `of` is broadcastable to the value's shape. Where there is a kink (min, abs, if) it is that of the side taken; conditions,
    floor, ceil and round change by nothing.
    """
    bound = _Bound(values, levels or {}, rows)
    order = expression.parts
    bound.run(order, keep=True)
    value = bound.of(expression.tree)
    moving = _moving(order, wanted)
    slopes = {id(expression.tree): np.broadcast_to(of, np.broadcast_shapes(value.shape, np.shape(of)))}
    found = {name: np.zeros_like(values[name]) for name in wanted}
    for part in reversed(order):
        if id(part) not in moving or id(part) not in slopes:
            continue
        slope = slopes.pop(id(part))
        if isinstance(part, Name):
            found[part.name] = found[part.name] + _folded(slope, values[part.name].shape)
        elif isinstance(part, Call):
            with np.errstate(all="ignore"):
                told = _over_rows_slopes(part, bound) if part.function in BY_ROW else _slopes(part, bound)
                for each, own in zip(part.arguments, told):
                    if own is not None and id(each) in moving:
                        added = _folded(_chained(slope, own), bound.of(each).shape)
                        slopes[id(each)] = slopes[id(each)] + added if id(each) in slopes else added
    return found


def _chained(slope: Floats, own: Floats) -> Floats:
    """Their product, in which 0 times anything is 0: the side of an `if` that isn't taken may have no slope at all."""
    found = slope * own
    if not np.isfinite(found).all():
        found = np.where((slope == 0) | (own == 0), 0.0, found)
    return found


def _moving(order: list[Tree], wanted: set[str]) -> set[int]:
    """The parts that a wanted name is in."""
    found = set[int]()
    for part in order:
        if (isinstance(part, Name) and part.name in wanted) or (
            isinstance(part, Call) and any(id(each) in found for each in part.arguments)
        ):
            found.add(id(part))
    return found


class _Bound:
    """The values that names have, and what each part of a tree has come to."""

    def __init__(self, values: Mapping[str, Floats], levels: Levels, rows: int) -> None:
        self.values, self.levels = values, levels
        self.known = dict[int, Floats]()
        self.rows = max([rows, *(each.shape[ROWS] for each in values.values())])

    def named(self, name: str) -> Floats:
        if name not in self.values:
            raise UsageError(f"nothing is called {name!r}.", fix=nearest(name, self.values))
        return self.values[name]

    def of(self, tree: Tree) -> Floats:
        if isinstance(tree, Text):
            raise UsageError(f"the text {tree.value!r} can only be compared with a column or a choice.")
        return self.known[id(tree)]

    def run(self, order: list[Tree], *, keep: bool) -> None:
        """Compute all parts, in order; unless they are to be kept, a part is let go after its last use."""
        last = dict[int, int]()
        if not keep:
            for place, part in enumerate(order):
                last.update((id(each), place) for each in (part.children if isinstance(part, Call) else ()))
        for place, part in enumerate(order):
            if isinstance(part, Call):
                self.known[id(part)] = _called(part, self)
                for each in part.children:
                    if last.get(id(each)) == place:
                        self.known.pop(id(each), None)
            elif isinstance(part, Number):
                self.known[id(part)] = np.full((1, 1, 1), part.value)
            elif isinstance(part, Name):
                self.known[id(part)] = self.named(part.name)


def _called(tree: Call, bound: _Bound) -> Floats:
    if tree.function in ("==", "!=") and any(isinstance(each, Text) for each in tree.arguments):
        return _compared_with_text(tree, bound)
    given = [bound.of(each) for each in tree.arguments]
    if tree.function in BY_ROW:
        condition = None if tree.over is None else bound.of(tree.over) != 0
        return _over_rows(tree.function, given, condition, bound.rows)
    with np.errstate(all="ignore"):  # What isn't finite is found, and told, where it comes out.
        return np.asarray(_FUNCTIONS[tree.function](*given), np.float64)


def _compared_with_text(tree: Call, bound: _Bound) -> Floats:
    name, text = tree.arguments if isinstance(tree.arguments[1], Text) else tree.arguments[::-1]
    if not (isinstance(name, Name) and isinstance(text, Text)):
        raise UsageError("a text can only be compared with a column or a choice.")
    levels = bound.levels.get(name.name, ())
    if text.value not in levels:
        fix = nearest(text.value, levels) or (
            f"It holds {', '.join(levels[:5])}." if levels else f"{name.name} holds numbers."
        )
        raise UsageError(f"{name.name} is never {text.value!r}.", fix=fix)
    equal = bound.named(name.name) == levels.index(text.value)
    return (equal if tree.function == "==" else ~equal).astype(np.float64)


def _over_rows(
    function: str, given: list[Floats], condition: npt.NDArray[np.bool_] | None, rows: int
) -> Floats:
    value = given[0] if given else np.ones((1, 1, 1))
    if condition is None and function in ("sum", "mean"):
        if value.shape[ROWS] == rows:
            return value.sum(ROWS, keepdims=True) / (rows if function == "mean" else 1)
        return value * (rows if function == "sum" else 1)
    shape = np.broadcast_shapes(value.shape, (1, rows, 1), () if condition is None else condition.shape)
    value = np.broadcast_to(value, shape)
    inside = np.broadcast_to(True if condition is None else condition, shape)
    with np.errstate(all="ignore"):
        if function == "smallest":
            return np.where(inside, value, np.inf).min(ROWS, keepdims=True)
        if function == "largest":
            return np.where(inside, value, -np.inf).max(ROWS, keepdims=True)
        if function in ("count", "share"):
            value = (value != 0).astype(np.float64)
        total = np.where(inside, value, 0.0).sum(ROWS, keepdims=True)
        return total if function in ("sum", "count") else total / inside.sum(ROWS, keepdims=True)


def _choose(condition: Floats, yes: Floats, no: Floats) -> Floats:
    return np.where(condition != 0, yes, no)


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def normal_cdf(x: Floats) -> Floats:
    from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

    return np.asarray(ndtr(x), np.float64)


def _fold(of: Callable[[Floats, Floats], Floats]) -> Callable[..., Floats]:
    def folded(*given: Floats) -> Floats:
        found = given[0]
        for each in given[1:]:
            found = of(found, each)
        return found

    return folded


_FUNCTIONS: dict[str, Callable[..., Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power, "negative": np.negative,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not, "if": _choose,
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "abs": np.abs, "floor": np.floor, "ceil": np.ceil,
    "round": np.round, "sigmoid": _sigmoid, "tanh": np.tanh, "normal_cdf": normal_cdf,
    "min": _fold(np.minimum), "max": _fold(np.maximum), "clip": np.clip,
}  # fmt: skip


def _folded(of: Floats, shape: tuple[int, ...]) -> Floats:
    """The sum over the axes along which a value of this shape was stretched."""
    axes = tuple(at for at, (long, short) in enumerate(zip(of.shape, shape)) if short == 1 and long > 1)
    return of.sum(axis=axes, keepdims=True) if axes else of


def _over_rows_slopes(tree: Call, bound: _Bound) -> Sequence[Floats | None]:
    if tree.function in ("count", "share"):
        return (None,)
    value, whole = bound.of(tree.arguments[0]), bound.of(tree)
    shape = np.broadcast_shapes(value.shape, (1, bound.rows, 1))
    inside = (
        np.ones((1, bound.rows, 1)) if tree.over is None else (bound.of(tree.over) != 0).astype(np.float64)
    )
    if tree.function == "sum":
        return (inside,)
    if tree.function == "mean":
        return (
            inside
            / np.broadcast_to(inside, np.broadcast_shapes(shape, inside.shape)).sum(ROWS, keepdims=True),
        )
    at_end = np.broadcast_to(inside * (value == whole), np.broadcast_shapes(shape, inside.shape))
    return (
        at_end * (np.cumsum(at_end, axis=ROWS) == 1),
    )  # Where several are the smallest, the first of them moves it.


def _slopes(tree: Call, bound: _Bound) -> Sequence[Floats | None]:
    """How the value of a function changes with each of its arguments; None: not at all."""
    y, given = bound.of(tree), [bound.of(each) for each in tree.arguments if not isinstance(each, Text)]
    one, a, b = np.ones((1, 1, 1)), given[0], given[-1]
    match tree.function:
        case "+":
            return one, one
        case "-":
            return one, -one
        case "*":
            return b, a
        case "/":
            return 1 / b, -y / b
        case "^":
            return b * np.power(a, b - 1), np.where(a > 0, y * np.log(np.where(a > 0, a, 1.0)), 0.0)
        case "if":
            yes = (a != 0).astype(np.float64)
            return None, yes, 1 - yes
        case "clip":
            low, high = given[1:]
            inside = ((a > low) & (a < high)).astype(np.float64)
            return inside, (a <= low).astype(np.float64), (a >= high).astype(np.float64)
        case "min" | "max":
            return _chosen(y, given)
        case _:
            return (_slope(tree.function, y, a),) * len(tree.arguments)


def _slope(function: str, y: Floats, a: Floats) -> Floats | None:
    """Of a function of one argument."""
    match function:
        case "negative":
            return -np.ones((1, 1, 1))
        case "exp":
            return y
        case "log":
            return 1 / a
        case "log1p":
            return 1 / (1 + a)
        case "sqrt":
            return 0.5 / y
        case "abs":
            return np.sign(a)
        case "sigmoid":
            return y * (1 - y)
        case "tanh":
            return 1 - y * y
        case "normal_cdf":
            return np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
        case _:  # Comparisons, and, or, not, floor, ceil, round.
            return None


def _chosen(y: Floats, given: Sequence[Floats]) -> list[Floats]:
    """1 for the first of the things that the whole is equal to."""
    found, taken = list[Floats](), np.zeros(y.shape, bool)
    for each in given:
        here = (each == y) & ~taken
        taken |= here
        found.append(here.astype(np.float64))
    return found
