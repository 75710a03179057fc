"""The contract of a task as one call: `check_task(dt.tabular.from_csv("adult.csv", "income"), folder)`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.data.recipe import from_recipe
from drivetrain.learn.names import is_network
from drivetrain.learn.runs.folder import Run
from drivetrain.runtime import Predictor
from drivetrain.tasks.problem import Problem
from drivetrain.testing.bundles import check_bundle
from drivetrain.types import Answer


def check_task(data: Problem, folder: str | Path, rows: int = 8) -> Path:
    """Show that a task's dataset goes the whole way, and give the bundle that came out.

    It has a default model and, if it can be made again, is the same then; one epoch, of a model that has epochs, leaves a
    run with result, baselines and report; the bundle keeps its contract, and its answers are the learner's. Raises
    AssertionError that says what does not hold.
    """
    folder = Path(folder)
    _check_recipe(data)
    learner = data.learner(out=folder / "run", quiet=True)
    result = learner.fit(1) if is_network(learner.model_name) else learner.fit()
    ((part, metrics),) = result["metrics"].items()
    assert metrics, f"no metric was measured on {part}"
    assert result["baselines"], "there is no baseline beside the result"
    run = Run.open(folder / "run")
    assert (run.folder / "report.html").is_file(), "the run has no report"
    assert run.read_result() == json.loads(json.dumps(result)), "the run has kept another result"
    bundle = learner.export(folder / "task.bundle")
    check_bundle(bundle, flips=20)
    _check_answers(data, learner, bundle, rows)
    return bundle


def _check_recipe(data: Problem) -> None:
    if data.recipe is None or data.task.imports:  # Functions are imported for a run of one's own alone.
        return
    again = from_recipe(json.loads(json.dumps(data.recipe)))
    assert again.signature == data.signature, "the recipe makes a dataset with other codecs"
    for name, chosen in data.split.parts().items():
        assert np.array_equal(again.rows(name), chosen), (
            f"the recipe makes a dataset with another {name} part"
        )


def _check_answers(data: Problem, learner: Any, bundle: Path, rows: int) -> None:
    predictor = Predictor(bundle)
    chosen = data.part("train").rows[:rows]
    for row in chosen.tolist():
        item = {name: data.raw(name, row) for name in data.signature.inputs}
        here, there = learner.predict(item), predictor.predict(item)
        assert isinstance(there, Answer)
        for target, decoded in here.targets.items():
            for part, value in decoded.items():
                if isinstance(value, float):
                    found = there.targets[target][part]
                    np.testing.assert_allclose(
                        found, value, rtol=1e-3, atol=1e-4, err_msg=f"{target}, {part}"
                    )
