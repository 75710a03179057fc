"""Between what an expression can lie when levers lie between bounds, and how fast it can change there.

Interval arithmetic (Moore, 1966) with slopes in forward mode, over many boxes of levers, rows and draws at once. What comes out
holds for every setting in a box: it is what a proof that no setting is better rests on, up to the rounding of doubles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.expressions.calculate import normal_cdf
from drivetrain.decide.expressions.expression import BY_ROW, Call, Expression, Name, Number, Text, Tree

Floats = npt.NDArray[np.float64]
ROWS = -2


class NoBounds(Exception):
    """An expression of which nothing can be said here."""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """`low` <= value <= `high`, (S, R, D)-broadcastable; `least` <= slope by each lever <= `most`, (n, S, R, D)-broadcastable.
    Where a value may jump the slopes are endless; where there may be none (the log of less than 0) both ends are NaN."""

    low: Floats
    high: Floats
    least: Floats
    most: Floats

    @property
    def fixed(self) -> bool:
        """Whether no lever moves it."""
        return not self.least.any() and not self.most.any() and bool((self.low == self.high).all())


def fixed(value: Floats) -> Span:
    """What no lever moves."""
    none = np.zeros((1, 1, 1, 1))
    return Span(value, value, none, none)


def lever(low: Floats, high: Floats, slopes: Floats) -> Span:
    """A lever in boxes (S, 1, 1), or one of each row, (S, rows, 1). `slopes` (n, S, rows, 1): 1 where it is the number itself by
    which slopes are taken."""
    return Span(low, high, slopes, slopes)


def spans(
    expression: Expression, given: Mapping[str, Span], levels: Mapping[str, tuple[str, ...]], rows: int
) -> Span:
    """The span of an expression of named spans. Raises NoBounds where nothing can be said."""
    with np.errstate(all="ignore"):
        return _Spanning(given, levels, rows).of(expression.tree)


class _Spanning:
    def __init__(self, given: Mapping[str, Span], levels: Mapping[str, tuple[str, ...]], rows: int) -> None:
        self.given, self.levels, self.rows = given, levels, rows
        self.known: dict[int, Span] = {}

    def of(self, tree: Tree) -> Span:
        if isinstance(tree, Number):
            return fixed(np.full((1, 1, 1), tree.value))
        if isinstance(tree, Name):
            return self.given[tree.name]
        if isinstance(tree, Text):
            raise NoBounds
        if (found := self.known.get(id(tree))) is None:
            found = self.known[id(tree)] = self.called(tree)
        return found

    def called(self, tree: Call) -> Span:
        if any(isinstance(each, Text) for each in tree.arguments):
            return self.exactly(tree)
        spans = [self.of(each) for each in tree.arguments]
        if tree.function in BY_ROW:
            over = None if tree.over is None else self.of(tree.over)
            return _over_rows(tree.function, spans, over, self.rows)
        if tree.function not in _RULES:
            raise NoBounds
        return _RULES[tree.function](*spans)

    def exactly(self, tree: Call) -> Span:
        """What compares a column or a choice with a text."""
        name, text = tree.arguments if isinstance(tree.arguments[1], Text) else tree.arguments[::-1]
        if not (isinstance(name, Name) and isinstance(text, Text)):
            raise NoBounds
        place = self.levels.get(name.name, ()).index(text.value)
        equal = _equal(self.given[name.name], fixed(np.full((1, 1, 1), float(place))))
        return equal if tree.function == "==" else _not(equal)


def tightened(span: Span, centre: Floats, reach: Floats) -> Span:
    """The span with what its slopes say: value(x) is within sum |slope| |x - c| of the value at the `centre` of a box, of which
    `reach` (n, S, 1, 1) is half the width (the mean value form; Neumaier, 1990, ch. 2)."""
    with np.errstate(all="ignore"):
        steepest = np.maximum(abs(span.least), abs(span.most))
        far = np.where(reach > 0, steepest * reach, 0.0).sum(axis=0)
        far = np.where(np.isnan(far) | np.isnan(centre), np.inf, far)
        near = np.where(np.isnan(centre), 0.0, centre)
        low, high = np.maximum(span.low, near - far), np.minimum(span.high, near + far)
    return Span(low, high, span.least, span.most)


def _times(a_low: Floats, a_high: Floats, b_low: Floats, b_high: Floats) -> tuple[Floats, Floats]:
    """Least and most of a product of slopes; 0 x endless is 0, as the ends are only approached."""
    products = [np.where((a == 0) | (b == 0), 0.0, a * b) for a in (a_low, a_high) for b in (b_low, b_high)]
    least, most = np.minimum(products[0], products[1]), np.maximum(products[0], products[1])
    for each in products[2:]:
        least, most = np.minimum(least, each), np.maximum(most, each)
    return least, most


def add(a: Span, b: Span) -> Span:
    return Span(a.low + b.low, a.high + b.high, a.least + b.least, a.most + b.most)


def _negative(a: Span) -> Span:
    return Span(-a.high, -a.low, -a.most, -a.least)


def _subtract(a: Span, b: Span) -> Span:
    return add(a, _negative(b))


def product(a: Span, b: Span) -> Span:
    products = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    low = np.minimum(np.minimum(products[0], products[1]), np.minimum(products[2], products[3]))
    high = np.maximum(np.maximum(products[0], products[1]), np.maximum(products[2], products[3]))
    one, two = _times(a.low, a.high, b.least, b.most), _times(b.low, b.high, a.least, a.most)
    return Span(low, high, one[0] + two[0], one[1] + two[1])


def _through(a: Span, low: Floats, high: Floats, least: Floats, most: Floats) -> Span:
    """A function of one thing: its values there, and between what its slope lies there."""
    return Span(low, high, *_times(least, most, a.least, a.most))


def _inverse(b: Span) -> Span:
    across = (b.low <= 0) & (b.high >= 0)
    low, high = np.where(across, -np.inf, 1 / b.high), np.where(across, np.inf, 1 / b.low)
    least = np.where(across, -np.inf, np.minimum(-1 / b.low**2, -1 / b.high**2))
    return _through(b, low, high, least, np.where(across, np.inf, np.maximum(-1 / b.low**2, -1 / b.high**2)))


def _divide(a: Span, b: Span) -> Span:
    return product(a, _inverse(b))


def _power(a: Span, b: Span) -> Span:
    if not b.fixed:
        return exp(product(b, _log(a)))  # NaN below 0, as the power itself.
    p = b.low
    whole, even = p == np.round(p), p % 2 == 0
    ends = [np.power(a.low, p), np.power(a.high, p)]
    slopes = [p * np.power(a.low, p - 1), p * np.power(a.high, p - 1)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    least, most = np.minimum(*slopes), np.maximum(*slopes)
    across = (a.low < 0) & (a.high > 0)
    low = np.where(across & even & (p > 0), 0.0, low)
    least = np.where(across & ~even & (p > 1), np.minimum(least, 0.0), least)  # x^3 is flat at 0.
    pole = (a.low <= 0) & (a.high >= 0) & (p < 0)
    low, high = np.where(pole, -np.inf, low), np.where(pole, np.inf, high)
    least, most = np.where(pole, -np.inf, least), np.where(pole, np.inf, most)
    undefined = ~whole & (a.low < 0)
    low, high = np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
    return _through(a, low, high, np.where(undefined, -np.inf, least), np.where(undefined, np.inf, most))


def rising(
    of: Callable[[Floats], Floats], slope: Callable[[Floats], Floats], domain: float = -np.inf
) -> Callable[[Span], Span]:
    """A function that rises, and whose slope rises or falls throughout."""

    def span(a: Span) -> Span:
        low, high = np.where(a.low < domain, np.nan, a.low), np.where(a.low < domain, np.nan, a.high)
        ends = slope(low), slope(high)
        return _through(a, of(low), of(high), np.minimum(*ends), np.maximum(*ends))

    return span


def bell(of: Callable[[Floats], Floats], slope: Callable[[Floats], Floats]) -> Callable[[Span], Span]:
    """A function that rises, most steeply at 0."""

    def span(a: Span) -> Span:
        ends = slope(a.low), slope(a.high)
        most = np.where((a.low < 0) & (a.high > 0), slope(np.zeros(1)), np.maximum(*ends))
        return _through(a, of(a.low), of(a.high), np.minimum(*ends), most)

    return span


def _stairs(of: Callable[[Floats], Floats]) -> Callable[[Span], Span]:
    def span(a: Span) -> Span:
        low, high = of(a.low), of(a.high)
        return _jumping(low, high, a)

    return span


def _jumping(low: Floats, high: Floats, *given: Span) -> Span:
    """What is the same throughout where low == high and may jump elsewhere."""
    end = np.where(low == high, 0.0, np.inf)[None]
    moved = np.broadcast_shapes(*(each.least.shape for each in given))
    end = np.broadcast_to(end, np.broadcast_shapes(end.shape, moved))
    return Span(low, high, -end, end)


def between(x: Span, at: Floats, y: Floats) -> Span:
    """By straight lines between points (P,), `at` rising. Raises NoBounds beyond them."""
    low, high = np.broadcast_arrays(x.low, x.high)
    if not ((low >= at[0]) & (high <= at[-1])).all():
        raise NoBounds
    first = np.clip(np.searchsorted(at, low, "right") - 1, 0, max(len(at) - 2, 0))
    last = np.clip(np.searchsorted(at, high, "left") - 1, 0, max(len(at) - 2, 0))
    slopes = np.diff(y) / np.diff(at) if len(at) > 1 else np.zeros(1)
    least, most = np.full(low.shape, np.inf), np.full(low.shape, -np.inf)
    ends = np.interp(low, at, y), np.interp(high, at, y)
    bottom, top = np.minimum(*ends), np.maximum(*ends)
    for piece, slope in enumerate(slopes.tolist()):
        inside = (first <= piece) & (piece <= last)
        least, most = (
            np.where(inside, np.minimum(least, slope), least),
            np.where(inside, np.maximum(most, slope), most),
        )
        knot = (first < piece) & (piece <= last)
        bottom = np.where(knot, np.minimum(bottom, y[piece]), bottom)
        top = np.where(knot, np.maximum(top, y[piece]), top)
    return _through(x, bottom, top, least, most)


def _abs(a: Span) -> Span:
    across = (a.low < 0) & (a.high > 0)
    low = np.where(across, 0.0, np.minimum(abs(a.low), abs(a.high)))
    return _through(
        a,
        low,
        np.maximum(abs(a.low), abs(a.high)),
        np.where(a.low >= 0, 1.0, -1.0),
        np.where(a.high <= 0, -1.0, 1.0),
    )


def _larger(a: Span, b: Span) -> Span:
    first, second = a.low >= b.high, b.low >= a.high
    least = np.where(first, a.least, np.where(second, b.least, np.minimum(a.least, b.least)))
    most = np.where(first, a.most, np.where(second, b.most, np.maximum(a.most, b.most)))
    return Span(np.maximum(a.low, b.low), np.maximum(a.high, b.high), least, most)


def _largest(*spans: Span) -> Span:
    found = spans[0]
    for each in spans[1:]:
        found = _larger(found, each)
    return found


def _smallest(*spans: Span) -> Span:
    return _negative(_largest(*map(_negative, spans)))


def _clip(x: Span, low: Span, high: Span) -> Span:
    return _smallest(_largest(x, low), high)


def _if(condition: Span, yes: Span, no: Span) -> Span:
    always = (condition.low > 0) | (condition.high < 0)
    never = (condition.low == 0) & (condition.high == 0)
    low = np.where(always, yes.low, np.where(never, no.low, np.minimum(yes.low, no.low)))
    high = np.where(always, yes.high, np.where(never, no.high, np.maximum(yes.high, no.high)))
    least = np.where(always, yes.least, np.where(never, no.least, -np.inf))
    return Span(low, high, least, np.where(always, yes.most, np.where(never, no.most, np.inf)))


def _truth(surely: npt.NDArray[np.bool_], maybe: npt.NDArray[np.bool_], *given: Span) -> Span:
    return _jumping(surely.astype(np.float64), maybe.astype(np.float64), *given)


def _less(a: Span, b: Span) -> Span:
    return _truth(a.high < b.low, ~(a.low >= b.high), a, b)


def _at_most(a: Span, b: Span) -> Span:
    return _truth(a.high <= b.low, ~(a.low > b.high), a, b)


def _equal(a: Span, b: Span) -> Span:
    surely = (a.low == a.high) & (b.low == b.high) & (a.low == b.low)
    return _truth(surely, ~((a.low > b.high) | (b.low > a.high)), a, b)


def _more(a: Span, b: Span) -> Span:
    return _less(b, a)


def _at_least(a: Span, b: Span) -> Span:
    return _at_most(b, a)


def _unlike(a: Span, b: Span) -> Span:
    return _not(_equal(a, b))


def _not(a: Span) -> Span:
    surely, maybe = _true(a)
    return _truth(~maybe, ~surely, a)


def _true(a: Span) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether it is surely, and whether it may be, other than 0."""
    return (a.low > 0) | (a.high < 0), (a.low != 0) | (a.high != 0)


def _and(a: Span, b: Span) -> Span:
    (first, perhaps), (second, maybe) = _true(a), _true(b)
    return _truth(first & second, perhaps & maybe, a, b)


def _or(a: Span, b: Span) -> Span:
    (first, perhaps), (second, maybe) = _true(a), _true(b)
    return _truth(first | second, perhaps | maybe, a, b)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))


def _sigmoid_slope(x: Floats) -> Floats:
    return 0.25 * (1 - np.tanh(x / 2) ** 2)


exp = rising(np.exp, np.exp)
sigmoid = bell(_sigmoid, _sigmoid_slope)
_log = rising(np.log, lambda x: 1 / x, 0.0)
_RULES: dict[str, Callable[..., Span]] = {
    "+": add, "-": _subtract, "negative": _negative, "*": product,
    "/": _divide, "^": _power, "exp": exp, "log": _log,
    "log1p": rising(np.log1p, lambda x: 1 / (1 + x), -1.0), "sqrt": rising(np.sqrt, lambda x: 0.5 / np.sqrt(x), 0.0),
    "sigmoid": sigmoid, "tanh": bell(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "normal_cdf": bell(normal_cdf, lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi)),
    "abs": _abs, "min": _smallest, "max": _largest, "clip": _clip, "if": _if,
    "floor": _stairs(np.floor), "ceil": _stairs(np.ceil), "round": _stairs(np.round),
    "<": _less, "<=": _at_most, ">": _more, ">=": _at_least, "==": _equal,
    "!=": _unlike, "and": _and, "or": _or, "not": _not,
}  # fmt: skip


def _over_rows(function: str, given: list[Span], over: Span | None, rows: int) -> Span:
    if over is not None and not over.fixed:
        raise NoBounds  # Which rows count hangs on levers.
    value = given[0] if given else fixed(np.ones((1, 1, 1)))
    if function in ("count", "share") and given:
        value = _truth(*_true(value), value)
    inside = np.ones((1, 1, 1), bool) if over is None else over.low != 0
    weight = np.broadcast_to(inside, np.broadcast_shapes(inside.shape, (1, rows, 1))).astype(np.float64)
    if function in ("smallest", "largest"):
        return _end_of_rows(value, weight, function == "largest")
    if function in ("mean", "share"):
        weight = weight / weight.sum(ROWS, keepdims=True)

    def total(x: Floats) -> Floats:
        return np.where(weight > 0, x * weight, 0.0).sum(ROWS, keepdims=True)

    return Span(total(value.low), total(value.high), total(value.least), total(value.most))


def _end_of_rows(value: Span, weight: Floats, largest: bool) -> Span:
    if not largest:
        return _negative(_end_of_rows(_negative(value), weight, True))
    low = np.where(weight > 0, value.low, -np.inf).max(ROWS, keepdims=True)
    high = np.where(weight > 0, value.high, -np.inf)
    may = (high >= low) & (weight > 0)  # Only a row that may be the largest moves it.
    least = np.where(may, value.least, np.inf).min(ROWS, keepdims=True)
    most = np.where(may, value.most, -np.inf).max(ROWS, keepdims=True)
    return Span(low, high.max(ROWS, keepdims=True), least, most)
