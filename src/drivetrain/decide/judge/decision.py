"""A decision: what to do, what is promised, on what that rests, and all that is needed to come to it again (`FORMAT.md`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast, runtime_checkable

from drivetrain import extensions
from drivetrain.arguments import public
from drivetrain.decide.beyond import Beyond
from drivetrain.decide.judge import screen
from drivetrain.decide.judge.wire import from_wire, to_wire
from drivetrain.errors import DataError, UsageError
from drivetrain.files import from_json, open_regular, to_json, write_text

FORMAT, VERSION = "drivetrain-decision", 1
MOST_BYTES = 2**28
LEVEL = 0.9
"""Of every interval of a decision."""
Verdict = Literal["act", "test first", "do not act", "comparison only"]
Value = float | str | bool | None
"""Of a lever: a number, the text of a choice, whether a switch is on."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Promised:
    """A `value`, and `low` to `high` that holds it in a share `level` of cases, as `method` says; nan where there is none. `n` is
    what it is made of."""

    value: float
    low: float
    high: float
    method: str
    n: int
    level: float = LEVEL


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for."""

    sense: Literal["maximise", "minimise"]
    expression: str
    over: str
    statistic: str
    horizon: int
    discount: float
    unit: str
    words: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A lever `now` and as `proposed`: of one with a value per row the mean (of a choice the most frequent), and all in `by_row`.

    `observed` has `low`, `high`, `n`, and the histogram's `edges` and `counts`; `spread` how the rows' values lie, now and then;
    `extrapolates` its `share` beyond what was observed, and `words`; `rule` the `words` of a tree.
    """

    name: str
    kind: str
    unit: str
    each: bool
    low: float
    high: float
    step: float
    choices: tuple[str, ...]
    now: Value
    proposed: Value
    change: float
    moved: bool
    words: str
    observed: Json | None = None
    extrapolates: Json | None = None
    rule: Json | None = None
    spread: Json | None = None
    by_row: Json | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What the proposed setting is worth beside the current practice. A gain above 0 is better, whatever the sense.

    `gain` is over draws: what may come. `corrected` is what is left of it after what being the best of `compared` settings
    adds by luck, with how sure what was learned from data is; None where nothing was. `relative` is the gain by the size of
    now.
    """

    now: Promised | None
    proposed: Promised
    gain: Promised | None
    corrected: Promised | None
    compared: int | None
    relative: float
    regret_of_now: float
    chance_of_gain: float
    chance_of_loss: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict, whether the word optimal may be said, and why."""

    word: Verdict
    optimal: bool
    words: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A constraint at the proposed setting. `slack` is what is to spare, `price` what the objective gains per unit of a looser
    bound."""

    name: str
    that: str
    hard: bool
    statistic: str
    value: float
    bound: float
    slack: float
    active: bool
    holds: bool
    price: float
    words: str


@dataclass(frozen=True, slots=True)
class Rests:
    """The weakest `claim` between a lever and the objective; the `nodes`, the `arrows` between them and the `paths` of
    each lever."""

    claim: Json
    words: str
    nodes: tuple[Json, ...]
    arrows: tuple[Json, ...]
    paths: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Turning:
    """What could turn the decision: gains where one uncertain thing is at its 5 % or 95 % point, and how strong a hidden cause
    would have to be."""

    tornado: tuple[Json, ...]
    sensitivity: tuple[Json, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is promised of an outcome: its mean over rows at the proposed setting, and the range of 90 % of the draws."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    over: str = "mean"


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file, by what it held."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle, by the hash that it has."""

    path: str
    hash: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a decision was made of: the tables of its `plan`, the `folder` that its paths start from, what they held, and
    `versions`."""

    plan: Mapping[str, Any]
    folder: str
    files: tuple[Hashed, ...]
    bundles: tuple[Bundled, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Decision:
    """What to do, what is promised, what that rests on. `print` tells it on one screen, a notebook shows it, `page` writes the
    whole of it, `save` the file that replays it. `FORMAT.md` says what each field holds."""

    name: str
    words: str
    objective: Asked
    rows: int
    draws: int
    seed: int
    simulated: bool
    levers: tuple[Moved, ...]
    result: Result
    verdict: Judged
    certificate: Json
    constraints: tuple[Held, ...]
    rests_on: Rests
    extrapolates: tuple[Beyond, ...]
    could_turn: Turning
    worst: Json | None
    try_first: Json | None
    charts: Json
    promise: tuple[Outlook, ...]
    notes: tuple[str, ...]
    replay: Recipe
    decided: str
    seconds: float = 0.0
    format: str = FORMAT
    version: int = VERSION
    where: str = field(default="", compare=False)
    """The file that it was read from."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what is undefined is null."""
        found = {"format": self.format, "version": self.version} | cast("dict[str, Any]", to_wire(self))
        del found["where"]
        return found

    @classmethod
    def from_json(cls, value: object, where: str = "decision") -> Decision:
        """Of what `to_json` made. Raises DataError for anything else, and for a newer version."""
        found = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else dict[str, Any]()
        if found.get("format") != FORMAT:
            raise DataError("this is no decision.", where=where, fix="Give a file that `decide` wrote.")
        if (version := found.get("version")) != VERSION:
            raise DataError(
                f"a decision of version {version!r}, and {VERSION} is the newest known here.", where=where,
                fix="Install a newer drivetrain.",
            )  # fmt: skip
        made = from_wire(cls, {**found, "where": where}, where)
        if min(made.rows, made.draws) < 1:
            raise DataError("a decision is of one row and one draw at least.", where=where)
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, whole or not at all, as `drivetrain decide --out` does: `open_decision` and `--replay` read it.
        Raises UsageError for the name of a page."""
        if os.fspath(path).lower().endswith((".html", ".htm")):
            raise UsageError(
                "a decision is saved as JSON.",
                where=path,
                fix=f"Write the page by page({os.fspath(path)!r}).",
            )
        write_text(path, to_json(self.to_json(), indent=1) + "\n")

    @public
    def page(self, path: str | os.PathLike[str], *, outcomes: ToJson | None = None) -> None:
        """Write the page, one HTML file without script or network, as `drivetrain decide --html` does; with `outcomes` it begins
        with what came back (`decide.outcomes`). Raises FileError; DrivetrainError where matplotlib isn't installed."""
        _report().write_decision(path, self.to_json(), None if outcomes is None else outcomes.to_json())

    def __str__(self) -> str:
        return screen.text(screen.screen(self.to_json()))

    def __repr__(self) -> str:
        levers = ", ".join(lever.words for lever in self.levers[:4])
        return f"<Decision {self.name!r}: {self.verdict.word}; {levers}>"

    def _repr_html_(self) -> str:
        return _report().notebook_html(self.to_json())


@runtime_checkable
class ToJson(Protocol):
    """What came back, as `decide.outcomes` tells it."""

    def to_json(self) -> dict[str, Any]: ...


def _report() -> Any:
    """What draws decisions: the file of that name in the room `report`, which lies above this one and needs matplotlib."""
    found = extensions.find("report", "decision")
    assert found is not None
    return extensions.offering(found, "write_decision", "notebook_html")


@public
def open_decision(path: str | os.PathLike[str]) -> Decision:
    """A decision from its file. Raises FileError, and DataError for a file that holds none."""
    where = os.fspath(path)
    with open_regular(where, MOST_BYTES) as file:
        data = file.read()
    return Decision.from_json(from_json(data, where=where), where)
