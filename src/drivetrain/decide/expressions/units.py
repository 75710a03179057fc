"""Units of levers and outcomes, through the formulas: euros are not added to kilograms.

A unit is a product of names with powers: `EUR`, `EUR/kg`, `kg m^2`, `EUR/(customer year)`. Names are the user's own, and no two are
converted into each other: `kEUR` is not `EUR`. What has no unit declared, and every number in a formula, goes with all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.decide.expressions.expression import COMPARISONS, Call, Expression, Name, Number, Tree, parts
from drivetrain.errors import UsageError

PLAIN_WORDS = ("1", "share", "probability", "ratio", "count")
"""What says that a number is one and no more."""
_TOKEN = re.compile(
    r"\s*(?:(?P<name>1(?![\d.])|[^\W\d_][\w%€$£¥.]*|[%€$£¥°][\w]*)(?:\s*(?:\^|\*\*)\s*(?P<power>-?\d+))?|(?P<sign>[*·/()]))\s*"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """`powers`: name -> its power, not 0, in the order of the names."""

    powers: tuple[tuple[str, float], ...] = ()

    def times(self, other: Unit, power: float = 1.0) -> Unit:
        found = dict(self.powers)
        for name, each in other.powers:
            found[name] = found.get(name, 0.0) + power * each
        return Unit(tuple(sorted((name, each) for name, each in found.items() if each)))

    def to(self, power: float) -> Unit:
        return Unit().times(self, power)

    @property
    def plain(self) -> bool:
        return not self.powers

    def __str__(self) -> str:
        above = [_power(name, power) for name, power in self.powers if power > 0]
        below = [_power(name, -power) for name, power in self.powers if power < 0]
        under = "" if not below else f"/{below[0]}" if len(below) == 1 else f"/({' '.join(below)})"
        return (" ".join(above) or "1") + under

    @property
    def words(self) -> str:
        """As it is told behind "in"."""
        return "no unit" if self.plain else str(self)


def _power(name: str, power: float) -> str:
    return name if power == 1 else f"{name}^{power:g}"


def unit(text: str, where: str = "") -> Unit | None:
    """The unit that a text says; None for an empty one. Raises UsageError."""
    if not text.strip():
        return None
    found, at, sign, depth = Unit(), 0, 1, list[int]()
    expects = True
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _no_unit(text, where)
        at = token.end()
        mark = token["sign"]
        if mark == "(":
            depth.append(sign)
        elif mark == ")":
            if not depth or expects:
                raise _no_unit(text, where)
            depth.pop()
            sign = depth[-1] if depth else 1
        elif mark is not None:
            if expects:
                raise _no_unit(text, where)
            outer = depth[-1] if depth else 1
            sign = -outer if mark == "/" else outer
            expects = True
        else:
            name = token["name"]
            if name not in PLAIN_WORDS:
                found = found.times(Unit(((name, float(token["power"] or 1)),)), sign)
            if sign != (depth[-1] if depth else 1):
                sign = depth[-1] if depth else 1  # a/b c is (a/b) c.
            expects = False
    if depth or expects:
        raise _no_unit(text, where)
    return found


def _no_unit(text: str, where: str) -> UsageError:
    return UsageError(f"{text!r} is no unit.", where=where, fix="Write it as EUR, EUR/kg or kg m^2.")


def unit_of(expression: Expression, units: Mapping[str, Unit], where: str = "") -> Unit | None:
    """The unit of an expression's value; None where it can't be told. Raises UsageError that names both sides where two don't
    go together."""
    known = dict[int, Unit | None]()
    for part in parts(expression.tree):
        if isinstance(part, Name):
            known[id(part)] = units.get(part.name)
        elif isinstance(part, Call):
            known[id(part)] = _called(part, [known.get(id(each)) for each in part.arguments], where)
    return known.get(id(expression.tree))


def _called(part: Call, given: list[Unit | None], where: str) -> Unit | None:
    match part.function:
        case "*" | "/":
            a, b = given
            return None if a is None or b is None else a.times(b, 1 if part.function == "*" else -1)
        case "^":
            power = part.arguments[1]
            if given[0] is None or given[0].plain:
                return given[0]
            return given[0].to(power.value) if isinstance(power, Number) else None
        case "sqrt":
            return None if given[0] is None else given[0].to(0.5)
        case "exp" | "sigmoid" | "tanh" | "normal_cdf":
            if given[0] is not None and not given[0].plain:
                raise UsageError(
                    f"{part.function} takes a number without a unit, and {said(part.arguments[0])} is in {given[0]}.",
                    where=where, fix="Multiply it by a coefficient first.",
                )  # fmt: skip
            return Unit()
        case "log" | "log1p" | "not":
            return None if part.function != "not" else Unit()
        case "and" | "or" | "share" | "count":
            return Unit()
        case "if":
            return _alike(part, [None, *given[1:]], where)
        case _:
            found = _alike(part, given, where)
            return Unit() if part.function in COMPARISONS else found


def _alike(part: Call, given: list[Unit | None], where: str) -> Unit | None:
    """The unit that all of the arguments have."""
    first: tuple[Tree, Unit] | None = None
    for each, own in zip(part.arguments, given):
        if own is None:
            continue
        if first is not None and first[1] != own:
            word = f"`{part.function}`"
            raise UsageError(
                f"{said(first[0])} is in {first[1].words} and {said(each)} in {own.words}: {word} wants one unit.",
                where=where,
            )
        first = first or (each, own)
    return None if first is None else first[1]


def said(tree: Tree) -> str:
    """A part in a few words."""
    if isinstance(tree, Name):
        return tree.name
    names = list(dict.fromkeys(part.name for part in parts(tree) if isinstance(part, Name)))
    return f"what is made of {', '.join(names[:3])}" if names else "a number"
