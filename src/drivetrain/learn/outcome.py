"""What came out of a training: the result with intervals beside the baselines, and the report page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.charts.training import worsened
from drivetrain.learn.baselines import baselines

if TYPE_CHECKING:
    from drivetrain.learn.fitted import Fitted


def measured_part(learner: Fitted) -> str:
    """The part that results are about: valid, or train where there is none."""
    return "valid" if len(learner.data.rows("valid")) and len(learner.data.part("valid")) else "train"


def make_result(learner: Fitted) -> dict[str, Any]:
    """`{"run", "task", "metrics", "baselines", "epochs", "seconds", "notes"}`, JSON values only."""
    data, part = learner.data, measured_part(learner)
    metrics = {name: estimate.to_json() for name, estimate in learner.validate(part).items()}
    train, measured = learner.training_batch(), data.part(part).batch()
    found = baselines(data.signature, train, measured, learner.settings.seed)
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
    rows = [row for row in history if row["valid_error"] is not None]
    train, valid = ([row[name] for row in rows] for name in ("train_error", "valid_error"))
    best = worsened(train, valid, rows[-1]["valid_rows"]) if rows else None
    if best is None:
        return []
    return [
        f"overfitting: the valid error was best in epoch {rows[best]['epoch']} ({valid[best]:.4g}) and ended at "
        f"{valid[-1]:.4g} while the training error fell. Try fewer epochs, augmentation or early stopping."
    ]
