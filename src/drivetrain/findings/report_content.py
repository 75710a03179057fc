"""What a learner tells its report page and its bundle's card, as the plain data that they take."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.near import near
from drivetrain.codecs.base import distinct
from drivetrain.codecs.category import order
from drivetrain.data.kinds.base import LEFT_OUT
from drivetrain.data.lengths import lengths_in
from drivetrain.data.show import inputs_looked_at, show
from drivetrain.data.table import missing
from drivetrain.deadline import NEVER, Deadline
from drivetrain.findings.telling import mistakes_told
from drivetrain.interpret import Importance, importances, slices
from drivetrain.interpret.base import interpretation_of, save_losses
from drivetrain.interpret.importance import REPEATS
from drivetrain.learn.runs.folder import versions
from drivetrain.metrics import has_metrics, is_large
from drivetrain.values import as_text, canonical

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

ROWS, TOLD = 8, 3
"""So many rows of a table are shown, and slices told in a sentence beside the chart of more."""
ENOUGH, ENOUGH_LARGE = 5_000, 2_000
"""What it relies on is measured on so many rows: of fewer ones each column is shuffled several times."""
SECONDS_OF_CARD = 5.0
"""To look for slices for a bundle's card."""


def _shared(learner: BaseLearner) -> dict[str, Any]:
    """What page and card have in common."""
    data = learner.data
    result = learner.result or {}
    content: dict[str, Any] = {
        "name": data.table.name,
        "task": data.task.name.replace("_", " "),
        "model": learner.description(),
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "things": data.things,
        "metrics": result.get("metrics"),
        "baselines": result.get("baselines"),
        "against": result.get("against"),
        "notes": result.get("notes"),
        "tried": result.get("tried"),
        "versions": versions(),
        "data": {
            "source": data.table.source or data.table.name,
            "layout": data.table.layout,
            "rows": {part: len(rows) for part, rows in data.split.parts().items() if len(rows)},
            "counts": _counts(learner),
            "note": data.split.note,
            "left_out": len(data.bad),
        },
    }
    return content


def page_content(learner: BaseLearner) -> dict[str, Any]:
    """What every report.html has (see report/page.py), whatever the task."""
    content = _shared(learner)
    data = learner.data
    content["history"], content["epoch_name"] = learner.history, learner.epoch_name
    content["history_of"] = learner.history_of
    report = data.found_faults
    content["data"]["faults"] = None if report is None else report.to_json()["faults"]
    content["settings"] = learner.choices()
    bundle = f"{data.table.name}.bundle"
    content["use"] = [
        ("Write the bundle, verified", f"drivetrain export {learner.run} {bundle}"),
        (
            "Answer without torch",
            f"drivetrain {data.task.command.format(bundle=bundle, table=data.table.name)}",
        ),
    ]
    if learner.epoch_name == "epoch":  # The package that writes event files imports torch: trees have none.
        content["use"].append(("Watch the curves in TensorBoard", f"tensorboard --logdir {learner.run}"))
    return content


def report_content(learner: BaseLearner, deadline: Deadline = NEVER) -> dict[str, Any]:
    """The content of report.html (see report/page.py). What the deadline leaves no time for is named there."""
    content, data = page_content(learner), learner.data
    content["of_task"] = data.task.sections(learner)
    if data.kinds:
        content["columns"] = _columns(learner)
    content["vectors"] = _vectors(learner)
    content["lengths"] = [(each.chart, each.words) for each in lengths_in(data)]
    if inputs_looked_at(data):
        content["data"]["pictures"] = show(data, 16, "train", 0)
    elif len(data.part("train")):
        content["sample"] = show(data, ROWS, "train", 0)
    targets = _targets(learner, deadline)
    if unmeasured := [name for name, codec in data.signature.targets.items() if not has_metrics(codec)]:
        told = f"no slices, no mistakes and nothing of what it relies on for {', '.join(unmeasured)}: nothing measures it"
        content["notes"] = [*(content["notes"] or []), told]
    if len(data.signature.targets) == 1:
        return {**content, **next(iter(targets.values()), {})}
    return {**content, "targets": targets}


def card_content(learner: BaseLearner, file: str, cases: int) -> dict[str, Any]:
    """The content of the bundle's README.md (see report/card.py). A bundle travels: it names the data, and not where
    they lie on this machine."""
    content = _shared(learner)
    table, part = learner.data.table, learner.data.measured_part
    content["data"]["source"] = table.name
    if table.source:
        content["notes"] = [note.replace(f"{table.source}{os.sep}", "") for note in content["notes"] or []]
    if learner.data.one_category:
        name = next(
            name for name, codec in learner.data.signature.targets.items() if codec.labels is not None
        )
        content["per_class"] = learner.interpret(part, name).sections({}).get("per_class")
    explained = [name for name in learner.data.signature.targets if _is_explained(learner, name)]
    weak = {name: slices(learner, part, name, deadline=Deadline(SECONDS_OF_CARD)) for name in explained}
    several = len(weak) > 1
    return {
        **content,
        "weak": [
            f"{f'{name}, ' if several else ''}{each.sentence(found.metric, alike=False)}"
            for name, found in weak.items()
            for each in found.found[:TOLD]
        ],
        "left_out_columns": [column["name"] for column in _columns(learner) if column["role"] == "left out"],
        "file": file,
        "signature": learner.shipped.data.signature.to_json(),
        "limits": learner.data.task.limits,
        "calls": learner.data.task.card_use,
        "cases": cases,
        "seed": learner.settings.seed,
    }


def write_top_losses(learner: BaseLearner, path: Path) -> None:
    """The rows of the measured part where the model is most wrong, as a table; none of targets that have no such rows."""
    part = learner.data.measured_part
    names = [name for name in learner.data.signature.targets if _is_explained(learner, name)]
    if names:
        save_losses(path, [learner.interpret(part, name) for name in names])


# Targets.


def _targets(learner: BaseLearner, deadline: Deadline) -> dict[str, dict[str, Any]]:
    """For each target what the page's sections about it take."""
    part = learner.data.measured_part
    names = [name for name in learner.data.signature.targets if _is_explained(learner, name)]
    relied = _importances(learner, part, names, deadline.part(1 / 2))
    return {
        name: _of_target(learner, part, name, relied.get(name), deadline.part(1 / (len(names) - place)))
        for place, name in enumerate(names)
    }


def _is_explained(learner: BaseLearner, name: str) -> bool:
    codec = learner.data.signature.targets[name]
    return (
        not learner.unmeasured
        and has_metrics(codec)
        and interpretation_of(codec).explained
        and not is_large(codec)
    )


def _importances(
    learner: BaseLearner, part: str, names: list[str], deadline: Deadline
) -> dict[str, Importance]:
    """What it relies on; nothing where there is one input only."""
    if len(learner.data.signature.inputs) < 2 or not names:
        return {}
    enough = ENOUGH_LARGE if learner.data.large else ENOUGH
    rows = min(enough, len(learner.data.part(part)))
    repeats = int(np.clip(enough // max(1, rows), 1, REPEATS))
    return importances(learner, part, dict.fromkeys(names), rows=rows, repeats=repeats, deadline=deadline)


def _of_target(
    learner: BaseLearner, part: str, name: str, relied: Importance | None, deadline: Deadline
) -> dict[str, Any]:
    found = learner.interpret(part, name)
    weak = found.slices(deadline=deadline)
    content: dict[str, Any] = {
        "slices": {
            "chart": weak.chart if weak.found else None,
            "measure": weak.measure,
            "sentences": weak.words()[:-1][:TOLD],
            "summary": weak.summary(),
        },
        "mistakes": found.mistakes(),
    }
    words = ((learner.result or {}).get("words") or {}).get(name)
    if words:
        told = mistakes_told(words)
        if told is not None and len(learner.data.signature.inputs) == 1:
            content["mistakes"], told = told, None
        content["words"] = {"strongest": words["strongest"], "texts": told}
    if relied is not None:
        content["importance"] = {"chart": relied.chart, "sentences": relied.words()}
    metrics = ((learner.result or {}).get("metrics") or {}).get(part) or {}
    return content | found.sections(metrics)


def _vectors(learner: BaseLearner) -> list[Any]:
    """A picture for each input of texts whose words have learned vectors."""
    inputs = learner.data.signature.inputs
    if not learner.trained or not any(codec.holds_texts for codec in inputs.values()):
        return []
    found = learner.learned_vectors()
    told = {name: codec for name, codec in inputs.items() if codec.holds_texts and name in found}
    # Those at the beginning stand for no word.
    return [
        near(codec.code_names[codec.first_word :], found[name][codec.first_word :], f"What {name} is made of")
        for name, codec in told.items()
    ]


# The table.


def _columns(learner: BaseLearner) -> list[dict[str, Any]]:
    """What each column of the table was taken for: name, kind, reason, share missing, and its role."""
    data = learner.data
    found = []
    for name, kind in data.kinds.items():
        role = (
            "target" if name in data.signature.targets else "left out" if kind.kind in LEFT_OUT else "input"
        )
        share = float(missing(data.table[name]).mean()) if name in data.table and len(data.table) else None
        found.append({"name": name, "kind": kind.kind, "reason": kind.reason, "missing": share, "role": role})
    return found


def _counts(learner: BaseLearner) -> dict[str, dict[str, int]] | None:
    """{part: {class: rows}} of the first category target."""
    data = learner.data
    for name, codec in data.signature.targets.items():
        if codec.labels is not None:
            counts = {}
            for part, rows in data.split.parts().items():
                different, which = distinct(data.table[name][rows])
                found: Counter[str] = Counter()
                for value, count in zip(different, np.bincount(which, minlength=len(different)).tolist()):
                    found[canonical(as_text(value, "class"))] += count
                if found:
                    counts[part] = {text: found[text] for text in order(found)}
            return counts
    return None
