"""What is wanted, and what has to hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from drivetrain.arguments import public
from drivetrain.decide.expressions.expression import (
    BY_ROW,
    COMPARISONS,
    Call,
    Expression,
    Name,
    Text,
    Tree,
    over_rows,
    parse,
    rebuilt,
)
from drivetrain.decide.plans.statistic import Statistic
from drivetrain.decide.plans.statistic import statistic as read_statistic
from drivetrain.errors import UsageError

Over = Literal["sum", "mean"]
LONGEST_HORIZON = 10_000
MOST_GROWTH = 100
"""As a power of ten: what the last period may count more than the first, where a discount is below 0."""


@dataclass(frozen=True, slots=True)
class Objective:
    """An expression of outcomes and levers to `maximise`, or to minimise, in `unit`.

    One with a value for each row is added up `over` the rows, or its mean taken. It is added up over the periods t = 0 to
    `horizon` - 1, each divided by (1 + `discount`)^t; the `statistic` is taken over the draws of that sum.
    """

    expression: Expression
    maximise: bool = True
    over: Over = "sum"
    statistic: Statistic = field(default_factory=Statistic)
    horizon: int = 1
    discount: float = 0.0
    unit: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.over not in ("sum", "mean"):
            raise UsageError(f"over {self.over!r}: it is taken over the rows as a sum or a mean.")
        if type(self.horizon) is not int or not (1 <= self.horizon <= LONGEST_HORIZON):
            raise UsageError(f"a horizon of {self.horizon} periods.", fix=f"Give 1 to {LONGEST_HORIZON:,}.")
        if not -1 < self.discount < 1e6:
            raise UsageError(
                f"a discount of {self.discount}.", fix="Give the rate of a period, as 0.05 for 5 %."
            )
        if -self.horizon * math.log10(1 + self.discount) > MOST_GROWTH:
            raise UsageError(
                f"by a discount of {self.discount} the last of {self.horizon:,} periods outweighs all numbers.",
                fix="Give the rate of a period, as 0.05 for 5 %.",
            )

    @property
    def worst_is_low(self) -> bool:
        return self.maximise

    @property
    def weights(self) -> list[float]:
        """What a value is worth in each period."""
        return [(1 + self.discount) ** -t for t in range(self.horizon)]

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"maximise" if self.maximise else "minimise": self.expression.text}
        plain = Objective(self.expression)
        for key in ("over", "horizon", "discount", "unit", "name"):
            if getattr(self, key) != getattr(plain, key):
                found[key] = getattr(self, key)
        return found | ({} if self.statistic == plain.statistic else {"statistic": str(self.statistic)})


@public
def maximise(
    expression: str,
    *,
    over: Over = "sum",
    statistic: str = "mean",
    horizon: int = 1,
    discount: float = 0.0,
    unit: str = "",
    name: str = "",
) -> Objective:
    """An objective that is to be as large as can be. Raises UsageError for what can't be read."""
    return _objective(expression, True, over, statistic, horizon, discount, unit, name)


@public
def minimise(
    expression: str,
    *,
    over: Over = "sum",
    statistic: str = "mean",
    horizon: int = 1,
    discount: float = 0.0,
    unit: str = "",
    name: str = "",
) -> Objective:
    """An objective that is to be as small as can be. Raises UsageError for what can't be read."""
    return _objective(expression, False, over, statistic, horizon, discount, unit, name)


def _objective(
    expression: str, up: bool, over: Over, stat: str, horizon: int, discount: float, unit: str, name: str
) -> Objective:
    read = parse(expression, where="objective")
    return Objective(read, up, over, read_statistic(stat, "objective"), horizon, discount, unit, name)


@dataclass(frozen=True, slots=True)
class Constraint:
    """What has to hold, as `text` says it; `expression` is the excess, which holds where it is <= 0.

    The `statistic` of the excess over the draws counts: "quantile 0.95" for what has to hold in 95 % of them. With a value for
    each row it has to hold in each, and in each period where it depends on t. A `soft` one may be broken, at that price for
    each unit. `by` names a column of texts: it has to hold among the rows of each (`group` is the one that this is about).
    """

    text: str
    expression: Expression
    equal: bool = False
    name: str = ""
    statistic: Statistic = field(default_factory=Statistic)
    soft: float | None = None
    by: str = ""
    group: str = ""

    def within(self, group: str) -> Constraint:
        """The same among the rows of one group: every function over rows is of these alone."""
        if not over_rows(self.expression.tree):
            raise UsageError(
                f"{self.text!r} has no function over rows, so it can't be held by {self.by!r}.",
                where=f"constraints, {self.name}", fix="Write it with sum(...), mean(...), share(...) or count().",
            )  # fmt: skip
        only = Call("==", (Name(self.by), Text(group)))

        def restricted(part: Tree) -> Tree:
            if not (isinstance(part, Call) and part.function in BY_ROW):
                return part
            return replace(part, over=only if part.over is None else Call("and", (part.over, only)))

        return replace(
            self,
            expression=Expression(self.expression.text, rebuilt(self.expression.tree, restricted)),
            group=group,
            name=f"{self.name} [{self.by} = {group}]",
        )

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"that": self.text}
        if self.name != self.text:
            found["name"] = self.name
        if self.statistic != Statistic():
            found["statistic"] = str(self.statistic)
        if self.soft is not None:
            found["soft"] = self.soft
        return found | ({"by": self.by} if self.by else {})


@public
def constraint(
    that: str,
    *,
    name: str = "",
    statistic: str = "mean",
    soft: float | None = None,
    by: str = "",
    where: str = "constraints",
) -> Constraint:
    """A constraint from its text, a comparison: "mean(buys) >= 0.6". Raises UsageError."""
    tree = parse(that, where=where).tree
    if not (isinstance(tree, Call) and tree.function in COMPARISONS and tree.function != "!="):
        raise UsageError(
            f"{that!r} is no comparison.", where=where, fix="Write what has to hold, as mean(buys) >= 0.6."
        )
    if any(isinstance(each, Text) for each in tree.arguments):
        raise UsageError(
            f"{that!r} compares texts.", where=where, fix="Hold a share: share(region == 'north') >= 0.5."
        )
    if soft is not None and not 0 < soft < float("inf"):
        raise UsageError(
            f"soft = {soft}: the price of a unit of violation is a number above 0.", where=where,
            fix="Leave soft out where it has to hold at any price.",
        )  # fmt: skip
    if read_statistic(statistic, where).kind in ("below", "above"):
        raise UsageError(
            f"{statistic} of an excess says nothing.", where=where,
            fix='For what has to hold in 95 % of the draws say "quantile 0.95".',
        )  # fmt: skip
    left, right = tree.arguments if tree.function not in (">", ">=") else tree.arguments[::-1]
    excess: Tree = Call("-", (left, right), at=tree.at)
    if tree.function == "==":
        excess = Call("abs", (excess,), at=tree.at)
    return Constraint(
        that.strip(), Expression(that.strip(), excess), tree.function == "==", name or that.strip(),
        read_statistic(statistic, where), None if soft is None else float(soft), by,
    )  # fmt: skip
