"""Acting on a decision with a share of it kept to chance, so that the next plan learns what the levers cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.decide.follow.drawn import Drawn, epsilon_greedy
from drivetrain.decide.judge.decision import Decision, Moved
from drivetrain.errors import UsageError, nearest

LEVELS, MOST_LEVELS = 5, 200


@public
def explore(
    decision: Decision,
    lever: str = "",
    *,
    rows: int | None = None,
    levels: Sequence[Any] = (),
    share: float = 0.1,
    seed: int = 0,
) -> Drawn:
    """What a lever is to be for each row: as decided, but for a `share` of them any of `levels`, by chance, each logged with its
    propensity (`Drawn.columns`). `rows` is for how many where the decision is one for all.

    `levels` are of a choice all, of a switch both, of a number five from the lowest to the highest that was ever tried (its bounds,
    where nobody said), what is proposed, and what it is now: so that the gain can be told. Raises UsageError.
    """
    chosen = _lever(decision, lever)
    if chosen.by_row is not None:
        proposed: list[Any] = [*chosen.by_row["proposed"]]
        if rows is not None and rows != len(proposed):
            raise UsageError(
                f"it is decided for {len(proposed):,} rows, not {rows:,}.", where="rows", fix="Leave it out."
            )
    elif rows is None:
        raise UsageError(
            "it is one decision for all rows: for how many isn't said.", where="rows", fix="rows = 1000"
        )
    else:
        proposed = [chosen.proposed] * rows
    before = [] if chosen.now is None or chosen.each else [chosen.now]
    some = list(dict.fromkeys([*(levels or [*_levels(chosen), *before]), *proposed]))
    if len(some) > MOST_LEVELS:
        raise UsageError(
            f"{chosen.name} has {len(some):,} different values, and a share of each can't be tried.", where="levels",
            fix="Give the lever a step, and decide again.",
        )  # fmt: skip
    return epsilon_greedy(proposed, some, share, seed)


def _lever(decision: Decision, name: str) -> Moved:
    names = [each.name for each in decision.levers]
    if not name and len(names) == 1:
        return decision.levers[0]
    if name not in names:
        error = f"there is no lever {name!r}." if name else "which lever isn't said."
        raise UsageError(error, fix=nearest(name, names) or f"There are {', '.join(names)}.")
    return decision.levers[names.index(name)]


def _levels(lever: Moved) -> list[Any]:
    if lever.kind == "switch":
        return [False, True]
    if lever.kind == "choice":
        return [*lever.choices]
    low, high = lever.low, lever.high
    if lever.observed is not None:
        low, high = max(low, lever.observed["low"]), min(high, lever.observed["high"])
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UsageError(
            f"{lever.name} has no bounds.", where="levels", fix="Say which levels are to be tried."
        )
    places = np.linspace(low, high, LEVELS)
    step = lever.step if np.isfinite(lever.step) else 1.0 if lever.kind == "whole" else 0.0
    if step:
        places = lever.low + np.round((places - lever.low) / step) * step
    return list(dict.fromkeys(places.tolist()))
