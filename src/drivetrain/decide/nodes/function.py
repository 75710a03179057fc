"""An outcome by a function of the user's own, in Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.decide.nodes.base import Floats, Given, Node, Plain, Scope, described
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim, claimed
from drivetrain.errors import DataError, UsageError

KEYS = frozenset({"function"})


@dataclass(frozen=True, slots=True, eq=False)
class Function(Plain):
    """`of` is called with arrays of (settings, rows, draws), each axis 1 where nothing differs along it, by the names of its
    parameters, and gives such an array. A column of texts comes as codes. `dear`: a call takes long, so few are made.
    `alone`: the outcome of a row hangs on that row alone.
    """

    name: str
    of: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    claim: Claim = field(default_factory=Claim)
    unit: str = ""
    dear: bool = False
    alone: bool = False

    @property
    def dear_to_ask(self) -> bool:
        return self.dear

    @property
    def by_chance(self) -> bool:
        return False

    @property
    def each_row_alone(self) -> bool:
        return self.alone

    def bind(self, scope: Scope) -> Function:
        return self

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        try:
            found = np.asarray(self.of(**values), np.float64)
        except Exception as fault:
            raise DataError(
                f"the function failed: {type(fault).__name__}: {fault}", where=f"models.{self.name}"
            ) from fault
        shape = np.broadcast_shapes((1, 1, 1), *(each.shape for each in values.values()))
        try:
            wide = np.broadcast_shapes(found.shape, shape)
        except ValueError:
            wide = ()
        if found.ndim not in (0, 3) or len(wide) != 3 or any(n not in (1, m) for n, m in zip(shape, wide)):
            raise DataError(
                f"the function gave an array of {found.shape}, and its inputs are {shape} (settings, rows, draws).",
                where=f"models.{self.name}",
                fix="Give back an array that goes with them, as numpy's operations make it.",
            )  # fmt: skip
        return found if found.ndim == 3 else found.reshape(1, 1, 1)

    def to_json(self) -> dict[str, Any]:
        called = f"{getattr(self.of, '__module__', '')}.{getattr(self.of, '__qualname__', '')}"
        return described(self, {"function": called})


@public
def function(
    of: Callable[..., Any],
    *,
    claim: object = None,
    unit: str = "",
    dear: bool = False,
    each_row_alone: bool = False,
) -> Function:
    """A node of a function, whose parameters' names are its inputs. Raises UsageError where it has others than named ones."""
    where = f"function {getattr(of, '__name__', '')}".strip()
    try:
        parameters = inspect.signature(of).parameters.values()
    except (TypeError, ValueError) as fault:
        raise UsageError("what this function takes can't be told.", where=where) from fault
    if any(each.kind in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters):
        raise UsageError(
            "a function takes its inputs by name.", where=where, fix="Write def demand(price, season): ..."
        )
    inputs = tuple(each.name for each in parameters)
    return Function("", of, inputs, claimed(claim), unit, dear, each_row_alone)


def read(given: Given) -> Node:
    raise UsageError(
        f"the function {given.table['function']!r} can't be read from a plan.", where=given.where,
        fix="Give it in Python: Plan(..., models={...: the function}).",
    )  # fmt: skip
