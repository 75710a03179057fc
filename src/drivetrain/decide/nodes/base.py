"""What computes an outcome: a formula, a table, a function, a chance, a bundle, a response that was learned from rows.

Each kind is a file here, named after the key that says it in a plan: `[models.buys] formula = "..."` is `nodes/formula.py`.
A file offers `KEYS`, the keys that its table may have beside `claim` and `unit`, and `read(given) -> Node`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from drivetrain.decide.beyond import Beyond
from drivetrain.decide.expressions.expression import Expression
from drivetrain.decide.expressions.interval import NoBounds, Span
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim, claimed
from drivetrain.errors import FileError, UsageError, nearest
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]
"""Of settings, rows and draws: broadcastable to (S, R, D)."""
N = TypeVar("N")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a node's inputs are: `levels`, name -> the texts that its codes stand for; `units`, name -> unit; the `rows` of data."""

    names: frozenset[str]
    levels: Mapping[str, tuple[str, ...]]
    units: Mapping[str, str]
    rows: Columns | None = None


@runtime_checkable
class Node(Protocol):
    """Computes the outcome `name` from its `inputs`: levers, columns of the data, other nodes, and `t`, the period.

    `levels` are the texts that codes of the outcome stand for; none: it is a number. `each_row_alone`: the outcome of a row
    hangs on what its inputs are in that row alone. `by_row`: each row has an outcome of its own, whatever the inputs are.
    `by_chance`: it draws from the world; if not, it differs by draw where its inputs do. `falls_once`: it is a chance
    that somebody wrote, the same in all rows and periods of a draw. `dear_to_ask`: a call takes long.
    """

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def claim(self) -> Claim: ...
    @property
    def unit(self) -> str: ...
    @property
    def levels(self) -> tuple[str, ...]: ...
    @property
    def each_row_alone(self) -> bool: ...
    @property
    def by_row(self) -> bool: ...
    @property
    def by_chance(self) -> bool: ...
    @property
    def falls_once(self) -> bool: ...
    @property
    def dear_to_ask(self) -> bool: ...

    @property
    def formula(self) -> Expression | None:
        """All that it does, where an expression says that: what solvers take apart and find slopes and bounds of."""
        ...

    @property
    def foretells(self) -> bool:
        """It says how sure it is of an outcome, and nobody measured how sure it is of what a lever does to that."""
        ...

    @property
    def estimated(self) -> tuple[str, ...]:
        """The names of the chances by which it draws what was estimated from rows and isn't known better: not those by which the
        world is as it is."""
        ...

    @property
    def sensitivity(self) -> tuple[Mapping[str, Any], ...]:
        """How strong a cause that nobody measured would have to be to turn what it says: `node`, `words`, `strength`."""
        ...

    @property
    def told(self) -> str:
        """What it is, and what is to be known of it, where its table doesn't say it."""
        ...

    @property
    def observed(self) -> Mapping[str, Floats]:
        """Of its inputs, values that were ever tried, in the rows that it was learned from."""
        ...

    def beyond(self, values: Mapping[str, Floats]) -> tuple[Beyond, ...]:
        """Which of its inputs lie outside of all that it was made of."""
        ...

    def drawn(self) -> Node:
        """The node whose outcome is what comes of it in each row, and not what is expected: itself, where it is that already."""
        ...

    def expected(self) -> Node:
        """The node of which only what was estimated differs from draw to draw, where it can leave the rest out: else itself."""
        ...

    def fed(self, names: Collection[str]) -> Node:
        """The node whose inputs are among these names of levers, columns and nodes; asked before `bind`. Raises UsageError where
        one isn't, if it can say so in better words than that nothing is called so."""
        ...

    def bind(self, scope: Scope) -> Node:
        """The node that knows what its inputs are; asked once, when the plan is made. Raises UsageError where they don't fit."""
        ...

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        """Its outcome, broadcastable to (S, R, D), given its inputs in that form. Raises DataError that names it."""
        ...

    def span(self, given: Mapping[str, Span], world: World) -> Span:
        """Between what its outcome lies where its inputs do. Raises NoBounds where it is known for single values alone."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Its table in a plan."""
        ...


class Plain:
    """What most nodes have in common."""

    @property
    def levels(self) -> tuple[str, ...]:
        return ()

    @property
    def each_row_alone(self) -> bool:
        return True

    @property
    def by_row(self) -> bool:
        return False

    @property
    def by_chance(self) -> bool:
        return True

    @property
    def falls_once(self) -> bool:
        return False

    @property
    def dear_to_ask(self) -> bool:
        return False

    @property
    def formula(self) -> Expression | None:
        return None

    @property
    def foretells(self) -> bool:
        return False

    @property
    def estimated(self) -> tuple[str, ...]:
        return ()

    @property
    def sensitivity(self) -> tuple[Mapping[str, Any], ...]:
        return ()

    @property
    def told(self) -> str:
        return ""

    @property
    def observed(self) -> Mapping[str, Floats]:
        return {}

    def beyond(self, values: Mapping[str, Floats]) -> tuple[Beyond, ...]:
        return ()

    def drawn(self: N) -> N:
        return self

    def expected(self: N) -> N:
        return self

    def span(self, given: Mapping[str, Span], world: World) -> Span:
        raise NoBounds

    def fed(self: N, names: Collection[str]) -> N:
        return self

    def bind(self: N, scope: Scope) -> N:
        return self


@dataclass(frozen=True, slots=True)
class Given:
    """A table of [models] to make a node of: its `name`, what it holds, and the `rows` of the plan. `where` is its place."""

    name: str
    table: Mapping[str, Any]
    where: str
    folder: Path
    claim: Claim
    unit: str
    rows: Columns | None = None
    files: list[Path] = field(default_factory=list[Path])

    def file(self, text: object) -> Path:
        """A path as the plan means it: from the plan's folder on. It is kept in mind that this file was read."""
        if not isinstance(text, str) or not text:
            raise UsageError("this must be the path of a file.", where=self.where)
        return found_file(self.folder / text, self.files, self.where)


def given_in_python(kind: str, table: Mapping[str, Any], claim: object, unit: str) -> Given:
    """What a plan's table would say, of arguments in Python, where paths are meant from the current folder; None is not said."""
    said = {key: value for key, value in table.items() if value is not None}
    return Given("", said, kind, Path(), claimed(claim), unit)


def found_file(path: Path, files: list[Path], where: str) -> Path:
    """The path of a file that is there, which is added to `files`. Raises FileError that offers the nearest that is."""
    if not path.exists():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileError(
            f"there is no file {path}.", where=where, fix=nearest(path.name, beside) or "Check the path."
        )
    files.append(path)
    return path


def described(node: Node, kind: Mapping[str, Any]) -> dict[str, Any]:
    """A node's table: what its kind says, and its claim and unit."""
    found = dict(kind)
    if node.claim != Claim():
        found["claim"] = claim_json(node.claim)
    return found | ({"unit": node.unit} if node.unit else {})


def claim_json(claim: Claim) -> Any:
    """As it is written in a plan: a word, or a table where there is more to say."""
    if claim.kind == "adjusted" or claim.why:
        kind = {"adjusted": [*claim.adjusted_for]} if claim.kind == "adjusted" else {"kind": claim.kind}
        return kind | ({"why": claim.why} if claim.why else {})
    return claim.kind
