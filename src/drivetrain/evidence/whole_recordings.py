"""What a model of windows reaches of whole recordings: of each the mean of what it puts out for its windows is the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivetrain.data.wholes import FEWEST, mean, whole_rows
from drivetrain.metrics import Estimate, measure

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner


def measure_recordings(learner: BaseLearner, column: str) -> dict[str, Estimate]:
    """The metrics of the only target over the recordings of the measured part that have one true value, `column` naming them;
    nothing where there are hardly any."""
    data = learner.data
    (target,) = data.signature.targets
    part = data.part(data.measured_part)
    codec, outputs, truths = (
        data.signature.targets[target],
        learner.outputs(data.measured_part)[0],
        data.truths(data.measured_part),
    )
    names = [str(name) for name in data.table[column][part.rows]]
    groups = whole_rows(names, {target: data.table[target][part.rows]}, range(len(part)))
    if len(groups) < FEWEST:
        return {}
    answers = np.stack([mean([outputs[target][row] for row in rows]) for rows in groups])
    return measure(codec, answers, truths[target][[rows[0] for rows in groups]])
