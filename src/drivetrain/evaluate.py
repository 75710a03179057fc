"""Measure a bundle on labelled data, through the runtime that will answer: no torch needed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from drivetrain.data.sources import image_folder
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.metrics import measure
from drivetrain.progress import progress
from drivetrain.runtime import Predictor
from drivetrain.types import Failure

NOT_TESTED = "there is no test folder: what this measures counts only for pictures that the model was neither trained nor chosen on"


def evaluate(
    bundle: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    layout: str | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """`{"n", "metrics": {NAME: {"value", "low", "high", ...}}, "part", "failed", "note"}` on a picture folder.

    Uses its test part; without one its valid part; without either all of it. Pictures that can't be used are
    named in `failed` and count in no metric. Raises DataError when nothing can be measured.
    """
    predictor = Predictor(bundle)
    inputs, targets = predictor.signature.inputs, predictor.signature.targets
    if len(inputs) != 1 or len(targets) != 1:
        raise UsageError("evaluate takes bundles of one picture and one target so far.", where=bundle)
    ((target, codec),) = targets.items()
    table = image_folder(folder, layout=layout)
    part = "all"
    if "split" in table:
        part = next(name for name in ("test", "valid", "train") if (table["split"] == name).any())
        table = table.take(table["split"] == part)
    outputs, codes, failed = [], [], []
    with progress("Evaluating", len(table), quiet=quiet) as advance:
        for row, answer in enumerate(predictor.stream(table["image"])):
            advance(1)
            if isinstance(answer, Failure):
                failed.append(str(answer.error.at(table.origin(row))))
                continue
            try:
                codes.append(codec.encode(codec.read(table["label"][row])))
            except DrivetrainError as fault:
                failed.append(str(fault.at(table.origin(row))))
                continue
            outputs.append(list(answer.probabilities.values()) if codec.output_shape else answer.value)
    if not codes:
        raise DataError("no picture of it could be measured.", where=folder, fix=failed[0] if failed else "")
    metrics = measure(codec, np.array(outputs, np.float32), np.stack(codes))
    return {
        "n": len(codes),
        "metrics": {name: estimate.to_json() for name, estimate in metrics.items()},
        "part": part,
        "target": target,
        "note": "" if part == "test" else NOT_TESTED,
        "failed": failed,
    }
