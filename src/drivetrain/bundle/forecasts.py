"""What a bundle that forecasts knows beside its graph: how rows become moments, what the training has seen, when a moment is odd;
and its golden histories, rows of a table with the answers that follow them (FORMAT.md, sections 5.6 and 6.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.archive import HISTORIES, RECORD
from drivetrain.bundle.facts import is_number, is_text, is_whole
from drivetrain.bundle.manifest import load_json
from drivetrain.codecs import Signature
from drivetrain.codecs.series import Series
from drivetrain.errors import BundleError, DrivetrainError
from drivetrain.files import to_json
from drivetrain.timeline.layout import Layout
from drivetrain.types import Array

PAST, FUTURE = "past", "future"
"""The inputs that are made of moments."""
MOST_HISTORIES, MOST_SCORES, MOST_SERIES = 100, 1_000, 1_000_000
FARTHEST = 2**62

Rows = dict[str, list[str | float | None]]
"""Column -> its raw cells: texts as a CSV has them, or numbers, None where empty."""


@dataclass(frozen=True)
class Alarms:
    """How far one-step-ahead outcomes of validation lay from what was foretold, in widths of their band.

    `scores` ascend, of `count` outcomes (all of them, or as many at equal ranks). `observed` is the share of outcomes in the second
    half of the validation beyond the ends that the first half gives at `rate`; None where they are too few to say.
    """

    scores: tuple[float, ...]
    count: int
    rate: float
    observed: float | None = None

    def ends(self, rate: float) -> tuple[float, float]:
        """The scores beyond which, below and above, a share of `rate` / 2 each is expected."""
        return score_ends(np.array(self.scores), self.count, rate)

    def expected(self, rate: float) -> float:
        """The share of usual moments beyond these ends: `rate`, or what so few outcomes can tell at least."""
        return max(rate, 2 / (self.count + 1))


def score_ends(scores: npt.NDArray[np.float64], count: int, rate: float) -> tuple[float, float]:
    """Of ascending scores (k,) that stand for `count` those that one more lies beyond with a chance of rate / 2 at most on each
    side (split conformal); the outermost where they are too few for that."""
    rank = np.ceil((count + 1) * (1 - rate / 2)) / count  # Of the upper end, as a share.
    place = min(len(scores) - 1, max(0, int(np.ceil(rank * len(scores))) - 1))
    return float(scores[len(scores) - 1 - place]), float(scores[place])


@dataclass(frozen=True, eq=False)
class Forecasts:
    """`layout` reads a table; `seen`: series -> the number of the first moment that training has not seen; `recipe` is what a
    closed form is solved with anew, where the model is one; `alarms` say what is odd; `refitted` is of what bundle it was solved
    anew, and with what."""

    layout: Layout
    seen: Mapping[str, int] = field(default_factory=dict[str, int])
    recipe: Mapping[str, Any] | None = None
    alarms: Alarms | None = None
    refitted: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        alarms = self.alarms
        return {
            "layout": self.layout.to_json(),
            "seen": dict(self.seen),
            "recipe": None if self.recipe is None else dict(self.recipe),
            "alarms": None
            if alarms is None
            else {
                "scores": list(alarms.scores),
                "count": alarms.count,
                "rate": alarms.rate,
                "observed": alarms.observed,
            },
            "refitted": None if self.refitted is None else dict(self.refitted),
        }


@dataclass(frozen=True, eq=False)
class HistoryCase:
    """A table's rows and what is answered for `horizon` moments after them: of each series `{"series", "stamps", "value", "low",
    "high"}`."""

    name: str
    rows: Rows
    horizon: int
    answers: list[dict[str, Any]]


def to_members(forecasts: Forecasts, cases: Sequence[HistoryCase]) -> dict[str, bytes]:
    """The two members."""
    records = [
        {"name": case.name, "rows": case.rows, "horizon": case.horizon, "answers": case.answers}
        for case in cases
    ]
    return {
        RECORD: to_json(forecasts.to_json(), indent=1).encode(),
        HISTORIES: to_json({"histories": records}).encode(),
    }


def from_members(
    members: Mapping[str, memoryview], signature: Signature
) -> tuple[Forecasts, tuple[HistoryCase, ...]]:
    """What the two members hold. Raises BundleError where that is not sound, or not of this signature."""
    for name in (RECORD, HISTORIES):
        if name not in members:
            raise BundleError("this member is missing.", where=name)
    forecasts = _forecasts(load_json(members[RECORD], RECORD))
    _check_layout(forecasts.layout, signature)
    listed = load_json(members[HISTORIES], HISTORIES)
    cases = cast("dict[str, Any]", listed).get("histories") if isinstance(listed, dict) else None
    if not isinstance(cases, list) or not 1 <= len(cast("list[Any]", cases)) <= MOST_HISTORIES:
        raise BundleError(f"it doesn't list 1 to {MOST_HISTORIES} histories.", where=HISTORIES)
    return forecasts, tuple(_case(case, forecasts.layout) for case in cast("list[Any]", cases))


def _forecasts(record: Any) -> Forecasts:
    fields = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    if fields.keys() != {"layout", "seen", "recipe", "alarms", "refitted"}:
        raise BundleError("it doesn't have the fields of its format.", where=RECORD)
    seen, recipe, refitted = fields["seen"], fields["recipe"], fields["refitted"]
    if not isinstance(seen, dict) or not all(
        is_text(name) and is_whole(number, -FARTHEST, FARTHEST)
        for name, number in cast("dict[Any, Any]", seen).items()
    ):
        raise BundleError("'seen' doesn't name a moment for each series.", where=RECORD)
    for name, value in (("recipe", recipe), ("refitted", refitted)):
        if value is not None and not isinstance(value, dict):
            raise BundleError(f"{name!r} is no object.", where=RECORD)
    try:
        named = fields["layout"]
        layout = Layout.from_json(cast("dict[str, Any]", named) if isinstance(named, dict) else {})
    except DrivetrainError as fault:
        raise BundleError(fault.error, where=RECORD) from fault
    return Forecasts(
        layout, cast("dict[str, int]", seen), cast("dict[str, Any] | None", recipe), _alarms(fields["alarms"]),
        cast("dict[str, Any] | None", refitted),
    )  # fmt: skip


def _alarms(record: Any) -> Alarms | None:
    if record is None:
        return None
    fields = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    scores, count, rate, observed = (fields.get(name) for name in ("scores", "count", "rate", "observed"))
    listed = cast("list[Any]", scores) if isinstance(scores, list) else []
    if (
        fields.keys() != {"scores", "count", "rate", "observed"}
        or not 1 <= len(listed) <= MOST_SCORES
        or not all(map(is_number, listed))
        or listed != sorted(listed)
        or not is_whole(count, len(listed))
        or not (is_number(rate) and 0 < rate < 1)
        or not (observed is None or (is_number(observed) and 0 <= observed <= 1))
    ):
        raise BundleError("'alarms' are not scores with their rate.", where=RECORD)
    return Alarms(tuple(map(float, listed)), cast("int", count), float(rate), observed)


def _check_layout(layout: Layout, signature: Signature) -> None:
    """Its channels are those that the graph reads and foretells."""
    wanted = {PAST: (layout.channels, layout.context), FUTURE: (layout.ahead, layout.horizon)}
    for name, (channels, length) in wanted.items():
        codec = signature.inputs.get(name)
        if codec is None and not channels:
            continue
        if not isinstance(codec, Series) or (codec.channels, codec.length) != (channels, length):
            raise BundleError(f"the signature's {name!r} is not what the layout makes.", where=RECORD)
    target = signature.targets.get(layout.target)
    if (
        len(signature.targets) != 1
        or not isinstance(target, Series)
        or target.length != layout.horizon
        or not target.levels
    ):
        raise BundleError("the signature's target is not what the layout foretells.", where=RECORD)  # fmt: skip
    others = {name for name in (layout.series_field, *layout.static) if name}
    if signature.inputs.keys() - {PAST, FUTURE} != others & signature.inputs.keys():
        raise BundleError("the signature has inputs that the layout doesn't make.", where=RECORD)


def _case(record: Any, layout: Layout) -> HistoryCase:
    fields = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    rows, answers, horizon = fields.get("rows"), fields.get("answers"), fields.get("horizon")
    if (
        fields.keys() != {"name", "rows", "horizon", "answers"}
        or not is_text(fields["name"])
        or not is_whole(horizon, 1, 2**16)
        or not isinstance(rows, dict)
        or not isinstance(answers, list)
    ):
        raise BundleError("a history is not rows with answers.", where=HISTORIES)
    columns = cast("dict[str, Any]", rows)
    sizes = {len(cast("list[Any]", cells)) if isinstance(cells, list) else -1 for cells in columns.values()}
    if columns.keys() != {*layout.columns} or len(sizes) != 1 or min(sizes) < 1:
        raise BundleError("a history doesn't have the columns of the layout.", where=HISTORIES)
    return HistoryCase(
        fields["name"],
        cast("Rows", columns),
        cast("int", horizon),
        [cast("dict[str, Any]", a) for a in cast("list[Any]", answers)],
    )


def columns_of(rows: Rows) -> dict[str, Array]:
    """The cells as columns of objects."""
    found: dict[str, Array] = {}
    for name, cells in rows.items():
        found[name] = np.empty(len(cells), object)
        found[name][:] = cells
    return found
