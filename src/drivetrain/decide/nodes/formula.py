"""An outcome by a formula of others: `profit = buys * (price - cost)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from drivetrain.arguments import public
from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import Expression, over_rows, parse
from drivetrain.decide.expressions.interval import Span, spans
from drivetrain.decide.expressions.texts import check_texts
from drivetrain.decide.nodes.base import Floats, Given, Node, Plain, Scope, described
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim, claimed
from drivetrain.errors import UsageError

KEYS = frozenset({"formula"})


@dataclass(frozen=True, slots=True, eq=False)
class Formula(Plain):
    name: str
    expression: Expression
    claim: Claim = field(default_factory=Claim)
    unit: str = ""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]], repr=False)
    """The levels of its inputs, which `bind` finds out."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.expression.names

    @property
    def formula(self) -> Expression:
        return self.expression

    @property
    def by_chance(self) -> bool:
        return False

    @property
    def each_row_alone(self) -> bool:
        return not over_rows(self.expression.tree)

    def bind(self, scope: Scope) -> Formula:
        check_texts(self.expression, scope.levels, f"models.{self.name}")
        return replace(self, known=scope.levels)

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        return calculate(self.expression, values, self.known, world.rows)

    def span(self, given: Mapping[str, Span], world: World) -> Span:
        return spans(self.expression, given, self.known, world.rows)

    def to_json(self) -> dict[str, Any]:
        return described(self, {"formula": self.expression.text})


@public
def formula(text: str, *, claim: object = None, unit: str = "") -> Formula:
    """An outcome by a formula. Raises UsageError for what can't be read."""
    return Formula("", parse(text, where="formula"), claimed(claim), unit)


def read(given: Given) -> Node:
    text = given.table["formula"]
    if not isinstance(text, str):
        raise UsageError("a formula is a text.", where=given.where)
    return Formula(given.name, parse(text, where=given.where), given.claim, given.unit)
