"""The next plan: what its models were learned from, and what has come back since."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.decide.follow.recorded import Given, columns_of
from drivetrain.decide.judge.decision import Decision
from drivetrain.decide.plans.plan import Plan
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.runtime.columns import Columns, read_columns

NEW = "the rows that came back were not drawn by chance: nothing tells what moved the lever from what moved the outcome"


@public
def learn_from(
    of: Plan | Decision,
    given: Given,
    *,
    beliefs: Sequence[str] = (),
    claim: object = None,
    seed: int = 0,
    model: str = "",
    outcome: str = "",
    of_class: str = "",
    since: int | None = None,
    until: int | None = None,
) -> Plan:
    """A plan like `of` whose learned models know the rows that came back too, and whose levers know what was tried since.

    Each model that was learned from rows (`learn`) is fitted anew to its old rows and the new ones, which need its columns.
    Where they have the lever's propensity (`price_propensity`, as `explore` logs it), rows are kept with a chance in inverse
    proportion to it, so that those that are kept are as if each level had been drawn equally often (Li, Chu, Langford and Wang,
    2011, WSDM, Unbiased offline evaluation); where they don't, the new model's claim is only "assumed", unless `claim` says
    better. `beliefs` names chances that say what is thought of a mean, whose outcomes are among the rows under the same name:
    a beta by 0s and 1s, a normal by numbers (the conjugate updates). The new plan holds its rows itself.

    Raises UsageError where nothing can be learned from these rows, and DataError for what is wrong with them.
    """
    tables, folder = _tables(of)
    Plan.from_json(tables, folder)  # Which says what is wrong with them.
    models = cast("dict[str, dict[str, Any]]", tables.get("models", {}))
    learns = {name: table["learn"] for name, table in models.items() if "learn" in table}
    names = {key for each in learns.values() for key in _names(each)} | {*beliefs}
    rows = columns_of(
        given, sorted(names), model=model, outcome=outcome, of=of_class, since=since, until=until
    )
    for name in beliefs:
        if "chance" not in models.get(name, {}):
            chances = [each for each, table in models.items() if "chance" in table]
            raise UsageError(f"there is no chance {name!r}.", where="beliefs", fix=nearest(name, chances))
        models[name]["chance"] = _believed(name, models[name]["chance"], rows)
    taught = [name for name, each in learns.items() if all(key in rows.names for key in _names(each))]
    if not taught and not beliefs:
        needed = next(iter(learns.values()), None)
        if needed is None:
            raise UsageError(
                "no model of this plan is learned from rows.", fix="Name the chances that are beliefs."
            )
        lacking = [key for key in _names(needed) if key not in rows.names]
        raise UsageError(
            f"the rows have no column {lacking[0]!r}, which a model is learned from.", where=rows.source or "rows",
            fix=nearest(lacking[0], rows.names),
        )  # fmt: skip
    for name in taught:
        _teach(name, models[name], rows, folder, claim, seed)
    for name, table in cast("dict[str, dict[str, Any]]", tables.get("levers", {})).items():
        _tried(table, name, rows, folder)
    return Plan.from_json(tables, folder)


def _tables(of: Plan | Decision) -> tuple[dict[str, Any], Path]:
    if isinstance(of, Plan):
        return copy.deepcopy(of.to_json()), Path(of.folder)
    return copy.deepcopy(dict(of.replay.plan)), Path(of.replay.folder)


def _names(learn: Mapping[str, Any]) -> list[str]:
    """The columns that a model is learned from."""
    names = [
        learn["outcome"],
        learn["lever"],
        *(learn.get("adjust") or ()),
        *(learn.get("varies_with") or ()),
    ]
    return list(dict.fromkeys([*names, *([learn["clusters"]] if learn.get("clusters") else [])]))


def _teach(name: str, table: dict[str, Any], rows: Columns, folder: Path, claim: object, seed: int) -> None:
    learn: dict[str, Any] = dict(table["learn"])
    lever = str(learn["lever"])
    source = learn.pop("columns", None)
    old = read_columns(folder / str(learn.pop("file")) if source is None else source)
    chosen, logged = _as_drawn_alike(rows, f"{lever}_propensity", seed)
    if len(np.unique(chosen.of(lever))) < 2:
        raise DataError(
            f"{lever} was the same in all the rows that came back: they tell nothing of what it does.",
            where=f"models.{name}", fix="Keep a share of rows to chance: decide.explore.",
        )  # fmt: skip
    columns = _names(learn)
    table["learn"] = {"columns": {key: [*old.plain(key), *chosen.plain(key)] for key in columns}, **learn}
    if claim is not None:
        table["claim"] = claim
    elif not logged and table.get("claim") == "randomised":
        table["claim"] = {"kind": "assumed", "why": NEW}


def _as_drawn_alike(rows: Columns, propensity: str, seed: int) -> tuple[Columns, bool]:
    """Rows as if each level had been drawn equally often, where it is logged how often it was."""
    if propensity not in rows.names:
        return rows, False
    chances = rows.of(propensity)
    if not ((chances > 0) & (chances <= 1)).all():
        row = int(np.argmin((chances > 0) & (chances <= 1)))
        raise DataError("a propensity is above 0, and at most 1.", where=f"{propensity}, row {row + 1}")
    kept = np.random.default_rng([seed, 2]).random(len(chances)) < chances.min() / chances
    return rows.take(kept), True


def _tried(table: dict[str, Any], name: str, rows: Columns, folder: Path) -> None:
    """What was ever tried of a lever, with what was since; where nobody said what was before, still nothing is known."""
    if name not in rows.names or "observed" not in table:
        return
    before: Any = table["observed"]
    if isinstance(before, Mapping):
        told = cast("Mapping[str, Any]", before)
        before = read_columns(folder / str(told["file"])).plain(str(told["column"]))
    if isinstance(before, list):
        since = [each for each in rows.plain(name) if each is not None]
        table["observed"] = [*cast("list[Any]", before), *since]


def _believed(name: str, law: Mapping[str, Any], rows: Columns) -> dict[str, Any]:
    """A belief after these rows: Beta(a + successes, b + failures); of a normal the mean of both, weighted by precision, where the
    rows' own spread says how sure their mean is."""
    if name not in rows.names:
        raise UsageError(f"the rows have no column {name!r}.", where="beliefs", fix=nearest(name, rows.names))
    values = rows.of(name)
    values = values[~np.isnan(values)]
    ((kind, said),) = law.items()
    if kind == "beta":
        if not np.isin(values, (0, 1)).all():
            raise DataError("a beta is believed of 0s and 1s, and it holds others.", where=f"rows, {name}")
        a, b = (float(each) for each in said)
        return {"beta": [a + float(values.sum()), b + float((1 - values).sum())]}
    if kind == "normal":
        if len(values) < 2:
            raise DataError("two rows are the fewest that say how sure their mean is.", where=f"rows, {name}")
        mean, sd = (float(each) for each in said)
        known, fresh = 1 / sd**2, len(values) / max(float(values.var(ddof=1)), 1e-300)
        return {
            "normal": [
                (known * mean + fresh * float(values.mean())) / (known + fresh),
                (known + fresh) ** -0.5,
            ]
        }
    raise UsageError(
        f"a belief that is {kind} can't be brought up to date.", where=f"models.{name}",
        fix="Beliefs of a share are beta, those of a mean normal.",
    )  # fmt: skip
