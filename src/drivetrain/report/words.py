"""Metrics in words, the same in the page and on the card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drivetrain.figures import number, percent, rough
from drivetrain.metrics.names import metric

Estimates = Mapping[str, Mapping[str, Any]]

PARTS = {"train": "training", "valid": "validation", "test": "test"}


def value_text(name: str, value: float | None, n: int = 0) -> str:
    """The value of a metric: `97.2 %` or `0.1049`; "undefined" for None. Many rows earn a percentage two decimals."""
    if value is None:
        return "undefined"
    return percent(value, 2 if n >= 5000 else 1) if metric(name).share else number(value)


def title(name: str) -> str:
    """The name of a metric at the beginning of a line."""
    told = metric(name).name
    return told[:1].upper() + told[1:]


def interval_text(name: str, estimate: Mapping[str, Any], joint: str = " to ") -> str:
    """`94.9 to 98.5 %`; empty where the interval is undefined."""
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return ""
    n = estimate.get("n") or 0
    start = value_text(name, low, n).removesuffix(" %")
    return f"{start}{joint}{value_text(name, high, n)}"


def estimate_text(name: str, estimate: Mapping[str, Any]) -> str:
    """`97.2 % (94.9 to 98.5)`."""
    value = value_text(name, estimate.get("value"), estimate.get("n") or 0)
    interval = interval_text(name, estimate).removesuffix(" %")
    return f"{value} ({interval})" if interval else value


def tried_rows(tried: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Names of columns, and a row for each model that was tried, the weightiest first: its metric on rows that it had not
    seen, how much it has to say in what answers, and what it took."""
    found = sorted(tried, key=lambda each: -max([*each["weights"].values(), 0.0]) if each["key"] else -2.0)
    measure = found[0]["measure"] if found else ""
    asked = max((each["value"].get("n") or 0 for each in found), default=0)
    rows = [
        [
            str(each["name"]),
            estimate_text(each["measure"], each["value"])
            + (f", on {each['value']['n']:,} rows" if (each["value"].get("n") or 0) < asked else ""),
            " / ".join(f"{weight:.2f}" if weight else "-" for weight in each["weights"].values()) or "-"
            if each["key"]
            else "",
            str(each["words"]),
            f"{each['seconds']:.1f} s" if each["key"] else "",
        ]
        for each in found
    ]
    return [
        "tried",
        metric(measure).name if measure else "",
        "weight",
        "beside it the blend is",
        "took",
    ], rows


def headline_metric(metrics: Mapping[str, Estimates]) -> tuple[str, str] | None:
    """(part, metric) of the main result: test before valid before train, and its first metric."""
    for part in sorted(metrics, key=lambda part: {"test": 0, "valid": 1}.get(part, 2)):
        if metrics[part]:
            return part, next(iter(metrics[part]))
    return None


def rows_text(n: int | None, part: str, things: str = "rows") -> str:
    """`360 validation pictures`."""
    return f"{n:,} {PARTS.get(part, part)} {things}" if n else f"the {PARTS.get(part, part)} {things}"


def sentence(name: str, estimate: Mapping[str, Any], part: str, things: str) -> str:
    """The result in a sentence without its interval: `97.2 % of 360 validation pictures are classified right`."""
    value = value_text(name, estimate.get("value"), estimate.get("n") or 0)
    rows = rows_text(estimate.get("n"), part, things)
    target, _, last = name.rpartition(".")
    measure = metric(last)
    if measure.sentence:
        told = measure.sentence.format(value=value, rows=rows)
    else:
        told = f"{title(last)} of {value} on {rows}"
    return f"{target}: {told}" if target else told


def best_baseline(name: str, baselines: Mapping[str, Estimates]) -> str | None:
    """The baseline with the best value of the metric."""
    known = {
        key: b[name]["value"]
        for key, b in baselines.items()
        if name in b and b[name].get("value") is not None
    }
    if not known:
        return None
    return (max if metric(name).higher else min)(known, key=known.__getitem__)


def comparison(name: str, ours: Mapping[str, Any], baselines: Mapping[str, Estimates]) -> str:
    """How the model stands beside the best baseline, with no more certainty than the intervals have; "" without one."""
    best = best_baseline(name, baselines)
    if best is None or ours.get("value") is None:
        return ""
    theirs = baselines[best][name]
    theirs_text = estimate_text(name, theirs)
    sign = 1 if metric(name).higher else -1
    if sign * (ours["value"] - theirs["value"]) <= 0:
        return (
            f"The model is not better than a simple baseline: {best} reaches {theirs_text}. "
            "Use that, or find what the model lacks."
        )
    ends = [ours.get("low"), ours.get("high"), theirs.get("low"), theirs.get("high")]
    told = f"The best baseline, {best}, reaches {theirs_text}."
    if any(end is None for end in ends):
        return told
    if ours["low"] > theirs["high"] if sign > 0 else ours["high"] < theirs["low"]:
        return f"That is better than the best baseline: {best} reaches {theirs_text}."
    return f"{told} The intervals overlap: compare both on the same rows before relying on the difference."


def verdict(against: Mapping[str, Mapping[str, Any]]) -> str:
    """Who wins on the same rows, from `{baseline: {"target", "difference", "better", "words"}}`; a sentence for each
    target, "" without any. What was "tried" for the model itself is no rival of it."""
    against = {name: found for name, found in against.items() if not found.get("tried")}
    targets = list(dict.fromkeys(str(found.get("target", "")) for found in against.values()))
    told: list[str] = []
    for target in targets:
        sentence = _winner({name: e for name, e in against.items() if str(e.get("target", "")) == target})
        told.append(f"{target}: {sentence}" if len(targets) > 1 else sentence)
    return " ".join(told)


def _winner(against: Mapping[str, Mapping[str, Any]]) -> str:
    """The closest rival is the one that the model's mean loss is least below, or most above."""

    def lead(name: str) -> float:
        value = against[name]["difference"].get("value")
        return float("-inf") if value is None else value

    def by(name: str) -> str:
        return str(against[name]["words"]).partition(": ")[2]

    better = [name for name, found in against.items() if found["better"] is False]
    equal = [name for name, found in against.items() if found["better"] is None]
    name = max(better or equal or against, key=lead)
    reason = f": {by(name)}." if by(name) else "."
    if better:
        return f"The winner on the same rows is {name}, not this model{reason}"
    if equal and against[name]["difference"].get("low") is None and by(name):
        key, value = metric(against[name]["measure"]).name, against[name]["difference"].get("value") or 0.0
        apart = f"{rough(abs(value))} {'lower' if value < 0 else 'higher'} than that of {name}"
        return f"No winner: {key} is {apart}, but skill can't be told from chance{reason}"
    if equal:
        return f"No winner: what this model and {name} differ by on the same rows could be chance{reason}"
    measure = f" by {metric(against[name]['measure']).name}" if against[name].get("measure") else ""
    if len(against) == 1:
        return f"This model wins against {name}{measure} on the same rows{reason}"
    return (
        f"This model wins against all simple methods{measure} on the same rows. The closest is {name}{reason}"
    )


def methods(metrics: Iterable[Estimates]) -> list[str]:
    """`Wilson score, 95 %: accuracy, error rate`, a line for each way in which intervals were made."""
    found: dict[str, dict[str, None]] = {}
    for estimates in metrics:
        for name, estimate in estimates.items():
            if estimate.get("method"):
                found.setdefault(str(estimate["method"]), {})[metric(name).name] = None
    return [f"{method}: {', '.join(names)}" for method, names in found.items()]
