"""An outcome by points of a curve, with straight lines between them; or by the value that each text has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.decide.expressions.interval import NoBounds, Span, between
from drivetrain.decide.nodes.base import Floats, Given, Node, Plain, Scope, described
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim, claimed
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.figures import number
from drivetrain.runtime.columns import read_columns

KEYS = frozenset({"table"})
LARGEST = 1e100
FORM = 'Write table = { x = "price", points = [[20, 100], [30, 80]] }, or { file = "curve.csv", x = "price", y = "demand" }.'


@dataclass(frozen=True, slots=True, eq=False)
class Table(Plain):
    """`y` (points,) at the places `at` (points,) of the input `x`, rising; or of the texts `at`. Beyond the points it says
    nothing: what lies there is refused."""

    name: str
    x: str
    at: Floats | tuple[str, ...]
    y: Floats
    claim: Claim = field(default_factory=Claim)
    unit: str = ""
    known: tuple[str, ...] = ()
    """What the codes of x stand for, which `bind` finds out."""

    @property
    def by_chance(self) -> bool:
        return False

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.x,)

    def bind(self, scope: Scope) -> Table:
        levels = scope.levels.get(self.x, ())
        if isinstance(self.at, tuple) != bool(levels):
            kinds = ("texts", "numbers") if isinstance(self.at, tuple) else ("numbers", "texts")
            raise UsageError(
                f"the table has {kinds[0]}, and {self.x} {kinds[1]}.", where=f"models.{self.name}"
            )
        if isinstance(self.at, tuple) and (lacking := [each for each in levels if each not in self.at]):
            raise UsageError(
                f"the table has no value for {lacking[0]!r}.", where=f"models.{self.name}",
                fix=nearest(lacking[0], self.at),
            )  # fmt: skip
        return replace(self, known=levels)

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        x = values[self.x]
        if isinstance(self.at, tuple):
            of = dict(zip(self.at, self.y.tolist()))
            by_code = np.array([*(of[each] for each in self.known), np.nan])
            return by_code[x.astype(np.int64)]
        beyond = (x < self.at[0]) | (x > self.at[-1])
        if beyond.any():
            raise DataError(
                f"{self.x} = {number(float(x[beyond][0]))} lies beyond the points of the table, "
                f"{number(float(self.at[0]))} to {number(float(self.at[-1]))}.",
                where=f"models.{self.name}", fix="Narrow the lever's bounds, or give more points.",
            )  # fmt: skip
        return np.interp(x, self.at, self.y)

    def span(self, given: Mapping[str, Span], world: World) -> Span:
        if isinstance(self.at, tuple):
            raise NoBounds
        return between(given[self.x], self.at, self.y)

    def to_json(self) -> dict[str, Any]:
        points = [list(each) for each in zip(self.at, self.y.tolist())]
        return described(self, {"table": {"x": self.x, "points": points}})


@public
def table(x: str, points: Sequence[Any], *, claim: object = None, unit: str = "") -> Table:
    """A table of pairs of x and the outcome. Raises UsageError for what are none, or where x has a value twice."""
    return _made("", x, points, claimed(claim), unit, "table")


def _made(name: str, x: str, points: Sequence[Any], claim: Claim, unit: str, where: str) -> Table:
    pairs = _pairs(points)
    texts = bool(pairs) and all(isinstance(pair[0], str) for pair in pairs)
    numbers = all(_is_number(pair[1]) and (texts or _is_number(pair[0])) for pair in pairs)
    if not pairs or len(pairs) != len(points) or not numbers:
        raise UsageError("points are pairs of numbers, or of a text and a number.", where=where, fix=FORM)
    pairs = sorted(pairs, key=lambda pair: pair[0])
    at = [pair[0] for pair in pairs]
    if len(set(at)) < len(at):
        raise UsageError(f"{x} has a value twice.", where=where)
    y = np.array([pair[1] for pair in pairs], np.float64)
    return Table(name, x, tuple(at) if texts else np.array(at, np.float64), y, claim, unit)


def _pairs(points: Sequence[Any]) -> list[Sequence[Any]]:
    listed = cast("Any", points).tolist() if isinstance(points, np.ndarray) else points
    if not isinstance(listed, (list, tuple)):
        return []
    some = [
        cast("Sequence[Any]", each) for each in cast("list[Any]", listed) if isinstance(each, (list, tuple))
    ]
    return [each for each in some if len(each) == 2]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def read(given: Given) -> Node:
    said: Any = given.table["table"]
    if not isinstance(said, Mapping):
        raise UsageError("this must be a table.", where=given.where, fix=FORM)
    said = cast("Mapping[str, Any]", said)
    x = said.get("x")
    if not isinstance(x, str) or not ({*said} == {"x", "points"} or {*said} == {"x", "y", "file"}):
        raise UsageError("it doesn't say which points.", where=given.where, fix=FORM)
    if "points" in said:
        return _made(given.name, x, cast("list[Any]", said["points"]), given.claim, given.unit, given.where)
    columns = read_columns(given.file(said["file"]))
    pairs = list(zip(columns.plain(x), columns.plain(str(said["y"]))))
    return _made(given.name, x, pairs, given.claim, given.unit, given.where)
