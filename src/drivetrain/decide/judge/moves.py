"""The levers of a decision: as they are now and as they are proposed, beside what was ever observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.judge.decision import Moved, Value
from drivetrain.decide.plans.lever import Lever, extrapolates
from drivetrain.figures import number, rough

Floats = npt.NDArray[np.float64]
BINS = 20
MOST_ROWS = 1_000_000


def moved(lever: Lever, now: Floats | None, proposed: Floats, notes: tuple[str, ...] = ()) -> Moved:
    """Of values () or (rows,), `now` None where nobody said."""
    values = np.atleast_1d(np.asarray(proposed, np.float64))
    before = None if now is None else np.broadcast_to(np.atleast_1d(now), values.shape)
    changed = None if before is None else int((np.abs(values - before) > 1e-12).sum())
    change = np.nan
    if before is not None and lever.is_number:
        change = float(values.mean() - before.mean())
    return Moved(
        name=lever.name, kind=lever.kind, unit=lever.unit, each=lever.by_row,
        low=_number(lever.low), high=_number(lever.high), step=_number(lever.step), choices=lever.choices,
        now=None if before is None else told(lever, before), proposed=told(lever, values), change=change,
        moved=changed is None or changed > 0, words=_words(lever, before, values, changed), observed=_observed(lever),
        extrapolates=_beyond(lever, values), rule={"words": [*notes]} if lever.rule is not None else None,
        spread=_spread(lever, before, values, changed) if lever.by_row else None,
        by_row=_by_row(lever, before, values) if lever.by_row else None,
    )  # fmt: skip


def told(lever: Lever, values: Floats) -> Value:
    """One value for all: the mean of numbers, else the most frequent."""
    if lever.is_number:
        return float(values.mean())
    places, counts = np.unique(values, return_counts=True)
    return plain(lever, float(places[counts.argmax()]))


def plain(lever: Lever, value: float) -> Value:
    """A lever's number as a person gives it: the text of a choice, whether a switch is on."""
    if lever.kind == "switch":
        return bool(value)
    return lever.choices[int(value)] if lever.kind == "choice" else float(value)


def shown(lever: Lever, value: Value) -> str:
    """In a sentence."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return f"{number(float(value))} {lever.unit}".strip()
    return str(value)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _words(lever: Lever, now: Floats | None, values: Floats, changed: int | None) -> str:
    target = shown(lever, told(lever, values))
    if not lever.by_row:
        if now is None:
            return f"{lever.name}: {target}"
        before = shown(lever, told(lever, now))
        return f"{lever.name}: {before} -> {target}" if changed else f"{lever.name}: stays {target}"
    if values.min() == values.max():
        among = f"{target} for all"
    elif lever.is_number:
        among = f"{number(values.min())} to {shown(lever, float(values.max()))}, {rough(float(values.mean()))} on average"
    elif lever.kind == "switch":
        among = f"on for {int(values.sum()):,} of {len(values):,} rows"
    else:
        counts = np.bincount(values.astype(np.int64), minlength=len(lever.choices))
        most = np.argsort(-counts, kind="stable")[:3]
        among = ", ".join(f"{lever.choices[place]} for {counts[place]:,}" for place in most if counts[place])
    told_ = f"{lever.name}, by row: {among}"
    return told_ if changed is None else f"{told_}; {changed:,} of {len(values):,} rows change"


def _observed(lever: Lever) -> Mapping[str, Any] | None:
    if lever.tried is None:
        return None
    seen = lever.tried
    if lever.is_number:
        counts, edges = np.histogram(seen, bins=BINS)
        return {
            "low": float(seen.min()), "high": float(seen.max()), "n": len(seen),
            "edges": edges.tolist(), "counts": counts.tolist(),
        }  # fmt: skip
    labels = ["off", "on"] if lever.kind == "switch" else [*lever.choices]
    counts = np.bincount(seen.astype(np.int64), minlength=len(labels)).tolist()
    values = [label for label, count in zip(labels, counts) if count]
    return {"low": None, "high": None, "n": len(seen), "values": values, "labels": labels, "counts": counts}


def _beyond(lever: Lever, values: Floats) -> Mapping[str, Any] | None:
    outside = extrapolates(lever, values)
    if not outside.any() or lever.tried is None:
        return None
    share = float(outside.mean())
    if lever.is_number:
        low, high = number(float(lever.tried.min())), number(float(lever.tried.max()))
        what = (
            shown(lever, float(values[outside][0]))
            if share == 1 and len(values) == 1
            else f"{share:.0%} of its values"
        )
        verb = "is" if len(values) == 1 else "are"
        return {
            "share": share,
            "words": f"{lever.name}: {what} {verb} outside of all that was ever tried, {low} to {high}",
        }
    never = shown(lever, plain(lever, float(values[outside][0])))
    return {"share": share, "words": f"{lever.name}: {never} was never tried"}


def _spread(lever: Lever, now: Floats | None, values: Floats, changed: int | None) -> Mapping[str, Any]:
    more = {"rows": len(values), "changed": changed}
    if lever.is_number:
        both = values if now is None else np.concatenate([values, now])
        edges = np.histogram_bin_edges(both, bins=BINS)
        counts = [None if each is None else np.histogram(each, edges)[0].tolist() for each in (now, values)]
        return {"edges": edges.tolist(), "now": counts[0], "proposed": counts[1], **more}
    labels = ["off", "on"] if lever.kind == "switch" else [*lever.choices]
    counts = [
        None if each is None else np.bincount(each.astype(np.int64), minlength=len(labels)).tolist()
        for each in (now, values)
    ]
    return {"labels": labels, "now": counts[0], "proposed": counts[1], **more}


def _by_row(lever: Lever, now: Floats | None, values: Floats) -> Mapping[str, Any]:
    def as_given(each: Floats) -> list[Any]:
        if lever.kind == "switch":
            return (each != 0).tolist()
        if lever.kind == "choice":
            return [lever.choices[int(place)] for place in each]
        return each.tolist()

    return {"now": None if now is None else as_given(now), "proposed": as_given(values)}
