"""What follows a training: intervals, result, report; where it goes wrong; a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.data.conclusion import Conclusion
from drivetrain.deadline import Deadline

if TYPE_CHECKING:
    from drivetrain.interpret import Interpretation
    from drivetrain.learn.base import BaseLearner

TOP_LOSSES = "top_losses.csv"
"""In a run's folder: the rows where the model is most wrong."""
SHARE_OF_SECONDS, LEAST_SECONDS = 1 / 3, 10.0
"""Of the training's time, and at least: what may be spent on looking at what was trained. Half of it is for the
comparison with simple methods, half for the report."""
SHARE_OF_WORDS = 1 / 4
"""Of that, for the words that mattered."""


class Concluded(Conclusion):
    """Everything that the house has. What each verb needs is imported when it is first called."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """What this takes is bounded by what the training took; what there was no time for is told."""
        from drivetrain.findings.result import brief_result
        from drivetrain.learn.runs.predictions import Validation

        brief = learner.brief or bool(learner.unmeasured)
        result = learner.result = brief_result(learner) if brief else self._result(learner)
        if learner.kept_run is not None:
            learner.kept_run.write_result(result)
            if not learner.unmeasured:
                learner.kept_run.write_validation(Validation.of(learner))
            if not learner.brief:
                self._report(learner, learner.kept_run.folder)
        return result

    def _result(self, learner: BaseLearner) -> dict[str, Any]:
        from drivetrain.findings.conformal import fit_intervals
        from drivetrain.findings.result import make_result
        from drivetrain.findings.telling import words_that_mattered

        held = fit_intervals(learner)
        result = make_result(learner)
        learner.data.task.add_to_result(learner, result)
        metrics = result["metrics"][learner.data.measured_part]
        for name, estimate in held.items():
            several = f"{name}." if len(learner.data.signature.targets) > 1 else ""
            metrics[f"{several}interval_coverage"] = estimate.to_json()
        words = words_that_mattered(learner, Deadline(SHARE_OF_WORDS * self._seconds(learner)))
        return {**result, **({"words": words} if words else {})}

    def _seconds(self, learner: BaseLearner) -> float:
        return max(LEAST_SECONDS, SHARE_OF_SECONDS * learner.seconds)

    def _report(self, learner: BaseLearner, folder: Path) -> None:
        from drivetrain.findings.report_content import report_content, write_top_losses
        from drivetrain.report.page import write_report

        write_top_losses(learner, folder / TOP_LOSSES)
        write_report(folder / "report.html", report_content(learner, Deadline(self._seconds(learner) / 2)))

    def finish_beside(self, learner: BaseLearner) -> None:
        from drivetrain.findings.conformal import fit_intervals

        fit_intervals(learner)

    def interpret(self, learner: BaseLearner, part: str, target: str | None) -> Interpretation:
        from drivetrain.interpret import Interpretation

        return Interpretation.of(learner, part, target)

    def export(self, learner: BaseLearner, path: str | Path, force: bool) -> Path:
        from drivetrain.export.bundle import export_bundle

        return export_bundle(learner, path, force=force)
