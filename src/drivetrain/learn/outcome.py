"""What came out of a training: the result with intervals beside the baselines, and the report page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.learn.baselines import baselines

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner


def make_result(learner: Learner) -> dict[str, Any]:
    """`{"run", "task", "metrics", "baselines", "epochs", "seconds"}`, JSON values only."""
    data = learner.data
    part = "valid" if len(data.rows("valid")) and len(data.part("valid")) else "train"
    metrics = {name: estimate.to_json() for name, estimate in learner.validate(part).items()}
    found = baselines(
        data.signature,
        data.part("train", learner.enlarge).batch(),
        data.part(part).batch(),
        learner.settings.seed,
    )
    return {
        "run": None if learner.run is None else str(learner.run),
        "task": data.task,
        "metrics": {part: metrics},
        "baselines": {
            name: {key: e.to_json() for key, e in values.items()} for name, values in found.items()
        },
        "epochs": len(learner.history),
        "seconds": sum(row["seconds"] for row in learner.history),
        "notes": learner.notes + worse_metric(learner.history),
    }


def worse_metric(history: list[dict[str, Any]]) -> list[str]:
    """A plain sentence when the last epochs made the metric (not just the loss) worse than it had been."""
    errors = [row["valid_error"] for row in history if row["valid_error"] is not None]
    if len(errors) < 3 or errors[-1] <= min(errors) * 1.1 + 1e-9:
        return []
    best = errors.index(min(errors))
    if history[-1]["train_error"] > history[best]["train_error"]:
        return []
    return [
        f"overfitting: the valid error was best in epoch {best + 1} ({errors[best]:.4g}) and ended at {errors[-1]:.4g} "
        "while the training error fell. Fewer epochs, more augmentation or early stopping may help."
    ]


def write_report(learner: Learner, path: Path) -> None:
    """The run's page (see report/page.py)."""
    from drivetrain.learn.report_content import report_content
    from drivetrain.report.page import write_report as write

    write(path, report_content(learner))
