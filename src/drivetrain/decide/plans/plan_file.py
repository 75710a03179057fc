"""Plans as TOML: the tables of a file, each key known and of its type, and a plan as such tables again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from drivetrain import extensions
from drivetrain.decide.nodes.base import Given, Node, found_file
from drivetrain.decide.plans.lever import LARGEST, Lever, Rule
from drivetrain.decide.plans.objective import Constraint, Objective, constraint, maximise, minimise
from drivetrain.effects.claim import claimed
from drivetrain.errors import DrivetrainError, UsageError, nearest
from drivetrain.runtime.columns import Columns, read_columns

if TYPE_CHECKING:
    from drivetrain.decide.plans.plan import Plan

MOST_BYTES = 1 << 26
ROOM = "decide.nodes"
TABLES = ("plan", "objective", "data", "levers", "models", "constraints")
_WORDS = {
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "a table",
    int: "a whole number",
    float: "a number",
}
_PLAN: dict[str, type] = {"name": str, "draws": int, "seed": int, "simulated": bool}
_OBJECTIVE: dict[str, type] = {
    "maximise": str, "minimise": str, "over": str, "statistic": str, "horizon": int, "discount": float, "unit": str, "name": str,
}  # fmt: skip
_LEVER: dict[str, type | None] = {
    "kind": str, "low": float, "high": float, "step": float, "rate": float, "unit": str, "choices": list, "now": None,
    "each": bool, "rule": dict, "observed": None,
}  # fmt: skip
_CONSTRAINT: dict[str, type] = {"that": str, "name": str, "statistic": str, "soft": float, "by": str}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a table comes from: the `file` ("" for none) and the `folder` that paths are meant from."""

    file: str
    folder: Path
    files: list[Path]
    """What was read."""

    def path(self, text: str, where: str) -> Path:
        """A file beside the plan. Raises FileError that says which there are, where it isn't there."""
        return found_file(self.folder / text, self.files, where)

    def at(self, *parts: str) -> str:
        return ", ".join(part for part in (self.file, ".".join(parts)) if part)


def arguments_of(tables: Mapping[str, Any], folder: Path, file: str) -> dict[str, Any]:
    """What Plan is made of, by these tables of a `file`. Raises UsageError with the place."""
    here = _Place(file, folder, [])
    _known(tables, TABLES, here)
    settings = _typed(_table(tables.get("plan", {}), here, "plan"), _PLAN, here, "plan")
    rows, units = _rows(tables.get("data"), here)
    models = [
        _model(name, table, here, rows)
        for name, table in _table(tables.get("models", {}), here, "models").items()
    ]
    levers = [
        _lever(name, table, here) for name, table in _table(tables.get("levers", {}), here, "levers").items()
    ]
    constraints = [
        _constraint(each, here, number)
        for number, each in enumerate(_list(tables, "constraints", here), start=1)
    ]
    if "objective" not in tables:
        raise UsageError(
            "there is no objective.",
            where=here.at(),
            fix='Write [objective] and maximise = "profit" below it.',
        )
    objectives = [_objective(each, here) for each in _list(tables, "objective", here)]
    made: dict[str, Any] = {
        "objective": objectives,
        "levers": levers,
        "models": models,
        "data": rows,
        "units": units,
    }
    return {**made, "constraints": constraints, **settings, "folder": folder, "files": tuple(here.files)}


def _known(table: Mapping[str, Any], known: Iterable[str], here: _Place, *place: str) -> None:
    known = [*known]
    for key in table:
        if key not in known:
            fix = nearest(key, known) or f"There are {', '.join(sorted(known))}."
            raise UsageError(f"nothing is called {key!r} here.", where=here.at(*place), fix=fix)


def _table(found: Any, here: _Place, *place: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise UsageError(
            "this must be a table.", where=here.at(*place), fix=f"Write [{'.'.join(place)}] before its lines."
        )
    return dict(cast("Mapping[str, Any]", found))


def _list(tables: Mapping[str, Any], name: str, here: _Place) -> list[Any]:
    found: Any = tables.get(name, [])
    if isinstance(found, Mapping):
        return [cast("Any", found)]
    if not isinstance(found, list):
        raise UsageError("this must be a table, or several.", where=here.at(name), fix=f"Write [[{name}]].")
    return cast("list[Any]", found)


def _typed(
    table: dict[str, Any], types: Mapping[str, type | None], here: _Place, *place: str
) -> dict[str, Any]:
    """The table, when it has these keys only, each of its type; whole numbers where numbers are wanted become such."""
    _known(table, types, here, *place)
    found = dict[str, Any]()
    for key, value in table.items():
        wanted = types[key]
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 2**1000 else value
        if wanted is not None and not (
            isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        ):
            raise UsageError(f"this must be {_WORDS[wanted]}, not {value!r:.40}.", where=here.at(*place, key))
        found[key] = value
    return found


def _objective(given: Any, here: _Place) -> Objective:
    table = _typed(_table(given, here, "objective"), _OBJECTIVE, here, "objective")
    ways = [each for each in ("maximise", "minimise") if each in table]
    if len(ways) != 1:
        raise UsageError(
            "it says neither maximise nor minimise." if not ways else "it says both maximise and minimise.",
            where=here.at("objective"), fix='Write maximise = "profit".',
        )  # fmt: skip
    expression = table.pop(ways[0])
    with _At(here, "objective"):
        return (maximise if ways[0] == "maximise" else minimise)(expression, **table)


def _constraint(given: Any, here: _Place, number: int) -> Constraint:
    place = f"constraints {number}"
    table = {"that": given} if isinstance(given, str) else _table(given, here, place)
    table = _typed(table, _CONSTRAINT, here, place)
    if "that" not in table:
        raise UsageError(
            "it doesn't say what has to hold.", where=here.at(place), fix='Write that = "mean(buys) >= 0.6".'
        )
    return constraint(table.pop("that"), **table, where=here.at(place))


def _rows(given: Any, here: _Place) -> tuple[Columns | None, dict[str, str]]:
    """The data, and the units of their columns."""
    if given is None:
        return None, {}
    table = _table(given, here, "data")
    _known(table, ("file", "columns", "units"), here, "data")
    units = _table(table.pop("units", {}), here, "data", "units")
    if not all(isinstance(each, str) for each in units.values()):
        raise UsageError("units are texts.", where=here.at("data", "units"))
    if len(table) != 1:
        raise UsageError("data are a file.", where=here.at("data"), fix='Write file = "customers.csv".')
    if "columns" in table:
        columns = _table(table["columns"], here, "data", "columns")
        return read_columns(columns, here.at("data", "columns")), units
    return read_columns(_file(table["file"], here, "data", "file")), units


def _file(given: Any, here: _Place, *place: str) -> Path:
    if not isinstance(given, str) or not given:
        raise UsageError("this must be the path of a file.", where=here.at(*place))
    return here.path(given, here.at(*place))


def _lever(name: str, given: Any, here: _Place) -> Lever:
    place = ("levers", name)
    table = _typed(_table(given, here, *place), _LEVER, here, *place)
    if "choices" in table:
        if not all(isinstance(each, str) for each in table["choices"]):
            raise UsageError(
                "choices are texts.",
                where=here.at(*place, "choices"),
                fix="For numbers give low, high and step.",
            )
        table["choices"] = tuple(table["choices"])
    if "rule" in table:
        table["rule"] = _rule(table["rule"], here, *place, "rule")
    now = table.get("now")
    if now is not None and not isinstance(now, (str, int, float)):
        raise UsageError("this must be a value, or a column's name.", where=here.at(*place, "now"))
    if isinstance(now, bool) and table.get("kind") != "switch":
        raise UsageError("this must be a value, or a column's name.", where=here.at(*place, "now"))
    if now is not None and not isinstance(now, str):
        table["now"] = float(now) if abs(now) <= LARGEST else now
    if "observed" in table:
        table["observed"] = _observed(table["observed"], here, *place, "observed")
    return Lever(name, **table)


def _rule(given: Any, here: _Place, *place: str) -> Rule:
    table = _typed(given, {"of": list, "depth": int}, here, *place)
    if not all(isinstance(each, str) for each in table.get("of", [])):
        raise UsageError("the columns are texts.", where=here.at(*place, "of"))
    return Rule(tuple(table.get("of", [])), table.get("depth", 2))


def _observed(given: Any, here: _Place, *place: str) -> Any:
    """What was ever tried: a list, a column of the data, or of another file."""
    if isinstance(given, list) and all(
        isinstance(each, (str, int, float)) for each in cast("list[Any]", given)
    ):
        return cast("list[Any]", given)
    if isinstance(given, str):
        return given
    table = _typed(_table(given, here, *place), {"file": str, "column": str}, here, *place)
    if len(table) != 2:
        raise UsageError(
            "it is a column of a file.", where=here.at(*place), fix='{ file = "...", column = "..." }'
        )
    return read_columns(_file(table["file"], here, *place)).plain(table["column"])


def _model(name: str, given: Any, here: _Place, rows: Columns | None) -> Node:
    place = ("models", name)
    table = {"formula": given} if isinstance(given, str) else _table(given, here, *place)
    kinds = extensions.names(ROOM)
    said = [key for key in table if key in kinds]
    where = here.at(*place)
    if len(said) != 1:
        raise UsageError(
            "it doesn't say what it is computed by." if not said else f"it is both {' and '.join(said)}.", where=where,
            fix="Keep one." if said else _nearest_kind(table, kinds),
        )  # fmt: skip
    found = extensions.find(ROOM, said[0])
    assert found is not None
    file: Any = extensions.offering(found, "KEYS", "read")
    _known(table, [*file.KEYS, "claim", "unit"], here, *place)
    claim, unit = claimed(table.pop("claim", None), here.at(*place, "claim")), table.pop("unit", "")
    if not isinstance(unit, str):
        raise UsageError("this must be a text.", where=here.at(*place, "unit"))
    return file.read(Given(name, table, where, here.folder, claim, unit, rows, here.files))


def _nearest_kind(table: Mapping[str, Any], kinds: Iterable[str]) -> str:
    close = [fix for key in table if (fix := nearest(key, kinds))]
    return close[0] if close else f"Give one of {', '.join(kinds)}."


class _At:
    """What is raised inside is of this place."""

    def __init__(self, here: _Place, *place: str) -> None:
        self.where = here.at(*place)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, DrivetrainError):
            fault.where = self.where


def to_json(plan: Plan) -> dict[str, Any]:
    """What a TOML file of this plan would hold: arguments_of makes the same of it."""
    settings: dict[str, Any] = {"name": plan.name, "draws": plan.draws, "seed": plan.seed}
    found: dict[str, Any] = {"plan": settings | ({"simulated": True} if plan.simulated else {})}
    objectives = [each.to_json() for each in plan.objectives]
    found["objective"] = objectives[0] if len(objectives) == 1 else objectives
    if plan.rows is not None:
        file = plan.rows.source
        data: dict[str, Any] = (
            {"file": _beside(file, plan.folder)} if file else {"columns": plan.rows.to_json()}
        )
        if units := {name: plan.units[name] for name in plan.rows.names if name in plan.units}:
            data["units"] = units
        found["data"] = data
    found["levers"] = {each.name: _lever_json(each, plan) for each in plan.levers}
    found["models"] = {each.name: each.to_json() for each in plan.nodes}
    constraints = dict[str, dict[str, Any]]()
    for each in plan.constraints:
        told = each.to_json()
        if each.group:
            name = each.name.removesuffix(f" [{each.by} = {each.group}]")
            told = {key: value for key, value in told.items() if key != "name"}
            told |= {} if name == each.text else {"name": name}
            constraints[name] = told
        else:
            constraints[each.name] = told
    return found | ({"constraints": [*constraints.values()]} if constraints else {})


def _beside(file: str, folder: Path) -> str:
    """A file as the plan names it: from its folder on, where it lies in there."""
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def _lever_json(lever: Lever, plan: Plan) -> dict[str, Any]:
    """Its table. That the column of what is now was observed, or what a model was learned from, goes without saying."""
    found, rows = lever.to_json(), plan.rows
    seen = [node.observed[lever.name] for node in plan.nodes if lever.name in node.observed]
    if lever.tried is not None and any(np.array_equal(lever.tried, each) for each in seen):
        del found["observed"]
        return found
    if lever.tried is not None and lever.kind == "choice":
        found["observed"] = [lever.choices[int(each)] for each in lever.tried]
    if rows is not None and isinstance(lever.now, str) and lever.now in rows.names:
        column = rows.plain(lever.now)
        if found.get("observed") == [each for each in column if each is not None]:
            del found["observed"]
    return found
