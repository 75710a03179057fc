"""A decision in words and rows of tables, for the page and the terminal. Each takes a decision's JSON (decide/FORMAT.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from drivetrain.figures import counted, grouped, number, percent

MINUS = "\N{MINUS SIGN}"
Found = Mapping[str, Any]
LONGEST = 36
USUAL = 0.9
"""Of an interval: what share of the draws it holds."""
EXACT = 1e-6
"""Of a bound: what is nearer to it stands on it."""


def _of(found: Found, key: str) -> Found:
    """A part that may be missing."""
    return found.get(key) or {}


def _all(found: Found, key: str) -> Sequence[Any]:
    return found.get(key) or ()


def value_text(value: Any, unit: str = "") -> str:
    """A setting of a lever, or a number that was found: `35.5 EUR`, `on`, `north`; `-` where nobody knows."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):  # What a search leaves behind the seventh figure says nothing.
        return _with(grouped(float(f"{value:.7g}") + 0.0).replace("-", MINUS), unit)
    return str(value)


def estimate_text(estimate: Found | None, unit: str = "") -> str:
    """`538 EUR (412 to 651)`, with three figures of the interval's width: what lies above or below it never reads the same."""
    if not estimate or estimate.get("value") is None:
        return "-"
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    if low is None or high is None or not low < high:
        return amount_text(value, unit)
    decimals = min(12, max(0, 2 - math.floor(math.log10(high - low))))
    told, *ends = (f"{each:,.{decimals}f}".replace("-", MINUS) for each in (value or 0.0, low, high))
    return f"{_with(told, unit)} ({ends[0]} to {ends[1]})"


def amount_text(value: float | None, unit: str = "") -> str:
    """What something comes to: four figures."""
    return "-" if value is None else _with(number(value + 0.0).replace("-", MINUS), unit)


def _with(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def measure(decision: Found) -> str:
    """What the objective is called beside an axis: `profit (EUR)`, or objective, where its expression is long."""
    objective = _of(decision, "objective")
    text, unit = str(objective.get("expression") or "objective"), objective.get("unit")
    text = text if len(text) <= LONGEST else "objective"
    return text + (f" ({unit})" if unit else "")


def unit_of(decision: Found) -> str:
    return str(_of(decision, "objective").get("unit") or "")


def lever_rows(decision: Found) -> list[list[str]]:
    """Name, now, proposed, allowed and observed of each lever. One that has a value for each row: their mean, and how many rows
    change."""
    rows: list[list[str]] = []
    for lever in _all(decision, "levers"):
        unit = str(lever.get("unit") or "")
        now, proposed = (value_text(lever.get(key), unit) for key in ("now", "proposed"))
        if lever.get("each"):
            spread = _of(lever, "spread")
            changed, many = spread.get("changed"), spread.get("rows")
            kind = "mean" if lever.get("kind") in ("number", "whole") else "mostly"
            now, proposed = (text if text == "-" else f"{kind} {text}" for text in (now, proposed))
            if changed is not None and many:
                proposed += f"; changes for {changed:,} of {counted(many, 'row', 'rows')}"
        elif not lever.get("moved", True) and now != "-":
            proposed = f"{proposed} (as now)"
        rows.append([str(lever["name"]), now, proposed, _allowed(lever), _observed(lever)])
    return rows


LEVER_COLUMNS = ["lever", "now", "proposed", "allowed", "observed"]


def _allowed(lever: Found) -> str:
    if lever.get("choices"):
        return ", ".join(map(str, lever["choices"]))
    if lever.get("kind") == "switch":
        return "on or off"
    low, high = lever.get("low"), lever.get("high")
    told = _range(low, high)
    return told + (f", in steps of {grouped(float(lever['step']))}" if lever.get("step") else "")


def _observed(lever: Found) -> str:
    seen = lever.get("observed")
    if not seen:
        return "not said"
    told = ", ".join(map(str, _all(seen, "values"))) or "-"
    if seen.get("low") is not None:
        told = _range(seen["low"], seen["high"])
    return told + (f" ({seen['n']:,} rows)" if seen.get("n") else "")


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "any"
    if high is None:
        return f"from {value_text(low)}"
    return f"up to {value_text(high)}" if low is None else f"{value_text(low)} to {value_text(high)}"


def result_rows(decision: Found) -> list[list[str]]:
    """What the objective comes to now and as proposed, the gain, and what is left of it for having chosen the best."""
    found, unit = _of(decision, "result"), unit_of(decision)
    rows = [
        [told, estimate_text(found[key], unit) + _level(found[key])]
        for key, told in (
            ("now", "now"), ("proposed", "proposed"), ("gain", "gain"), ("corrected", "gain, corrected"),
        )
        if found.get(key) and found[key].get("value") is not None
    ]  # fmt: skip
    if rows and found.get("relative") is not None:
        place = next((at for at, row in enumerate(rows) if row[0] == "gain"), None)
        if place is not None:
            rows[place][1] += f", {percent(found['relative'])} of now".replace("-", MINUS)
    if found.get("regret_of_now") is not None:
        best = abs(_of(found, "proposed").get("value") or 0.0)
        of = f", {percent(found['regret_of_now'] / best)} of what is proposed" if best else ""
        rows.append(["regret of now", amount_text(found["regret_of_now"], unit) + of])
    if found.get("chance_of_gain") is not None:
        rows.append(["chance of a gain", percent(found["chance_of_gain"])])
    return rows


def _level(estimate: Found) -> str:
    """Where an interval isn't the one of 90 % that the head of its column says."""
    level = estimate.get("level")
    return "" if level in (None, USUAL) or estimate.get("low") is None else f" at {percent(level, 0)}"


def promise_rows(decision: Found) -> list[dict[str, Any]]:
    """The same as rows of a chart."""
    found = _of(decision, "result")
    names = {"now": "now", "proposed": "proposed", "gain": "gain", "corrected": "corrected for choosing"}
    strong = "corrected" if found.get("corrected") else "gain"
    return [
        {
            **found[key],
            "name": name,
            "of": "level" if key in ("now", "proposed") else "difference",
            "strong": key in ("proposed", strong),
        }
        for key, name in names.items()
        if found.get(key) and found[key].get("value") is not None
    ]


CONSTRAINT_COLUMNS = ["constraint", "is", "at", "to spare", "price of one unit"]


def constraint_rows(decision: Found) -> list[list[str]]:
    """Each constraint, whether it holds, and what a bound that is looser by one would be worth."""
    rows: list[list[str]] = []
    for found in _all(decision, "constraints"):
        state = "broken" if found.get("holds") is False else "active" if found.get("active") else "holds"
        state += "" if found.get("hard", True) else " (soft)"
        price, slack = found.get("price"), found.get("slack")
        near = EXACT * max(1e-9, *(abs(found.get(key) or 0.0) for key in ("value", "bound")))
        slack = 0.0 if slack is not None and abs(slack) <= near else slack
        rows.append([
            f"{found['name']}: {found['that']}" if found.get("name") not in (None, "", found["that"]) else str(found["that"]),
            state, value_text(found.get("value")), value_text(slack),
            "not known" if price is None else amount_text(price, unit_of(decision)),
        ])  # fmt: skip
    return rows


def front_rows(decision: Found, most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Settings of which none is better in all objectives, the proposed one marked: columns and rows, at most so many of them,
    evenly along the front."""
    found = _of(_of(decision, "charts"), "front")
    points: Sequence[Found] = _all(found, "points")
    chosen, last = found.get("chosen"), len(points) - 1
    kept = list(range(len(points)))
    if most is not None and len(points) > most:
        kept = sorted(
            {round(last * step / (most - 1)) for step in range(most)}
            | ({chosen} if chosen is not None else set())
        )
    rows = [
        [*(amount_text(value) for value in points[at]["values"]), setting_text(decision, _of(points[at], "levers")),
         "proposed" if at == chosen else ""]
        for at in kept
    ]  # fmt: skip
    return [*map(str, _all(found, "names")), "setting", ""], rows


def claim_text(claim: Any) -> str:
    """`adjusted for season`"""
    if not isinstance(claim, Mapping):
        return str(claim)
    claim = cast("Found", claim)
    if claim.get("kind") == "adjusted" and claim.get("adjusted_for"):
        return f"adjusted for {', '.join(map(str, claim['adjusted_for']))}"
    return str(claim.get("kind"))


def setting_text(decision: Found, setting: Found, by_row: str = "") -> str:
    """`price 80 EUR, letter off`; `by_row` is said of what levers have that differ from row to row."""
    levers: dict[str, Found] = {str(lever["name"]): lever for lever in _all(decision, "levers")}
    told = list[str]()
    for name, value in setting.items():
        lever = levers.get(name, {})
        which = f" {by_row}" if by_row and lever.get("each") else ""
        told.append(f"{name} {value_text(value, str(lever.get('unit') or ''))}{which}")
    return ", ".join(told)


def simulated(decision: Found) -> str:
    """The sentence that each page of made-up data begins with; else ""."""
    return "The data are simulated: nothing here was measured." if decision.get("simulated") else ""


def headline(decision: Found) -> tuple[str, str]:
    """What is proposed and promised, and what to make of it."""
    told, judged = str(decision.get("words") or ""), str(_of(decision, "verdict").get("words") or "")
    return told.removesuffix(judged).strip(), judged


def because(decision: Found) -> list[str]:
    """The reasons of a verdict, without what `beyond` says."""
    said = " ".join(beyond(decision)).lower()
    return [
        str(each)
        for each in _of(decision, "verdict").get("because") or ()
        if str(each).rstrip(".").lower() not in said
    ]


def notes(decision: Found) -> list[str]:
    """What else a reader must see; that the data are simulated is said before."""
    return [
        str(each)
        for each in _all(decision, "notes")
        if not (decision.get("simulated") and "are simulated" in str(each))
    ]


def turning(decision: Found) -> list[str]:
    """What would turn the sign of the gain, a sentence each."""
    found = _of(decision, "could_turn")
    told = [
        *map(str, _all(found, "words")),
        *(str(each["words"]) for each in _all(found, "sensitivity") if each.get("words")),
    ]
    bars = _all(found, "tornado")
    if bars and not any(bar.get("turns") for bar in bars):
        told.append(
            "No uncertain thing of the plan turns the gain into a loss by itself, from its 5 % to its 95 % point."
        )
    return told


def beyond(decision: Found) -> list[str]:
    """What leaves the range of what was observed, a sentence each."""
    return [
        f"extrapolates: {each.get('words') or each.get('name')}" for each in _all(decision, "extrapolates")
    ]


def held_rows(held: Found) -> tuple[list[str], Sequence[Sequence[str]]]:
    """What was promised beside what came: columns and rows."""
    rows = [
        (
            str(each["name"]), estimate_text(each.get("promised"), str(each.get("unit") or "")),
            estimate_text(each.get("came"), str(each.get("unit") or "")),
            "inside" if each.get("inside") else "outside" if each.get("inside") is False else "not known",
        )
        for each in _all(held, "promised")
    ]  # fmt: skip
    return ["outcome", "promised", "came", "of its interval"], rows
