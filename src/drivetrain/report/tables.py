"""Sections of the report page about columns: what they are, where the model is worst, what it relies on, how far off
its numbers are. Each takes the page's content and gives HTML, "" where there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from drivetrain.charts import Chart, table_html
from drivetrain.figures import percent
from drivetrain.report import words

SHOWN = 24
"""Of more columns the rest is folded away."""


def columns(content: Mapping[str, Any]) -> str:
    """What each column was taken for and why, how much of it is missing, what is left out; and some rows."""
    found = content.get("columns") or []
    parts = []
    if isinstance(content.get("sample"), Chart):
        parts.append(figure(content["sample"], "Rows as the model gets them"))
    parts += [figure(chart, told) for chart, told in content.get("lengths") or []]
    together = (
        "words that lie together speak alike to the model (the two principal components of their vectors)"
    )
    parts += [figure(chart, f"{chart.title}: {together}") for chart in content.get("vectors") or []]
    left_out = [column for column in found if column.get("role") == "left out"]
    used = [column for column in found if column.get("role") != "left out"]
    if used:
        parts.append(_column_table(used[:SHOWN], "reason"))
    if len(used) > SHOWN:
        more = _column_table(used[SHOWN:], "reason")
        parts.append(f"<details><summary>{len(used) - SHOWN:,} more columns</summary>{more}</details>")
    if left_out:
        parts.append("<h3>Left out</h3>" + _column_table(left_out[:SHOWN], "why it is left out"))
        if len(left_out) > SHOWN:
            more = _column_table(left_out[SHOWN:], "why it is left out")
            parts.append(f"<details><summary>{len(left_out) - SHOWN:,} more</summary>{more}</details>")
    return "".join(parts)


def _column_table(found: Sequence[Mapping[str, Any]], why: str) -> str:
    rows = [
        [
            f"{column['name']} (target)" if column.get("role") == "target" else column["name"],
            column.get("kind"),
            _share(column.get("missing")),
            column.get("reason"),
        ]
        for column in found
    ]
    return f'<div class="columns">{scroll(table_html(rows, ["column", "taken for", "missing", why]))}</div>'


def _share(missing: float | None) -> str:
    return percent(missing) if missing else ""


def predictions(content: Mapping[str, Any]) -> str:
    """A number's predictions beside the truth, what the range of an answer means and how often it held."""
    found = content.get("predictions") or {}
    parts = (
        [f"<p>{escape(found['interval'])} {escape(_held(found.get('held')))}</p>"]
        if found.get("interval")
        else []
    )
    for chart, caption in found.get("charts") or []:
        parts.append(figure(chart, caption))
    return "".join(parts)


def _held(estimate: Mapping[str, Any] | None) -> str:
    if not estimate or estimate.get("value") is None:
        return ""
    told = words.estimate_text("interval_coverage", estimate)
    return f"Measured by halves, the width of one on the rows of the other, it held in {told} of them."


def thresholds(content: Mapping[str, Any]) -> str:
    """What each threshold between two classes costs."""
    chart = content.get("thresholds")
    if chart is None:
        return ""
    return figure(
        chart,
        "Dashed: where answers are parted now. Ring: the least on these rows, likely a little off on others.",
    )


def slices(content: Mapping[str, Any]) -> str:
    """Where the model is worse than elsewhere, and what was tried."""
    found = content.get("slices")
    if not found:
        return ""
    chart = found.get("chart")
    measure = str(found["measure"])
    caption = f"{measure[:1].upper()}{measure[1:]} in each slice, and elsewhere"
    shown = "" if chart is None else figure(chart, caption)
    told = "".join(f"<li>{escape(unbroken(text))}</li>" for text in found.get("sentences") or [])
    listed = f'<ul class="plain">{told}</ul>' if told else ""
    return f'{shown}{listed}<p class="small">{escape(found["summary"])}</p>'


def importance(content: Mapping[str, Any]) -> str:
    """What the model relies on."""
    found = content.get("importance")
    if not found:
        return ""
    told = "".join(f"<p>{escape(text)}</p>" for text in found["sentences"][:-1])
    shown = figure(found["chart"], f"{found['chart'].title}. Grey: could be chance.")
    return f'{told}{shown}<p class="small">{escape(found["sentences"][-1])}</p>'


def told_words(content: Mapping[str, Any]) -> str:
    """The words that speak most for each class, or for more and for less of a number; and texts with their words shaded."""
    found = content.get("words") or {}
    parts: list[str] = []
    if strongest := found.get("strongest"):
        legend = (
            "What a word adds to the number where it stands, on the scale that is learned, as the mean over the texts that have it."
            if strongest.keys() == {"more", "less"}
            else "What a word adds to the logarithm of the odds of a class where it stands, as the mean over the texts that have "
            "it: 0.7 doubles the odds. In brackets: how many of the texts that were looked at have it."
        )
        rows = [[side, _listed(words)] for side, words in strongest.items()]
        parts.append(
            f'<p class="small">{legend}</p>{scroll(table_html(rows, ["speaks for", "words"], longest=40))}'
        )
    if isinstance(found.get("texts"), Chart):
        parts.append(figure(found["texts"], found["texts"].title))
    return "".join(parts)


def _listed(words: Sequence[Mapping[str, Any]]) -> str:
    space = "\N{NO-BREAK SPACE}"
    told = (f"{each['word']} {each['adds']:+.2f} ({each['texts']:,})".replace(" ", space) for each in words)
    return ", ".join(told) or "none"


def unbroken(text: str) -> str:
    """The text, its percent signs and its n kept beside their numbers."""
    space = "\N{NO-BREAK SPACE}"
    return text.replace(" %", f"{space}%").replace("n = ", f"n{space}={space}")


def figure(chart: Chart, caption: str) -> str:
    """A chart with words above it."""
    return f'<figure class="chart"><figcaption>{escape(caption)}</figcaption>{chart.to_html(titled=False)}</figure>'


def scroll(table: str) -> str:
    """A table that may be wider than the window."""
    return f'<div class="scroll">{table}</div>'
