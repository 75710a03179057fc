"""An outcome by chance: a distribution, whose parameters are numbers or expressions of what else there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import PERIOD, Expression, over_rows, parse
from drivetrain.decide.expressions.texts import check_texts
from drivetrain.decide.nodes.base import Floats, Given, Node, Plain, Scope, described
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim, claimed
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.figures import counted
from drivetrain.runtime.columns import read_columns

KEYS = frozenset({"chance", "each_row", "each_period"})


def _normal(u: Floats, mean: Floats, sd: Floats) -> Floats:
    from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

    return mean + sd * np.asarray(ndtri(u), np.float64)


def _lognormal(u: Floats, mean: Floats, sd: Floats) -> Floats:
    return np.exp(_normal(u, mean, sd))


def _uniform(u: Floats, low: Floats, high: Floats) -> Floats:
    return low + (high - low) * u


def _exponential(u: Floats, mean: Floats) -> Floats:
    return -mean * np.log1p(-u)


def _beta(u: Floats, a: Floats, b: Floats) -> Floats:
    from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs]

    return np.asarray(betaincinv(a, b, u), np.float64)


def _poisson(u: Floats, mean: Floats) -> Floats:
    from scipy.special import pdtr, pdtrik  # pyright: ignore[reportMissingTypeStubs]

    at = np.ceil(np.where(mean > 0, pdtrik(u, np.where(mean > 0, mean, 1.0)), 0.0))
    below = np.maximum(at - 1, 0)  # The inverse may come out a hair above a whole number.
    return np.where(pdtr(below, mean) >= u, below, np.maximum(at, 0.0))


def _binomial(u: Floats, of: Floats, share: Floats) -> Floats:
    from scipy.special import bdtr, bdtrik  # pyright: ignore[reportMissingTypeStubs]

    inside = (share > 0) & (share < 1)
    at = np.ceil(np.where(inside, bdtrik(u, of, np.where(inside, share, 0.5)), np.where(share > 0, of, 0.0)))
    below = np.maximum(at - 1, 0)
    reached = bdtr(below, of.astype(np.int64), share) >= u  # It may come out a hair above a whole number.
    return np.where(inside & reached, below, np.clip(at, 0, of))


def _bernoulli(u: Floats, share: Floats) -> Floats:
    return (u > 1 - share).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Law:
    """What its parameters are called, the inverse of its distribution, and where they may lie."""

    parameters: tuple[str, ...]
    inverse: Callable[..., Floats]
    rule: str


LAWS: dict[str, _Law] = {
    "normal": _Law(("mean", "sd"), _normal, "sd >= 0"),
    "lognormal": _Law(("mean of the log", "sd of the log"), _lognormal, "sd >= 0"),
    "uniform": _Law(("low", "high"), _uniform, "low <= high"),
    "exponential": _Law(("mean",), _exponential, "mean >= 0"),
    "beta": _Law(("a", "b"), _beta, "a > 0 and b > 0"),
    "poisson": _Law(("mean",), _poisson, "mean >= 0"),
    "binomial": _Law(("of", "share"), _binomial, "of a whole number and 0 <= share <= 1"),
    "bernoulli": _Law(("share",), _bernoulli, "0 <= share <= 1"),
}


def _fits(law: str, given: Sequence[Floats]) -> bool:
    """Whether the parameters lie where its rule wants them, everywhere; NaN does nowhere."""
    a, b = given[0], given[-1]
    match law:
        case "normal" | "lognormal":
            return bool(np.all(b >= 0))
        case "uniform":
            return bool(np.all(a <= b))
        case "exponential" | "poisson":
            return bool(np.all(a >= 0))
        case "beta":
            return bool(np.all(a > 0) and np.all(b > 0))
        case "binomial":
            return bool(np.all((a >= 0) & (a == np.floor(a))) and np.all((b >= 0) & (b <= 1)))
        case _:
            return bool(np.all((a >= 0) & (a <= 1)))


LARGEST = 1e100
FORMS = (*LAWS, "choice", "samples")


@dataclass(frozen=True, slots=True, eq=False)
class Chance(Plain):
    """`law` of LAWS with its `parameters`, each an expression; or "samples": one of `values`, of `texts` their places, with
    the chances `shares`, in the order of the values. The same for all rows and periods of a draw, or another for `each_row`,
    `each_period`.
    """

    name: str
    law: str
    parameters: tuple[Expression, ...] = ()
    values: Floats = field(default_factory=lambda: np.zeros(0))
    shares: Floats = field(default_factory=lambda: np.zeros(0))
    texts: tuple[str, ...] = ()
    each_row: bool = False
    each_period: bool = False
    claim: Claim = field(default_factory=Claim)
    unit: str = ""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]], repr=False)

    @property
    def levels(self) -> tuple[str, ...]:
        return self.texts

    @property
    def inputs(self) -> tuple[str, ...]:
        names = [name for each in self.parameters for name in each.names]
        return tuple(dict.fromkeys([*names, *([PERIOD] if self.each_period else [])]))

    @property
    def by_row(self) -> bool:
        return self.each_row

    @property
    def falls_once(self) -> bool:
        return not (self.each_row or self.each_period)

    @property
    def each_row_alone(self) -> bool:
        return not any(over_rows(each.tree) for each in self.parameters)

    def bind(self, scope: Scope) -> Chance:
        for each in self.parameters:
            check_texts(each, scope.levels, f"models.{self.name}")
        return replace(self, known=scope.levels)

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        name = f"{self.name} {int(values[PERIOD].item())}" if self.each_period else self.name
        u = world.uniform(name, each_row=self.each_row)
        if self.law not in LAWS:
            edges = np.cumsum(self.shares)[:-1] / self.shares.sum()
            return self.values[np.searchsorted(edges, u, side="right")]
        law = LAWS[self.law]
        given = [calculate(each, values, self.known, world.rows) for each in self.parameters]
        if not _fits(self.law, given):
            raise DataError(
                f"{self.law} has {' and '.join(law.parameters)}, and here isn't {law.rule} everywhere.",
                where=f"models.{self.name}",
            )  # fmt: skip
        return law.inverse(u, *given)

    def to_json(self) -> dict[str, Any]:
        if self.law in LAWS:
            said: Any = [_plain(each) for each in self.parameters]
            kind: dict[str, Any] = {self.law: said if len(said) > 1 else said[0]}
        else:
            values = [self.texts[int(each)] for each in self.values] if self.texts else self.values.tolist()
            same = bool(np.all(self.shares == self.shares[0]))
            kind = (
                {"samples": values}
                if same
                else {"choice": {"values": values, "shares": self.shares.tolist()}}
            )
        own = {key: True for key in ("each_row", "each_period") if getattr(self, key)}
        return described(self, {"chance": kind} | own)


def _plain(expression: Expression) -> Any:
    try:
        return float(expression.text)
    except ValueError:
        return expression.text


@public
def chance(
    *, each_row: bool = False, each_period: bool = False, claim: object = None, unit: str = "", **law: Any
) -> Chance:
    """A node by chance, as in a plan: chance(normal=[0.1, 0.02]). Raises UsageError."""
    made = _made("", law, "chance", claimed(claim), unit)
    return replace(made, each_row=each_row, each_period=each_period)


def _made(name: str, laws: Mapping[str, Any], where: str, claim: Claim, unit: str) -> Chance:
    if len(laws) != 1:
        raise UsageError(f"a chance has one law: {', '.join(FORMS)}.", where=where)
    kind, said = next(iter(laws.items()))
    if kind in LAWS:
        parameters = _parameters(kind, said, where)
        if claim == Claim() and not any(each.names for each in parameters):
            claim = Claim("definition")
        return Chance(name, kind, parameters, claim=claim, unit=unit)
    if kind not in FORMS:
        raise UsageError(
            f"there is no law {kind!r}.", where=where, fix=nearest(kind, FORMS) or f"There are {', '.join(FORMS)}."
        )  # fmt: skip
    values, shares = (said, None) if kind == "samples" else _choice(said, where)
    if claim == Claim():
        claim = Claim("definition")
    return _sampled(name, values, shares, where, claim, unit)


def _parameters(law: str, said: Any, where: str) -> tuple[Expression, ...]:
    names: tuple[str, ...] = LAWS[law].parameters
    several = isinstance(said, Sequence) and not isinstance(said, str)
    given: list[Any] = list(cast("Sequence[Any]", said)) if several else [said]
    if len(given) != len(names) or any(isinstance(each, bool) for each in given):
        raise UsageError(
            f"{law} has {counted(len(names), 'parameter', 'parameters')}: {', '.join(names)}.", where=where,
        )  # fmt: skip
    for each in given:
        if not isinstance(each, str) and not (isinstance(each, (int, float)) and abs(each) <= LARGEST):
            raise UsageError(
                f"a parameter is a number or an expression, not {each!r:.40}.", where=where,
                fix=f"Numbers go up to {LARGEST:g}: take another unit." if isinstance(each, (int, float)) else "",
            )  # fmt: skip
    found = tuple(parse(each if isinstance(each, str) else repr(float(each)), where=where) for each in given)
    if not any(each.names for each in found) and not _fits(law, [calculate(each, {}) for each in found]):
        raise UsageError(f"{law} needs {LAWS[law].rule}.", where=where)
    return found


def _choice(said: Any, where: str) -> tuple[Any, Any]:
    form = "Write choice = { values = [1, 2], shares = [0.5, 0.5] }."
    if not isinstance(said, Mapping) or {*cast("Mapping[str, Any]", said)} != {"values", "shares"}:
        raise UsageError("a choice has values and shares.", where=where, fix=form)
    said = cast("Mapping[str, Any]", said)
    return said["values"], said["shares"]


def _sampled(name: str, values: Any, shares: Any, where: str, claim: Claim, unit: str) -> Chance:
    listed: Any = cast("Any", values).tolist() if isinstance(values, np.ndarray) else values
    given = list(cast("Sequence[Any]", listed)) if isinstance(listed, (list, tuple)) else []
    if not given:
        raise UsageError("the values are a list of numbers, or of texts.", where=where)
    texts = all(isinstance(each, str) for each in given)
    levels = tuple(sorted(set(given))) if texts else ()
    try:
        found = np.array([levels.index(each) for each in given] if texts else given, np.float64)
        weights = np.ones(len(found)) if shares is None else np.array(shares, np.float64)
    except (TypeError, ValueError, OverflowError) as fault:
        raise UsageError("the values are numbers or texts, and the shares numbers.", where=where) from fault
    if (missing := np.flatnonzero(~np.isfinite(found))).size:
        raise UsageError(f"value {missing[0] + 1} is missing.", where=where)
    if weights.shape != found.shape:
        raise UsageError(f"there are {len(found)} values and {weights.size} shares.", where=where)
    if not (np.all(weights >= 0) and np.isfinite(weights.sum()) and weights.sum() > 0):
        raise UsageError("shares are 0 or more, and not all 0.", where=where)
    if shares is not None and abs(weights.sum() - 1) > 1e-9:
        raise UsageError(f"the shares add up to {weights.sum():g}, not to 1.", where=where)
    order = np.argsort(found, kind="stable")
    return Chance(
        name, "samples", values=found[order], shares=weights[order], texts=levels,
        claim=claim, unit=unit,
    )  # fmt: skip


def read(given: Given) -> Node:
    said: Any = given.table["chance"]
    own: dict[str, bool] = {key: given.table.get(key, False) for key in ("each_row", "each_period")}
    for key, value in own.items():
        if not isinstance(value, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"{key} is true or false.", where=given.where)
    if not isinstance(said, Mapping):
        raise UsageError(
            "this must be a law.", where=given.where, fix="Write chance = { normal = [0.1, 0.02] }."
        )
    law = dict(cast("Mapping[str, Any]", said))
    if isinstance(from_file := law.get("samples"), Mapping):
        from_file = cast("Mapping[str, Any]", from_file)
        if {*from_file} != {"file", "column"}:
            raise UsageError("samples are a list, or of a file and a column.", where=given.where)
        law["samples"] = read_columns(given.file(from_file["file"])).plain(str(from_file["column"]))
    return replace(_made(given.name, law, given.where, given.claim, given.unit), **own)
