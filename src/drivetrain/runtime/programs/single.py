"""The program `single`: one graph, run once. `runtime/predictor.py` answers with it."""

from __future__ import annotations

from typing import cast

from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.verify import Stage, VerifyReport, verify
from drivetrain.runtime.session import OnnxSession


def verified(bundle: Bundle) -> VerifyReport:
    """The report of a bundle and of the recommender in it. Raises BundleError where a graph makes no session."""
    report = verify(bundle, OnnxSession(bundle.graph, bundle.tensors))
    if bundle.recommender is None or not report.ok:
        return report
    inner = verify(bundle.recommender, OnnxSession(bundle.recommender.graph, bundle.recommender.tensors))
    stages = [
        {**stage, "message": stage["message"] and f"recommender: {stage['message']}"}
        for stage in inner.stages
    ]
    return VerifyReport([*report.stages, *cast("list[Stage]", stages)])
