"""What can be changed: a number, a whole number, a choice, a switch; for all, for each row, or by a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import check_fields
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.figures import number
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "whole", "choice", "switch"]
KINDS: tuple[str, ...] = get_args(Kind)
MOST_LISTED, LARGEST = 100_000, 1e100


@dataclass(frozen=True, slots=True)
class Rule:
    """A lever's value for each row is read off a tree of at most `depth` questions about the columns `of`."""

    of: tuple[str, ...]
    depth: int = 2

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class Lever:
    """One thing to decide, in its own `unit`.

    `low` and `high` bound numbers, in steps of `step` from `low` (None: any); a choice is among `choices`, and is worked
    with as the place in them. `now` is the current practice: a value, or the name of a column with one per row. A number
    moves from `now` by at most `rate`. `each`: one value per row; with `rule` those come from a tree. `observed` are values
    that were ever tried, or the name of a column of them, for its range and histogram. None: those of the column that `now`
    names; without one nobody said, and no setting counts as beyond them. In a plan they are numbers, places of choices.
    """

    name: str = ""
    kind: Kind = "number"
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    now: float | bool | str | None = None
    rate: float | None = None
    each: bool = False
    rule: Rule | None = None
    observed: Floats | Sequence[float | str | None] | str | None = field(default=None, repr=False)
    unit: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def is_number(self) -> bool:
        return self.kind in ("number", "whole")

    @property
    def by_row(self) -> bool:
        """Whether each row has a value of its own."""
        return self.each or self.rule is not None

    @property
    def levels(self) -> tuple[str, ...]:
        """What its places stand for: the choices; none where it is a number."""
        return self.choices

    def to_json(self) -> dict[str, Any]:
        """Its table in a plan."""
        plain, found = Lever(), dict[str, Any]()
        for key in ("kind", "low", "high", "step", "now", "rate", "each", "unit"):
            if getattr(self, key) != getattr(plain, key):
                found[key] = getattr(self, key)
        if self.kind == "switch" and not isinstance(self.now, (str, type(None))):
            found["now"] = bool(self.now)
        if self.choices:
            found["choices"] = [*self.choices]
        if self.rule is not None:
            found["rule"] = {"of": [*self.rule.of], "depth": self.rule.depth}
        return found if self.tried is None else found | {"observed": self.tried.tolist()}

    @property
    def tried(self) -> Floats | None:
        """What was observed of a lever of a plan."""
        return self.observed if isinstance(self.observed, np.ndarray) else None


@np.errstate(over="ignore")
def bounds(lever: Lever, rows: Columns | None = None) -> tuple[Floats, Floats, Floats]:
    """The lowest and highest value that it may have, and what it is now: each (1,), or (rows,) where that differs by row; what
    it is now is NaN where nobody said. The rate of change is in them. Raises UsageError and DataError."""
    if lever.is_number:
        low = -np.inf if lever.low is None else lever.low
        high = np.inf if lever.high is None else lever.high
    else:
        low, high = 0.0, float(max(len(lever.choices), 2) - 1)
    current = _now(lever, rows)
    lowest, highest = np.full(current.shape, float(low)), np.full(current.shape, float(high))
    if lever.rate is not None:
        lowest = np.maximum(low, current - lever.rate)
        highest = np.minimum(high, current + lever.rate)
        if lever.step is not None and math.isfinite(low):
            lowest = low + np.ceil((lowest - low) / lever.step - 1e-9) * lever.step
            highest = low + np.floor((highest - low) / lever.step + 1e-9) * lever.step
    if lever.kind == "whole":
        lowest, highest = np.ceil(lowest - 1e-9), np.floor(highest + 1e-9)
    if (beyond := np.flatnonzero(lowest > highest)).size:
        place = f" in row {beyond[0] + 1}" if len(current) > 1 else ""
        if lever.rate is None:
            raise UsageError(
                f"there is no whole number from {number(low)} to {number(high)}.",
                where=f"levers.{lever.name}",
            )
        raise UsageError(
            f"it can have no value{place}: from {number(float(current[beyond[0]]))} it moves by at most "
            f"{number(lever.rate or 0)}, which doesn't lead to {number(low)} to {number(high)}.",
            where=f"levers.{lever.name}",
        )  # fmt: skip
    return lowest, highest, current


def _now(lever: Lever, rows: Columns | None) -> Floats:
    where = f"levers.{lever.name}, now"
    if lever.now is None:
        return np.full(1, np.nan)
    if not isinstance(lever.now, str):
        return np.full(1, float(lever.now))
    if lever.kind == "choice" and lever.now in lever.choices:
        return np.full(1, float(lever.choices.index(lever.now)))
    names = () if rows is None else rows.names
    if lever.now not in names:
        known = [*names, *lever.choices]
        what = "no choice and no column" if lever.choices else "no column"
        fix = nearest(lever.now, known) or (
            f"There are {', '.join(known[:12])}." if known else "There are no data."
        )
        raise UsageError(f"{lever.now!r} is {what}.", where=where, fix=fix)
    assert rows is not None
    found = rows.of(lever.now)
    if lever.kind == "choice":
        found = codes(lever, rows.plain(lever.now), where)
    elif lever.now in rows.levels:
        raise UsageError(f"the column {lever.now} holds texts.", where=where)
    if (missing := np.flatnonzero(np.isnan(found))).size:
        raise DataError(f"{lever.now} is missing in row {missing[0] + 1}.", where=where)
    if not lever.by_row:
        different = np.flatnonzero(found != found[0])
        if different.size:
            raise UsageError(
                f"it has one value for all rows, and {lever.now} has several.", where=where,
                fix="Give each = true, or one number that holds now.",
            )  # fmt: skip
        found = found[:1]
    return found


def codes(lever: Lever, values: list[Any], where: str) -> Floats:
    """The places of choices among them. Raises UsageError for what is none."""
    places = {text: float(place) for place, text in enumerate(lever.choices)}
    for each in values:
        if each not in places:
            raise UsageError(
                f"{each!r} is none of the choices.", where=where,
                fix=nearest(str(each), lever.choices) or f"There are {', '.join(lever.choices[:10])}.",
            )  # fmt: skip
    return np.array([places[each] for each in values])


def allowed(lever: Lever, most: int = MOST_LISTED) -> Floats | None:
    """Every value that it may have by its kind, its bounds and its steps, from the lowest on; None where they are without end
    or more than `most`."""
    if lever.kind == "switch":
        return np.array([0.0, 1.0])
    if lever.kind == "choice":
        return np.arange(len(lever.choices), dtype=np.float64)
    step = lever.step or (1.0 if lever.kind == "whole" else None)
    if step is None or lever.low is None or lever.high is None:
        return None
    count = math.floor((lever.high - lever.low) / step + 1e-9) + 1
    return lever.low + np.arange(count, dtype=np.float64) * step if count <= most else None


def snap(lever: Lever, x: Floats) -> Floats:
    """The nearest value that its kind and its steps allow; of bounds it knows `low` and `high`."""
    if not lever.is_number:
        return np.clip(np.round(x), 0, max(len(lever.choices), 2) - 1)
    low = -math.inf if lever.low is None else lever.low
    high = math.inf if lever.high is None else lever.high
    if step := lever.step or (1.0 if lever.kind == "whole" else None):
        start = low if math.isfinite(low) else 0.0
        most = math.floor((high - start) / step + 1e-9) if math.isfinite(high) else math.inf
        return (
            start + np.clip(np.round((x - start) / step), 0 if math.isfinite(low) else -math.inf, most) * step
        )
    return np.clip(x, low, high)


def extrapolates(lever: Lever, x: Floats) -> npt.NDArray[np.bool_]:
    """Where a value is beyond all that was observed: of a number outside of the range, of a choice never tried."""
    tried = lever.tried
    if tried is None:
        return np.zeros(np.shape(x), bool)
    if not lever.is_number:
        return ~np.isin(x, tried)
    slack = 1e-9 * max(1.0, float(np.abs(tried).max()))
    return (x < tried.min() - slack) | (x > tried.max() + slack)


def checked(lever: Lever, rows: Columns | None) -> Lever:
    """The lever, with what was observed of it. Raises UsageError for one that can't be meant."""
    where = f"levers.{lever.name}"
    if lever.kind not in KINDS:
        raise UsageError(
            f"there is no kind {lever.kind!r} of lever.", where=where, fix=f"There are {', '.join(KINDS)}."
        )
    if lever.kind == "choice":
        if len(set(lever.choices)) < max(len(lever.choices), 2):
            raise UsageError("a choice has two or more choices, all different.", where=where)
    elif lever.choices:
        raise UsageError(f"a {lever.kind} has no choices.", where=where, fix='Give kind = "choice".')
    if not lever.is_number:
        for key in ("low", "high", "step", "rate"):
            if getattr(lever, key) is not None:
                raise UsageError(f"a {lever.kind} has no {key}.", where=where)
    _check_numbers(lever, where)
    if lever.by_row and rows is None:
        raise UsageError("a value for each row needs rows.", where=where, fix="Give data.")
    if lever.rule is not None:
        _check_rule(lever.rule, rows, where)
    if lever.kind == "switch" and isinstance(lever.now, (int, float)) and lever.now not in (0, 1):
        raise UsageError(f"now = {lever.now}: a switch is on or off.", where=where)
    if lever.rate is not None and lever.now is None:
        raise UsageError("a rate of change needs `now`, from which it moves.", where=where)
    lever = replace(lever, choices=tuple(lever.choices), observed=_tried(lever, rows, f"{where}, observed"))
    bounds(lever, rows)
    return lever


def _tried(lever: Lever, rows: Columns | None, where: str) -> Floats | None:
    """What was observed, as numbers. Raises UsageError and DataError."""
    given = lever.observed
    if given is None and isinstance(lever.now, str) and rows is not None and lever.now in rows.names:
        given = lever.now
    if given is None:
        return None
    if isinstance(given, str):
        if rows is None:
            raise UsageError("there are no data to have a column.", where=where)
        given = rows.plain(given)
    listed: list[Any] = [each for each in cast("Sequence[Any]", given) if each is not None]
    texts = [each for each in listed if isinstance(each, str)]
    if texts and lever.kind == "choice" and len(texts) == len(listed):
        return codes(lever, listed, where)
    if texts:
        raise UsageError(f"it holds {texts[0]!r:.40}, and a {lever.kind} is one of numbers.", where=where)
    found = np.array(listed, np.float64)
    found = found[np.isfinite(found)]
    if not found.size:
        raise DataError("no value was observed.", where=where)
    return found


def _check_numbers(lever: Lever, where: str) -> None:
    for key in ("low", "high", "step", "rate", "now"):
        value = getattr(lever, key)
        if value is None or (key == "now" and isinstance(value, str)):
            continue
        if not (isinstance(value, (int, float)) and abs(value) <= LARGEST):
            raise UsageError(f"{key} = {value!r:.40} is no number to calculate with.", where=where)
    low, high = lever.low, lever.high
    if low is not None and high is not None and low > high:
        raise UsageError(
            f"low = {number(low)} is above high = {number(high)}.", where=where, fix="Swap them."
        )
    for key in ("step", "rate"):
        value = getattr(lever, key)
        if value is not None and value <= 0:
            raise UsageError(f"{key} = {number(value)} is not above 0.", where=where)
    width = max(abs(low or 0.0), abs(high or 0.0))
    if lever.step is not None and lever.step < 1e-12 * width:
        raise UsageError(f"step = {number(lever.step)} is lost beside {number(width)}.", where=where)
    if lever.kind == "whole" and (low is None or high is None) and lever.rate is None:
        raise UsageError("a whole number needs low and high.", where=where)
    if lever.kind == "whole" and lever.step is not None and lever.step != round(lever.step):
        raise UsageError(f"step = {number(lever.step)} of a whole number is none.", where=where)
    if lever.step is not None and low is None:
        raise UsageError("steps go from `low` on, and there is none.", where=where, fix="Give low.")


def _check_rule(rule: Rule, rows: Columns | None, where: str) -> None:
    known = () if rows is None else rows.names
    for name in rule.of:
        if name not in known:
            raise UsageError(
                f"there is no column {name!r}.", where=f"{where}, rule", fix=nearest(name, known)
            )
    if not rule.of or not 1 <= rule.depth <= 4:
        raise UsageError("a rule is of one or more columns, 1 to 4 deep.", where=f"{where}, rule")


def values_of(lever: Lever, given: Any) -> Floats:
    """A setting as a person gives it, as numbers: texts of choices as places, truth as 1 and 0. Raises UsageError."""
    where = f"levers.{lever.name}"
    if lever.kind == "choice":
        if isinstance(given, str):
            return codes(lever, [given], where)[0]
        listed: Any = cast("Any", given).tolist() if isinstance(given, np.ndarray) else given
        if isinstance(listed, (list, tuple)) and any(
            isinstance(each, str) for each in cast("list[Any]", listed)
        ):
            return codes(lever, list(cast("list[Any]", listed)), where)
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError) as fault:
        raise UsageError(f"{given!r:.60} is no value of this lever.", where=where) from fault
    if not np.all(np.isfinite(found)):
        raise UsageError("a value is missing or infinite.", where=where)
    return found
