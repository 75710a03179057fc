"""What follows a training of `forecast`: how far its answers were off, origin after origin, beside what simple methods say; its
page; a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.metrics import difference, statistics
from drivetrain.metrics.kind import metrics_of
from drivetrain.tasks.conclusion import Concluded
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner
    from drivetrain.tasks.series import Forecasting


class Forecasted(Concluded):
    """Metrics of all origins of the measured part, beside those of simple methods on the same."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """The result, with a page of it."""
        from drivetrain.evidence.report_content import page_content
        from drivetrain.evidence.result import fitted_again, result_of, told_apart
        from drivetrain.learn.runs.predictions import Validation
        from drivetrain.metrics.estimate import estimates
        from drivetrain.report.page import write_report

        data, part = learner.data, learner.data.measured_part
        ((target, codec),) = data.signature.targets.items()
        decides = metrics_of(codec).DECIDES
        ours = learner.statistics(part, target)
        _, truths = learner.outputs(part)
        theirs: dict[str, Any] = {}
        if not learner.brief:
            for name, outputs in simple_methods(data, part).items():  # type: ignore[arg-type]
                found = statistics(codec, outputs, truths[target])
                theirs[name] = {key: value for key, value in found.items() if key in ours}
        against = {
            name: told_apart(name, target, decides, difference(ours[decides], found[decides]))
            for name, found in theirs.items()
        }
        baselines = {name: estimates(found) for name, found in theirs.items()}
        result = learner.result = {
            **result_of(learner, {part: estimates(ours)}, baselines, against, fitted_again(learner)),
            **learner.more(),
        }
        if learner.kept_run is not None:
            learner.kept_run.write_result(result)
            learner.kept_run.write_validation(Validation.of(learner))
            if not learner.brief:
                content = {**page_content(learner), "of_task": data.task.sections(learner)}
                write_report(learner.kept_run.folder / "report.html", content)
        return result

    def finish_beside(self, learner: BaseLearner) -> None:
        """Nothing: bands are the model's own."""


def simple_methods(data: Forecasting, part: str) -> dict[str, Array]:
    """Name -> (origins, horizon, 1 + levels) of what needs no training: the last value, that of a season ago."""
    past = data.part(part).column("past")
    ((_, codec),) = data.signature.targets.items()
    wide = codec.output_shape[1]
    found: dict[str, Array] = {}
    for name, season in {"naive": 1, "seasonal naive": data.season}.items():
        if season > data.context or (season == 1 and name != "naive"):
            continue
        last = past.values[past.origins[:, None] - season + np.arange(data.horizon) % season, 0]
        found[name] = np.repeat(last[:, :, None], wide, axis=2).astype(np.float32)
    return found
