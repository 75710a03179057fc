"""A plan: what is wanted, what can be changed, what has to hold, and how the one moves the other."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from drivetrain.arguments import public
from drivetrain.decide.expressions.expression import PERIOD, Expression, Name, Tree, substituted
from drivetrain.decide.expressions.texts import check_texts
from drivetrain.decide.expressions.units import unit, unit_of
from drivetrain.decide.nodes.base import Node, Scope
from drivetrain.decide.nodes.formula import formula
from drivetrain.decide.nodes.function import function
from drivetrain.decide.plans.graph import graph
from drivetrain.decide.plans.lever import Lever, checked
from drivetrain.decide.plans.objective import Constraint, Objective, constraint, maximise
from drivetrain.decide.plans.plan_file import MOST_BYTES, arguments_of, to_json
from drivetrain.decide.plans.spread import Spread, counting_each_row, spreads_of
from drivetrain.effects.claim import Claim, weakest
from drivetrain.errors import DrivetrainError, UsageError, nearest
from drivetrain.files import read_toml
from drivetrain.runtime.columns import Columns, read_columns

MOST_DRAWS = 1_000_000
Models = Mapping[str, Node | str | Callable[..., Any]] | Sequence[Node]
OBJECTIVE = "objective"
"""What the end of all arrows is called in claims."""


class Plan:
    """What `Simulator` computes and a solver looks for the best of. It doesn't change.

    Names are of levers, columns of the data and models, each used once; `t` is the period, 0 to the horizon - 1.
    """

    @public
    def __init__(
        self,
        objective: Objective | str | Sequence[Objective],
        levers: Mapping[str, Lever] | Sequence[Lever],
        models: Models = (),
        data: Any = None,
        constraints: Sequence[Constraint | str] = (),
        *,
        name: str = "",
        draws: int = 1000,
        seed: int = 0,
        simulated: bool = False,
        units: Mapping[str, str] = MappingProxyType({}),
        folder: Path = Path(),
        files: Sequence[Path] = (),
    ) -> None:
        """A model is a node (`decide.formula`, `table`, `function`, `chance`, ...), a text, which is a formula, or a function of
        Python. A text is an objective to be maximised. `simulated` says that the data are made up: each page of a decision
        tells it. `units` are those of columns. `files` were read from `folder`. Raises UsageError, DataError, FileError."""
        self.name, self.draws, self.seed, self.simulated = name, _draws(draws), _seed(seed), simulated
        self.rows: Columns | None = None if data is None else read_columns(data)
        self.folder = folder
        own = [Path(self.rows.source)] if self.rows is not None and self.rows.source else []
        self.files = tuple(dict.fromkeys([*own, *files]))
        self.levers = tuple(checked(each, self.rows) for each in _named(levers, "levers"))
        nodes = _named(_nodes(models), "models")
        self.objectives = _objectives(objective)
        self._check_names([each.name for each in nodes])
        self._bind(nodes, units)
        self.constraints = self._spread([_constraint(each) for each in constraints])
        self._check_ends()
        self._check_units()
        if self.count > 1:
            self.objectives = tuple(counting_each_row(each, self.spreads) for each in self.objectives)

    @classmethod
    @public
    def read(cls, path: str | os.PathLike[str]) -> Plan:
        """A plan from a TOML file; files that it names are looked for beside it. Raises UsageError with the place."""
        return cls.from_json(read_toml(path, MOST_BYTES), Path(path).parent, str(path))

    @classmethod
    @public
    def from_json(
        cls, tables: Mapping[str, Any], folder: str | os.PathLike[str] = "", file: str = ""
    ) -> Plan:
        """A plan from what a TOML file of one holds, as `to_json` gives it. Raises UsageError with the place."""
        arguments = arguments_of(tables, Path(folder), file)
        try:
            return cls(**arguments)
        except DrivetrainError as fault:
            if not fault.where.startswith(file):
                fault.where = ", ".join(part for part in (file, fault.where) if part)
            raise

    def to_json(self) -> dict[str, Any]:
        """What a TOML file of this plan would hold."""
        return to_json(self)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """In the order to compute them."""
        return self.graph.nodes

    @property
    def count(self) -> int:
        """The rows of the data; 1 without any."""
        return 1 if self.rows is None else self.rows.rows

    @property
    def periods(self) -> int:
        """Of the objective that looks the furthest ahead; in each of them a constraint holds."""
        return max(each.horizon for each in self.objectives)

    @property
    def spreads(self) -> dict[str, Spread]:
        """How columns, levers and models spread over the rows."""
        by_row = [each.name for each in self.levers if each.by_row]
        return spreads_of([*by_row, *(() if self.rows is None else self.rows.names)], self.nodes)

    def lever(self, name: str) -> Lever:
        """Raises UsageError that offers the nearest name."""
        for each in self.levers:
            if each.name == name:
                return each
        known = [each.name for each in self.levers]
        fix = nearest(name, known) or f"There are {', '.join(known)}."
        raise UsageError(f"there is no lever {name!r}.", where="levers", fix=fix)

    def depends(self, names: str | Iterable[str]) -> frozenset[str]:
        """The levers that move an outcome, or any of these."""
        names = [names] if isinstance(names, str) else names
        return self.graph.needed(names) & {each.name for each in self.levers}

    def is_timed(self, names: str | Iterable[str]) -> bool:
        """Whether one of them changes from period to period."""
        return PERIOD in self.graph.needed([names] if isinstance(names, str) else names)

    def claims(self) -> list[tuple[str, str, Claim]]:
        """The arrows, each from a name to what is computed of it, and why it is believed."""
        arrows = [(each, node.name, node.claim) for node in self.nodes for each in node.inputs]
        ends = dict.fromkeys(name for each in self.objectives for name in each.expression.names)
        return [*arrows, *((name, OBJECTIVE, Claim("definition")) for name in ends)]

    def claim(self) -> Claim:
        """What it is worth that the levers move the objectives: as much as the weakest arrow on the way from one to another."""
        ends = self.graph.needed(name for each in self.objectives for name in each.expression.names)
        return weakest([node.claim for node in self.nodes if node.name in ends and self.depends(node.inputs)])

    def formula_of(self, expression: Expression) -> Tree:
        """The tree with the formulas of the models put in where they are named, so that it is of levers, columns and what isn't
        a formula. A part that is used twice is one and the same object."""
        made = dict[str, Tree]()
        for node in self.nodes:
            if node.formula is not None:
                made[node.name] = substituted(node.formula.tree, made)
        return substituted(expression.tree, made)

    def with_draws(self, draws: int) -> Plan:
        """The same with fewer draws, or more."""
        made = copy.copy(self)
        made.draws = draws
        return made

    def with_constraints(self, constraints: Iterable[Constraint]) -> Plan:
        """The same with others in the place of its constraints."""
        made = copy.copy(self)
        made.constraints = tuple(constraints)
        return made

    def _check_names(self, models: list[str]) -> None:
        columns = () if self.rows is None else self.rows.names
        places = dict[str, str]()
        for kind, names in (
            ("lever", [each.name for each in self.levers]),
            ("column", columns),
            ("model", models),
        ):
            for name in names:
                if not name or name == PERIOD or "`" in name:
                    what = "t is the period" if name == PERIOD else f"{name!r} is no name"
                    raise UsageError(
                        f"a {kind} can't be called so: {what}.", where=f"{kind}s", fix="Rename it."
                    )
                if name in places:
                    fix = "Rename one of them."
                    if {kind, places[name]} == {"lever", "column"}:
                        fix = f'Call the column otherwise, such as {name}_now, and give the lever now = "{name}_now".'
                    raise UsageError(
                        f"{name!r} is a {places[name]} and a {kind}: which is meant can't be told.",
                        where=f"{kind}s", fix=fix,
                    )  # fmt: skip
                places[name] = kind
        if not self.levers:
            raise UsageError("there is no lever: nothing to decide.", where="levers")

    def _bind(self, nodes: Sequence[Node], units: Mapping[str, str]) -> None:
        columns = () if self.rows is None else self.rows.names
        sources = [PERIOD, *(each.name for each in self.levers), *columns]
        names = frozenset([*sources, *(each.name for each in nodes)])
        order = graph({each.name: each.fed(names) for each in nodes}, sources).nodes
        self.levels: dict[str, tuple[str, ...]] = dict(self.rows.levels) if self.rows is not None else {}
        self.levels |= {each.name: each.levels for each in self.levers if each.levels}
        for name in units:
            if name not in columns:
                raise UsageError(
                    f"there is no column {name!r}.", where="data.units", fix=nearest(name, columns)
                )
        self.units = dict(units) | {each.name: each.unit for each in [*self.levers, *nodes] if each.unit}
        bound = dict[str, Node]()
        for node in order:
            bound[node.name] = node.bind(Scope(names, dict(self.levels), self.units, self.rows))
            if levels := bound[node.name].levels:
                self.levels[node.name] = levels
        tried = {name: values for node in bound.values() for name, values in node.observed.items()}
        self.levers = tuple(
            replace(each, observed=tried[each.name]) if each.observed is None and each.name in tried else each
            for each in self.levers
        )
        self.graph = graph(bound, sources)
        self.names = names

    def _spread(self, constraints: list[Constraint]) -> tuple[Constraint, ...]:
        """One constraint for each group, where it is to hold by groups."""
        found = list[Constraint]()
        for each in constraints:
            groups = () if self.rows is None or not each.by else self.rows.levels.get(each.by)
            if groups is None or (each.by and self.rows is None):
                known = [] if self.rows is None else [*self.rows.levels]
                raise UsageError(
                    f"by = {each.by!r} is no column of texts.", where=f"constraints, {each.name}",
                    fix=nearest(each.by, known),
                )  # fmt: skip
            found += [each.within(group) for group in groups] if each.by else [each]
        names = [each.name for each in found]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(
                f"two constraints are called {twice[0]!r}.", where="constraints", fix="Name them."
            )
        return tuple(found)

    def _check_units(self) -> None:
        """Units go together in every formula, and are what is declared."""
        units = {
            name: found
            for name, text in self.units.items()
            if (found := unit(text, f"unit of {name}")) is not None
        }
        for node in self.nodes:
            if node.formula is not None:
                where = f"models.{node.name}"
                found = unit_of(node.formula, units, where)
                if found is not None and units.setdefault(node.name, found) != found:
                    raise UsageError(
                        f"it is to be in {units[node.name].words}, and its formula is in {found.words}.", where=where,
                        fix="Mend the formula or one of the units.",
                    )  # fmt: skip
        for each in self.constraints:
            unit_of(each.expression, units, f"constraints, {each.name}")
        for each in self.objectives:
            found, wanted = unit_of(each.expression, units, "objective"), unit(each.unit, "objective")
            # Over a horizon, so much a year is added up to so much.
            if found is not None and wanted is not None and found != wanted and each.horizon == 1:
                raise UsageError(
                    f"it is to be in {wanted.words}, and {each.expression.text} is in {found.words}.",
                    where="objective",
                )

    def _check_ends(self) -> None:
        """Objectives and constraints are of names that there are, and each lever moves one of them."""
        ends = [(f"objective {each.name}".strip(), each.expression) for each in self.objectives]
        ends += [(f"constraints, {each.name}", each.expression) for each in self.constraints]
        for where, expression in ends:
            for name in expression.names:
                if name not in self.names:
                    fix = nearest(name, self.names) or f"There are {', '.join(sorted(self.names)[:12])}."
                    raise UsageError(f"nothing is called {name!r}.", where=where, fix=fix)
            check_texts(expression, self.levels, where)
        for each in self.objectives:
            tree, names = each.expression.tree, {lever.name for lever in self.levers}
            if len(self.objectives) == 1 and isinstance(tree, Name) and tree.name in names:
                raise UsageError(
                    f"the objective is the lever {tree.name} itself.", where="objective",
                    fix="Say what it is good for: an outcome that it moves.",
                )  # fmt: skip
            if not self.depends(each.expression.names):
                raise UsageError(
                    f"no lever moves {each.expression.text!r}.", where="objective", fix=self._unmoved(each.expression)
                )  # fmt: skip
        for each in self.constraints:
            if not self.depends(each.expression.names):
                raise UsageError("no lever moves it.", where=f"constraints, {each.name}", fix="Take it out.")
        moved = self.depends([name for _, expression in ends for name in expression.names])
        for lever in self.levers:
            if lever.name not in moved:
                raise UsageError(
                    "it moves neither an objective nor a constraint.", where=f"levers.{lever.name}",
                    fix="Use its name in a model, or take it out.",
                )  # fmt: skip

    def _unmoved(self, expression: Expression) -> str:
        """What it hangs on instead, and how a lever gets there."""
        ends = self.graph.needed(expression.names) - {each.name for each in self.nodes}
        levers = ", ".join(each.name for each in self.levers)
        if not ends:
            return f"Nothing but chance is in it: use {levers} in one of its models."
        return (
            f"All that it hangs on is {', '.join(sorted(ends)[:6])}: one of these has to be called as the lever is ({levers}), and "
            "a column of the data that holds its value now otherwise (now = ...)."
        )

    def __repr__(self) -> str:
        ends = ", ".join(each.expression.text for each in self.objectives)
        return f"Plan({ends!r}, levers={[each.name for each in self.levers]}, models={[n.name for n in self.nodes]})"


def _draws(draws: Any) -> int:
    if not isinstance(draws, int) or isinstance(draws, bool) or not 1 <= draws <= MOST_DRAWS:
        raise UsageError(f"draws = {draws!r}: a whole number from 1 to {MOST_DRAWS:,}.", where="plan")
    return draws


def _seed(seed: Any) -> int:
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**64:
        raise UsageError(f"seed = {seed!r}: a whole number from 0 to 2^64 - 1.", where="plan")
    return seed


def _named(given: Any, where: str) -> list[Any]:
    """Levers or nodes, which a mapping gives their names."""
    if isinstance(given, Mapping):
        table = cast("Mapping[str, Any]", given)
        return [each if each.name == name else replace(each, name=name) for name, each in table.items()]
    return list(given)


def _nodes(models: Models) -> Any:
    if not isinstance(models, Mapping):
        return models
    found = dict[str, Node]()
    for name, each in models.items():
        try:
            if isinstance(each, str):
                found[name] = formula(each)
            else:
                found[name] = function(each) if callable(each) else each
        except UsageError as fault:
            fault.where = f"models.{name}"
            raise
    return found


def _objectives(given: Objective | str | Sequence[Objective]) -> tuple[Objective, ...]:
    if isinstance(given, str):
        return (maximise(given),)
    found = (given,) if isinstance(given, Objective) else tuple(given)
    if not found:
        raise UsageError("there is no objective.", where="objective", fix='Say decide.maximise("profit").')
    return found


def _constraint(given: Constraint | str) -> Constraint:
    return constraint(given) if isinstance(given, str) else given
