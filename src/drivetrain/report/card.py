"""The model card: a bundle's README.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drivetrain.codecs import Signature
from drivetrain.codecs.base import some_of
from drivetrain.report import words

MOST_INPUTS = 6
"""How many inputs the example names."""


def model_card(content: Mapping[str, Any]) -> str:
    """The card in Markdown. Any key may be missing or None.

    name, task, model, created, things, metrics, baselines, against, notes, tried, per_class, versions
                  as for `report.page.write_report`
    file          the bundle's file name
    data          {"source", "layout", "split", "rows": {part: n}, "counts": {part: {class: n}}}
    weak          where it is worse than elsewhere: "rows with sex = Male: error rate ..."
    left_out_columns  names
    signature     `Signature.to_json()`
    cases         how many golden cases there are
    limits        further sentences about what it was not tested on
    calls         how it answers, (in Python, on the command line) with "{bundle}" for its file; None: by the signature
    seed          of the split and the training
    """
    blocks: list[str] = [f"# {_text(content.get('name') or 'Model')}", _what(content)]
    for title, lines in (
        ("Result", _result(content)),
        ("Limits", _limits(content)),
        ("Data", _data(content)),
        ("What goes in, what comes out", _signature(content)),
        ("Use", _use(content)),
        ("Made with", _made(content)),
    ):
        if lines:
            blocks += [f"## {title}", *lines]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _what(content: Mapping[str, Any]) -> str:
    told = ", ".join(_text(content[key]) for key in ("task", "model") if content.get(key)) or "a model"
    return (
        f"{told[0].upper()}{told[1:]}. This is a drivetrain bundle: the model, how values are read and answers decoded, "
        "and examples that each runtime must reproduce."
    )


def _result(content: Mapping[str, Any]) -> list[str]:
    metrics = content.get("metrics") or {}
    found = words.headline_metric(metrics)
    if not found:
        return [_text(note) for note in content.get("notes") or []]
    part, name = found
    ours, baselines = metrics[part][name], content.get("baselines") or {}
    interval = words.interval_text(name, ours)
    told = f"**{_text(words.sentence(name, ours, part, content.get('things') or 'rows'))}**"
    lines = [f"{told}{f' (95 % interval: {interval})' if interval else ''}."]
    beside = words.verdict(content.get("against") or {}) or words.comparison(name, ours, baselines)
    lines.append(_text(beside))
    measured = [
        (metric, where, "this model", estimate)
        for where, estimates in metrics.items()
        for metric, estimate in estimates.items()
    ]
    measured += [
        (name, part, baseline, found[name]) for baseline, found in baselines.items() if name in found
    ]
    rows = [
        [
            words.metric(metric).name,
            words.PARTS.get(where, where),
            by,
            words.estimate_text(metric, estimate),
            estimate.get("n"),
        ]
        for metric, where, by, estimate in measured
    ]
    lines.append(_table(["metric", "measured on", "by", "value (95 % interval)", "n"], rows))
    if told := words.methods(metrics.values()):
        lines.append("Intervals: " + "; ".join(_text(method) for method in told) + ".")
    if tried := content.get("tried"):
        lines.append(_table(*words.tried_rows(tried)))
    return [*lines, *(_text(note) for note in content.get("notes") or [])]


def _limits(content: Mapping[str, Any]) -> list[str]:
    metrics, data = content.get("metrics") or {}, content.get("data") or {}
    items: list[str] = []
    if set(metrics) == {"train"}:
        items.append(
            "Measured on the training rows themselves, for want of others: expect it to do worse on new ones."
        )
    elif metrics and "test" not in metrics:
        items.append(
            "Not measured on a test set. The validation rows also served to follow the training, "
            "so the result may be a little too good."
        )
    source = f" ({_text(data['source'])})" if data.get("source") else ""
    elsewhere = (
        "elsewhere, on other cameras, places or times,"
        if content.get("things") == "pictures"
        else "elsewhere"
    )
    items.append(
        f"Measured on rows of the same source as the training data{source} only. How it does {elsewhere} is not known."
        if metrics
        else "Not measured: how good its answers are is not known."
    )
    if smallest := _smallest(content):
        items.append(smallest)
    if weakest := _weakest(content):
        items.append(weakest)
    items += [f"It does worse on {_text(told)}." for told in content.get("weak") or []]
    if sure := _calibration(metrics):
        items.append(sure)
    if any(codec.labels is not None for codec in _codecs(content).targets.values()):
        items.append(
            "It always answers with one of its classes, also for an input that belongs to none of them."
        )
    items += [_text(limit) for limit in content.get("limits") or []]
    return ["\n".join(f"- {item}" for item in items)]


def _smallest(content: Mapping[str, Any]) -> str:
    counts = (content.get("data") or {}).get("counts") or {}
    train = counts.get("train") or {}
    if not train:
        return ""
    name = min(train, key=lambda key: (train[key], key))
    return (
        f"The smallest class in training is {_text(name)}, with {train[name]:,} of {sum(train.values()):,}."
    )


def _weakest(content: Mapping[str, Any]) -> str:
    known = {
        name: estimates["recall"]
        for name, estimates in (content.get("per_class") or {}).items()
        if estimates.get("recall", {}).get("value") is not None
    }
    if len(known) < 2:
        return ""
    name = min(known, key=lambda key: known[key]["value"])
    if known[name]["value"] == 1:
        return ""
    told = f"recall {words.estimate_text('recall', known[name])}, n = {known[name].get('n')}"
    return f"The class most often missed is {_text(name)}: {told}."


def _calibration(metrics: Mapping[str, words.Estimates]) -> str:
    found = words.headline_metric(metrics)
    error = metrics[found[0]].get("calibration_error") if found else None
    if not error or error.get("value") is None:
        return ""
    return (
        "Its probabilities are off by "
        f"{words.estimate_text('calibration_error', error)} on average (calibration error); they are not a guarantee."
    )


def _data(content: Mapping[str, Any]) -> list[str]:
    data = content.get("data") or {}
    items = []
    for key in ("source", "layout", "split"):
        if data.get(key):
            value = data[key]
            told = (
                ", ".join(f"{k} {v}" for k, v in value.items() if v is not None)
                if isinstance(value, Mapping)
                else value
            )
            items.append(f"- {key.capitalize()}: {_text(told)}")
    rows = data.get("rows") or {
        part: sum(found.values()) for part, found in (data.get("counts") or {}).items()
    }
    if rows:
        items.append(
            "- Rows: " + ", ".join(f"{n:,} {words.PARTS.get(part, part)}" for part, n in rows.items() if n)
        )
    if left_out := content.get("left_out_columns"):
        items.append(f"- Columns left out: {_text(some_of(left_out))}")
    return ["\n".join(items)] if items else []


def _signature(content: Mapping[str, Any]) -> list[str]:
    signature = _codecs(content)
    items = [
        f"- In, `{_code(name)}`: {_text(codec.input_words())}" for name, codec in signature.inputs.items()
    ]
    items += [
        f"- Out, `{_code(name)}`: {_text(codec.answer_words())}" for name, codec in signature.targets.items()
    ]
    blocks = ["\n".join(items)] if items else []
    if content.get("cases"):
        blocks.append(
            f"{content['cases']} golden cases, stage by stage, are in the bundle: a runtime reproduces them before it answers."
        )
    return blocks


def _codecs(content: Mapping[str, Any]) -> Signature:
    return Signature.from_json(content.get("signature") or {"inputs": {}, "targets": {}})


def _use(content: Mapping[str, Any]) -> list[str]:
    file = _code(content.get("file") or "model.bundle")
    inputs = _codecs(content).inputs
    files = [codec for codec in inputs.values() if codec.from_files]
    first = (
        None if inputs and not files else "photo.jpg" if all(codec.pictured for codec in files) else "FILE"
    )
    shown = [f"{_literal(name)}: ..." for name in list(inputs)[:MOST_INPUTS]]
    rest = f"  # and {len(inputs) - MOST_INPUTS} more" if len(inputs) > MOST_INPUTS else ""
    given = f'"{first}"' if first else "{" + ", ".join(shown) + "}"
    quoted = file.replace("\\", "\\\\").replace('"', '\\"')
    python = f'import drivetrain as dt\npredictor = dt.Predictor("{quoted}")\nprint(predictor.predict({given})){rest}'
    word = file if re.fullmatch(r"[\w.+@%/:=-]+", file) else "'" + file.replace("'", "'\\''") + "'"
    shell = f"drivetrain verify {word}" + (
        f"\ndrivetrain predict {word} {first} --json"
        if first
        else f"\ndrivetrain predict {word} rows.csv --out answers.csv"
    )
    if content.get("calls"):
        python, shell = content["calls"]
        python, shell = python.format(bundle=quoted), f"drivetrain verify {word}\n{shell.format(bundle=word)}"
    return [
        "Drivetrain without its `train` extra is enough: no torch is needed.",
        f"```python\n{python}\n```",
        f"```sh\n{shell}\n```",
    ]


def _literal(name: str) -> str:
    """A field's name as Python, without backticks, which would end the block."""
    return '"' + _code(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _made(content: Mapping[str, Any]) -> list[str]:
    items = []
    if versions := content.get("versions"):
        items.append(
            "- Versions: "
            + ", ".join(f"{_text(name)} {_text(version)}" for name, version in versions.items())
        )
    for key, name in (("seed", "Seed"), ("created", "Created")):
        if content.get(key) is not None:
            items.append(f"- {name}: {_text(content[key])}")
    return ["\n".join(items)] if items else []


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join("" if cell is None else _text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _text(value: Any) -> str:
    """The value on one line, with nothing in it that Markdown or HTML would act on."""
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*\[\]|#~$])", r"\\\1", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(value: Any) -> str:
    return " ".join(str(value).replace("`", "'").split())
