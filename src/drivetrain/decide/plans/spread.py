"""Which values differ by row, which are of all rows at once, and which are the same in each: of the last, a sum over the rows
counts each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from drivetrain.decide.expressions.expression import BY_ROW, Call, Expression, Name, Tree, parts
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.plans.objective import Objective

Spread = Literal["same", "total", "unknown", "rows"]
"""The same in each row; of all rows at once; what a function gives that is shown all rows; a value for each row."""
_ORDER: tuple[Spread, ...] = ("same", "total", "unknown", "rows")


def counting_each_row(objective: Objective, spreads: Mapping[str, Spread]) -> Objective:
    """An objective that is summed over rows and is the same in each, as an outright sum; any other as it is."""
    tree = objective.expression.tree
    if objective.over != "sum" or spread_of(tree, spreads) != "same":
        return objective
    return replace(objective, expression=Expression(objective.expression.text, Call("sum", (tree,))))


def spreads_of(by_row: Iterable[str], nodes: Iterable[Node]) -> dict[str, Spread]:
    """Of columns, levers of each row, and of nodes in the order to compute them: name -> how it spreads. Others are the same."""
    found: dict[str, Spread] = dict.fromkeys(by_row, "rows")
    for node in nodes:
        if node.formula is not None:
            found[node.name] = spread_of(node.formula.tree, found)
        elif node.by_row:
            found[node.name] = "rows"
        else:
            given = _widest(found.get(name, "same") for name in node.inputs)
            found[node.name] = "unknown" if given == "rows" and not node.each_row_alone else given
    return found


def spread_of(tree: Tree, spreads: Mapping[str, Spread]) -> Spread:
    """How an expression spreads."""
    known = dict[int, Spread]()
    for part in parts(tree):
        if isinstance(part, Name):
            known[id(part)] = spreads.get(part.name, "same")
        elif isinstance(part, Call) and part.function in BY_ROW:
            known[id(part)] = "total"
        elif isinstance(part, Call):
            known[id(part)] = _widest(known.get(id(each), "same") for each in part.arguments)
    return known.get(id(tree), "same")


def _widest(spreads: Iterable[Spread]) -> Spread:
    return _ORDER[max((_ORDER.index(each) for each in spreads), default=0)]
