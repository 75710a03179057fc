"""What an expression is worth: over settings, rows and draws at once, and how that changes with what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expression import BY_ROW, Call, Expression, Name, Number, Text, Tree
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
    return _value(expression.tree, _Bound(values, levels or {}, rows))


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
    value = _value(expression.tree, bound)
    found: dict[str, Floats] = {}
    _back(
        expression.tree,
        np.broadcast_to(of, np.broadcast_shapes(value.shape, np.shape(of))),
        bound,
        wanted,
        found,
    )
    return {name: found[name] if name in found else np.zeros_like(values[name]) for name in wanted}


class _Bound:
    """The values that names have, and what each part of a tree has come to."""

    def __init__(self, values: Mapping[str, Floats], levels: Levels, rows: int) -> None:
        self.values, self.levels, self.known = values, levels, dict[int, Floats]()
        self.rows = max([rows, *(np.shape(each)[ROWS] for each in values.values())])

    def of(self, name: str) -> Floats:
        if name not in self.values:
            raise UsageError(f"nothing is called {name!r}.", fix=nearest(name, self.values))
        return self.values[name]


def _value(tree: Tree, bound: _Bound) -> Floats:
    if isinstance(tree, Number):
        return np.full((1, 1, 1), tree.value)
    if isinstance(tree, Name):
        return bound.of(tree.name)
    if isinstance(tree, Text):
        raise UsageError(f"the text {tree.value!r} can only be compared with a column or a choice.")
    if (found := bound.known.get(id(tree))) is None:
        found = bound.known[id(tree)] = _called(tree, bound)
    return found


def _called(tree: Call, bound: _Bound) -> Floats:
    if tree.function in ("==", "!=") and any(isinstance(each, Text) for each in tree.arguments):
        return _compared_with_text(tree, bound)
    given = [_value(each, bound) for each in tree.arguments]
    if tree.function in BY_ROW:
        condition = None if tree.over is None else _value(tree.over, bound) != 0
        return _over_rows(tree.function, given, condition, bound)
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
    equal = bound.of(name.name) == levels.index(text.value)
    return (equal if tree.function == "==" else ~equal).astype(np.float64)


def _over_rows(
    function: str, given: list[Floats], condition: npt.NDArray[np.bool_] | None, bound: _Bound
) -> Floats:
    rows = bound.rows
    value = given[0] if given else np.ones((1, 1, 1))
    shape = np.broadcast_shapes(value.shape, (1, rows, 1), () if condition is None else condition.shape)
    value = np.broadcast_to(value, shape)
    weight = np.ones(shape) if condition is None else np.broadcast_to(condition, shape).astype(np.float64)
    with np.errstate(all="ignore"):
        if function in ("smallest", "largest"):
            end = np.inf if function == "smallest" else -np.inf
            choose = np.min if function == "smallest" else np.max
            return choose(np.where(weight > 0, value, end), axis=ROWS, keepdims=True)
        if function == "count":
            return (
                weight.sum(ROWS, keepdims=True)
                if not given
                else (weight * (value != 0)).sum(ROWS, keepdims=True)
            )
        total = np.where(weight > 0, value if function != "share" else value != 0, 0.0).sum(
            ROWS, keepdims=True
        )
        return total if function == "sum" else total / weight.sum(ROWS, keepdims=True)


def _choose(condition: Floats, yes: Floats, no: Floats) -> Floats:
    return np.where(condition != 0, yes, no)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))


def _normal_cdf(x: Floats) -> Floats:
    from scipy.special import ndtr

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
    "round": np.round, "sigmoid": _sigmoid, "tanh": np.tanh, "normal_cdf": _normal_cdf,
    "min": _fold(np.minimum), "max": _fold(np.maximum), "clip": np.clip,
}  # fmt: skip


def _back(tree: Tree, of: Floats, bound: _Bound, wanted: set[str], found: dict[str, Floats]) -> None:
    """Add what a change of a part makes of the whole: `of` is the change of the whole by this part."""
    if isinstance(tree, Name) and tree.name in wanted:
        part = _folded(of, bound.of(tree.name).shape)
        found[tree.name] = found[tree.name] + part if tree.name in found else part
    if not isinstance(tree, Call) or tree.function in _FLAT:
        return
    if tree.function in BY_ROW:
        _back_over_rows(tree, of, bound, wanted, found)
        return
    given = [_value(each, bound) for each in tree.arguments]
    with np.errstate(all="ignore"):
        for each, part in zip(tree.arguments, _SLOPES[tree.function](_value(tree, bound), *given)):
            if part is not None:
                _back(each, of * part, bound, wanted, found)


def _back_over_rows(
    tree: Call, of: Floats, bound: _Bound, wanted: set[str], found: dict[str, Floats]
) -> None:
    if tree.function in ("count", "share"):
        return
    value, whole = _value(tree.arguments[0], bound), _value(tree, bound)
    rows = bound.rows
    inside = np.ones((1, rows, 1), bool) if tree.over is None else _value(tree.over, bound) != 0
    part = inside.astype(np.float64)
    if tree.function == "mean":
        part = part / np.broadcast_to(part, np.broadcast_shapes(part.shape, (1, rows, 1))).sum(
            ROWS, keepdims=True
        )
    elif tree.function != "sum":
        part = part * (value == whole)  # Where several are the smallest, the first of them moves it.
        part = part * (np.cumsum(part, axis=ROWS) == 1)
    shape = np.broadcast_shapes(np.shape(of), part.shape, value.shape)
    _back(tree.arguments[0], np.broadcast_to(of * part, shape), bound, wanted, found)


def _folded(of: Floats, shape: tuple[int, ...]) -> Floats:
    """The sum over the axes along which a value of this shape was stretched."""
    axes = tuple(at for at, (long, short) in enumerate(zip(of.shape, shape)) if short == 1 and long > 1)
    return of.sum(axis=axes, keepdims=True) if axes else of


def _power_slopes(y: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    return b * np.power(a, b - 1), np.where(a > 0, y * np.log(np.where(a > 0, a, 1.0)), 0.0)


def _chosen_slopes(y: Floats, *given: Floats) -> list[Floats]:
    """1 for the first of the things that the whole is equal to."""
    found, taken = list[Floats](), np.zeros(np.shape(y), bool)
    for each in given:
        here = (each == y) & ~taken
        taken |= here
        found.append(here.astype(np.float64))
    return found


_FLAT = {"<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "floor", "ceil", "round"}
_SLOPES: dict[str, Callable[..., object]] = {
    "+": lambda y, a, b: (1.0, 1.0),
    "-": lambda y, a, b: (1.0, -1.0),
    "*": lambda y, a, b: (b, a),
    "/": lambda y, a, b: (1 / b, -y / b),
    "^": _power_slopes,
    "negative": lambda y, a: (-1.0,),
    "if": lambda y, c, a, b: (None, (c != 0) * 1.0, (c == 0) * 1.0),
    "exp": lambda y, a: (y,),
    "log": lambda y, a: (1 / a,),
    "log1p": lambda y, a: (1 / (1 + a),),
    "sqrt": lambda y, a: (0.5 / y,),
    "abs": lambda y, a: (np.sign(a),),
    "sigmoid": lambda y, a: (y * (1 - y),),
    "tanh": lambda y, a: (1 - y * y,),
    "normal_cdf": lambda y, a: (np.exp(-a * a / 2) / np.sqrt(2 * np.pi),),
    "min": _chosen_slopes,
    "max": _chosen_slopes,
    "clip": lambda y, a, low, high: ((a > low) & (a < high), (a <= low) * 1.0, (a >= high) * 1.0),
}


def substituted(tree: Tree, by: Mapping[str, Tree]) -> Tree:
    """The tree with others in the place of names. What has none of these stays the same object."""
    if isinstance(tree, Name):
        return by.get(tree.name, tree)
    if not isinstance(tree, Call):
        return tree
    arguments = tuple(substituted(each, by) for each in tree.arguments)
    over = None if tree.over is None else substituted(tree.over, by)
    if over is tree.over and all(new is old for new, old in zip(arguments, tree.arguments)):
        return tree
    return replace(tree, arguments=arguments, over=over)
