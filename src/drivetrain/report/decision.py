"""The page of a decision: one HTML file that needs no network and no script."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from drivetrain.charts import decision as charts
from drivetrain.charts import table_html
from drivetrain.charts.chart import has_matplotlib
from drivetrain.charts.claims import claims
from drivetrain.decide.judge import screen, words
from drivetrain.figures import number
from drivetrain.files import write_text
from drivetrain.report.page import anchor, document, settings_table
from drivetrain.report.tables import figure, scroll

Found = Mapping[str, Any]
MOST_LEVERS = 12
"""Of more, the levers that move most are drawn; the table has all."""
MOST_ROWS = 60


def write_decision(path: str | os.PathLike[str], decision: Found, held: Found | None = None) -> Path:
    """Write the page of a decision (its JSON, decide/FORMAT.md), all or nothing; with `held`, the JSON of what came back of it.
    Raises FileError; DrivetrainError where matplotlib is missing."""
    path = Path(path)
    write_text(path, decision_html(decision, held))
    return path


def decision_html(decision: Found, held: Found | None = None) -> str:
    """The page as text. A part that the decision lacks is left out."""
    sections = [("What came back", anchor("What came back"), _held(held))] if held else []
    sections += [(title, anchor(title), body) for title, make in SECTIONS if (body := make(decision))]
    kind = [
        "Decision",
        (decision.get("objective") or {}).get("words"),
        str(decision.get("decided") or "")[:16].replace("T", " "),
    ]
    versions = (decision.get("replay") or {}).get("versions") or {}
    foot = escape(" · ".join(f"{name} {version}" for name, version in versions.items()))
    return document(
        str(decision.get("name") or "Decision"),
        " · ".join(str(each) for each in kind if each),
        sections,
        foot,
        "decision",
    )


def notebook_html(decision: Found) -> str:
    """What a notebook shows of it: the screen, and what is promised as a picture where matplotlib is installed."""
    parts = list[str]()
    for place, block in enumerate(screen.screen(decision)):
        if isinstance(block, screen.Table):
            parts.append(scroll(table_html(block.rows, block.columns)))
            parts += [f"<p>and {block.more:,} more</p>"] if block.more else []
        elif block:
            parts.append(f"<p><b>{escape(block)}</b></p>" if place == 0 else f"<p>{escape(block)}</p>")
    if (rows := words.promise_rows(decision)) and has_matplotlib():
        parts.append(charts.promise(rows, words.measure(decision)).to_html())
    return "".join(parts)


def _paragraphs(told: Any, tag: str = "p") -> str:
    if isinstance(told, str):
        told = [told]
    return "".join(f"<{tag}>{escape(str(each))}</{tag}>" for each in told or () if each)


def _listed(told: Any) -> str:
    items = _paragraphs(told, "li")
    return f'<ul class="plain">{items}</ul>' if items else ""


def _result(decision: Found) -> str:
    verdict = decision.get("verdict") or {}
    word = str(verdict.get("word") or "")
    beyond, made_up = words.beyond(decision), words.simulated(decision)
    tags = [(word, word != "act"), *([("optimal", False)] if verdict.get("optimal") else []),
            *([("extrapolates", True)] if beyond else []), *([("simulated data", True)] if made_up else [])]  # fmt: skip
    parts = [
        "<p>"
        + "".join(
            f'<span class="tag{" strong" if strong else ""}">{escape(tag)}</span>'
            for tag, strong in tags
            if tag
        )
        + "</p>"
    ]
    told, judged = words.headline(decision)
    parts += [f'<p class="lead">{escape(told)}</p>', _paragraphs(judged)]
    parts.append(_listed(words.because(decision)))
    parts += [
        f'<p class="note">{escape(text)}</p>'
        for text in (*([made_up] if made_up else []), *beyond, *words.notes(decision))
    ]
    rows = words.lever_rows(decision)
    if rows:
        parts.append(
            "<h3>Levers</h3>"
            + scroll(table_html([row[:3] for row in rows[:MOST_ROWS]], words.LEVER_COLUMNS[:3]))
        )
        if len(rows) > MOST_ROWS:
            parts.append(f'<p class="small">and {len(rows) - MOST_ROWS:,} more, in the decision\'s file</p>')
    parts.append(_promise(decision))
    return "".join(parts)


def _promise(decision: Found) -> str:
    rows = words.promise_rows(decision)
    if not rows:
        return ""
    compared = (decision.get("result") or {}).get("compared")
    chosen = (
        f" The best of {compared:,} settings looks better than it is: the corrected gain takes that off."
        if compared
        else ""
    )
    parts = [
        "<h3>What is promised</h3>",
        figure(
            charts.promise(rows, words.measure(decision)), "Objective, with 90 % intervals over the draws"
        ),
        scroll(table_html(words.result_rows(decision), ["", words.measure(decision)])),
        f'<p class="small">Gains are of the same draws under both settings: above 0 is better.{chosen}</p>',
    ]
    found = (decision.get("charts") or {}).get("gain")
    gain = (decision.get("result") or {}).get("gain") or {}
    # Where nothing is uncertain all draws gain the same.
    if found and len(found.get("counts") or ()) > 1 and gain.get("low") != gain.get("high"):
        parts.append(
            figure(
                charts.gain(found, f"gain in {words.measure(decision)}"),
                "The gain, draw by draw. Orange: worse than now",
            )
        )
    return "".join(parts)


def _held(held: Found | None) -> str:
    held = held or {}
    verdict = str(held.get("verdict") or "")
    strong = "" if verdict == "as promised" else " strong"
    parts = [f'<p><span class="tag{strong}">{escape(verdict)}</span></p>'] if verdict else []
    parts.append(f'<p class="lead">{escape(str(held.get("words") or ""))}</p>')
    for each in (held.get("promised") or ())[
        :MOST_LEVERS
    ]:  # Each on an axis of its own: they have other units.
        rows = [
            {**(each.get(key) or {}), "name": key, "strong": key == "came"} for key in ("promised", "came")
        ]
        parts.append(
            figure(
                charts.promise(rows, "mean of a row"), f"{each['name']}, promised and came, with intervals"
            )
        )
    columns, told = words.held_rows(held)
    return "".join(parts) + (scroll(table_html(told, columns)) if told else "")


def _levers(decision: Found) -> str:
    levers = {str(lever["name"]): lever for lever in decision.get("levers") or ()}
    if not levers:
        return ""
    parts = [
        scroll(
            table_html(
                [[row[0], *row[3:]] for row in words.lever_rows(decision)[:MOST_ROWS]],
                ["lever", *words.LEVER_COLUMNS[3:]],
            )
        )
    ]
    curves = {str(found["lever"]): found for found in (decision.get("charts") or {}).get("curves") or ()}
    shown = sorted(levers.values(), key=lambda lever: not lever.get("moved", True))[:MOST_LEVERS]
    for lever in shown:
        name = str(lever["name"])
        body = ""
        if lever.get("spread"):
            body += figure(charts.spread(lever), "How many rows get which value")
        if (lever.get("rule") or {}).get("words"):
            lines = "\n".join(map(str, lever["rule"]["words"]))
            body += f'<p>The rule:</p><pre class="text">{escape(lines)}</pre>'
        if name in curves:
            beyond = " Hatched: never observed." if lever.get("observed") else ""
            body += figure(
                charts.curve(lever, curves[name], words.measure(decision)),
                f"The objective over this lever, the others as proposed, with its 90 % band.{beyond}",
            )
        if body:
            parts.append(f"<h3>{escape(name)}</h3>{body}")
    if len(levers) > len(shown):
        parts.append(f'<p class="small">Drawn are {len(shown)} of {len(levers):,} levers.</p>')
    return "".join(parts)


def _surface(decision: Found) -> str:
    found = (decision.get("charts") or {}).get("surface")
    if not found:
        return ""
    levers = {str(lever["name"]): lever for lever in decision.get("levers") or ()}
    hatched = " Hatched: a constraint is broken." if found.get("holds") is not None else ""
    return figure(
        charts.surface(found, levers, words.measure(decision)),
        f"{words.measure(decision)} over two levers, the others as proposed.{hatched}",
    )


def _front(decision: Found) -> str:
    found = (decision.get("charts") or {}).get("front")
    if not found or not found.get("points"):
        return ""
    columns, rows = words.front_rows(decision)
    table = scroll(table_html(rows, columns))
    return (
        "<p>Which of these is best depends on how much of one objective another is worth to you.</p>"
        + figure(charts.front(found), "Settings of which none is better in all objectives")
        + f"<details><summary>The {len(rows):,} settings</summary>{table}</details>"
    )  # fmt: skip


def _constraints(decision: Found) -> str:
    rows = words.constraint_rows(decision)
    if not rows:
        return ""
    legend = "The price is what the objective would gain if the bound were looser by one; 0 where it holds nothing back."
    told = [
        each.get("words")
        for each in decision.get("constraints") or ()
        if each.get("active") or each.get("holds") is False
    ]
    return (
        _listed(told) + scroll(table_html(rows, words.CONSTRAINT_COLUMNS)) + f'<p class="small">{legend}</p>'
    )


KNOWN_BY = {
    "definition": "true by its words, such as profit = price less cost",
    "randomised": "the lever was set by chance, so what follows is its effect",
    "adjusted": "the lever was chosen by somebody; what they chose by is held fixed, as far as it is named",
    "assumed": "somebody says so",
    "undeclared": "nobody says so: a comparison, not an effect",
}


def _rests_on(decision: Found) -> str:
    found = decision.get("rests_on") or {}
    if not found:
        return ""
    levers = [str(lever["name"]) for lever in decision.get("levers") or ()]
    parts = [_paragraphs(found.get("words"))]
    if found.get("arrows"):
        parts.append(
            figure(
                claims(found, levers[:MOST_LEVERS]),
                "From the levers to the objective; each arrow by where its claim comes from",
            )
        )
    paths = [
        [
            str(path.get("words") or "").replace(" -> ", " → ")
            or " → ".join([path["lever"], *path["through"]]),
            words.claim_text(path["claim"]),
        ]
        for path in found.get("paths") or ()
    ]
    if paths:
        parts.append(
            scroll(
                table_html(
                    paths[:MOST_ROWS], ["from a lever to the objective", "as sure as its weakest arrow"]
                )
            )
        )
    used = {words.claim_text(each["claim"]).partition(" ")[0] for each in found.get("arrows") or ()}
    legend = [f"{kind}: {told}" for kind, told in KNOWN_BY.items() if kind in used]
    parts.append(f'<p class="small">{escape("; ".join(legend))}.</p>' if legend else "")
    nodes = [
        [
            str(node["name"]),
            str(node.get("kind") or ""),
            str(node.get("words") or ""),
            words.claim_text(node.get("claim")),
        ]
        for node in found.get("nodes") or ()
    ]
    if nodes:
        table = scroll(table_html(nodes, ["name", "by", "how", "claim"]))
        parts.append(f"<details><summary>What each is computed by</summary>{table}</details>")
    return "".join(parts)


def _could_turn(decision: Found) -> str:
    found = decision.get("could_turn") or {}
    bars = found.get("tornado") or ()
    parts = [_listed(words.turning(decision))]
    if bars:
        base = ((decision.get("result") or {}).get("gain") or {}).get("value")
        chart = charts.tornado(bars[:15], base, f"gain in {words.measure(decision)}")
        parts.append(
            figure(chart, "The gain when one thing is at its 5 % or 95 % point and the rest as it is")
        )
    if any(parts):
        return "".join(parts)
    if not decision.get("result"):
        return ""
    nodes: Sequence[Found] = (decision.get("rests_on") or {}).get("nodes") or ()
    trusted = [
        str(node["name"]) for node in nodes if node.get("kind") in ("bundle", "learn") and node.get("moved")
    ]
    if trusted:
        return _paragraphs(
            f"Nothing was drawn: what {' and '.join(trusted)} says is taken as it is. How wrong that may be is in none of these "
            "figures."
        )
    return "<p>Nothing in the plan is uncertain: the promise is as good as its formulas.</p>"


DESIGN = {
    "n": "rows, looked at once at the end",
    "most": "rows at most, with a look whenever you like",
    "expected": "rows on average then, where the gain is there",
    "days": "days, looked at once",
    "days_most": "days at most",
    "share": "share of the rows that is treated",
    "effect": "the gain to be seen, of a row",
    "spread": "how far rows lie apart (standard deviation)",
    "power": "chance to see it, where it is there",
    "alpha": "chance to see it, where it isn't",
}
"""What a planned experiment is told by, and what of it is told."""


def _try_first(decision: Found) -> str:
    found = decision.get("try_first") or {}
    if not found.get("words"):
        return ""
    design = found.get("design") or {}
    told = {
        name: number(design[key]) for key, name in DESIGN.items() if isinstance(design.get(key), (int, float))
    }
    return _paragraphs([found["words"], design.get("rule")]) + (settings_table(told) if told else "")


def _worst(decision: Found) -> str:
    found = decision.get("worst") or {}
    if not found.get("levers"):
        return ""
    rows = [
        [
            words.setting_text(decision, found["levers"], "in the middle row"),
            words.amount_text(found.get("objective"), words.unit_of(decision)),
        ]
    ]
    return _paragraphs(found.get("words")) + scroll(
        table_html(rows, ["the worst setting allowed", words.measure(decision)])
    )


def _certificate(decision: Found) -> str:
    found = decision.get("certificate") or {}
    if not found:
        return ""
    proof = "It is a proof." if found.get("proves") else "It is no proof: a better setting may exist."
    kind = {key: found.get(key) for key in ("kind", "value", "bound") if found.get(key) is not None}
    return _paragraphs([found.get("words"), proof]) + settings_table(kind)


def _replay(decision: Found) -> str:
    found = decision.get("replay") or {}
    if not found:
        return ""
    facts = {
        key: decision.get(key)
        for key in ("rows", "draws", "seed", "seconds")
        if decision.get(key) is not None
    }
    hashes = [
        [str(each.get("path")), str(each.get("sha256") or each.get("hash") or "")[:16]]
        for each in (*(found.get("files") or ()), *(found.get("bundles") or ()))
    ]
    plan = json.dumps(found.get("plan"), indent=1, ensure_ascii=False, default=str)
    return (
        "<p>The decision's file holds its plan, and hashes of all that it read. This computes it anew, and says what changed:</p>"
        "<pre>drivetrain decide decision.json --replay</pre>" + settings_table(facts)
        + (scroll(table_html(hashes, ["file", "SHA-256 begins with"])) if hashes else "")
        + f"<details><summary>The plan</summary><pre>{escape(plan)}</pre></details>"
    )  # fmt: skip


SECTIONS: tuple[tuple[str, Callable[[Found], str]], ...] = (
    ("What to do", _result),
    ("What the levers do", _levers),
    ("Two levers at once", _surface),
    ("The trade", _front),
    ("Constraints and their price", _constraints),
    ("What it rests on", _rests_on),
    ("What could turn it", _could_turn),
    ("Try it safely first", _try_first),
    ("The worst", _worst),
    ("How well it was searched", _certificate),
    ("Do it again", _replay),
)
