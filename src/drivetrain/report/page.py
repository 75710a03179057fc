"""The report of a run: one HTML file that needs no network and no script."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from drivetrain.charts import Chart, bars, calibration, class_counts, confusion, losses, table_html
from drivetrain.errors import one_line
from drivetrain.figures import rough
from drivetrain.files import write_text
from drivetrain.report import tables, words
from drivetrain.report.style import CSS
from drivetrain.report.tables import figure, scroll

POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
PLACES = 5
LONGEST_NAME = 40
"""Longer names of classes are cut: they would push their figures out of sight."""
NO_BREAK = "\N{NO-BREAK SPACE}"


def write_report(path: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write the page, all or nothing. Raises FileError. Any key may be missing or None; its section is then left out.

    name          what the run is called                  task        "image classification"
    model         the network, in words                   created     when, as text
    things        what a row is: "pictures" ("rows" unless said)
    metrics       {part: {metric: estimate}}; an estimate is {"value", "low", "high", "method", "n"}
    baselines     {name: {metric: estimate}}, on the same rows
    against       {baseline: {"target", "measure", "difference": estimate, "better", "words"}}: ours minus theirs on the
                  same rows, by their losses
    notes         sentences that a reader must see
    tried         [{"name", "measure", "value": estimate, "weights": {target: weight}, "seconds"}] of the models of a blend
    history       a dict per epoch (see `charts.losses`)       epoch_name  what it is called, "epoch" unless said
    history_of    what of the model it is of, where that is not the whole
    per_class     {class: {"precision", "recall", "f1": estimate}}
    confusion     a Chart, or {"matrix", "classes"}
    calibration   a Chart, or a list of `metrics.Reliability` or their JSON
    mistakes      a Chart (pictures of the highest loss), or a list of dicts for a table
    words         {"strongest": {class: [{"word", "adds", "texts"}]}, "texts": a Chart of texts, or None}
    predictions   {"interval": sentence, "held": estimate, "charts": [(Chart, caption)]} of a number
    thresholds    a Chart                                 slices  {"chart", "measure", "sentences", "summary"}
    importance    {"chart", "sentences"}
    targets       {name: per_class ... importance, as above}, where there are several
    of_task       [{"title", "words", "columns", "rows"}] of what only this task has; "charts" and "texts", (how one begins, how
                  it goes on), follow the table
    columns       [{"name", "kind", "reason", "missing": share, "role": "input", "target" or "left out"}]
    sample        a Chart of some rows
    lengths       [(Chart, sentence)] of columns of texts
    vectors       [Chart] of the words of columns of texts
    data          {"source", "layout", "split": text or dict, "note", "counts": {part: {class: n}},
                  "rows": {part: n}, "left_out": n, "faults": [Fault or its JSON], "pictures": Chart};
                  `faults` [] says that none was found, None that nobody looked
    settings      {name: value}, or {group: {name: value}}
    use           [(what it does, command)]
    versions      {package: version}
    """
    path = Path(path)
    write_text(path, report_html(content))
    return path


def report_html(content: Mapping[str, Any]) -> str:
    """The page as text."""
    kind = " · ".join(str(content[key]) for key in ("task", "model", "created") if content.get(key))
    name = str(content.get("name") or "Training report")
    return document(name, kind, _sections(content), _versions(content))


def document(
    name: str, kind: str, sections: Sequence[tuple[str, str, str]], foot: str, what: str = "report"
) -> str:
    """A page of sections (title, anchor, body), of which title, body and `foot` are HTML already."""
    links = "".join(f'<a href="#{place}">{title}</a>' for title, place, _ in sections)
    blocks = "".join(
        f'<section id="{place}"><h2>{title}</h2>{body}</section>' for title, place, body in sections
    )
    name, kind = escape(one_line(name)), escape(one_line(kind))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # Nothing is fetched and no script runs, even if something of the data's should get into the page.
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{name}: {what}</title><style>{CSS}</style></head><body><main>"
        f'<header><p class="kind">{kind}</p><h1>{name}</h1>{f"<nav>{links}</nav>" if len(sections) > 2 else ""}</header>'
        f"{blocks}<footer>{foot}</footer></main></body></html>\n"
    )


def _sections(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Title, anchor and HTML of each section that has content. Of several targets each has one of its own."""
    found: list[tuple[str, str, str]] = []
    for title, make in SECTIONS:
        if make is _data:
            found += [
                (escape(each["title"]), anchor(each["title"]), _of_task(each))
                for each in content.get("of_task") or ()
            ]
        if body := make(content):
            found.append((title, anchor(title), body))
        if make is _curves:
            for number, (name, its) in enumerate((content.get("targets") or {}).items(), start=1):
                parts = [(title, make(its)) for title, make in SECTIONS if make in OF_TARGET]
                told = "".join(f"<h3>{title}</h3>{part}" for title, part in parts if part)
                found += [(escape(str(name)), f"target-{number}", told)] if told else []
    return found


def anchor(title: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", title.lower()))


def _result(content: Mapping[str, Any]) -> str:
    metrics = content.get("metrics") or {}
    parts = []
    if found := words.headline_metric(metrics):
        part, name = found
        parts.append(_headline(content, part, name, metrics[part][name]))
    parts += [f'<p class="note">{escape(str(note))}</p>' for note in content.get("notes") or []]
    return "".join(parts)


def _headline(content: Mapping[str, Any], part: str, name: str, ours: Mapping[str, Any]) -> str:
    baselines = content.get("baselines") or {}
    value = escape(words.value_text(name, ours.get("value"), ours.get("n") or 0))
    text = escape(words.sentence(name, ours, part, content.get("things") or "rows"))
    lines = [f'<p class="lead">{text.replace(value, f"<strong>{value}</strong>", 1)}.</p>']
    if interval := words.interval_text(name, ours):
        lines.append(
            f'<p class="small">Interval: {escape(interval)} ({escape(str(ours.get("method") or "95 %"))}).</p>'
        )
    if content.get("against"):
        lines.append(f"<p>{escape(words.verdict(content['against']))}</p>")
    elif told := words.comparison(name, ours, baselines):
        lines.append(f"<p>{escape(told[0].upper() + told[1:])}</p>")
    rivals = {"this model": ours, **{key: found[name] for key, found in baselines.items() if name in found}}
    if len(rivals) > 1:
        chart = bars(rivals, words.title(name), "%" if words.metric(name).share else "")
        lines.append(figure(chart, f"{chart.title}, with 95 % intervals"))
    lines.append(_metric_table(content["metrics"]))
    if content.get("against"):
        lines.append(_against_table(content["against"]))
    return "".join(lines)


def _against_table(against: Mapping[str, Mapping[str, Any]]) -> str:
    """Each simple method beside this model on the same rows."""
    told = {True: "better", False: "worse", None: "not told apart"}
    measures = list(dict.fromkeys(found["measure"] for found in against.values()))
    rows = [
        [
            name,
            *(
                _difference(found["difference"]) if found["measure"] == measure else ""
                for measure in measures
            ),
            told[found["better"]],
        ]
        for name, found in against.items()
    ]
    less = "Loss of this model less theirs"
    if all(words.metric(measure).higher for measure in measures):
        less = "Theirs less that of this model"
    legend = f"{less} on the same rows, with 95 % intervals: below 0 where this model is better."
    names = ["difference"] if len(measures) == 1 else [words.metric(measure).name for measure in measures]
    table = scroll(table_html(rows, ["against", *names, "this model is"]))
    return f'<h3>Against simple methods</h3><p class="small">{legend}</p>{table}'


def _difference(estimate: Mapping[str, Any]) -> str:
    value, low, high = (estimate.get(key) for key in ("value", "low", "high"))
    if value is None:
        return "undefined"
    ends = "" if low is None or high is None else f" ({rough(low)}{NO_BREAK}to{NO_BREAK}{rough(high)})"
    return f"{rough(value)}{ends}".replace("-", "\N{MINUS SIGN}")


def _metric_table(metrics: Mapping[str, words.Estimates]) -> str:
    rows = [
        [
            words.metric(name).name,
            *([words.PARTS.get(part, part)] if len(metrics) > 1 else []),
            _estimate(name, e),
            e.get("n"),
        ]
        for part, estimates in metrics.items()
        for name, e in estimates.items()
    ]
    columns = ["metric", *(["measured on"] if len(metrics) > 1 else []), "value (95 % interval)", "n"]
    return scroll(table_html(rows, columns))


def _estimate(name: str, estimate: Mapping[str, Any]) -> str:
    """`97.2 % (94.9 to 98.5)`, which breaks before the bracket only."""
    return words.estimate_text(name, estimate).replace(" ", NO_BREAK).replace(f"{NO_BREAK}(", " (")


def _tried(content: Mapping[str, Any]) -> str:
    tried = content.get("tried") or []
    if not tried:
        return ""
    columns, rows = words.tried_rows(tried)
    legend = (
        "Each was asked about rows that it had not seen. Their weights in the blend are those of the least loss there; for the "
        "blend's own figure they come of other rows than it is measured on."
    )
    chart = ""
    if len(tried) > 1:
        measure = tried[0]["measure"]
        drawn = bars(
            {each["name"]: each["value"] for each in tried}, words.title(measure),
            "%" if words.metric(measure).share else "",
        )  # fmt: skip
        chart = figure(drawn, f"{drawn.title}, with 95 % intervals")
    return f'<p class="small">{legend}</p>{chart}{scroll(table_html(rows, columns))}'


def _curves(content: Mapping[str, Any]) -> str:
    history = content.get("history")
    if not history:
        return ""
    chart = losses(history, unit=str(content.get("epoch_name") or "epoch"))
    part = content.get("history_of")
    told = f"Of {part}. " if part else ""
    return figure(chart, f"{told}Grey: train. Blue: valid, its lowest point ringed.")


def _classes(content: Mapping[str, Any]) -> str:
    found = content.get("per_class")
    if not found:
        return ""
    names = ("precision", "recall", "f1")
    rows = [
        [
            label,
            *(_estimate(name, estimates.get(name, {})) for name in names),
            estimates.get("recall", {}).get("n"),
        ]
        for label, estimates in found.items()
    ]
    legend = "Precision: of those called so, how many are. Recall: of those that are, how many were found. 95 % intervals."
    return f'<p class="small">{legend}</p>' + scroll(
        table_html(rows, ["class", "precision", "recall", "F1", "n"], longest=LONGEST_NAME)
    )


def _confusion(content: Mapping[str, Any]) -> str:
    found = content.get("confusion")
    if found is None:
        return ""
    chart = found if isinstance(found, Chart) else confusion(found["matrix"], found["classes"])
    return figure(
        chart, "Blue: right. Orange: taken for another class. The stronger, the larger the share of its row."
    )


def _calibration(content: Mapping[str, Any]) -> str:
    found = content.get("calibration")
    if found is None or (not isinstance(found, Chart) and not len(found)):
        return ""
    chart = found if isinstance(found, Chart) else calibration(found)
    return figure(
        chart, "On the dashed line a probability of 80 % is right 80 % of the time. Bars: 95 % intervals."
    )


def _mistakes(content: Mapping[str, Any]) -> str:
    found = content.get("mistakes")
    if not found:
        return ""
    if isinstance(found, Chart):
        return figure(found, found.title)
    columns = list(found[0])
    return scroll(table_html([[row.get(column) for column in columns] for row in found], columns))


def _of_task(section: Mapping[str, Any]) -> str:
    """A table, charts and texts, and what is said before them."""
    table = scroll(table_html(section["rows"], section["columns"])) if section["rows"] else ""
    charts = "".join(figure(chart, chart.title) for chart in section.get("charts") or ())
    texts = "".join(
        f'<pre class="text"><b>{escape(begin)}</b>{escape(rest)}</pre>'
        for begin, rest in section.get("texts") or ()
    )
    return f"<p>{escape(section['words'])}</p>{table}{charts}{texts}"


def _data(content: Mapping[str, Any]) -> str:
    data = content.get("data") or {}
    parts = []
    facts = {key: data.get(key) for key in ("source", "layout", "split", "note", "left_out")}
    facts = {key.replace("_", " "): value for key, value in facts.items() if value not in (None, "", 0)}
    counts = data.get("rows") or {
        part: sum(found.values()) for part, found in (data.get("counts") or {}).items()
    }
    if counts:
        facts["rows"] = ", ".join(f"{n:,} {words.PARTS.get(part, part)}" for part, n in counts.items() if n)
    if facts:
        parts.append(settings_table(facts))
    if data.get("counts"):
        parts.append(figure(class_counts(data["counts"]), "Rows by class"))
    if isinstance(data.get("pictures"), Chart):
        parts.append(figure(data["pictures"], data["pictures"].title))
    if data.get("faults") is not None:
        parts.append("<h3>Faults found</h3>" + _faults(data["faults"]))
    return "".join(parts)


def _faults(faults: Sequence[Any]) -> str:
    if not faults:
        return "<p>None.</p>"
    items = []
    for fault in faults:
        told = fault if isinstance(fault, Mapping) else fault.to_json()
        severity = str(told.get("severity", ""))
        places = [str(place) for place in told.get("where") or []]
        shown = "".join(f"<br><code>{escape(place)}</code>" for place in places[:PLACES])
        more = f"<br>and {len(places) - PLACES:,} more" if len(places) > PLACES else ""
        tag = f'<span class="tag{" strong" if severity == "error" else ""}">{escape(severity)}</span>'
        fix = f"<br>{escape(str(told['fix']))}" if told.get("fix") else ""
        items.append(
            f'<li>{tag}{escape(str(told.get("message", "")))}<span class="small">{shown}{more}{fix}</span></li>'
        )
    return f'<ul class="plain">{"".join(items)}</ul>'


def _settings(content: Mapping[str, Any]) -> str:
    settings = content.get("settings") or {}
    flat = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    parts = [settings_table(flat)] if flat else []
    for group, values in settings.items():
        if isinstance(values, Mapping):
            parts.append(f"<h3>{escape(str(group))}</h3>{settings_table(values)}")
    return "".join(parts)


def settings_table(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td><td>{escape(_plain(value))}</td></tr>"
        for name, value in values.items()
    )
    return f'<table class="settings"><tbody>{rows}</tbody></table>'


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _use(content: Mapping[str, Any]) -> str:
    return "".join(
        f"<p>{escape(what)}</p><pre>{escape(command)}</pre>" for what, command in content.get("use") or []
    )


def _versions(content: Mapping[str, Any]) -> str:
    versions = content.get("versions") or {}
    return escape(" · ".join(f"{name} {version}" for name, version in versions.items()))


SECTIONS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("Result", _result),
    ("What was tried", _tried),
    ("Training", _curves),
    ("Classes", _classes),
    ("Confusion", _confusion),
    ("Predictions", tables.predictions),
    ("Mistakes", _mistakes),
    ("Words that mattered", tables.told_words),
    ("Calibration", _calibration),
    ("Threshold", tables.thresholds),
    ("Where it is worst", tables.slices),
    ("What it relies on", tables.importance),
    ("Data", _data),
    ("Columns", tables.columns),
    ("Settings", _settings),
    ("Use the model", _use),
)
OF_TARGET = (
    _classes,
    _confusion,
    tables.predictions,
    _mistakes,
    tables.told_words,
    _calibration,
    tables.thresholds,
    tables.slices,
    tables.importance,
)
"""The sections that are about one target."""
