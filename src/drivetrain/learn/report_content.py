"""What a learner tells its report page and its bundle's card, as the plain data that they take."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.learn.outcome import measured_part
from drivetrain.learn.run import versions

if TYPE_CHECKING:
    from drivetrain.learn.fitted import Fitted

MISTAKES = 16


def _shared(learner: Fitted) -> dict[str, Any]:
    """What page and card have in common."""
    data = learner.data
    result = learner.result or {}
    content: dict[str, Any] = {
        "name": data.table.name,
        "task": data.task.replace("_", " "),
        "model": learner.description(),
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "things": "pictures" if any(codec.from_files for codec in data.signature.inputs.values()) else "rows",
        "metrics": result.get("metrics"),
        "baselines": result.get("baselines"),
        "against": result.get("against"),
        "notes": result.get("notes"),
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
    if _classifies(learner):
        found = learner.interpret(measured_part(learner)).per_class()
        content["per_class"] = {
            name: {metric: estimate.to_json() for metric, estimate in values.items()}
            for name, values in found.items()
        }
    return content


def report_content(learner: Fitted) -> dict[str, Any]:
    """The content of report.html (see report/page.py)."""
    content = _shared(learner)
    content["history"], content["epoch_name"] = learner.history, learner.epoch_name
    report = learner.data.found_faults
    content["data"]["faults"] = None if report is None else report.to_json()["faults"]
    content["settings"] = learner.choices()
    content["use"] = [
        ("Write the bundle, verified", f"drivetrain export {learner.run} {learner.data.table.name}.bundle"),
        (
            "Answer without torch",
            f"drivetrain predict {learner.data.table.name}.bundle {'PICTURE' if learner.data.pictures else 'ROWS.csv'}",
        ),
    ]
    if learner.epoch_name == "epoch":  # Of trees there are no event files: the package that writes them imports torch.
        content["use"].append(("Watch the curves in TensorBoard", f"tensorboard --logdir {learner.run}"))
    if _classifies(learner):
        found = learner.interpret(measured_part(learner))
        content["confusion"] = found.confusion()
        content["calibration"] = found.calibration()
        content["mistakes"] = found.top_losses(MISTAKES) if learner.data.pictures else found.worst(MISTAKES)
        if learner.data.pictures:
            content["data"]["pictures"] = learner.data.show(16)
    return content


def card_content(learner: Fitted, file: str, cases: int) -> dict[str, Any]:
    """The content of the bundle's README.md (see report/card.py). A bundle travels: it names the data, and not where
    they lie on this machine."""
    content = _shared(learner)
    table = learner.data.table
    content["data"]["source"] = table.name
    if table.source:
        content["notes"] = [note.replace(f"{table.source}{os.sep}", "") for note in content["notes"] or []]
    return {
        **content,
        "file": file,
        "signature": learner.data.signature.to_json(),
        "cases": cases,
        "seed": learner.settings.seed,
    }


def _classifies(learner: Fitted) -> bool:
    return any(hasattr(codec, "classes") for codec in learner.data.signature.targets.values())


def _counts(learner: Fitted) -> dict[str, dict[str, int]] | None:
    """{part: {class: rows}} of the first category target."""
    data = learner.data
    for name, codec in data.signature.targets.items():
        if hasattr(codec, "classes"):
            counts = {}
            for part, rows in data.split.parts().items():
                names, found = np.unique(data.table[name][rows].astype(str), return_counts=True)
                if len(rows):
                    counts[part] = dict(zip(names.tolist(), found.tolist()))
            return counts
    return None
