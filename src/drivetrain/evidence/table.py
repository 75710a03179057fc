"""To act or not, where a claim may be true or false: four cells, each with what it is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from drivetrain.arguments import check_fields, public
from drivetrain.errors import UsageError
from drivetrain.figures import percent, rough

CELLS = ("act_true", "act_false", "wait_true", "wait_false")
CALLED = {
    "act_true": "acting where it is true",
    "act_false": "acting where it is false",
    "wait_true": "not acting where it is true",
    "wait_false": "not acting where it is false",
}


@dataclass(frozen=True, slots=True)
class Table:
    """What each of the four cells is worth, in one unit (money, days, lives): what comes of acting, or of not acting (wait),
    where the claim is true, and where it is false."""

    act_true: float
    act_false: float
    wait_true: float = 0.0
    wait_false: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def threshold(self) -> float:
        """The chance that the claim is true from which on acting is worth more (or, where acting is worse if it is true,
        less). Outside of 0 to 1, or NaN: it doesn't depend on the claim."""
        gain, loss = self.act_true - self.wait_true, self.wait_false - self.act_false
        return loss / (gain + loss) if gain + loss else math.nan


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do at a `posterior`: `act` and `wait` are the expected utilities, `expected` that of the better one (`best`).

    `perfect_before` and `perfect`: what it would be worth to know the truth, before these data and after them. `turns`: cell
    -> the value at which the choice would turn, all else the same (None: at none); `drives` names the cell that is nearest to
    that, by what it would have to change relative to the spread of all cells. `ratio_to_turn`: the likelihood ratio, times
    which the evidence would turn the choice; None: none would.
    """

    prior: float
    likelihood_ratio: float
    posterior: float
    threshold: float
    act: float
    wait: float
    table: Table
    perfect_before: float
    perfect: float
    turns: dict[str, float | None]
    drives: str | None
    ratio_to_turn: float | None
    unit: str = ""

    @property
    def best(self) -> str:
        return "act" if self.act > self.wait else "don't act"

    @property
    def expected(self) -> float:
        return max(self.act, self.wait)

    @property
    def words(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        told = (
            f"{self.best.capitalize()}: worth {rough(self.act)}{unit}, not acting {rough(self.wait)}{unit}, "
        )
        told += f"where the claim is true with a chance of {percent(self.posterior)}"
        if 0 < self.threshold < 1:
            told += f" (acting pays {'from' if self._rises else 'up to'} {percent(self.threshold)})"
        told += f". To know for sure would be worth {rough(self.perfect)}{unit}."
        if self.drives is not None and (turns := self.turns[self.drives]) is not None:
            now = f"{CALLED[self.drives]}, {rough(getattr(self.table, self.drives))}{unit}"
            told += f" What it hangs on most: {now}; it turns at {rough(turns)}{unit}."
        return told

    @property
    def _rises(self) -> bool:
        return self.table.act_true - self.table.wait_true > self.table.act_false - self.table.wait_false

    def to_json(self) -> dict[str, Any]:
        return {
            "prior": self.prior, "likelihood_ratio": self.likelihood_ratio, "posterior": self.posterior,
            "threshold": None if math.isnan(self.threshold) else self.threshold, "act": self.act, "wait": self.wait,
            "best": self.best, "expected": self.expected,
            "table": {cell: getattr(self.table, cell) for cell in CELLS},
            "perfect_before": self.perfect_before, "perfect": self.perfect, "turns": self.turns, "drives": self.drives,
            "ratio_to_turn": self.ratio_to_turn, "unit": self.unit, "words": self.words,
        }  # fmt: skip


@public
def weigh_action(prior: float, table: Table, likelihood_ratio: float = 1.0, *, unit: str = "") -> Choice:
    """Whether to act on a claim that was true with chance `prior`, after evidence that is `likelihood_ratio` times likelier
    where it is true than where it is false (1: no evidence). Raises UsageError."""
    if not 0 <= prior <= 1:
        raise UsageError(f"a chance of {prior} can't be.", fix="Give the prior from 0 to 1.")
    if not (likelihood_ratio > 0 and math.isfinite(likelihood_ratio)):
        raise UsageError(f"a likelihood ratio of {likelihood_ratio} can't be.", fix="Give one above 0.")
    for cell in CELLS:
        if not math.isfinite(getattr(table, cell)):
            raise UsageError(f"{CALLED[cell]} is worth {getattr(table, cell)}.", fix="Give a number.")
    p = prior * likelihood_ratio / (prior * likelihood_ratio + 1 - prior)
    act, wait, perfect = _worth(p, table)
    ahead = act - wait
    shares = {"act_true": p, "act_false": 1 - p, "wait_true": -p, "wait_false": p - 1}
    turns = {cell: getattr(table, cell) - ahead / share if share else None for cell, share in shares.items()}
    changes = {cell: abs(ahead / share) for cell, share in shares.items() if share}
    # A cell of 0 by definition (nothing done, nothing gained) drives nothing: the ones that somebody put a figure to do.
    named = {cell: change for cell, change in changes.items() if getattr(table, cell) != 0}
    relative = {cell: change / abs(getattr(table, cell)) for cell, change in named.items()}
    drives = min(relative, key=lambda cell: relative[cell], default=None)
    threshold = table.threshold
    turn = threshold / (1 - threshold) / (p / (1 - p)) if 0 < threshold < 1 and 0 < p < 1 else None
    return Choice(
        prior, likelihood_ratio, p, threshold, act, wait, table, _worth(prior, table)[2], perfect, turns, drives, turn, unit
    )  # fmt: skip


def _worth(p: float, table: Table) -> tuple[float, float, float]:
    """The expected utility of acting, of not acting, and by how much knowing the truth would be better than the better one."""
    act = p * table.act_true + (1 - p) * table.act_false
    wait = p * table.wait_true + (1 - p) * table.wait_false
    known = p * max(table.act_true, table.wait_true) + (1 - p) * max(table.act_false, table.wait_false)
    return act, wait, known - max(act, wait)
