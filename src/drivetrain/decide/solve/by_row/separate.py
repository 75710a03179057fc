"""Which expressions of a plan are sums over rows of what depends on a row's own lever alone."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.decide.expressions.expression import BY_ROW, Call, Expression, Name, Number, Tree
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.plans.plan import Plan

ZERO = Number(0.0)
MOST_TERMS = 10_000
"""Of a product of sums, that are told apart."""


@dataclass(frozen=True, slots=True)
class Summed:
    """The sum over rows of `each`, which has a value for each row, and of `rest`, which no lever moves."""

    each: Tree = ZERO
    rest: Tree = ZERO


class Separation:
    """What of a plan's names a lever moves, which are of each row, and what can be taken apart into rows."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes: dict[str, Node] = {node.name: node for node in plan.nodes}
        self.levers = {each.name for each in plan.levers}
        self.moving = self.levers | {name for name in self.nodes if plan.depends(name)}
        columns: set[str] = set() if plan.rows is None else set(plan.rows.names)
        self.by_row: set[str] = columns | {each.name for each in plan.levers if each.by_row}
        self.alone = set(self.levers)
        for node in plan.nodes:  # In the order to compute them.
            if node.formula is not None:
                of_rows = self.has_rows(node.formula.tree)
            else:
                # What isn't a formula may give each row its own.
                of_rows = node.by_row or any(each in self.by_row for each in node.inputs)
            if of_rows:
                self.by_row.add(node.name)
            moved = [each for each in node.inputs if each in self.moving]
            if node.name in self.moving and node.each_row_alone and all(each in self.alone for each in moved):
                self.alone.add(node.name)

    def moves(self, tree: Tree) -> bool:
        """Whether a lever moves it."""
        if isinstance(tree, Name):
            return tree.name in self.moving
        return isinstance(tree, Call) and any(self.moves(each) for each in _inner(tree))

    def has_rows(self, tree: Tree) -> bool:
        """Whether it has a value for each row."""
        if isinstance(tree, Name):
            return tree.name in self.by_row
        if not isinstance(tree, Call) or tree.function in BY_ROW:
            return False
        return any(self.has_rows(each) for each in tree.arguments)

    def is_alone(self, tree: Tree) -> bool:
        """Whether in each row it is moved by that row's lever alone."""
        if not self.moves(tree):
            return True
        if isinstance(tree, Name):
            return tree.name in self.alone
        assert isinstance(tree, Call)
        return tree.function not in BY_ROW and all(self.is_alone(each) for each in tree.arguments)

    def is_linear(self, tree: Tree) -> bool:
        """Whether levers move it by a constant factor each."""
        if not self.moves(tree):
            return True
        if isinstance(tree, Name):
            node = self.nodes.get(tree.name)
            if node is None:
                return not self.plan.lever(tree.name).choices
            return node.formula is not None and self.is_linear(node.formula.tree)
        assert isinstance(tree, Call)
        if tree.function in ("+", "-", "negative"):
            return all(self.is_linear(each) for each in tree.arguments)
        if tree.function == "*":
            return sum(self.moves(each) for each in tree.arguments) == 1 and all(
                map(self.is_linear, tree.arguments)
            )
        if tree.function in ("/", "sum", "mean"):
            rest = [*tree.arguments[1:], *([] if tree.over is None else [tree.over])]
            return self.is_linear(tree.arguments[0]) and not any(map(self.moves, rest))
        if tree.function == "if":
            return not self.moves(tree.arguments[0]) and all(map(self.is_linear, tree.arguments[1:]))
        return False

    def groups(self, tree: Tree) -> set[frozenset[str]]:
        """The levers of each of the terms that it is the sum of."""
        if not self.moves(tree):
            return {frozenset()}
        if isinstance(tree, Name):
            node = self.nodes.get(tree.name)
            if node is None:
                return {frozenset([tree.name])}
            return (
                self.groups(node.formula.tree) if node.formula is not None else {self.plan.depends(node.name)}
            )
        assert isinstance(tree, Call)
        inner = tree.arguments
        if tree.function in ("+", "-", "negative"):
            return set[frozenset[str]]().union(*map(self.groups, inner))
        if tree.function == "*":
            return self._products(*map(self.groups, inner))
        if tree.function == "^" and inner[1] == Number(2.0):
            return self._products(self.groups(inner[0]), self.groups(inner[0]))
        if tree.function in ("/", "sum", "mean"):
            rest = [*inner[1:], *([] if tree.over is None else [tree.over])]
            if not any(map(self.moves, rest)):
                return self.groups(inner[0])
        return {self.plan.depends(Expression("", tree).names)}

    def _products(self, left: set[frozenset[str]], right: set[frozenset[str]]) -> set[frozenset[str]]:
        if len(left) * len(right) > MOST_TERMS:
            return {frozenset().union(*left, *right)}
        return {one | other for one in left for other in right}

    def of_each(self, tree: Tree) -> bool:
        """Whether it has a value for each row, moved by that row's lever alone."""
        return self.has_rows(tree) and self.is_alone(tree)

    def summed(self, tree: Tree) -> Summed | None:
        """The rows that a value of all rows together is the sum of; None where it isn't such a sum."""
        if self.has_rows(tree):
            return None
        if not self.moves(tree):
            return Summed(rest=tree)
        if isinstance(tree, Name):
            node = self.nodes.get(tree.name)
            return None if node is None or node.formula is None else self.summed(node.formula.tree)
        assert isinstance(tree, Call)
        if tree.function in BY_ROW:
            return self._over_rows(tree)
        if tree.function in ("+", "-", "negative"):
            parts = [self.summed(each) for each in tree.arguments]
            known = [each for each in parts if each is not None]
            if len(known) < len(parts):
                return None
            return Summed(
                Call(tree.function, tuple(each.each for each in known)),
                Call(tree.function, tuple(each.rest for each in known)),
            )
        if tree.function in ("*", "/"):
            return self._scaled(tree)
        return None

    def _scaled(self, tree: Call) -> Summed | None:
        left, right = tree.arguments
        if self.moves(right):
            if self.moves(left) or tree.function == "/":
                return None
            left, right = right, left
        inner = self.summed(left)
        if inner is None or self.has_rows(right):
            return None
        return Summed(Call(tree.function, (inner.each, right)), Call(tree.function, (inner.rest, right)))

    def _over_rows(self, tree: Call) -> Summed | None:
        if tree.function not in ("sum", "mean", "share") or (tree.over is not None and self.moves(tree.over)):
            return None
        value = tree.arguments[0]
        if not self.is_alone(value):
            return None
        if tree.function == "share":
            value = Call("!=", (value, ZERO))
        if tree.over is not None:
            value = Call("if", (tree.over, value, ZERO))
        if tree.function != "sum":
            value = Call("/", (value, Call("count", (), tree.over)))
        return Summed(value)


def _inner(tree: Call) -> tuple[Tree, ...]:
    return tree.arguments if tree.over is None else (*tree.arguments, tree.over)
