"""An outcome whose answer to a lever was learned from rows, with what they leave unknown: each draw has coefficients of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.decide.beyond import Beyond
from drivetrain.decide.expressions.interval import NoBounds, Span, add, exp, fixed, product, rising, sigmoid
from drivetrain.decide.nodes.base import Floats, Given, Node, Plain, Scope, claim_json
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim, claimed
from drivetrain.effects.response import Response, fit
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.evidence.regression import Family
from drivetrain.figures import number, percent
from drivetrain.runtime.columns import Columns, read_columns

KEYS = frozenset({"learn"})
ASKS: dict[str, type | tuple[type, ...]] = {
    "outcome": str, "lever": str, "adjust": list, "family": str, "bends": int, "varies_with": list, "clusters": str,
}  # fmt: skip
DRAWS = ("expected", "each")
FORM = 'Write learn = { file = "history.csv", outcome = "buys", lever = "price", adjust = ["season"] }.'


@dataclass(frozen=True, eq=False)
class Learned(Plain):
    """The `response` as a node. `draws`: "expected", the outcome's mean, of which each draw has another idea; "each", what comes
    of it in each row and draw: 0 or 1, a count, a number with what was left. Where the plan has none of the columns that were
    held fixed, it is the average over the rows learned from. `declared` is the claim as made, `claim` what the rows bear out."""

    name: str
    response: Response
    table: Mapping[str, Any]
    draws: Literal["expected", "each"] = "expected"
    declared: Claim = field(default_factory=Claim)
    unit: str = ""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What codes of its inputs stand for, which `bind` finds out."""
    averages: bool = True
    """Before `bind` has seen that the plan has what was held fixed, it asks for the lever alone."""

    @property
    def claim(self) -> Claim:
        return self.response.claim

    @property
    def estimated(self) -> tuple[str, ...]:
        return tuple(
            f"{self.name} coefficient {place}" for place in range(len(self.response.regression.beta))
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.response.lever,) if self.averages else self.response.inputs

    @property
    def by_row(self) -> bool:
        return self.draws == "each"

    @property
    def told(self) -> str:
        return self.response.words

    @property
    def sensitivity(self) -> tuple[Mapping[str, Any], ...]:
        hidden = self.response.hidden
        if hidden is None:
            return tuple(
                {"node": self.name, "words": each, "strength": None} for each in self.response.turned
            )
        words = hidden.words(self.response.lever, self.response.outcome)
        return ({"node": self.name, "words": words, "strength": hidden.robustness},)

    @property
    def observed(self) -> Mapping[str, Floats]:
        lever, seen = self.response.lever, self.response.observed
        if texts := self.response.levels.get(lever):
            known = self.known.get(lever, ())
            places = np.array([known.index(each) if each in known else np.nan for each in texts], np.float64)
            seen = places[seen.astype(np.int64)]
            seen = seen[~np.isnan(seen)]
        return {lever: seen} if len(seen) else {}

    def beyond(self, values: Mapping[str, Floats]) -> tuple[Beyond, ...]:
        found = list[Beyond]()
        for name in self.inputs:
            if name not in self.response.ranges:
                continue
            (low, high), value = self.response.ranges[name], values[name]
            share = float(((value < low) | (value > high)).mean())
            if share:
                tried = f"{number(low)} to {number(high)}, all that {self.name} was learned from"
                words = f"{percent(share, 0)} of the values of {name} are beyond {tried}"
                found.append(Beyond("lever" if name == self.response.lever else "input", name, share, words))
        return tuple(found)

    def drawn(self) -> Learned:
        return self if self.draws == "each" else replace(self, draws="each")

    def expected(self) -> Learned:
        return self if self.draws == "expected" else replace(self, draws="expected")

    def bind(self, scope: Scope) -> Learned:
        where, held = f"models.{self.name}", self.response.adjust
        lacking = [name for name in held if name not in scope.names]
        if lacking and len(lacking) < len(held):
            raise UsageError(
                f"it was learned with {lacking[0]} held fixed, and the plan has no {lacking[0]}.", where=where,
                fix=nearest(lacking[0], scope.names) or "Give the data that column, or leave it out of adjust.",
            )  # fmt: skip
        bound = replace(self, averages=bool(lacking))
        bound = replace(bound, known={name: scope.levels.get(name, ()) for name in bound.inputs})
        for name in bound.inputs:
            bound.check(name, scope, where)
        return bound

    def check(self, name: str, scope: Scope, where: str) -> None:
        """Whether an input is what was learned from. Raises UsageError or DataError where it isn't."""
        learned, known = self.response.levels.get(name, ()), scope.levels.get(name, ())
        if bool(learned) != bool(known):
            kinds = ("texts", "numbers") if learned else ("numbers", "texts")
            raise UsageError(
                f"it was learned with {kinds[0]} as {name}, and the plan has {kinds[1]}.", where=where
            )
        if new := [each for each in known if each not in learned]:
            raise UsageError(
                f"the rows that were learned from never had {name} = {new[0]!r}.", where=where,
                fix=nearest(new[0], learned) or f"They had {', '.join(learned[:8])}.",
            )  # fmt: skip
        if scope.rows is None or name not in scope.rows.names:
            return
        value = scope.rows.of(name)
        gone = value < 0 if known else np.isnan(value)
        atoms = [atom for term in self.response.terms for atom in term if atom.column == name]
        if gone.any() and not any(atom.kind == "missing" for atom in atoms):
            raise DataError(
                f"{name} is missing, which it never was in the rows that were learned from.",
                where=f"{where}, row {int(np.argmax(gone)) + 1} of the data", fix="Fill it in, or leave the row out.",
            )  # fmt: skip

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        beta = self._coefficients(world)
        if self.averages:
            mean = self.response.averaged(values[self.response.lever], self.known, beta)
        else:
            mean = self.response.mean(values, self.known, beta)
        return mean if self.draws == "expected" else self.response.seen(
            mean, world.uniform(f"{self.name} each", each_row=True)
        )  # fmt: skip

    def _coefficients(self, world: World) -> Floats:
        """(p, D): what the coefficients may be."""
        from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

        uniform = np.concatenate([world.uniform(name)[0] for name in self.estimated])
        return self.response.coefficients(np.asarray(ndtri(uniform), np.float64))

    def span(self, given: Mapping[str, Span], world: World) -> Span:
        if self.draws != "expected" or (self.averages and self.response.adjust):
            raise NoBounds  # What comes of it each time has steps; an average over rows that the plan hasn't would be dear.
        beta, linear = self._coefficients(world), fixed(np.zeros((1, 1, 1)))
        for coefficient, term in zip(beta, self.response.terms):
            part = fixed(coefficient[None, None])
            for atom in term:
                x, known = given[atom.column], self.known.get(atom.column, ())
                if atom.kind in ("number", "bend"):  # Which rise, ever more steeply.
                    part = product(part, rising(lambda at, atom=atom: atom.of(at, ()), atom.slope)(x))
                elif x.fixed:
                    part = product(part, fixed(atom.of(x.low, known)))
                else:
                    raise NoBounds
            linear = add(linear, part)
        return {"linear": linear, "logit": sigmoid(linear)}.get(self.response.family) or exp(linear)

    def to_json(self) -> dict[str, Any]:
        kind: dict[str, Any] = {
            "learn": {**self.table, **({"draws": self.draws} if self.draws != "expected" else {})}
        }
        if self.declared != Claim():
            kind["claim"] = claim_json(self.declared)
        return kind | ({"unit": self.unit} if self.unit else {})


@public
def learned(
    rows: Any,
    *,
    outcome: str,
    lever: str,
    claim: object = None,
    adjust: Sequence[str] | None = None,
    family: Family | None = None,
    bends: int | None = None,
    varies_with: Sequence[str] = (),
    clusters: str | None = None,
    draws: Literal["expected", "each"] = "expected",
    unit: str = "",
) -> Learned:
    """A node that `effects.fit` learns from rows: a path, a mapping of columns, a frame. Raises UsageError and DataError."""
    said: dict[str, Any] = {
        "outcome": outcome, "lever": lever, "adjust": None if adjust is None else [*adjust], "family": family,
        "bends": bends, "varies_with": [*varies_with] or None, "clusters": clusters,
    }  # fmt: skip
    return _made(
        "",
        read_columns(rows),
        {name: each for name, each in said.items() if each is not None},
        claim,
        draws,
        unit,
    )


def _made(
    name: str, rows: Columns, said: dict[str, Any], claim: object, draws: Any, unit: str, file: str = ""
) -> Learned:
    if draws not in DRAWS:
        raise UsageError(f"draws = {draws!r}.", fix='Say "expected" or "each".')
    response = fit(rows, claim=claim, **said)
    source = {"file": file or rows.source} if rows.source else {"columns": rows.to_json()}
    return Learned(name, response, {**source, **said}, draws, claimed(claim), unit)


def read(given: Given) -> Node:
    said: Any = given.table["learn"]
    if not isinstance(said, Mapping):
        raise UsageError("this must be a table.", where=given.where, fix=FORM)
    said = dict(cast("Mapping[str, Any]", said))
    where, draws = f"{given.where}, learn", said.pop("draws", "expected")
    file, columns = said.pop("file", None), said.pop("columns", None)
    if (file is None) == (columns is None):
        raise UsageError("it doesn't say which rows.", where=where, fix=FORM)
    for name, each in said.items():
        if name not in ASKS:
            raise UsageError(
                f"there is no key {name!r}.", where=where, fix=nearest(name, [*ASKS, "file", "draws"]) or FORM
            )
        texts = not isinstance(each, list) or all(isinstance(one, str) for one in cast("list[Any]", each))
        if not isinstance(each, ASKS[name]) or isinstance(each, bool) or not texts:
            raise UsageError(f"{name} = {each!r:.40} can't be meant.", where=where, fix=FORM)
    for name in ("outcome", "lever"):
        if name not in said:
            raise UsageError(f"it lacks {name}.", where=where, fix=FORM)
    rows = read_columns(given.file(file) if columns is None else columns, where)
    try:
        return _made(given.name, rows, said, given.claim, draws, given.unit, str(file or ""))
    except (UsageError, DataError) as fault:
        raise fault.also_at(where) from None
